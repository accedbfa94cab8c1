#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# self_test.sh PROGRAM NOTHING: each test of PROGRAM is reported as its name says, and says why; NOTHING skips.
set -eu
unset COVBUF_TEST_SLOWNESS
status=0 failed=0
out=$("$1") || status=$?
not_ok() { echo "not ok $*"; failed=1; }

[ "$status" -eq 1 ] || not_ok "status $status"
"$1" --list > /dev/null || not_ok "--list"
nr=$("$1" --list | wc -l)
[ "$(grep -cE '^(ok|not ok|skipped) [a-z]+/' <<< "$out")" -eq "$nr" ] || not_ok "a test is not reported"
while read -r name; do
	kind=${name#*/}
	case $kind in
	ok_*) want="ok" ;;
	not_ok_*) want="not ok" ;;
	skipped*) want="skipped" ;;
	*) not_ok "the name $name"; continue ;;
	esac
	grep -qE "^$want $name(:| )" <<< "$out" || not_ok "$name: $(grep -F "$name" <<< "$out")"
done < <("$1" --list)

said() { grep -qF -- "$1" <<< "$out" || not_ok "it did not say: $1"; }
said "self_test.c:"
said "2 + 2 == 5: 4 (0x4) and 5 (0x5): sums are hard"
said '!"first"'
said '"second" and "third"'
said "UINT64_MAX == 1: -1 (0xffffffffffffffff) and 1 (0x1)"
said "fourth"
said "it was killed by signal 11"
said "it was to be killed by signal 6"
said "it exited with 4 before its end"
said "it exited with 0, not 3"
said "it did not end within 5 seconds"
said "it did not end within 0.2 seconds"
said "skipped plain/skipped: why: 7"
said "fini"
! grep -q "went on" <<< "$out" || not_ok "an assertion that failed did not end its test"

# One alone: passed, failed, skipped, none.
run() { # STATUS PROGRAM ARGUMENT...
	local expected=$1 status=0
	shift
	"$@" > /dev/null 2>&1 || status=$?
	[ $status -eq "$expected" ] || not_ok "$*: status $status"
}
run 0 "$1" --filter "plain/ok_after_all_that"
run 1 "$1" --filter "plain/not_ok_exit"
run 1 "$1" --filter "plain/no_such_test"
run 77 "$1" --filter "plain/skipped"
run 77 "$2"
run 2 "$1" --no-such-option
[ $failed -eq 0 ] && echo "ok $nr tests, each as its name says"
exit $failed
