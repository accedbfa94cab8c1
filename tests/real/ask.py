#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""Asks what `covbuf report --json` or `covbuf stat --json` wrote; status 1 where the answer is no.

  covered REPORT FUNCTION...      each was reached
  missed REPORT FUNCTION...       each is known and was not reached
  hits REPORT FUNCTION            prints its entry's hits
  points REPORT                   prints the number of covered points
  percent REPORT MIN MAX          that much of all points is covered
  records STAT                    prints the number of records
  lost STAT                       prints the sum of what was lost, and of parts that cannot be read
  threads STAT [MIN]              prints how many threads recorded at least MIN records (1)
  processes STAT [MIN]            likewise, processes
"""
import collections
import json
import sys


def no(text):
    print("failed:", text)
    sys.exit(1)


def functions(report):
    found = collections.defaultdict(list)
    for file in report["files"]:
        for function in file["functions"]:
            found[function["name"]].append(function)
    return found


def reached(report, name):
    entries = functions(report).get(name)
    if not entries:
        no(f"the report does not know {name}")
    return max(entry["points"]["covered"] for entry in entries)


def main():
    if len(sys.argv) < 3:
        print(__doc__)
        sys.exit(2)
    what, path, rest = sys.argv[1], sys.argv[2], sys.argv[3:]
    with open(path, encoding="utf-8") as file:
        said = json.load(file)
    if what == "covered":
        for name in rest:
            if not reached(said, name):
                no(f"{name} was not reached")
    elif what == "missed":
        for name in rest:
            if reached(said, name):
                no(f"{name} was reached")
    elif what == "hits":
        reached(said, rest[0])
        print(max(entry["hits"] for entry in functions(said)[rest[0]]))
    elif what == "points":
        print(said["totals"]["points"]["covered"])
    elif what == "percent":
        points = said["totals"]["points"]
        percent = 100 * points["covered"] / points["total"]
        if not float(rest[0]) <= percent <= float(rest[1]):
            no(f"{percent:.1f}% of {points['total']} points are covered, not {rest[0]} to {rest[1]}")
    elif what == "records":
        print(said["records"])
    elif what == "lost":
        print(sum(said["lost"].values()) + said["damaged"])
    elif what in ("threads", "processes"):
        least = int(rest[0]) if rest else 1
        records = collections.Counter()
        for thread in said["threads"]:
            records[thread["pid"] if what == "processes" else thread["tid"]] += thread["records"]
        print(sum(count >= least for count in records.values()))
    else:
        print(__doc__)
        sys.exit(2)


main()
