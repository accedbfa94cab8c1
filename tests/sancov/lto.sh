#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# Linked by ld.lld with the bitcode archive, no callback is left to call, and the records are those that
# the same bitcode makes with callbacks that are called: as many, and from the same lines.
# Usage: lto.sh full|thin pc|cmp ARCHIVE FLAGS...
set -eu
lto=$1 kind=$2 archive=$3
shift 3
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
cd "$dir"
src=$COVBUF_SOURCE/tests/sancov
unset COVBUF_SEGMENT LD_PRELOAD
read -ra engine <<< "$COVBUF_LINK"
command -v "$COVBUF_CLANG" > /dev/null && "$COVBUF_CLANG" -fuse-ld=lld -x c -o /dev/null - <<< 'int main(void){return 0;}' ||
	{ echo "no clang with ld.lld"; exit 77; }
archive=$COVBUF_BUILD/adapters/sancov/lib$archive.a

"$COVBUF_CLANG" -O2 -g -flto="$lto" "$@" -c "$src/workload.c" -o workload.o
$CC -O2 -g -c "$src/oracle.c" -o oracle.o
$CC -O2 -g -I"$COVBUF_SOURCE/include" -c "$src/record.c" -o record.o
"$COVBUF_CLANG" -O2 -flto="$lto" -fuse-ld=lld -no-pie oracle.o workload.o -o oracle
"$COVBUF_CLANG" -O2 -flto="$lto" -fuse-ld=lld -no-pie record.o workload.o -Wl,--whole-archive "$archive" \
	-Wl,--no-whole-archive "${engine[@]}" -o program

objdump -d --no-show-raw-insn program > listing
if grep -q 'call.*__sanitizer_cov' listing; then
	echo "not ok no callback is called"
	grep 'call.*__sanitizer_cov' listing | head -3
	exit 1
fi
echo "ok no callback is called; $(grep -c 'call.*covbuf_append_slow' listing) calls of the slow half"

lines() { # PROGRAM: each record as the line it came from
	local base pc
	base=$(nm "$1" | sed -n 's/ T workload_base$//p')
	while read -r _ pc; do
		printf '0x%x\n' $((16#${pc##* } + 16#$base - 1))
	done | addr2line -e "$1"
}
./oracle "$kind" > expected.raw
./program "$kind" > got.raw
lines oracle < expected.raw > expected
lines program < got.raw > got
if [ -s expected ] && cmp -s expected got; then
	echo "ok records: $(wc -l < got), from the same lines"
else
	echo "not ok records"
	diff expected got | head
	exit 1
fi

# Link-time optimisation may drop a call of a function that it took for pure before it was instrumented.
# What is recorded is what ran, and every site that ran is there.
[ "$kind" = pc ] || exit 0
cat > pure.c << 'END'
unsigned long pure(unsigned long x);
unsigned long workload_base(void) { return 1; }
unsigned long workload(unsigned int n) { pure(n); return pure(n) + pure(n); }
END
cat > callee.c << 'END'
__attribute__((noinline)) unsigned long pure(unsigned long x) { return x * 31 + 5; }
END
"$COVBUF_CLANG" -O2 -g -flto="$lto" "$@" -c pure.c callee.c
"$COVBUF_CLANG" -O2 -flto="$lto" -fuse-ld=lld -no-pie oracle.o pure.o callee.o -o oracle
"$COVBUF_CLANG" -O2 -flto="$lto" -fuse-ld=lld -no-pie record.o pure.o callee.o -Wl,--whole-archive "$archive" \
	-Wl,--no-whole-archive "${engine[@]}" -o program
expected=$(./oracle pc | wc -l)
got=$(./program pc | wc -l)
sites=$(./program pc | sort -u | wc -l)
if [ "$expected" = "$got" ] && [ "$sites" = 2 ]; then
	echo "ok calls that were dropped: $got records from $sites sites"
else
	echo "not ok calls that were dropped: $got records from $sites sites, expected $expected from 2"
	exit 1
fi
