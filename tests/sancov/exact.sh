#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# One way of instrumenting, at one level of optimisation: the records of the workload under the real
# engine are those that the oracle prints, one for one and in order: in the program, in a library and in
# a library that is opened at run time. In unique mode each site once.
# Usage: exact.sh KIND COMPILER FLAGS...      KIND: pc, cmp or counters
# The environment names what was built: COVBUF_BUILD, COVBUF_SOURCE, COVBUF_LINK, CC.
set -eu
kind=$1 compiler=$2
shift 2
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
cd "$dir"
src=$COVBUF_SOURCE/tests/sancov
sancov=$COVBUF_BUILD/adapters/sancov
export LD_LIBRARY_PATH=$COVBUF_BUILD/libcovbuf:$dir
unset COVBUF_SEGMENT LD_PRELOAD
failed=0

whole() { echo "-Wl,--whole-archive $1 -Wl,--no-whole-archive"; }
read -ra engine <<< "$COVBUF_LINK"

same() { # NAME EXPECTED GOT
	if [ -s "$2" ] && cmp -s "$2" "$3"; then
		echo "ok $1: $(wc -l < "$3") records"
	else
		echo "not ok $1"
		diff "$2" "$3" | head -5
		failed=1
	fi
}

command -v "$compiler" > /dev/null || { echo "$compiler is not installed"; exit 77; }
"$compiler" "$@" -g -fPIC -c "$src/workload.c" -o workload.o
$CC -g "$src/oracle.c" workload.o -o oracle
$CC -g -I"$COVBUF_SOURCE/include" -c "$src/record.c" -o record.o
$CC -g -DOPENER -I"$COVBUF_SOURCE/include" -c "$src/record.c" -o opener.o
./oracle "$kind" > expected
sort -u expected > expected.once

# The program itself, with the engine in it.
# shellcheck disable=SC2046
$CC record.o workload.o -o program $(whole "$sancov/libcovbuf_sancov.a") "${engine[@]}"
./program "$kind" > got
same "program" expected got

if [ "$kind" != counters ]; then
	# shellcheck disable=SC2046
	$CC record.o workload.o -o program_trace $(whole "$sancov/libcovbuf_sancov_trace.a") "${engine[@]}"
	./program_trace "$kind" > got
	same "program, trace only" expected got
fi

# A library: opened at run time by a program that has the engine, then beside libcovbuf.so.
$CC -shared workload.o -o libworkload.so $(whole "$sancov/libcovbuf_sancov_image.a")
$CC opener.o -o opener "${engine[@]}"
./opener "$kind" "$dir/libworkload.so" > got
same "library opened at run time" expected got
$CC record.o -o linked -L. -lworkload "${engine[@]}"
./linked "$kind" > got
same "library linked" expected got

# Unique: every site once, however often it was reached.
if [ "$kind" != cmp ]; then
	for program in ./program ./linked "./opener $dir/libworkload.so"; do
		read -ra words <<< "$program"
		for unique in unique context; do
			"${words[0]}" "$kind" $unique "${words[@]:1}" > got
			sort got > got.sorted
			same "$unique, ${words[0]}" expected.once got.sorted
		done
	done
fi

# Without an engine the library's callbacks do nothing.
cat > alone.c << 'END'
unsigned long workload(unsigned int rounds);
int main(void) { return workload(5) == 0; }
END
$CC alone.c -o alone -L. -lworkload
./alone && echo "ok library without an engine"

exit $failed
