# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""Statements of expand.py as instructions: POWER's, as gcc makes them, and x86-64's."""
import re

NOT_STORED = 99  # in place of the loop around stwcx.: what a cas, exchange or add found that was not stored


class Machine:
    """One processor of a test. name: as herd7 knows the machine; header: the registers that name the shared words."""

    def __init__(self, p, names):
        self.p, self.names, self.lines, self.ends = p, names, [], []
        self.local, self.cas = {}, {}  # where results are; what a cas expected
        self.nr_labels = 0

    def label(self):
        self.nr_labels += 1
        return f"L{self.p}{self.nr_labels}"

    def add(self, *lines):
        self.lines += lines

    def statement(self, s):
        op, args = s["op"], s["args"]
        if op is None or op.startswith("rcu"):
            return
        if op == "if":
            self.ends.append(self.label())
            self.compare(args[0], self.cas.get(args[0], args[2]))
            self.branch("ne" if args[1] == "==" else "e", self.ends[-1])
        elif op == "end":
            self.add(f"{self.ends.pop()}:")
        elif op in ("mb", "mb_after_cas", "light", "wmb", "rmb"):
            self.fence(op)
        elif op.startswith("load"):
            self.load(op, s["to"], args[0])
        elif op.startswith("store"):
            self.store(op, *args)
        else:
            if op.startswith("cas"):
                self.cas[s["to"]] = args[1]
            self.modify(op, s["to"] or f"unused{self.label()}", *args)


class Power(Machine):
    name = "PPC"

    def __init__(self, p, names):
        super().__init__(p, names)
        self.address = {n: f"r{i + 1}" for i, n in enumerate(names)}

    def header(self):
        return [f"{self.p}:{r}={n};" for n, r in self.address.items()]

    def reg(self, name):
        return self.local.setdefault(name, f"r{10 + len(self.local)}")

    result = reg

    def value(self, text):
        if not text.isdigit():
            return self.reg(text)
        self.add(f"li r31,{text}")
        return "r31"

    def compare(self, left, right):
        self.add(f"cmpwi {self.reg(left)},{right}" if right.isdigit() else f"cmpw {self.reg(left)},{self.reg(right)}")

    def branch(self, condition, to):
        self.add(f"b{'eq' if condition == 'e' else 'ne'} {to}")

    def fence(self, op):
        self.add("sync" if op.startswith("mb") else "lwsync")

    def after(self, reg):
        """A branch on a register that was loaded, then isync."""
        label = self.label()
        self.add(f"cmpw {reg},{reg}", f"bne {label}", f"{label}:", "isync")

    def load(self, op, to, word):
        self.add(f"lwz {self.reg(to)},0({self.address[word]})")
        if op.endswith("acquire"):
            self.after(self.reg(to))

    def store(self, op, word, value):
        value = self.value(value)
        self.add(*(["lwsync"] if op.endswith("release") else []), f"stw {value},0({self.address[word]})")

    def modify(self, op, to, word, *values):
        address, found, end, failed = self.address[word], self.reg(to), self.label(), self.label()
        if op.endswith(("release", "acq_rel")):
            self.add("lwsync")
        if op.startswith("cas"):
            value = self.value(values[1])
            self.add(f"lwarx {found},r0,{address}", f"cmpwi {found},{values[0]}", f"bne {end}")
        elif op.startswith("fetch_add"):
            value = "r30"
            self.add(f"lwarx {found},r0,{address}", f"addi {value},{found},{values[0]}")
        else:
            value = self.value(values[0])
            self.add(f"lwarx {found},r0,{address}")
        self.add(f"stwcx. {value},r0,{address}", f"bne {failed}")
        if op.endswith(("acquire", "acq_rel")):
            # the branch on stwcx. orders; herd7 knows no dependency through it, so a compare stands for it
            if op.startswith("cas"):
                self.add("isync")
            else:
                self.after(found)
        self.add(f"b {end}", f"{failed}:", f"li {found},{NOT_STORED}", f"{end}:")


class X86(Machine):
    name = "X86_64"
    REGISTERS = ["r8", "r9", "r10", "r11", "r12", "r13", "r14", "r15"]  # of results; eax and ecx are in between

    def header(self):
        return []

    def result(self, name):
        return self.local.setdefault(name, self.REGISTERS[len(self.local)])

    def reg(self, name):
        return f"%{self.result(name)}d"

    def value(self, text):
        return f"${text}" if text.isdigit() else self.reg(text)

    def compare(self, left, right):
        self.add(f"cmpl {self.value(right)},{self.reg(left)}")

    def branch(self, condition, to):
        self.add(f"j{condition} {to}")

    def fence(self, op):
        if op == "mb":
            self.add("mfence")

    def load(self, op, to, word):
        self.add(f"movl [{word}],{self.reg(to)}")

    def store(self, op, word, value):
        self.add(f"movl {self.value(value)},[{word}]")

    def modify(self, op, to, word, *values):
        end = self.label()
        if op.startswith("cas"):
            self.add(f"movl ${values[0]},%eax", f"movl {self.value(values[1])},%ecx", f"lock cmpxchgl [{word}],%ecx",
                     f"movl %eax,{self.reg(to)}")
        elif op.startswith("fetch_add"):
            # herd7 has no xadd
            self.add(f"movl ${NOT_STORED},{self.reg(to)}", f"movl [{word}],%eax", "movl %eax,%ecx", f"addl ${values[0]},%ecx",
                     f"lock cmpxchgl [{word}],%ecx", f"jne {end}", f"movl %eax,{self.reg(to)}", f"{end}:")
        else:
            self.add(f"movl {self.value(values[0])},%ecx", f"xchgl %ecx,[{word}]", f"movl %ecx,{self.reg(to)}")


MACHINES = {"ppc": Power, "x86": X86}


def emit(init, procs, locations, model):
    """The test but for its exists clause, and a function that puts registers into that."""
    columns, machines = [], []
    setup = [f"{n}={v};" for n, v in init.items() if v != "0"]
    for p, (proc, names) in enumerate(zip(procs, locations)):
        machine = MACHINES[model](p, names)
        for s in proc:
            machine.statement(s)
        setup += machine.header()
        columns.append(machine.lines)
        machines.append(machine)
    height = max(map(len, columns))
    table = [[f"P{p}"] + lines + [""] * (height - len(lines)) for p, lines in enumerate(columns)]
    widths = [max(map(len, c)) for c in table]
    rows = [" " + " | ".join(c[i].ljust(w) for c, w in zip(table, widths)) + " ;" for i in range(height + 1)]

    def exists(text):
        def name(match):
            p, of, value = int(match.group(1)), match.group(2), match.group(3)
            machine = machines[p]
            if of in machine.cas and value == "1":
                value = machine.cas[of]
            return f"{p}:{machine.result(of)}={value}"
        return re.sub(r"\b(\d):(\w+)=(\w+)", name, text)
    return f"{{ {' '.join(setup)} }}\n\n" + "\n".join(rows) + "\n", exists
