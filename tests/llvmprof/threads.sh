#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# Counts of programs with threads, with readers meanwhile, and with children that are forked meanwhile.
# Usage: threads.sh VERSION-OF-LLVM exact|live|fork
set -eu
version=$1 what=$2
clang=clang-$version
adapter=$COVBUF_BUILD/adapters/llvmprof/$version
covbuf=$COVBUF_BUILD/tools/covbuf
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
cd "$dir"
unset COVBUF_PROFILE_FORM LLVM_PROFILE_FILE
for tool in "$clang" "llvm-profdata-$version"; do
	command -v "$tool" > /dev/null || { echo "no $tool"; exit 77; }
done
fail() { echo "not ok $*" >&2; exit 1; }

build() { # NAME FLAG...
	local name=$1
	shift
	"$clang" -O2 -fprofile-instr-generate -fcoverage-mapping -fcoverage-mcdc "$@" \
		-c "$COVBUF_SOURCE/tests/llvmprof/threads.c" -o "$name.o"
	"$clang" "$name.o" -Wl,-T,"$adapter/covbuf.lds" -lpthread -o "$name"
}
# How often a raw profile says that work() was called.
calls_in() { "llvm-profdata-$version" show --counts --function=work "$1" | sed -n 's/^ *Function count: //p'; }
# The same of files of any kind.
calls_of() {
	"$covbuf" profraw -q "$@" -o calls.profraw
	calls_in calls.profraw
}
whole_file() { # DIR: the parent's
	local files=("$1"/*.profraw)
	if [ ${#files[@]} -ne 1 ] || [ ! -e "${files[0]}" ]; then
		fail "$1 has no whole file, or several: ${files[*]}"
	fi
	echo "${files[0]}"
}

exact() {
	local name expected got file
	build plain
	build atomic -fprofile-update=atomic
	for name in plain atomic; do
		expected=$(COVBUF_PROFILE=$dir/$name.dir "./$name" count 2 4000000)
		file=$(whole_file "$name.dir")
		got=$(calls_in "$file")
		if [ "$name" = plain ]; then
			echo "shown plain: $got of $expected calls by 2 threads"
			continue
		fi
		[ "$got" = "$expected" ] || fail "$name: $got of $expected calls by 2 threads"
		echo "ok $name: $got calls by 2 threads"
	done
}

# The file is read from when it has its name on, and while it is written to.
live() {
	local file now expected program before=0 nr=0 end=$((SECONDS + 3))
	build atomic -fprofile-update=atomic
	mkfifo stop
	COVBUF_PROFILE=$dir/files ./atomic live 3 < stop > calls &
	program=$!
	exec 3> stop
	for ((i = 0; i < 3000; i++)); do
		compgen -G "files/*.profraw" > /dev/null && break
		sleep 0.02
	done
	file=$(whole_file files)
	while [ "$SECONDS" -lt "$end" ] || [ "$nr" -lt 20 ]; do
		now=$(calls_in "$file") || fail "llvm-profdata cannot read the live file"
		[ -n "$now" ] || fail "there is no work() in the live file"
		[ "$now" -ge "$before" ] || fail "a count went from $before to $now"
		for ((i = 0; i < 600 && now == before; i++)); do # on a busy machine they may not have had a turn
			sleep 0.05
			now=$(calls_in "$file")
		done
		[ "$now" -gt "$before" ] || fail "the count stays at $now while threads count"
		"$covbuf" profraw -q files -o live.profraw || fail "covbuf profraw cannot read the live file"
		before=$now
		nr=$((nr + 1))
	done
	echo >&3
	wait "$program" || fail "the program ended with status $?"
	expected=$(cat calls)
	now=$(calls_in "$file")
	[ "$now" = "$expected" ] || fail "$now of $expected calls after the end"
	echo "ok $nr times read while 3 threads counted to $now"
}

# Where compiler-rt's continuous mode has one file for parent and children, and counts below zero: a file for each,
# and each exact; with other threads in the parent, where the counters are atomic.
forked() {
	local name threads expected got nr file
	build plain
	build atomic -fprofile-update=atomic
	while read -r name threads; do
		rm -rf files
		expected=$(COVBUF_PROFILE=$dir/files "./$name" fork "$threads" 10 100000)
		file=$(whole_file files)
		got=$(calls_in "$file")
		[ "$got" = "$expected" ] || fail "$name, $threads threads: $got of $expected calls in the parent's file"
		nr=0
		for file in files/*.profcnt; do
			got=$(calls_of files/*.template "$file")
			[ "$got" = 100000 ] || fail "$name, $threads threads: $got of 100000 calls in a child's file"
			nr=$((nr + 1))
		done
		[ "$nr" = 10 ] || fail "$name, $threads threads: $nr files of 10 children"
		got=$(calls_of files)
		[ "$got" = $((expected + 10 * 100000)) ] || fail "$name, $threads threads: $got calls in all"
		echo "ok $name, $threads threads in the parent: $expected calls there, 100000 in each of $nr children"
	done <<- END
		plain 0
		atomic 3
	END
}

case $what in
exact) exact ;;
live) live ;;
fork) forked ;;
*) echo "usage: ${0##*/} VERSION exact|live|fork" >&2; exit 2 ;;
esac
