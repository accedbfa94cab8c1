#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
set -eu
abi=$COVBUF_VM/abi
mkdir "$2/image"
"$COVBUF_VM/build-module.sh" "$1" "$abi/mod" "$2/module"
cp "$2/module/abi_mod.ko" "$abi/differences" "$2/image"
"$GUEST_CC" -std=gnu11 -O2 -Wall -Wextra -Wno-unused-parameter -Werror -static -pthread -o "$2/image/abi" "$abi"/*.c
# No library for 32 bit is needed: it has none.
[[ $1 != *-ppc64el* ]] || exit 0
"$GUEST_CC" -std=gnu11 -O2 -Wall -Wextra -Werror -m32 -march=i686 -ffreestanding -nostdlib -static -fno-pic -no-pie \
	-fno-stack-protector -Wl,--build-id=none -o "$2/image/abi32" "$abi/compat/abi32.c"
