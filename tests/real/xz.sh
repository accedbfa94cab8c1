#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# xz with two threads, built by clang with guards and a pc table: its output is right, two workers
# recorded, nothing was lost, and the report has its threaded encoder and not its decoders. The
# recording of decompressing has them, and the two merged have both.
. "${0%/*}/common.sh"
need clang-19 make python3
fetch xz-utils
"$COVBUF_SOURCE/scripts/build-xz.sh" "$COVBUF_BUILD" "$sources/xz-utils" "$built/xz" || fail "xz cannot be built"
xz=$built/xz/xz
cd "$run"
megabytes 12 > input

"$covbuf" run -o pack.covbuf -- "$xz" -1 -T2 --block-size=1MiB -c input > packed
"$covbuf" run -o unpack.covbuf -- "$xz" -dc -T2 packed > output
cmp input output || fail "what xz unpacked is not what it packed"

"$covbuf" stat --json pack.covbuf > pack.stat
[ "$(ask lost pack.stat)" -eq 0 ] || fail "records were lost"
[ "$(ask threads pack.stat)" -eq 3 ] || fail "not three threads recorded: $(ask threads pack.stat)"

"$covbuf" report --json pack.covbuf > pack.json
ask covered pack.json lzma_stream_encoder_mt worker_encode worker_start lzma_lzma_optimum_fast lzma_crc32
ask missed pack.json lzma_stream_decoder_mt worker_decoder lzma_lzma_optimum_normal parse_block_header
ask percent pack.json 5 60

"$covbuf" report --json unpack.covbuf > unpack.json
ask covered unpack.json lzma_stream_decoder_mt worker_decoder lzma_crc32
ask missed unpack.json lzma_stream_encoder_mt worker_encode

"$covbuf" merge -o both.covbuf pack.covbuf unpack.covbuf
"$covbuf" report --json both.covbuf > both.json
ask covered both.json worker_encode worker_decoder
both=$(ask points both.json)
[ "$both" -gt "$(ask points pack.json)" ] && [ "$both" -gt "$(ask points unpack.json)" ] ||
	fail "merging added nothing"

"$covbuf" report --functions pack.covbuf > table
grep -q '^worker_encode ' table || fail "the table has no worker_encode"
