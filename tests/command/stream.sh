#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# covbuf run --stream: what was drained and what was lost is what was recorded; a stream that is cut
# anywhere is read up to there.
. "$(dirname "$0")/lib.sh"
build_gcc program || exit 1

"$COVBUF" run --stream -q -o other ./program &
pid=$!
wait $pid
expect "a stream" 0 "program.covbuf: [0-9]+ records of 4 threads in 1 process" "$COVBUF" run --stream ./program 200000
stored=$(sed -n 's/.*: \([0-9]*\) records of.*/\1/p' out)
lost=$(sed -n 's/.* \([0-9]*\) lost .*/\1/p' out)
"$COVBUF" run -q --trace -o whole ./program 200000
all=$("$COVBUF" stat --json whole | sed -n 's/^"records":\([0-9]*\),.*/\1/p')
check "stored and lost are all" test $((stored + ${lost:-0})) = "$all"
core=$(taskset -pc $$ | sed 's/.*: \([0-9]*\).*/\1/')
for recording in whole program.covbuf; do
	taskset -c "$core" "$COVBUF" export --json $recording > one
	"$COVBUF" export --json $recording > many
	check "threads that read $recording count what one does" cmp one many
done
check "it is large enough for several" test "$(stat -c %s whole)" -gt 16777216
check "it is small" test "$(stat -c %s program.covbuf)" -lt $((stored * 2 + 65536))
check "no segment is left" test ! -e /dev/shm/covbuf-run-$pid
expect "its report" 0 "program.c +[1-9]" "$COVBUF" report program.covbuf
"$COVBUF" export --json -o points program.covbuf
sum=$(grep -o '"hits":[0-9]*' points | cut -d: -f2 | awk '{ n += $1 } END { print n }')
check "every record is in the report" test "$sum" = "$stored"
"$COVBUF" run -q --stream --force ./program 10
"$COVBUF" merge -o merged program.covbuf || not_ok "merge of a stream"
expect "ls names it a stream" 0 "stream +.*program.covbuf" "$COVBUF" ls .

expect "stat says what it is" 1 "covbuf stat: program.covbuf: it is a stream" "$COVBUF" stat program.covbuf

# Cut at many places.
size=$(stat -c %s program.covbuf)
for cut in 0 7 8 63 64 65 79 100 $((size / 2)) $((size - 17)) $((size - 1)); do
	head -c "$cut" program.covbuf > "cut"
	"$COVBUF" report cut > out 2>&1
	status=$?
	[ $status -le 1 ] || not_ok "cut at $cut of $size: status $status"
done
head -c $((size - 1)) program.covbuf > "cut"
expect "what is there is used" 0 "its writer did not finish it, or it is cut off" "$COVBUF" report cut

# Bytes changed at many places: never a crash.
for at in $(seq 0 37 $((size - 1))); do
	cp program.covbuf bad
	printf '\377' | dd of=bad bs=1 seek="$at" conv=notrunc status=none
	"$COVBUF" report bad > out 2>&1
	status=$?
	[ $status -le 1 ] || not_ok "a byte changed at $at: status $status"
done
printf '\002' | dd of=program.covbuf bs=1 seek=8 conv=notrunc status=none
expect "another version" 1 "stream of version 2, and this covbuf reads version 1" "$COVBUF" report program.covbuf
done_testing
