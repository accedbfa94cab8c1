#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""commands.py --bench NAME --question TEXT [--against VARIANT] [--runs N] [--json FILE] COMMANDS.tsv

Times commands, in turn, N times each, and prints a table: the fastest run, the median, and the most memory that one
process had (Python's own 15 MiB at least: the child begins as its copy). A line of COMMANDS.tsv is the variant's name, a
command of the shell, and what is known of it as KEY=VALUE, with tabs between: records (that it looks through), limit_s,
limit_mib (targets, of the median), what (their name), runs, and missing (why it is not run). JSON lines are as in
README.md.
"""
import argparse
import json
import os
import statistics
import subprocess
import sys
import time


def run(command):
    """Seconds, and MiB of the largest process. A command that fails ends it all: its time would mean nothing."""
    start = time.perf_counter()
    # no pipe: nobody would be there to empty it
    with open("command.log", "wb") as log:
        child = subprocess.Popen(["bash", "-c", command], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=log)
        _, status, usage = os.wait4(child.pid, 0)
    seconds = time.perf_counter() - start
    child.returncode = os.waitstatus_to_exitcode(status)
    if child.returncode:
        with open("command.log", encoding="utf-8", errors="replace") as log:
            sys.exit(f"commands.py: '{command}' ended with status {child.returncode}: {log.read()[-500:]}")
    return seconds, usage.ru_maxrss / 1024


def read_commands(path):
    variants = []
    with open(path, encoding="utf-8") as file:
        for line in file:
            name, command, *rest = line.rstrip("\n").split("\t")
            known = dict(field.split("=", 1) for field in rest)
            variants.append({"name": name, "command": command, "known": known, "seconds": [], "mib": 0.0})
    return variants


def measure(variants, runs):
    for number in range(runs):
        for variant in variants:
            known = variant["known"]
            if known.get("missing") or number >= int(known.get("runs", runs)):
                continue
            seconds, mib = run(variant["command"])
            variant["seconds"].append(seconds)
            variant["mib"] = max(variant["mib"], mib)


def percentile(ordered, part):
    return ordered[min(len(ordered) - 1, int(part * len(ordered)))]


def make_targets(variant, median):
    known, targets = variant["known"], []
    for key, unit, figure, scale, words in (("limit_s", "ns", median and median * 1e9, 1e9, "time"),
                                            ("limit_mib", "MiB", median and variant["mib"], 1, "memory")):
        if key in known:
            limit = float(known[key]) * scale
            targets.append({"unit": unit, "limit": limit, "figure": figure, "met": figure and figure <= limit,
                            "what": f"{known.get('what', variant['name'])}, {words}"})
    return targets


def describe(variant, options, baseline):
    """The JSON line."""
    known, ordered = variant["known"], sorted(variant["seconds"])
    line = {"bench": options.bench, "question": options.question, "variant": variant["name"], "unit": "a run", "threads": 1}
    median = statistics.median(ordered) if ordered else None
    if ordered:
        middle = percentile(ordered, .75) - percentile(ordered, .25)
        line.update(min_ns=ordered[0] * 1e9, median_ns=median * 1e9, p95_ns=percentile(ordered, .95) * 1e9,
                    spread=middle / median, samples=len(ordered), values={"MiB": variant["mib"]})
        if int(known.get("records") or 0):
            line["values"].update({"records": int(known["records"]), "ns a record": median * 1e9 / int(known["records"])})
        if baseline and variant is not baseline and baseline["seconds"]:
            line.update(against=baseline["name"], ratio=median / statistics.median(baseline["seconds"]))
    else:
        line["missing"] = known["missing"]
    targets = make_targets(variant, median)
    if targets:
        line["targets"] = targets
    return line


def format_limit(target):
    return f"{target['limit'] / 1e9:g} s" if target["unit"] == "ns" else f"{target['limit']:g} {target['unit']}"


def print_table(lines, options):
    width = max(len(line["variant"]) for line in lines)
    print(f"{options.bench}: {options.question}")
    print(f"  {'a run':<{width}}  {'min s':>8}  {'median':>8}  {'p95':>8}  {'spread':>6}  {'ratio':>7}  {'MiB':>5}  ns/record")
    for line in lines:
        if "missing" in line:
            print(f"  {line['variant']:<{width}}  {line['missing']}")
            continue
        values = line["values"]
        ratio = f"{line['ratio']:.2f}x" if "ratio" in line else ""
        record = f"{values['ns a record']:.2f}" if "records" in values else ""
        words = "; ".join(f"{'met' if target['met'] else 'MISSED'}: {format_limit(target)}"
                          for target in line.get("targets", []))
        times = "  ".join(f"{line[key] / 1e9:8.3f}" for key in ("min_ns", "median_ns", "p95_ns"))
        print(f"  {line['variant']:<{width}}  {times}  {100 * line['spread']:5.0f}%  {ratio:>7}  {values['MiB']:5.0f}  {record:>9}"
              f"  {words}".rstrip())
    print()


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--bench", required=True)
    parser.add_argument("--question", required=True)
    parser.add_argument("--against")
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--json")
    parser.add_argument("commands")
    options = parser.parse_args()
    variants = read_commands(options.commands)
    baseline = next((variant for variant in variants if variant["name"] == options.against), None)
    measure(variants, options.runs)
    lines = [describe(variant, options, baseline) for variant in variants]
    print_table(lines, options)
    if options.json:
        with open(options.json, "a", encoding="utf-8") as file:
            for line in lines:
                file.write(json.dumps(line) + "\n")


if __name__ == "__main__":
    main()
