#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
set -eu
mkdir "$2/image"
"$COVBUF_VM/build-module.sh" "$1" "$COVBUF_VM/sections/module" "$2/module"
cp "$2/module/"{sections,passing}.ko "$2/image"
"$GUEST_CC" -std=gnu11 -static -O2 -Wall -Wextra -Werror -pthread -o "$2/image/load" "$COVBUF_VM"/load/*.c "$COVBUF_VM/sections/owners.c"
