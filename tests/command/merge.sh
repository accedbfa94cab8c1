#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# covbuf merge and diff: the union is the same in whatever order and grouping, and however often.
. "$(dirname "$0")/lib.sh"
build_gcc program || exit 1
build_gcc another -O1 || exit 1
"$COVBUF" run -q -o a ./program 10
"$COVBUF" run -q -o b ./program 10 fork
"$COVBUF" run -q --trace -o c ./another 1000

covered() { "$COVBUF" export --lcov "$1" | grep -E '^DA:[0-9]+,[1-9]' | cut -d, -f1 | sort; }

"$COVBUF" merge -o abc a b c || not_ok "merge"
"$COVBUF" merge -o cba c b a
"$COVBUF" merge -o ab a b
"$COVBUF" merge -o ab-c ab c
"$COVBUF" merge -o bc b c
"$COVBUF" merge -o a-bc a bc
"$COVBUF" merge -o twice a b c abc a
check "commutative" cmp abc cba
check "associative" cmp ab-c a-bc
check "the same as all at once" cmp abc ab-c
check "idempotent" cmp abc twice
cat <(covered a) <(covered b) <(covered c) | sort -u > union
covered abc > merged
check "the union" cmp union merged
cp abc in-place
"$COVBUF" merge -o in-place in-place a
check "onto itself" cmp abc in-place
expect "stat of a merged recording" 0 "records in" "$COVBUF" stat abc

expect "an input that is missing" 1 "nothing was written" "$COVBUF" merge -o incomplete a missing
check "leaves nothing" test ! -e incomplete
expect "a place that is not there" 1 "cannot be written" "$COVBUF" merge -o no/dir a

line=$(grep -n '/\* fork \*/' "$here/program.c" | cut -d: -f1)
expect "a line that only one has" 0 "^\+ .*program.c:$line\$" "$COVBUF" diff a b
check "and it is not the other's" test "$(grep -c '^-' out)" = 0
expect "a function that only one has" 0 "^- .*in_child" "$COVBUF" diff --functions b a
expect "no difference" 0 "^lines: 0 only in a, 0 only in a" "$COVBUF" diff --lines a a
done_testing
