#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
set -eu
image=$2/image
mkdir "$image"
"$COVBUF_VM/build-module.sh" "$1" "$COVBUF_VM/debug/fault/module" "$2/module"
# Without debug information: they are loaded some hundred times.
for module in "${KBUILD_EXTRA_SYMBOLS%/*}/covbuf.ko" "$2/module/fault_client.ko"; do
	objcopy --strip-debug "$module" "$image/${module##*/}"
done
"$GUEST_CC" -static -O2 -Wall -Werror -o "$image/fault" "$COVBUF_VM/debug/fault/fault.c"
