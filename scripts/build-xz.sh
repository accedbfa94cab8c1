#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# build-xz.sh BUILD SOURCE OUT
#
# Builds xz from its source in SOURCE, instrumented by clang, into OUT/xz; it records with the libraries
# in BUILD. Its library is linked in statically, so that all of it is instrumented. Does nothing where
# OUT/xz is newer than the libraries.
set -eu
[ $# -eq 3 ] || { echo "usage: ${0##*/} BUILD SOURCE OUT" >&2; exit 2; }
scripts=$(cd "$(dirname "$0")" && pwd)
build=$(cd "$1" && pwd)
source=$(cd "$2" && pwd)
mkdir -p "$3"
cd "$3"
log=$PWD/build.log
libs=$("$scripts/link-flags.sh" "$build")
if [ xz -nt "$build/libcovbuf/libcovbuf.a" ] && [ xz -nt "$build/adapters/sancov/libcovbuf_sancov.a" ]; then
	exit 0
fi

fail() { # WHAT
	tail -20 "$log" >&2
	echo "${0##*/}: xz cannot be $1; all that was said: $log" >&2
	exit 1
}

# configure makes small programs of its own, which need no coverage: flags and libraries come with make.
if [ ! -f tree/Makefile ]; then
	mkdir -p tree
	(cd tree && CC=clang-19 CFLAGS="-O2 -g" "$source/configure" --disable-shared --disable-nls --disable-doc \
		--disable-scripts --disable-lzmadec --disable-lzmainfo --disable-dependency-tracking) > "$log" 2>&1 ||
		{ rm -f tree/Makefile; fail configured; }
fi
flags="-O2 -g -fsanitize-coverage=trace-pc-guard,pc-table"
make -j2 -C tree/src/liblzma CFLAGS="$flags" >> "$log" 2>&1 || fail built
rm -f tree/src/xz/xz # make does not know of our archives
make -j2 -C tree/src/xz CFLAGS="$flags" LDFLAGS=-fno-sanitize-link-runtime LIBS="$libs" >> "$log" 2>&1 || fail built
cp tree/src/xz/xz xz
