#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""
check_barriers.py [--named | --print | --update] TABLE COLUMN OBJECT...

Compares the instructions that order, and the atomic ones, of the functions in relocatable objects with what
TABLE says in COLUMN: a function that it names is there and has these and no others, as many; one that it does
not name has no full fence (x86-64: mfence). Pieces that a compiler splits off a function are counted with it.

  x86-64    lock      an instruction with a lock prefix, or an exchange with memory
            mfence, lfence, sfence
  ppc64le   pair      ldarx and stdcx., or lwarx and stwcx.
            lwsync, isync, sync

TABLE has lines 'FUNCTION | CELL | CELL...', of which the first names the columns and '#' begins a comment. A cell
is empty, or names instructions: 'lwsync 2*pair'. 'no' is for a function that this compiler has no code of.
--named looks at no others. --print prints what all functions of the objects have. --update writes what the named
ones have into TABLE, for 'git diff' to show. Status: 0 as TABLE says, 1 not, 2 usage.
"""
import collections
import re
import sys

from objcode import Object, ObjectError

FULL_FENCES = ("sync", "ptesync", "phwsync", "mfence")
ORDER = ("lock", "sync", "lwsync", "isync", "pair", "load-reserve")


def kind_of(machine, instruction):
    name, operands = instruction.name, instruction.operands
    if machine == "x86-64":
        if name.startswith("lock ") or re.match(r"xchg[bwlq]?$", name) and "(" in operands:
            return "lock"
        if name in ("mfence", "lfence", "sfence", "cpuid", "serialize"):
            return name
        return None
    if name == "hwsync" or name == "sync" and operands in ("", "0"):
        return "sync"
    if re.match(r"(sync|dcs|dss|phwsync|plwsync|ptesync|eieio|stncisync)$", name):
        return name
    if name in ("lwsync", "isync"):
        return name
    if re.match(r"l[bhwdq]arx$", name):
        return "load-reserve"
    if re.match(r"st[bhwdq]cx\.$", name):
        return "pair"
    return None


def count(objects):
    """Function -> Counter, of all functions; pieces and clones are their function's."""
    counts = collections.defaultdict(collections.Counter)
    for obj in objects:
        for function in obj.functions:
            for name in {re.sub(r"\..*", "", n) for n in function.names}:
                for instruction in function.instructions:
                    kind = kind_of(obj.machine, instruction)
                    if kind:
                        counts[name][kind] += 1
                counts[name].update()
    for counter in counts.values():
        # a load with reservation whose store is elsewhere, or the other way round, stays visible
        if counter["load-reserve"] == counter["pair"]:
            del counter["load-reserve"]
    return counts


def in_words(counter):
    known = [k for k in ORDER if counter[k]] + sorted(k for k in counter if k not in ORDER and counter[k])
    return " ".join(k if counter[k] == 1 else f"{counter[k]}*{k}" for k in known)


class Table:
    def __init__(self, path, column):
        self.path = path
        self.rows, columns = {}, None
        with open(path, encoding="utf-8") as file:
            self.lines = file.read().splitlines()
        for number, line in enumerate(self.lines, 1):
            cells = self._cells(line)
            if cells == [""]:
                continue
            if columns is None:
                columns = cells
                if column not in columns[1:]:
                    raise ObjectError(f"{path}: there is no column {column}, but {', '.join(columns[1:])}")
                self.index = columns.index(column)
            elif len(cells) != len(columns) or cells[0] in self.rows:
                raise ObjectError(f"{path}:{number}: {cells[0]}: has {len(cells)} cells, or is there twice")
            else:
                self.rows[cells[0]] = cells[self.index]

    @staticmethod
    def _cells(line):
        return [c.strip() for c in line.split("#")[0].split("|")]

    def update(self, found):
        """found: what each function has. Columns are aligned anew."""
        rows = [self._cells(line) for line in self.lines]
        for cells in rows:
            if cells[0] in self.rows:
                cells[self.index] = found.get(cells[0], "no")
        table = [cells for cells in rows if cells != [""]]
        widths = [max(len(cells[i]) for cells in table) for i in range(len(table[0]))]
        with open(self.path, "w", encoding="utf-8") as file:
            for line, cells in zip(self.lines, rows):
                if cells != [""]:
                    line = " | ".join(c.ljust(w) for c, w in zip(cells, widths)).rstrip()
                file.write(line + "\n")


def wanted(cell):
    counter = collections.Counter()
    for word in cell.split():
        number, _, name = word.rpartition("*")
        counter[name] += int(number or 1)
    return counter


def compare(table, column, counts, named):
    """Prints what differs. Returns how much does."""
    nr_bad = 0
    for name, cell in table.rows.items():
        if (cell == "no") != (name not in counts):
            print(f"{name}: {column} has {'code of it' if cell == 'no' else 'no code of it'}")
            nr_bad += 1
        elif cell != "no" and wanted(cell) != counts[name]:
            print(f"{name}: {column} has '{in_words(counts[name])}', not '{cell}'")
            nr_bad += 1
    for name in sorted(set(counts) - set(table.rows)):
        if not named and any(counts[name][fence] for fence in FULL_FENCES):
            print(f"{name}: {column} has '{in_words(counts[name])}', and no row in {table.path}")
            nr_bad += 1
    return nr_bad


def main(arguments):
    if arguments[:1] in (["-h"], ["--help"]):
        print(__doc__.strip())
        return 0
    options = [a for a in arguments if a in ("--named", "--print", "--update")]
    arguments = [a for a in arguments if a not in options]
    if len(arguments) < 3 or len(options) > 1:
        print("usage: check_barriers.py [--named | --print | --update] TABLE COLUMN OBJECT...", file=sys.stderr)
        return 2
    path, column = arguments[:2]
    try:
        objects = [Object(name) for name in arguments[2:]]
        counts = count(objects)
        if options == ["--print"]:
            for name in sorted(n for n in counts if counts[n]):
                print(f"{name} | {in_words(counts[name])}")
            return 0
        table = Table(path, column)
        if options == ["--update"]:
            table.update({name: in_words(counter) for name, counter in counts.items()})
            return 0
        return int(compare(table, column, counts, options == ["--named"]) != 0)
    except (ObjectError, OSError, ValueError) as error:
        print(f"check_barriers.py: {error}", file=sys.stderr)
        return 2


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
