#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""check_table.py [--list] [SOURCES]

Holds docs/ordering.md against the sources. places.txt says of every operation that orders between processors in which row of the
table it is: file, function, operation, how many times, rows. This fails where

    the sources have an operation that places.txt does not, or the other way round
    a place's row is not in the table, or does not name the place's file
    a row has no place, or names no litmus test, or one that algorithms/ lacks
    an algorithm is in no row, or in others than its field "rows" says
    docs/ordering.md says another number of tests or algorithms
    the POWER tests have other instructions than tests/object finds in what gcc makes of an operation

--list prints the places that the sources have, with their rows as far as places.txt knows them. SOURCES: the project's top
directory, if it is another one.
"""
import collections
import os
import re
import sys

sys.dont_write_bytecode = True
import machine

HERE = os.path.dirname(os.path.abspath(__file__))
TOP = os.path.join(HERE, "..", "..")
FOLDERS = ("include/covbuf", "libcovbuf/core", "libcovbuf/platform/user", "libcovbuf/platform/kernel", "shm", "adapters", "tools")
SKIPPED = ("include/covbuf/arch/", "include/covbuf/atomic.h")  # what the operations are, not where they are used

OPERATION = re.compile(
    r"\b(covb_(?:load_acquire|store_release|cas_acquire|cas_release|cas_acq_rel|xchg_acquire|xchg_acq_rel|fetch_add_acq_rel"
    r"|mb_after_cas|mb|wmb|rmb)"
    r"|covb_plat_call_rcu|covb_plat_rcu_read_lock"
    r"|smp_\w+|(?:try_)?cmpxchg\w*|xchg\w*|atomic\w*_(?:acquire|release)"
    r"|rcu_read_lock\w*|synchronize_\w+|tracepoint_synchronize_unregister|call_rcu\w*|rcu_barrier|rcu_dereference\w*|rcu_assign\w*"
    r"|hlist_\w+_rcu\w*|list_\w+_rcu\w*|llist_add|llist_del_all|refcount_\w+"
    r"|__atomic_\w+|__sync_\w+)\s*\(")
NO_ORDER = re.compile(r"refcount_set|refcount_inc|call_rcu_(before|after)_fork\w*")  # the second: liburcu's own
C11_ORDER = re.compile(r"__ATOMIC_(ACQUIRE|RELEASE|ACQ_REL|SEQ_CST|CONSUME)")


def without_comments(text):
    """Comments and strings become blanks; lines stay."""
    def blank(match):
        return re.sub(r"[^\n]", " ", match.group())
    return re.sub(r"/\*.*?\*/|//[^\n]*|\"(?:\\.|[^\"\\\n])*\"", blank, text, flags=re.S)


def arguments(text, at):
    """The text from an opening parenthesis to its partner."""
    depth = 0
    for end in range(at, len(text)):
        depth += {"(": 1, ")": -1}.get(text[end], 0)
        if not depth:
            return text[at:end + 1]
    return text[at:]


def places_in(text):
    """(function, operation) of each operation."""
    text = without_comments(text)
    where, offset, found = "-", 0, []
    in_macro = False
    for line in text.split("\n"):
        name = re.match(r"#\s*define\s+(\w+)", line)
        if name:
            where_macro, in_macro = name.group(1), True
        elif not in_macro and re.match(r"[A-Za-z_].*\(", line) and not re.match(r"(#|typedef|struct \w+ \{|extern)", line):
            # the name before the last parenthesis that is not an attribute's argument
            names = [n for n in re.findall(r"(\w+)\s*\(", line) if n not in ("__attribute__", "constructor", "destructor",
                     "tls_model", "visibility", "__noinline__", "aligned")]
            where = names[0] if names else where
        for match in OPERATION.finditer(line):
            op = match.group(1)
            if NO_ORDER.fullmatch(op):
                continue
            if op.startswith("__atomic"):
                order = C11_ORDER.search(arguments(text, offset + match.end() - 1))
                if not order:
                    continue
                op += "(" + order.group(1).lower() + ")"
            function = where_macro if in_macro else where
            if function != op:  # or else it is declared, or defined, there
                found.append((function, op))
        in_macro = in_macro and line.endswith("\\")
        offset += len(line) + 1
    return found


def places(top):
    """Counter of (file, function, operation)."""
    out = collections.Counter()
    for folder in FOLDERS:
        for path, _, names in sorted(os.walk(os.path.join(top, folder))):
            for name in sorted(names):
                full = os.path.join(path, name)
                file = os.path.relpath(full, top)
                if not name.endswith((".c", ".h")) or file.startswith(SKIPPED):
                    continue
                with open(full, encoding="utf-8") as source:
                    for function, op in places_in(source.read()):
                        out[file, function, op] += 1
    return out


def recorded():
    """(file, function, operation) -> (how many, rows)"""
    out = {}
    with open(os.path.join(HERE, "places.txt"), encoding="ascii") as lines:
        for line in lines:
            words = line.split()
            if words and not line.startswith("#"):
                out[tuple(words[:3])] = (int(words[3]), words[4:])
    return out


def table():
    """row -> its cells"""
    rows = {}
    with open(os.path.join(TOP, "docs", "ordering.md"), encoding="utf-8") as lines:
        for line in lines:
            match = re.match(r"\| (\d+) \|", line)
            if match:
                rows[match.group(1)] = [c.strip() for c in line.strip().strip("|").split("|")]
    return rows


def algorithms():
    """name -> rows"""
    out = {}
    folder = os.path.join(HERE, "algorithms")
    for name in sorted(os.listdir(folder)):
        if name.endswith(".alg"):
            with open(os.path.join(folder, name), encoding="ascii") as lines:
                out[name[:-4]] = next((line[5:].split() for line in lines if line.startswith("rows:")), [])
    return out


def compare_places(now, known):
    for place in sorted(set(now) | set(known)):
        have, want = now.get(place, 0), known.get(place, (0, []))[0]
        if have != want:
            yield f"{place[0]}, {place[1]}(): {place[2]} is there {have} times; places.txt has {want}"


def short(file):
    """As the table names it: without what all of its folder have in common."""
    for prefix in ("include/covbuf/", "libcovbuf/"):
        if file.startswith(prefix):
            return file[len(prefix):]
    return file


def compare_rows(known, rows):
    used = set()
    for (file, function, op), (_, of) in sorted(known.items()):
        if not of:
            yield f"{file}, {function}(): {op} is in no row"
        for row in of:
            used.add(row)
            if row not in rows:
                yield f"{file}, {function}(): there is no row {row}"
            elif f"`{short(file)}`" not in " ".join(rows[row][1:4]):
                yield f"{file}, {function}(): {op}: row {row} does not name `{short(file)}`"
    for row, cells in rows.items():
        if row not in used and "relaxed" not in cells[2] and "compiler" not in cells[2]:
            yield f"row {row} of docs/ordering.md: nothing in the sources is in it"
        named = set()
        for (file, _, _), (_, of) in known.items():
            if row in of:
                named.add(short(file))
        for file in re.findall(r"`([\w/.]+\.[ch])`", " ".join(cells[1:4])):
            if file not in named and row in used:
                yield f"row {row} of docs/ordering.md names `{file}`, which has no operation of it"


def compare_instructions():
    with open(os.path.join(HERE, "..", "object", "barriers.table"), encoding="utf-8") as lines:
        cells = [[c.strip() for c in line.split("|")] for line in lines if "|" in line]
    column = next((i for i, name in enumerate(cells[0]) if name == "ppc64le gcc"), None)
    objects = {c[0]: sorted(c[column].split()) for c in cells} if column else {}
    values = {"store": ["1"], "cas": ["1", "2"], "xchg": ["1"], "fetch": ["1"]}
    for op in ("load", "load_acquire", "store", "store_release", "cas", "cas_acquire", "cas_release", "cas_acq_rel", "xchg_acquire",
               "fetch_add", "fetch_add_acq_rel", "mb", "wmb", "rmb"):
        power = machine.Power(0, ["word"])
        power.statement({"op": op, "to": "found", "args": ["word", *values.get(op.split("_")[0], [])]})
        ours = sorted(line.split()[0].replace("lwarx", "pair") for line in power.lines if re.match("l?w?sync|isync|lwarx", line))
        if objects.get("inlined_" + op) != ours:
            theirs = " ".join(objects.get("inlined_" + op, ["it is not there"]))
            yield f"{op} on POWER: {' '.join(ours) or 'nothing'} here; tests/object/barriers.table: {theirs or 'nothing'}"


def compare_numbers(tests):
    with open(os.path.join(TOP, "docs", "ordering.md"), encoding="utf-8") as text:
        said = re.search(r"(\d+) tests of (\d+) algorithms", text.read())
    with open(os.path.join(HERE, "expect.txt"), encoding="ascii") as lines:
        nr = sum(not line.startswith("#") for line in lines)
    if not said or said.groups() != (str(nr), str(len(tests))):
        yield f"docs/ordering.md: there are {nr} tests of {len(tests)} algorithms"


def compare_tests(rows, tests):
    named = collections.defaultdict(list)
    for row, cells in rows.items():
        of = re.findall(r"\[([\w-]+)\]\(\.\./tests/litmus/algorithms/", cells[5])
        if not of:
            yield f"row {row} of docs/ordering.md names no litmus test"
        for test in of:
            named[test].append(row)
            if test not in tests:
                yield f"row {row} of docs/ordering.md: there is no algorithms/{test}.alg"
    for test, of in tests.items():
        if sorted(of) != sorted(named[test]):
            said, is_in = " ".join(of) or "none", " ".join(named[test]) or "none"
            yield f"algorithms/{test}.alg says it is for rows {said}; the table names it in {is_in}"


def main(arguments_):
    if arguments_ and arguments_[0] in ("-h", "--help"):
        print(__doc__.strip())
        return 0
    listing = "--list" in arguments_
    sources = [a for a in arguments_ if a != "--list"]
    now, known = places(sources[0] if sources else TOP), recorded()
    if listing:
        for place in sorted(now):
            print(*place, now[place], *known.get(place, (0, ["?"]))[1])
        return 0
    rows = table()
    tests = algorithms()
    wrong = [*compare_places(now, known), *compare_rows(known, rows), *compare_tests(rows, tests), *compare_numbers(tests),
             *compare_instructions()]
    for line in wrong:
        print(line)
    if not now or not rows:
        print("nothing was found: the sources, or the table, are not where they were")
        return 1
    print(f"{sum(now.values())} operations in {len({p[0] for p in now})} files, {len(rows)} rows: {len(wrong)} differences")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
