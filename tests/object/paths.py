#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""
paths.py PROGRAM < qemu's log of an instruction at a time

How many instructions were executed under each way_...() of PROGRAM when it was gone last, and which of them order or
are atomic. A line each, as for the table of docs/power.md.
"""
import bisect
import collections
import re
import subprocess
import sys

KINDS = (("sync", r"(hw)?sync$"), ("lwsync", "lwsync$"), ("isync", "isync$"), ("pair", r"st[dw]cx\.$"))


def lines(*command):
    return subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout.splitlines()


def main():
    program = sys.argv[1]
    names = {}
    for line in lines("powerpc64le-linux-gnu-objdump", "-d", "--no-show-raw-insn", program):
        match = re.match(r"\s+([0-9a-f]+):\t(\S+)", line)
        if match:
            names[int(match[1], 16)] = match[2]
    functions = sorted((int(f[0], 16), int(f[1], 16), f[3]) for f in
                       map(str.split, lines("powerpc64le-linux-gnu-nm", "-S", program)) if len(f) == 4 and f[2] in "tT")
    starts = [f[0] for f in functions]

    def function_at(address):
        start, size, name = functions[bisect.bisect_right(starts, address) - 1]
        return name if address < start + size else ""

    ways, way = {}, None
    for line in sys.stdin:
        match = re.match(r"Trace \d+: 0x\w+ \[\w+/(\w+)/", line)
        if not match:
            continue
        address = int(match[1], 16)
        name = function_at(address)
        if name == "main":
            way = None
        elif name.startswith("way_"):
            if name != way:
                way = name
                ways[way] = collections.Counter()
        elif way:
            ways[way]["instructions"] += 1
            for kind, pattern in KINDS:
                ways[way][kind] += bool(re.match(pattern, names.get(address, "")))
    for way, counter in ways.items():
        print(f"{way[4:]:24} {counter['instructions']:5}  ",
              *(f"{counter[kind]}*{kind}" for kind, _ in KINDS if counter[kind]))
    return not ways


if __name__ == "__main__":
    sys.exit(main())
