#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# covbuf stat, top and ls, while a program records.
. "$(dirname "$0")/lib.sh"
build_gcc program || exit 1
"$COVBUF" run -q --trace -o live ./program 2000 sleep 600 > asleep.out &
pid=$!
until grep -q asleep asleep.out 2> /dev/null; do sleep 0.02; done

expect "stat" 0 "records in [0-9]+ areas, .* 1 live" "$COVBUF" stat live
check "a line for each thread" test "$(grep -cE '^ *[0-9]+ +[0-9]+ +program ' out)" = 4
check "the thread that is alive" grep -qE "program +pc " out
check "the process" grep -qE "[0-9]+ +$pid +live +.*/program" out
expect "top, once" 0 "Records/s" "$COVBUF" top --once -d 0.1 live
check "its functions" grep -qE "[0-9.]+% +(step|work|main) +.*/program" out
expect "top without a terminal" 1 "needs a terminal; --once" "$COVBUF" top live
expect "top's delay" 2 "not between" "$COVBUF" top -d 0 live
expect "ls" 0 " +$pid +1 +segment +.*live" "$COVBUF" ls "$dir"
expect "ls of what is none" 1 "covbuf ls: program.o: " "$COVBUF" ls program.o
if command -v script > /dev/null && [ -c /dev/ptmx ] && [ -d /dev/pts ]; then
	(sleep 1; printf q) | TERM=xterm timeout 20 script -qec "'$COVBUF' top -d 0.2 live" /dev/null > screen 2>&1
	check "top on a terminal" grep -q "Records/s" screen
fi
kill $pid
wait $pid
expect "stat of the dead" 0 " 0 live" "$COVBUF" stat live
done_testing
