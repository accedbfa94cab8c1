#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# With atomic-bitmaps.so no counter is updated by an atomic instruction and every bitmap still is, at each level of
# optimisation and where code is generated at link time; counts and MC/DC are what they are without it; and where it
# could not do what it is for, it says so.
# Usage: plugin.sh VERSION-OF-LLVM
set -eu
version=$1
clang=clang-$version
plugin=$COVBUF_BUILD/adapters/llvmprof/$version/atomic-bitmaps.so
source=$COVBUF_SOURCE/tests/llvmprof/decisions.c
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
cd "$dir"
unset COVBUF_PROFILE LLVM_PROFILE_FILE
for tool in "$clang" "ld.lld-$version" "llvm-profdata-$version" "llvm-cov-$version" "llvm-objdump-$version"; do
	command -v "$tool" > /dev/null || { echo "no $tool"; exit 77; }
done
"$clang" -fprofile-instr-generate "$source" -o program ||
	{ echo "no runtime of $clang's profile: libclang-rt-$version-dev"; exit 77; }
coverage=(-fprofile-instr-generate -fcoverage-mapping -fcoverage-mcdc)
atomic=("${coverage[@]}" -fprofile-update=atomic)
fail() { echo "not ok $*"; exit 1; }

# ---- what it makes of the code ---------------------------------------------------------------------------------------

for level in -O0 -O1 -O2 -Os -O3 '-O0 -flto' '-O2 -flto=full' '-O2 -flto=thin'; do
	read -ra flags <<< "$level"
	"$clang" "${flags[@]}" "${atomic[@]}" -S -emit-llvm "$source" -o before.ll
	"$clang" "${flags[@]}" "${atomic[@]}" -fpass-plugin="$plugin" -S -emit-llvm "$source" -o after.ll
	grep -q 'atomicrmw add' before.ll || fail "$level: the sample has no atomic counters"
	! grep -q 'atomicrmw add' after.ll || fail "$level: counters are atomic"
	[ "$(grep -c 'store atomic i64 .*__profc_.* monotonic' after.ll)" -gt 5 ] || fail "$level: where are the counters?"
	before=$(grep -c 'atomicrmw or' before.ll) || true
	after=$(grep -c 'atomicrmw or' after.ll) || true
	[ "${before:-0}" -gt 0 ] || fail "$level: the sample has no bitmaps"
	[ "${after:-0}" -gt 0 ] || fail "$level: $after of $before bitmap updates are atomic"
	! grep -qE 'store i8 .*__profbm_' after.ll || fail "$level: a bitmap has a plain store"
	echo "ok $level: counters are not atomic, bitmaps are ($after)"
done

# ---- what is counted -------------------------------------------------------------------------------------------------

shown() { # PROGRAM: counts, and the report with branches and MC/DC
	LLVM_PROFILE_FILE=$1.profraw ./"$1" 1000 > "$1.out"
	"llvm-profdata-$version" merge "$1.profraw" -o "$1.profdata"
	"llvm-profdata-$version" show --all-functions --counts "$1.profdata"
	"llvm-cov-$version" show --show-branches=count --show-mcdc "./$1" -instr-profile="$1.profdata"
}
for level in -O0 -O2 '-O2 -flto=full' '-O2 -flto=thin'; do
	read -ra flags <<< "$level -fuse-ld=lld"
	"$clang" "${flags[@]}" "${coverage[@]}" "$source" -o plain
	"$clang" "${flags[@]}" "${atomic[@]}" -fpass-plugin="$plugin" "$source" -o plugin
	shown plain > expected
	shown plugin > got
	cmp plain.out plugin.out || fail "$level: the program does something else"
	cmp expected got || fail "$level: other counts"
	grep -q 'MC/DC Coverage for Decision' got || fail "$level: no MC/DC"
	echo "ok $level: the same counts, branches and MC/DC"
	# the runtime has locked instructions of its own
	"llvm-objdump-$version" -d --no-show-raw-insn --disassemble-symbols=decide,main plugin > code
	! grep -qE '\block\b.*(inc|add)' code || fail "$level: a counter has a locked instruction"
done

# ---- what it says ----------------------------------------------------------------------------------------------------

advice='compile with -fprofile-update=atomic'
said() { "$clang" -O2 "$@" -fpass-plugin="$plugin" -c "$source" -o said.o 2>&1; }
said "${coverage[@]}" | grep -q -- "$advice" || fail "without -fprofile-update=atomic it says nothing"
said "${atomic[@]}" -mllvm -runtime-counter-relocation | grep -q -- "$advice" || fail "with relocation it says nothing"
[ -z "$(said "${atomic[@]}")" ] || fail "it says something for no reason: $(said "${atomic[@]}")"
[ -z "$(said)" ] || fail "it says something of code without counters: $(said)"
"$clang" -O2 "${atomic[@]}" -fpass-plugin="$plugin" -emit-llvm -c "$source" -o said.bc
"$clang" -O2 -fpass-plugin="$plugin" -c said.bc -o said.o 2> said
[ ! -s said ] || fail "it says something of code that it has been through: $(cat said)"
echo "ok it warns of a missing -fprofile-update=atomic, and of nothing else"
