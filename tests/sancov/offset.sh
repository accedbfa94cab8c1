#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# An image finds the context wherever it lies, also where the thread pointer points.
set -eu
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
cd "$dir"
src=$COVBUF_SOURCE/tests/sancov
unset COVBUF_SEGMENT LD_PRELOAD
export LD_LIBRARY_PATH=$COVBUF_BUILD/libcovbuf
read -ra engine <<< "$COVBUF_LINK"

$CC -g -I"$COVBUF_SOURCE/include" "$src/segment.c" -o segment "${engine[@]}"
$CC -O2 -g -fPIC -fsanitize-coverage=trace-pc -c "$src/points.c" -o points.o
build() { # BYTES
	$CC -O2 -g -DPAD_BYTES="$1" -I"$COVBUF_SOURCE/include" "$src/offset.c" points.o -o program \
		-Wl,--whole-archive "$COVBUF_BUILD/adapters/sancov/libcovbuf_sancov_image.a" -Wl,--no-whole-archive \
		-L"$COVBUF_BUILD/libcovbuf" -lcovbuf -lpthread
}
build 128
offset=$(./program)
[ "$offset" -lt 0 ] || { echo "not ok at $offset with nothing before it"; exit 1; }
pads=(128 24576)
if [ "$(build 256 && ./program)" -gt "$offset" ]; then
	pads+=($((128 - offset)) $((256 - offset))) # at 0, and beyond
fi
for pad in "${pads[@]}"; do
	build "$pad"
	rm -f recording
	./segment make "$PWD/recording"
	offset=$(COVBUF_SEGMENT=$PWD/recording ./program)
	nr=$(./segment dump recording program | wc -l)
	[ "$nr" = 2 ] || { echo "not ok the context lies at $offset from the thread pointer: $nr records, not 2"; exit 1; }
	echo "ok the context lies at $offset from the thread pointer"
done
