#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""measure.py BUILD [--quick] [--only PROGRAM] [--variants TEXT] [--seconds N] [--json FILE]

What does recording cost a whole program? All variants of a program run side by side on one core, each waiting
for its turn to make a pass of the same work; so what disturbs one disturbs its neighbours. Every ratio is that of
the fastest passes. A few times in between all are started anew, since where memory happens to lie matters too.
"""
import argparse
import json
import math
import os
import shutil
import subprocess
import sys
import tempfile
import time
from statistics import median

import xz
from build import binary
from matrix import BUILDS, PROGRAMS, TARGETS, VARIANTS, XZ_TARGETS

GENERATIONS = 3  # --quick: 1
MEAN_OF = ("zlib", "lua", "cjson")


class Runner:
    """One variant of one program, waiting for its turn."""

    def __init__(self, folder, program, variant, core, out):
        environment = dict(os.environ, **{k: v.format(out=out) for k, v in variant.environment.items()})
        self.child = subprocess.Popen([f"{folder}/{program}/{binary(variant)}", variant.mode, str(core)],
                                      stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
                                      env=environment, text=True)
        self.first = self.answer()

    def answer(self):
        words = self.child.stdout.readline().split()
        if len(words) != 3:
            raise RuntimeError(f"it ended with status {self.child.wait()}")
        return [int(word) for word in words]

    def go(self):
        self.child.stdin.write("\n")
        self.child.stdin.flush()
        return self.answer()

    def end(self):
        self.child.stdin.close()
        self.child.wait()


class Result:
    """The passes of one variant of one program."""

    def __init__(self, missing=""):
        self.ns, self.edges, self.lost, self.missing = [], 0, 0, missing

    def add(self, answer):
        self.ns.append(answer[0])
        self.edges, self.lost = answer[1], answer[2]

    def figures(self):
        ordered, n = sorted(self.ns), len(self.ns)
        return {"min_ns": ordered[0], "median_ns": median(ordered), "p95_ns": ordered[n * 95 // 100],
                "spread": round((ordered[n * 3 // 4] - ordered[n // 4]) / median(ordered), 4), "samples": n}


def why_missing(folder, program, variant):
    build = BUILDS[variant.build]
    if not build.compiler:
        return f"package {build.missing} is not installed"
    path = f"{folder}/{program}/{binary(variant)}"
    return "" if os.path.exists(path) else f"it could not be built; see {path}.log"


def measure(folder, program, variants, seconds, core):
    """All variants of a program: a Result for each name."""
    results = {v.name: Result(why_missing(folder, program, v)) for v in variants}
    present = [v for v in variants if not results[v.name].missing]
    out = tempfile.mkdtemp()
    generations = GENERATIONS if seconds > 5 else 1
    for _ in range(generations):
        end = time.monotonic() + seconds / generations
        runners = []
        for variant in present:
            try:
                runners.append((results[variant.name], Runner(folder, program, variant, core, out)))
            except RuntimeError as error:
                results[variant.name].missing = str(error)
                present = [v for v in present if v is not variant]
        rounds = 0
        while not rounds or time.monotonic() < end:
            for result, runner in runners:
                result.add(runner.go())
            rounds += 1
        for _, runner in runners:
            runner.end()
    shutil.rmtree(out, ignore_errors=True)
    return results


def geomean(values):
    return math.exp(sum(math.log(value) for value in values) / len(values))


def ratio(results, variant, against, which=min):
    mine, base = results.get(variant), results.get(against)
    return which(mine.ns) / which(base.ns) if mine and base and mine.ns and base.ns else None


def text(value, digits=2):
    return "-" if value is None else f"{value:.{digits}f}"


def mean_ratio(all_results, variant, against, which=min):
    ratios = [ratio(all_results.get(name, {}), variant, against, which) for name in MEAN_OF]
    return geomean(ratios) if all(ratios) else None


def targets_of(variant, all_results):
    out = []
    for target in TARGETS.get(variant.name, ()):
        against = target.get("against", variant.against)
        figure = mean_ratio(all_results, variant.name, against)
        met = None if figure is None else figure <= target["limit"] * 1.005
        out.append({"unit": "x", **target, "against": against, "met": met,
                    "figure": None if figure is None else round(figure, 4)})
    return out


def verdict(target):
    if target["met"] is None:
        return f"<={target['limit']:.2f}x not measured"
    return f"<={target['limit']:.2f}x {'met' if target['met'] else 'MISSED'} ({target['figure']:.2f})"


def print_table(programs, variants, all_results):
    print("programs: What does recording cost a whole program? Ratios of the fastest passes to the uninstrumented")
    print("program of the same compiler; mean: geometric, of zlib, lua and cjson; +ns: for each edge, mean likewise.\n")
    print(f"  {'':<52}" + "".join(f"{p.name:>8}" for p in programs) + f"{'mean':>8}{'by median':>11}{'+ns':>7}  target")
    for variant in variants:
        cells = [ratio(all_results[p.name], variant.name, variant.against or variant.name) for p in programs]
        missing = {all_results[p.name][variant.name].missing for p in programs} - {""}
        if missing and not any(cells):
            print(f"  {variant.name:<52} {missing.pop()}")
            continue
        against = variant.against or variant.name
        mean = mean_ratio(all_results, variant.name, against)
        by_median = mean_ratio(all_results, variant.name, against, median)
        targets = ", ".join(verdict(t) for t in targets_of(variant, all_results))
        print(f"  {variant.name:<52}" + "".join(f"{text(c):>8}" for c in cells) +
              f"{text(mean):>8}{text(by_median):>11}{text(mean_ns(all_results, variant, programs)):>7}  {targets}")
    print()
    for program in programs:
        results = all_results[program.name]
        edges = edges_of(results)
        base = next((r for r in results.values() if r.ns), None)
        if base:
            print(f"  {program.name}: {edges} edges in a pass of {min(base.ns) / 1e6:.1f} ms, "
                  f"{len(base.ns)} passes each, records lost: {sum(r.lost for r in results.values())}")
    print(flush=True)


def edges_of(results):
    return max((r.edges for name, r in results.items() if "trace-pc called" not in name), default=0)


def mean_ns(all_results, variant, programs):
    """What an edge costs, in nanoseconds."""
    values = []
    for program in programs:
        results = all_results[program.name]
        mine, base, edges = results[variant.name], results.get(variant.against), edges_of(results)
        if program.name in MEAN_OF and base and mine.ns and base.ns and edges:
            values.append((min(mine.ns) - min(base.ns)) / edges)
    return sum(values) / len(values) if values else None


def write_json(path, programs, variants, all_results):
    with open(path, "a", encoding="utf-8") as out:
        for program in programs:
            results = all_results[program.name]
            for variant in variants:
                line = {"bench": f"programs_{program.name}", "question": "What does recording cost a whole program?",
                        "variant": variant.name, "unit": "pass", "threads": 1}
                result = results[variant.name]
                if result.missing or not result.ns:
                    line["missing"] = result.missing or "not measured"
                else:
                    line |= result.figures()
                    if variant.against and ratio(results, variant.name, variant.against):
                        line |= {"against": variant.against,
                                 "ratio": round(ratio(results, variant.name, variant.against), 4)}
                    line["values"] = {"edges": result.edges, "records lost": result.lost}
                out.write(json.dumps(line) + "\n")
        for variant in variants:
            line = {"bench": "programs", "question": "What does recording cost? Geometric mean of zlib, lua and cjson",
                    "variant": variant.name, "unit": "pass", "threads": 1}
            figures = [all_results[name][variant.name].figures() for name in MEAN_OF
                       if name in all_results and all_results[name][variant.name].ns]
            if len(figures) == len(MEAN_OF):
                line |= {key: round(geomean([f[key] for f in figures])) for key in ("min_ns", "median_ns", "p95_ns")}
                line["spread"], line["samples"] = max(f["spread"] for f in figures), min(f["samples"] for f in figures)
                mean = mean_ratio(all_results, variant.name, variant.against)
                if mean:
                    line |= {"against": variant.against, "ratio": round(mean, 4)}
            else:
                line["missing"] = "not measured for all three"
            line["targets"] = targets_of(variant, all_results)
            out.write(json.dumps(line) + "\n")


# ---- xz -----------------------------------------------------------------------------------------


def measure_xz(folder, variants, quick):
    """For each number of threads a Result for each name, and what was lost."""
    cores = len(os.sched_getaffinity(0))
    work = xz.Xz(folder, (2 if quick else 2 * max(cores, 2)) << 20)
    everything, lost = {}, {}
    for threads in sorted({1, 2, cores}):
        results = {v.name: Result(why_missing(folder, "xz", v)) for v in variants}
        end = time.monotonic() + (2.5 if quick else 40)
        rounds = 0
        while rounds < 2 or time.monotonic() < end:
            for variant in variants:
                if not results[variant.name].missing:
                    try:
                        results[variant.name].add(work.run(variant, threads))
                    except RuntimeError as error:
                        results[variant.name].missing = str(error)
            rounds += 1
        everything[threads] = results
        if threads > 1 and not quick:
            lost[threads] = xz.losses(work, threads)
    work.end()
    return everything, lost


def xz_targets(variant, threads, results):
    cores = len(os.sched_getaffinity(0))
    out = []
    for target in XZ_TARGETS.get(variant.name, ()) if threads == max(cores, 2) else ():
        figure = ratio(results, variant.name, variant.against, median)
        met = None if figure is None else figure <= target["limit"] * 1.005
        out.append({"unit": "x", **target, "against": variant.against, "met": met,
                    "figure": None if figure is None else round(figure, 4)})
    return out


def print_xz(variants, everything, lost):
    print("programs_xz: What does it cost xz with threads? Whole runs, ms and the ratio to the uninstrumented command:")
    print("of the fastest runs with one thread, of medians with several.\n")
    print(f"  {'':<48}" + "".join(f"{f'-T{t} ms':>10}{'ratio':>7}" for t in everything) + "  target")
    for variant in variants:
        cells, missing, targets = "", "", []
        for threads, results in everything.items():
            result, which = results[variant.name], min if threads == 1 else median
            missing = missing or result.missing
            if result.ns:
                against = variant.against or variant.name
                cells += f"{which(result.ns) / 1e6:>10.1f}{text(ratio(results, variant.name, against, which)):>7}"
            targets += [verdict(t) for t in xz_targets(variant, threads, results)]
        print(f"  {variant.name:<48}{missing or cells}  {', '.join(targets)}")
    for threads, found in lost.items():
        print(f"\n  counts, with -T{threads}, beside those of atomic instructions (in brackets: two right runs, "
              "beside one another)")
        for name, ((missing, wrong), (again_missing, again_wrong)) in found.items():
            amount = f"{100 * missing:6.2f} % ({100 * again_missing:.2f} %) of all counts are missing"
            if name.startswith("AFL"):
                amount = "counts are bytes: how many are missing cannot be told"
            print(f"  {name:<24} {100 * wrong:5.1f} % ({100 * again_wrong:.1f} %) of the counters are wrong; {amount}")
    print(flush=True)


def write_xz_json(path, variants, everything, lost):
    with open(path, "a", encoding="utf-8") as out:
        for threads, results in everything.items():
            for variant in variants:
                result, which = results[variant.name], min if threads == 1 else median
                line = {"bench": "programs_xz", "question": "What does recording cost xz with threads?",
                        "variant": variant.name, "unit": "run", "threads": threads, "x": threads, "x_unit": "threads"}
                if result.missing or not result.ns:
                    line["missing"] = result.missing or "not measured"
                else:
                    line |= result.figures()
                    if variant.against and ratio(results, variant.name, variant.against, which):
                        line |= {"against": variant.against,
                                 "ratio": round(ratio(results, variant.name, variant.against, which), 4)}
                    line["values"] = {"records": result.edges, "records lost": result.lost}
                    if variant.name in lost.get(threads, {}):
                        (missing, wrong), _ = lost[threads][variant.name]
                        line["values"] |= {"counters wrong": round(wrong, 5)}
                        if not variant.name.startswith("AFL"):
                            line["values"] |= {"counts lost": round(missing, 6)}
                line["targets"] = xz_targets(variant, threads, results)
                out.write(json.dumps(line) + "\n")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("build")
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--only")
    parser.add_argument("--variants", help="those with this in their names, and what they are compared with")
    parser.add_argument("--seconds", type=float, help="for each program")
    parser.add_argument("--json")
    options = parser.parse_args()
    seconds = options.seconds or (2 if options.quick else 40)
    core = min(os.sched_getaffinity(0))
    programs = [p for p in PROGRAMS if not options.only or p.name == options.only]
    variants = VARIANTS
    if options.variants:
        wanted = {v.name for v in VARIANTS if any(t in v.name for t in options.variants.split(","))}
        variants = [v for v in VARIANTS if v.name in wanted or
                    any(v.name == w.against for w in VARIANTS if w.name in wanted)]
    all_results = {p.name: measure(options.build, p.name, variants, seconds, core) for p in programs}
    if programs:
        print_table(programs, variants, all_results)
        if options.json:
            write_json(options.json, programs, variants, all_results)
    if options.only in (None, "xz"):
        variants = [v for v in variants if v.xz]
        everything, lost = measure_xz(options.build, variants, options.quick)
        print_xz(variants, everything, lost)
        if options.json:
            write_xz_json(options.json, variants, everything, lost)
    return 0


if __name__ == "__main__":
    sys.exit(main())
