#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""summary.py RESULTS.jsonl

Prints each target beside what was reached, by how much it was missed, and what was not measured and why.
"""
import json
import sys

UNITS = {"bytes": ["B", "KiB", "MiB", "GiB"]}


def place(line):
    """Where a variant stands on its bench's axis, in words."""
    x, unit = line.get("x"), line.get("x_unit")
    if not unit:
        return f", {line['threads']} threads" if line.get("threads", 1) > 1 else ""
    if unit in UNITS:
        names = list(UNITS[unit])
        while x >= 1024 and len(names) > 1:
            x, names = x / 1024, names[1:]
        return f", {x:g} {names[0]}"
    return f", {x:.15g} {unit[:-1] if x == 1 else unit}"


def name_of(line):
    return f"{line['bench']}: {line['variant']}{place(line)}"


def number(value, unit):
    if value is None:
        return "-"
    if unit == "x":
        return f"{value:.2f}x"
    for factor, name in ((1e9, "s"), (1e6, "ms"), (1e3, "us")) if unit == "ns" else ():
        if value >= 10 * factor or (value >= factor and factor == 1e9):
            return f"{value / factor:.4g} {name}"
    return f"{value:.4g} {unit}"


def against(line, target):
    if target["unit"] != "x" or not target.get("against"):
        return ""
    threads = target.get("against_threads")
    return f"to {target['against']}" + (f", {threads:g} thread{'s' if threads > 1 else ''}" if threads else "")


def verdict(line, target):
    figure, limit, stretch = target.get("figure"), target["limit"], target.get("stretch")
    if figure is None:
        return "not measured: " + line.get("missing", "nothing to compare with")
    if target.get("met"):
        words = "met"
    else:
        words = f"MISSED by {100 * (figure / limit - 1):.0f}%"
    if stretch:
        words += f"; stretch {number(stretch, target['unit'])} {'met' if figure <= stretch else 'not met'}"
    return words


def rows(lines):
    for line in lines:
        for target in line.get("targets", []):
            yield (target.get("what") or name_of(line), against(line, target), number(target.get("figure"), target["unit"]),
                   "<= " + number(target["limit"], target["unit"]), verdict(line, target))


def main():
    if len(sys.argv) != 2 or sys.argv[1] in ("-h", "--help"):
        print(__doc__, end="", file=sys.stdout if "-h" in sys.argv[1:] or "--help" in sys.argv[1:] else sys.stderr)
        return 0 if len(sys.argv) == 2 else 2
    with open(sys.argv[1], encoding="utf-8") as file:
        lines = [line for line in map(json.loads, file) if "bench" in line]
    targets = [target for line in lines for target in line.get("targets", [])]
    nr_met = sum(1 for target in targets if target.get("met"))
    nr_missed = sum(1 for target in targets if target.get("met") is False)
    print(f"targets: {nr_met} met, {nr_missed} missed, {len(targets) - nr_met - nr_missed} not measured")
    table = list(rows(lines))
    widths = [max((len(row[i]) for row in table), default=0) for i in range(4)]
    for row in table:
        print(f"  {row[0]:<{widths[0]}}  {row[1]:<{widths[1]}}  {row[2]:>{widths[2]}}  {row[3]:<{widths[3]}}  {row[4]}")
    gaps = {}
    for line in lines:
        if "missing" in line:
            gaps.setdefault(line["missing"], []).append(name_of(line))
    if gaps:
        print("\nnot measured:")
    for why, names in gaps.items():
        print(f"  {why}: {'; '.join(names[:4])}{f' and {len(names) - 4} more' if len(names) > 4 else ''}")
    if any("not installed" in why for why in gaps):
        print("  peers are installed by: scripts/install-deps.sh bench")
    return 0


if __name__ == "__main__":
    sys.exit(main())
