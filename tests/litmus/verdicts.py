#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""verdicts.py LIST EXPECTED VERDICTS

Compares what herd7 says (VERDICTS: test, verdict) with what is recorded (EXPECTED: test, verdict, checksum) for the tests that
expand.py has listed (LIST: test, rule, checksum), and with each test's rule. Exit status 1 on a difference.
"""
import collections
import sys


def lines(path):
    with open(path, encoding="ascii") as file:
        return [line.split() for line in file if line.strip() and not line.startswith("#")]


def against_record(tests, expected, verdicts):
    for test, (_, checksum) in tests.items():
        if test not in expected:
            yield f"{test}: no verdict is recorded; run run.sh --record, with herd7"
        elif not checksum.startswith(expected[test][1]):
            yield f"{test}: it is another test than its verdict was recorded for; run run.sh --record, with herd7"
        elif test in verdicts and verdicts[test] != expected[test][0]:
            yield f"{test}: {verdicts[test]}; recorded is {expected[test][0]}"
    for test in expected:
        if test not in tests:
            yield f"{test}: a verdict is recorded, and there is no such test; run run.sh --record, with herd7"


def against_rules(tests, verdicts):
    flagged = collections.defaultdict(list)
    for test, (rule, _) in tests.items():
        verdict = verdicts.get(test)
        if verdict is None:
            continue
        if verdict not in ("Never", "Sometimes", "Always"):
            yield f"{test}: herd7 gave no verdict"
        elif rule == "never" and verdict != "Never":
            yield f"{test}: the bad state is reached"
        elif rule == "free" and verdict != "Never":
            yield f"{test}: without an order that costs nothing there the bad state is reached"
        elif rule == "spent" and verdict != "Never":
            yield f"{test}: its file says that the order is taken for nothing, and without it the bad state is reached"
        elif rule == "reached" and verdict == "Never":
            yield f"{test}: its file says that this model does not know better, and it does"
        elif rule == "flagged":
            flagged[test.split("/")[1]].append(verdict)
    for name, of in flagged.items():
        if set(of) == {"Never"}:
            yield f"{name}: an order is left out, and no model notices"


def main(list_path, expected_path, verdicts_path):
    tests = {test: (rule, checksum) for test, rule, checksum in lines(list_path)}
    expected = {test: (verdict, checksum) for test, verdict, checksum in lines(expected_path)}
    verdicts = {words[0]: words[1] for words in lines(verdicts_path)}
    wrong = [*against_record(tests, expected, verdicts), *against_rules(tests, verdicts)]
    for line in wrong:
        print(line)
    if not verdicts:
        print("no verdict at all")
    print(f"{len(set(tests) & set(verdicts))} of {len(tests)} litmus tests, {len(wrong)} unexpected")
    return 1 if wrong or not verdicts else 0


if __name__ == "__main__":
    if len(sys.argv) != 4:
        print(__doc__.strip())
        sys.exit(0 if sys.argv[1:] in (["-h"], ["--help"]) else 2)
    sys.exit(main(*sys.argv[1:]))
