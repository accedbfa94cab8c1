#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# Of threads that make test vectors at the same time none loses one, with -fprofile-update=atomic, and with
# atomic-bitmaps.so. Without, some do, which depends on the machine and is only shown.
# Usage: plugin_threads.sh VERSION-OF-LLVM
set -eu
version=$1
clang=clang-$version
plugin=$COVBUF_BUILD/adapters/llvmprof/$version/atomic-bitmaps.so
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
cd "$dir"
command -v "$clang" > /dev/null || { echo "no $clang"; exit 77; }

failed=0
show() { # NAME FLAG...
	local name=$1 lost=ok
	shift
	"$clang" -O2 -fprofile-instr-generate -fcoverage-mapping -fcoverage-mcdc "$@" \
		-c "$COVBUF_SOURCE/tests/llvmprof/vectors.c" -o vectors.o
	"$clang" vectors.o -lpthread -o vectors
	timeout 200 ./vectors 3 > said || lost="not ok"
	[ -s said ] || echo "it ended early" > said
	if [ "$name" = plain ]; then
		lost=shown
	elif [ "$lost" != ok ]; then
		failed=1
	fi
	echo "$lost $name: $(cat said)"
}
show plain
show atomic -fprofile-update=atomic
show plugin -fprofile-update=atomic -fpass-plugin="$plugin"
exit $failed
