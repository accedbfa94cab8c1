#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# A loop that is read while it runs, and killed, has its counts in the file: with -mllvm -disable-licm-promotion, with
# atomic-bitmaps.so, with -fprofile-update=atomic. Without, clang keeps them in registers until the loop ends, which is
# only shown.
# Usage: loops.sh VERSION-OF-LLVM
set -eu
version=$1
clang=clang-$version
adapter=$COVBUF_BUILD/adapters/llvmprof/$version
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
cd "$dir"
unset COVBUF_PROFILE_FORM LLVM_PROFILE_FILE
for tool in "$clang" "llvm-profdata-$version"; do
	command -v "$tool" > /dev/null || { echo "no $tool"; exit 77; }
done
fail() { echo "not ok $*" >&2; exit 1; }

cat > loop.c << 'END'
volatile int stopped;
static int is_odd(unsigned long n)
{
	return n & 1;
}
int main(void)
{
	unsigned long n = 0, odd = 0;

	for (; !stopped; n++)
		if (is_odd(n))
			odd++;
	return odd > n;
}
END

# How often is_odd() was called, which is inlined, and how often main() went through its loop.
counts() {
	local file=(files/*.profraw)
	"llvm-profdata-$version" show --counts --all-functions "${file[0]}" > counts ||
		fail "$1: the file cannot be read"
	calls=$(sed -n '/is_odd:$/,/Block/s/^ *Function count: //p' counts)
	passes=$(sed -n '/ main:$/,/Block/s/^ *Block counts: \[\([0-9]*\).*/\1/p' counts)
}

await_more() { # CALLS: until there are more; where they stay in registers, for a moment only
	local i tries=600
	[ "$name" != plain ] || tries=1
	for ((i = 0; i < tries; i++)); do
		sleep 0.1
		counts "$name"
		[ "$calls" -le "$1" ] || break
	done
}

check() { # NAME FLAG...
	local name=$1 program before
	shift
	"$clang" -O2 -fprofile-instr-generate -fcoverage-mapping -fcoverage-mcdc "$@" -c loop.c
	"$clang" loop.o -Wl,-T,"$adapter/covbuf.lds" -o loop
	rm -rf files
	COVBUF_PROFILE=$dir/files ./loop &
	program=$!
	for ((i = 0; i < 3000; i++)); do
		compgen -G "files/*.profraw" > /dev/null && break
		sleep 0.02
	done
	await_more 0
	before=$calls
	await_more "$before"
	kill -KILL "$program"
	wait "$program" 2> /dev/null || true
	counts "$name"
	if [ "$name" = plain ]; then
		echo "shown $name: $calls calls in $passes passes"
		return
	fi
	[ "$before" -gt 0 ] || fail "$name: nothing was counted while it ran"
	[ "$calls" -gt "$before" ] || fail "$name: $before calls while it ran, $calls after it was killed"
	# it is killed between the two, of a loop that may be unrolled
	[ $(((passes - calls) ** 2)) -le 64 ] || fail "$name: $calls calls in $passes passes"
	echo "ok $name: $before calls while it ran, $calls in $passes passes when it was killed"
}

check plain
check disable-licm-promotion -mllvm -disable-licm-promotion
check atomic -fprofile-update=atomic
if [ -e "$adapter/atomic-bitmaps.so" ]; then
	check atomic-bitmaps.so -fprofile-update=atomic -fpass-plugin="$adapter/atomic-bitmaps.so"
else
	echo "no atomic-bitmaps.so for $clang: llvm-$version-dev is not installed"
fi
