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
if grep -E '\s(call|bl)\s.*__sanitizer_cov' listing | grep -qv '_init[+>]'; then
	echo "not ok no callback is called"
	grep -E '\s(call|bl)\s.*__sanitizer_cov' listing | grep -v '_init[+>]' | head -3
	exit 1
fi
echo "ok no callback is called; $(grep -cE '\s(call|bl)\s.*covbuf_append_slow' listing) calls of the slow half"

lines() { # PROGRAM: each record as the function and the line it came from
	local base pc
	base=$(nm "$1" | sed -n 's/ T workload_base$//p')
	while read -r _ pc; do
		printf '0x%x\n' $((16#${pc##* } + 16#$base - 1))
	done | addr2line -f -e "$1" | sed 's/ (discriminator.*//' | paste - -
}
same() { # EXPECTED GOT: an instruction of the callback's own, which a block may begin with, has no line
	[ -s "$1" ] && [ "$(wc -l < "$1")" = "$(wc -l < "$2")" ] &&
		! paste "$1" "$2" | grep -m 3 -vE '^(\S+)\s(\S+)\s\1\s\2$|^(\S+)\s(\S+\s\3\s\S*\?|\S*\?\s\3\s\S+)$'
}
./oracle "$kind" > expected.raw
./program "$kind" > got.raw
lines oracle < expected.raw > expected
lines program < got.raw > got
if same expected got; then
	echo "ok records: $(wc -l < got), from the same lines"
else
	echo "not ok records"
	exit 1
fi

# The same in a library, which has callbacks of its own and finds the engine in the program.
image=${archive/covbuf_sancov_/covbuf_sancov_image_}
if [ -e "$image" ]; then
	"$COVBUF_CLANG" -O2 -g -fPIC -flto="$lto" "$@" -c "$src/workload.c" -o workload.o
	"$COVBUF_CLANG" -O2 -flto="$lto" -fuse-ld=lld oracle.o workload.o -o oracle
	"$COVBUF_CLANG" -shared -O2 -flto="$lto" -fuse-ld=lld workload.o -Wl,--whole-archive "$image" \
		-Wl,--no-whole-archive -o libworkload.so
	$CC record.o -o linked -L. -lworkload -Wl,-rpath,"$dir" "${engine[@]}"
	$CC -O2 -g -DOPENER -I"$COVBUF_SOURCE/include" "$src/record.c" -o opener "${engine[@]}"
	if objdump -d --no-show-raw-insn libworkload.so | grep -E '\s(call|bl)\s.*__sanitizer_cov' | grep -v '_init[+>]'; then
		echo "not ok library: no callback is called"
		exit 1
	fi
	./oracle "$kind" > expected.raw
	lines oracle < expected.raw > expected
	for program in ./linked "./opener $dir/libworkload.so"; do
		read -ra words <<< "$program"
		"${words[0]}" "$kind" "${words[@]:1}" > got.raw
		lines libworkload.so < got.raw > got
		if ! same expected got; then
			echo "not ok library, ${words[0]}"
			exit 1
		fi
		echo "ok library, ${words[0]}: $(wc -l < got) records, from the same lines"
	done
	"$COVBUF_CLANG" -O2 -g -flto="$lto" "$@" -c "$src/workload.c" -o workload.o
fi

# With a pc table every record is its block's, wherever the code was moved to.
if [ "$kind" = pc ] && [[ "$*" = *trace-pc-guard,pc-table* ]] && [[ "$archive" != *trace* ]]; then
	for unique in all unique context; do
		./program pc $unique > got.raw
		objcopy -O binary --only-section=__sancov_pcs program table
		base=$(nm program | sed -n 's/ T workload_base$//p')
		od -An -v -t u8 -w16 table | while read -r pc _; do
			printf 'pc %x\n' $((pc + 1 - 16#$base))
		done | sort > blocks
		sort -u got.raw > got
		[ $unique != all ] || cp got got.raw # how many times, the lines above have told
		if [ -s got ] && [ "$(wc -l < got)" = "$(wc -l < got.raw)" ] && [ -z "$(comm -23 got blocks)" ]; then
			echo "ok $unique: $(wc -l < got) of $(wc -l < blocks) blocks"
		else
			echo "not ok $unique: not a block of the table, or twice"
			comm -23 got blocks | head
			exit 1
		fi
	done
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
