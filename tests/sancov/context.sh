#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# context.c with the archive for unique mode per context: as a program that is loaded where it was linked, and as one
# that is loaded anywhere. Its callbacks cannot be linked into an image that does not hold the engine.
set -eu
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
cd "$dir"
src=$COVBUF_SOURCE/tests/sancov
archive=$COVBUF_BUILD/adapters/sancov/libcovbuf_sancov_context_lto.a
unset COVBUF_SEGMENT LD_PRELOAD
read -ra engine <<< "$COVBUF_LINK"
command -v "$COVBUF_CLANG" > /dev/null && "$COVBUF_CLANG" -fuse-ld=lld -x c -o /dev/null - <<< 'int main(void){return 0;}' ||
	{ echo "no clang with ld.lld"; exit 77; }

$CC -O2 -g -I"$COVBUF_SOURCE/include" -c "$src/context.c" -o context.o
for pie in -no-pie -pie; do
	"$COVBUF_CLANG" -O2 -g -flto -fPIC -fsanitize-coverage=trace-pc-guard,pc-table -c "$src/context_sites.c" -o sites.o
	"$COVBUF_CLANG" -O2 -flto -fuse-ld=lld "$pie" context.o sites.o -Wl,--whole-archive "$archive" \
		-Wl,--no-whole-archive "${engine[@]}" -o context
	for way in automatic ''; do
		./context $way > out || { tail -3 out; exit 1; }
		echo "ok $pie $way: $(grep -c '^ok' out) rounds, $(awk '/points/ { n += $(NF - 1) } END { print n }' out) points"
	done
done

if "$COVBUF_CLANG" -shared -O2 -flto -fuse-ld=lld sites.o -Wl,--whole-archive "$archive" -Wl,--no-whole-archive \
	-o libsites.so 2> out; then
	echo "not ok a library has callbacks that are not meant for it"
	exit 1
fi
grep -q covbuf_own_image out && echo "ok no library"
