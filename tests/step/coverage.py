#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""coverage.py [--prefix TRIPLE-] [--brief] --archive LIBCOVBUF.A --reasons FILE PROGRAM HITS...

Which instructions of the engine something came in at, of those there are: HITS are files of addresses in
PROGRAM, as the steppers write them. Instructions that were missed are printed by source line, with the
reason that FILE states for them; where it states none, the status is 1. No reason is asked for where the
compiler made several copies of a line, and another one was interrupted.

A line of FILE is "function: reason", or "function | text of the line: reason"; the function may be one that
was inlined. --prefix: of objdump and addr2line, for another machine. --brief: only sums and what has no reason.
--allow: so many instructions need no reason, where it is chance whether they are met.
"""
import argparse
import collections
import os
import re
import subprocess
import sys

# Members of the archive, or files of the program, and which of their functions count.
SCOPE = {
    "core.c": ".", "slow_x86.S": ".", "slow_power.S": ".", "bodies.c": "append_",
    "collector.c": ".", "deliver.c": ".", "ring.c": ".", "collect.c": ".",
}
COPY = "a copy"
PADDING = re.compile(r"^(data16 |cs |nop|xchg +%ax,%ax|ori +r?0,r?0,0$|int3|ud2|\.long)")


def run(*command, text=None):
    return subprocess.run(command, check=True, stdout=subprocess.PIPE, input=text, universal_newlines=True).stdout


def global_functions(archive, prefix):
    """Name of each global function of the archive, to its source file."""
    where = {}
    for line in run(prefix + "nm", "-A", archive).splitlines():
        m = re.match(r".*:([^:]*)\.o:[0-9a-f]+ [TW] (\S+)$", line)
        if m:
            where[m[2]] = m[1]
    return where


def functions(program, archive, prefix):
    """(start, end, name) of every function in scope."""
    where = global_functions(archive, prefix)
    found, file = [], ""
    for line in run(prefix + "readelf", "-sW", program).splitlines():
        f = line.split()
        if len(f) < 8 or f[3] not in ("FILE", "FUNC"):
            continue
        # POWER: "[<localentry>: 8]"; before it the TOC is set, for callers in other images
        skip = int(re.search(r"<localentry>: (\d+)", line)[1]) if "localentry>: " in line else 0
        name = f[-1]
        if f[3] == "FILE":
            file = name
            continue
        # hidden ones have become local, behind all files
        source = where.get(name, file if f[4] == "LOCAL" else "")
        start, size = int(f[1], 16), int(f[2], 0)
        if f[6] != "UND" and size and source in SCOPE and name.startswith(SCOPE[source].strip(".")):
            found.append((start + skip, start + size, name))
    return sorted(set(found))


def instructions(program, prefix):
    """Address of every instruction that is not padding."""
    at = []
    for line in run(prefix + "objdump", "-d", "--no-show-raw-insn", program).splitlines():
        m = re.match(r"^ *([0-9a-f]+):\t(.*)$", line)
        if m and not PADDING.match(m[2].strip()):
            at.append(int(m[1], 16))
    return at


def places(program, addresses, prefix):
    """For each address, its (function, file:line) from the innermost inlined one outwards."""
    out = run(prefix + "addr2line", "-a", "-f", "-i", "-e", program,
              text="".join("%#x\n" % a for a in addresses))
    chains, lines = {}, out.splitlines()
    i = 0
    while i < len(lines):
        if lines[i].startswith("0x"):
            chain = chains.setdefault(int(lines[i], 16), [])
            i += 1
            continue
        chain.append((re.sub(r"\.(isra|constprop|part|cold).*", "", lines[i]), lines[i + 1].split(" ")[0]))
        i += 2
    return chains


class Source:
    def __init__(self):
        self.files = {}

    def line(self, place):
        path, _, number = place.rpartition(":")
        if path not in self.files:
            try:
                with open(path, encoding="utf-8") as f:
                    self.files[path] = f.read().splitlines()
            except OSError:
                self.files[path] = []
        n = int(number) if number.isdigit() else 0
        return self.files[path][n - 1].strip() if 0 < n <= len(self.files[path]) else ""


def read_reasons(path):
    reasons = []
    with open(path, encoding="utf-8") as f:
        for line in f:
            if line.startswith("#") or not line.strip():
                continue
            what, _, why = line.strip().partition(": ")
            function, _, text = what.partition(" | ")
            reasons.append((function.strip(), text.strip(), why))
    return reasons


def reason_for(chain, reasons, source):
    for function, place in chain:
        for name, text, why in reasons:
            if name == function and text in source.line(place):
                return why
    return None


def main():
    parser = argparse.ArgumentParser(usage=__doc__)
    parser.add_argument("--prefix", default="")
    parser.add_argument("--brief", action="store_true")
    parser.add_argument("--allow", type=int, default=0)
    parser.add_argument("--archive", required=True)
    parser.add_argument("--reasons", required=True)
    parser.add_argument("program")
    parser.add_argument("hits", nargs="+")
    o = parser.parse_args()

    hit = set()
    for path in o.hits:
        with open(path, encoding="ascii") as f:
            hit.update(int(line, 16) for line in f)
    reasons = read_reasons(o.reasons)
    source = Source()
    all_instructions = instructions(o.program, o.prefix)
    scope = functions(o.program, o.archive, o.prefix)
    if not scope:
        sys.exit("coverage.py: %s has none of the engine's functions: is it stripped?" % o.program)
    missed, rows, in_scope = [], [], set()
    i = 0
    for start, end, name in scope:
        while i < len(all_instructions) and all_instructions[i] < start:
            i += 1
        k = i
        there = []
        while k < len(all_instructions) and all_instructions[k] < end:
            there.append(all_instructions[k])
            k += 1
        in_scope.update(there)
        gone = [a for a in there if a not in hit]
        rows.append((name, len(there) - len(gone), len(there), gone))
        missed += gone
    chains = places(o.program, missed + [a for a in hit if a in in_scope], o.prefix)
    lines_hit = {chain[0] for a, chain in chains.items() if a in hit}
    functions_hit = {function for a, chain in chains.items() if a in hit for function, _ in chain}
    counts = collections.Counter()
    for name, n, of, gone in rows:
        groups = collections.OrderedDict()
        for a in gone:
            chain = chains.get(a, [("?", "?:0")])
            why = reason_for(chain + [(re.sub(r"\..*", "", name), "?:0")], reasons, source)
            if not why and (chain[0] in lines_hit or
                            (chain[0][0] in functions_hit and source.line(chain[0][1]) in ("{", "}"))):
                why = COPY
            counts[COPY if why == COPY else "reason" if why else "none"] += 1
            key = (why, *chain[0])
            groups[key] = groups.get(key, 0) + 1
        if not o.brief:
            print("%s: %d of %d instructions" % (name, n, of))
        for (why, function, place), count in groups.items():
            if not why or not o.brief:
                print("    %d: %s (%s) %s: %s" % (count, function, os.path.basename(place), source.line(place),
                                                  why or "NO REASON IS STATED"))
    nr = sum(row[2] for row in rows)
    print("the engine: interrupted at %d of %d instructions; of the others %d are copies of lines that were, of %d "
          "it is stated why not, of %d it is not" % (nr - len(missed), nr, counts[COPY], counts["reason"],
                                                     counts["none"]))
    return 1 if counts["none"] > o.allow else 0


if __name__ == "__main__":
    sys.exit(main())
