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

# Where the kernel is its own KCOV the module must not even build, and say why. These headers lie that it is.
! KBUILD_EXTRA_SYMBOLS='' "$COVBUF_VM/build-module.sh" "$1" "$COVBUF_MODULE" "$2/kcov" CONFIG_KCOV=y \
	'KCPPFLAGS=-DCONFIG_KCOV=1' > "$2/kcov.log" 2>&1 || { echo "with CONFIG_KCOV the module builds"; exit 1; }
grep -q 'error: #error .*CONFIG_KCOV' "$2/kcov/build.log" ||
	{ cat "$2/kcov.log"; echo "with CONFIG_KCOV the build fails, but not with an #error that names it"; exit 1; }
