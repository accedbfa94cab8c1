#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# zstd with two worker threads, built by gcc with trace-pc: its output is right and nothing was lost,
# once with each place once, once with every record in order, where the compressor's inner functions
# are reached more often than its outer ones.
. "${0%/*}/common.sh"
need gcc python3
fetch zstd 2> /dev/null || skip "the source of zstd cannot be had here"
zstd=$built/zstd/zstd
if ! current "$zstd"; then
	mkdir -p "$built/zstd"
	cd "$built/zstd"
	flags=(-O2 -g -pthread -DZSTD_MULTITHREAD -DZSTD_DISABLE_ASM -DXXH_NAMESPACE=ZSTD_ -DZSTD_LEGACY_SUPPORT=0
		-fsanitize-coverage=trace-pc)
	lib=$sources/zstd/lib
	find "$lib/common" "$lib/compress" "$lib/decompress" "$lib/dictBuilder" "$sources/zstd/programs" \
		-maxdepth 1 -name '*.c' -print0 | logged build.log xargs -0 -n 8 -P 2 \
		gcc "${flags[@]}" -I"$lib" -I"$lib/common" -c
	logged link.log gcc -pthread ./*.o -o zstd "${libs[@]}"
fi
cd "$run"
megabytes 16 > input

"$covbuf" run -o unique.covbuf -- "$zstd" -q -3 -T2 -B1M input -o packed
"$zstd" -q -d packed -o output
cmp input output || fail "what zstd unpacked is not what it packed"
"$covbuf" stat --json unique.covbuf > unique.stat
[ "$(ask lost unique.stat)" -eq 0 ] || fail "records were lost"
[ "$(ask threads unique.stat)" -ge 3 ] || fail "fewer than three threads recorded: $(ask threads unique.stat)"
"$covbuf" report --json unique.covbuf > unique.json
ask covered unique.json ZSTDMT_compressStream_generic ZSTDMT_compressionJob POOL_thread ZSTD_compressBlock_doubleFast
ask missed unique.json ZSTD_decompressStream ZSTD_compressBlock_btultra
ask percent unique.json 2 60

head -c 1M input > small
"$covbuf" run --trace -o trace.covbuf -- "$zstd" -q -1 -T2 small -o small.packed
"$covbuf" stat --json trace.covbuf > trace.stat
[ "$(ask lost trace.stat)" -eq 0 ] || fail "records were lost of the trace"
[ "$(ask records trace.stat)" -gt $((10 * $(ask records unique.stat))) ] ||
	fail "the trace has hardly more records than the places once: $(ask records trace.stat)"
"$covbuf" report --json trace.covbuf > trace.json
blocks=$(ask hits trace.json ZSTD_compressBlock_internal)
jobs=$(ask hits trace.json ZSTDMT_compressionJob)
[ "$blocks" -ge 8 ] && [ "$jobs" -ge 1 ] && [ "$blocks" -gt "$jobs" ] ||
	fail "of 1 MiB: $blocks blocks of at most 128 KiB, in $jobs jobs"
