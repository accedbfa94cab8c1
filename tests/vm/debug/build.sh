#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
set -eu
image=$2/image
mkdir "$image"
"$COVBUF_VM/build-module.sh" "$1" "$COVBUF_VM/debug/fault/module" "$2/module"
cp "$2/module/fault_client.ko" "$image"
gcc -static -O2 -Wall -Werror -o "$image/fault" "$COVBUF_VM/debug/fault/fault.c"
