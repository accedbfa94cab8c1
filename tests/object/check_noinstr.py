#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""
check_noinstr.py [--list] RULES OBJECT...

Shows from the code of relocatable objects (x86-64, ppc64le; gcc, clang) that what can be reached from
the functions that RULES calls roots carries no instrumentation, and leaves only for what RULES allows.
Calls and jumps are followed through the object; pieces that a compiler splits off and clones are
followed like any other function.

  instrumented    refers to something of a sanitizer, of coverage, profiling, tracing, or a stack protector
  canary          looks at the thread's canary
  dynamic TLS     asks the C library where a thread's variable is
  patchable       its entry is listed as a place to be patched
  leaves          calls or jumps to what is neither in the object nor allowed
  indirect        calls or jumps through a pointer, and is not allowed to
  missing         a root that is in no object: nothing would have been checked

RULES has a rule on each line; PATTERN is a shell's, and '#' begins a comment:

  root PATTERN            checked, with all that it reaches
  not PATTERN             no root, though a pattern above says so
  allow NAME...           may be called where it is not in the object; where it is, it is followed like any other
  indirect PATTERN...     may call and jump through pointers

--list prints the functions that are reached, and what is allowed and used. Status: 0 clean, 1 not, 2 usage.
"""
import fnmatch
import re
import sys

from objcode import Function, Object, ObjectError

INSTRUMENTATION = re.compile(
    r"__?(k|hw)?asan_|__k?[tm]san_|__dfsan_|__ubsan_|__sanitizer_(?!cov_)|__sancov|__kcsan_|__kmsan_|__lsan_|"
    r"__memprof_|__rtsan_|__tysan_|__gcov|__llvm_(gcov|gcda|prf|profile)|__prof[cdn]_|__fentry__|_?mcount$|"
    r"__cyg_profile_func|__xray|__stack_chk_|__safestack|__tls_get_addr|__emutls|_dl_tlsdesc|ftrace")
COVERAGE = re.compile(r"__sanitizer_cov_")
DYNAMIC_TLS = re.compile(r"TLSGD|TLSLD|TLSDESC|DTPMOD")
CANARY = {"x86-64": re.compile(r"%[fg]s:0x28\b"), "ppc64le": re.compile(r"-28688\(r13\)|r13,-28688\b")}
PATCHED = (r"__patchable_function_entries", r"__mcount_loc", r"xray_instr_map")
TRANSFER = {"x86-64": re.compile(r"call|j|loop"), "ppc64le": re.compile(r"b(?!rw|rd|rh|rinc|pe|cd)")}


class Rules:
    def __init__(self, path):
        self.roots, self.excluded, self.allowed, self.indirect = [], [], [], []
        kinds = {"root": self.roots, "not": self.excluded, "allow": self.allowed, "indirect": self.indirect}
        with open(path, encoding="utf-8") as file:
            for number, line in enumerate(file, 1):
                words = line.split("#")[0].split()
                if not words:
                    continue
                if words[0] not in kinds or len(words) < 2:
                    raise ObjectError(f"{path}:{number}: not a rule: {line.strip()}")
                kinds[words[0]] += words[1:]

    def roots_of(self, function):
        return [r for r in self.roots for name in function.names if fnmatch.fnmatchcase(name, r)
                and not any(fnmatch.fnmatchcase(name, e) for e in self.excluded)]


class Check:
    def __init__(self, rules):
        self.rules = rules
        self.found, self.reached, self.used = set(), set(), set()
        self.nr_bad = 0

    def bad(self, obj, function, rule, what, way):
        through = f" (from {' > '.join(way)})" if way else ""
        print(f"{obj.path}: {function.name}: {rule}: {what}{through}")
        self.nr_bad += 1

    def object(self, obj):
        patched = self._patched(obj)
        queue = []
        for function in obj.functions:
            roots = self.rules.roots_of(function)
            self.found.update(roots)
            if roots:
                queue.append((function, []))
        seen = {id(function) for function, _ in queue}
        while queue:
            function, way = queue.pop(0)
            self.reached.add(function.base)
            if id(function) in patched:
                self.bad(obj, function, "patchable", "its entry is in a table of places to patch", way)
            for target in self._look(obj, function, way):
                if id(target) not in seen:
                    seen.add(id(target))
                    queue.append((target, way + [function.name]))

    @staticmethod
    def _patched(obj):
        places = set()
        for section, entries in obj.tables.items():
            if not any(re.search(p, section) for p in PATCHED):
                continue
            for _, name, addend in entries:
                function = obj.at(name, addend)
                if isinstance(function, str):
                    function = obj.function_after(name, addend)  # the sled stands before the entry
                places.add(id(function))
        return places

    def _look(self, obj, function, way):
        """Judge each instruction; yields the functions that are called or jumped to."""
        told = set()

        def bad(rule, what):
            if (rule, what) not in told:
                told.add((rule, what))
                self.bad(obj, function, rule, what, way)

        for instruction in function.instructions:
            text = f"{instruction.name} {instruction.operands}"
            refers = [obj.resolve(r, instruction) for r in instruction.relocations]
            names = [r if isinstance(r, str) else r.name for r in refers] + re.findall(r"<([^>+]+)", text)
            hits = [n for n in names if INSTRUMENTATION.search(n) or
                    COVERAGE.search(n) and not self.rules_name(n, function)]
            for name in hits:
                bad("instrumented", name)
            if any(DYNAMIC_TLS.search(r.type) for r in instruction.relocations):
                bad("dynamic TLS", text)
            if CANARY[obj.machine].search(text):
                bad("canary", text)
            if hits:
                continue
            if self._is_indirect(obj, instruction, text):
                if not any(fnmatch.fnmatchcase(function.base, p) for p in self.rules.indirect):
                    bad("indirect", text)
                else:
                    self.used.add(f"indirect {function.base}")
            elif TRANSFER[obj.machine].match(instruction.name):
                target = obj.target(instruction, function)
                name = target.base if isinstance(target, Function) else target
                if name is None or target is function:
                    continue
                if isinstance(target, Function):
                    yield target
                elif name in self.rules.allowed:
                    self.used.add(f"allow {name}")
                else:
                    bad("leaves", f"to {name}")

    def rules_name(self, name, function):
        """A callback that is itself one of the roots, or called from where that is right."""
        return bool([r for r in self.rules.roots if fnmatch.fnmatchcase(name, r)]) and COVERAGE.search(function.name)

    @staticmethod
    def _is_indirect(obj, instruction, text):
        if obj.machine == "x86-64":
            return re.match(r"(call|jmp)q? \*", text) and not any("GOT" in r.type for r in instruction.relocations)
        return re.match(r"b[a-z]*(ctr|tar|lrl)", text) and not any("PLTCALL" in r.type for r in instruction.relocations)

    def finish(self):
        for root in self.rules.roots:
            if root not in self.found:
                print(f"missing: no object has a function {root}")
                self.nr_bad += 1


def main(arguments):
    listing = arguments[:1] == ["--list"]
    arguments = arguments[listing:]
    if arguments[:1] in (["-h"], ["--help"]):
        print(__doc__.strip())
        return 0
    if len(arguments) < 2 or arguments[0].startswith("-"):
        print("usage: check_noinstr.py [--list] RULES OBJECT...", file=sys.stderr)
        return 2
    try:
        check = Check(Rules(arguments[0]))
        for path in arguments[1:]:
            check.object(Object(path))
    except (ObjectError, OSError) as error:
        print(f"check_noinstr.py: {error}", file=sys.stderr)
        return 2
    check.finish()
    if listing:
        print("reached:", *sorted(check.reached))
        print(*sorted(check.used), sep="\n")
    return int(check.nr_bad != 0)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
