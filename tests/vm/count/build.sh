#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# build.sh KERNEL OUT
set -eu
count=$(cd "$(dirname "$0")" && pwd)
mkdir "$2/image"
"$COVBUF_VM/build-module.sh" "$1" "$count/module" "$2/module"
cp "$2/module/"{count,empty}.ko "$2/image"
"$GUEST_CC" -std=gnu11 -D_GNU_SOURCE -O2 -Wall -Wextra -Werror -static -o "$2/image/count" "$count/count.c" -lm
# A KCOV kernel has no covbuf.ko.
if [ -n "${KBUILD_EXTRA_SYMBOLS:-}" ]; then
	"$count/hooks.sh" "$(dirname "$KBUILD_EXTRA_SYMBOLS")/covbuf.ko" > "$2/image/hooks" || :
fi
