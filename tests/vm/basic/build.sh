#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# build.sh KERNEL OUT: an instrumented module, by each compiler, and covbuf.ko by the other one.
set -eu
mkdir "$2/image"
for cc in gcc-12 clang-19; do
	CC=$cc "$COVBUF_VM/build-module.sh" "$1" "$COVBUF_VM/basic/client" "$2/$cc"
	cp "$2/$cc/client.ko" "$2/image/client-$cc.ko"
done
KBUILD_EXTRA_SYMBOLS='' CC=clang-19 "$COVBUF_VM/build-module.sh" "$1" "$COVBUF_MODULE" "$2/covbuf-clang"
cp "$2/covbuf-clang/covbuf.ko" "$2/image/covbuf-clang.ko"

# On a kernel that is its own KCOV the module refuses to load. These headers lie that theirs is one.
KBUILD_EXTRA_SYMBOLS='' "$COVBUF_VM/build-module.sh" "$1" "$COVBUF_MODULE" "$2/covbuf-kcov" \
	CONFIG_KCOV=y KCPPFLAGS=-DCONFIG_KCOV=1
cp "$2/covbuf-kcov/covbuf.ko" "$2/image/covbuf-kcov.ko"
