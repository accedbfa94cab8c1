#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
set -eu
mkdir "$2/image"
"$COVBUF_VM/build-module.sh" "$1" "$COVBUF_VM/vectors/module" "$2/module"
cp "$2/module/vectors.ko" "$2/image"
