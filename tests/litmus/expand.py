#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""expand.py DIR [ALGORITHM...]

Writes the litmus tests of algorithms/*.alg to DIR/c11, DIR/lkmm, DIR/ppc and DIR/x86, for herd7, and prints a line for each:

    model/name RULE sha256

An algorithm is written once, in the engine's names (covb_ left out), one statement a line, and comes out four times:
with C11's atomics, with the kernel's primitives, and as the instructions of POWER and x86-64 (machine.py). A statement
that orders has a label, "/* [label] ... */"; for each there is one more test, name.label, in which that order is
left out. So every order is shown to be needed.

RULE says what must come of it:

    never    the bad state is not reached
    flagged  it is, in one model at least
    spent    the order is taken for nothing: not reached without it either. The file says "spent LABEL: why"
    free     likewise on x86-64, where all but full fences cost nothing
    reached  it is, in this model, which does not know better. The file says "reached MODEL: why"
    any      this model is not asked. With "bad: why" the algorithm is one that must not be written

Fields: about, rows (of docs/ordering.md), models, init, exists; then P0 { ... }, P1 { ... }. In exists, N:ok of a cas is 1
if it succeeded. Statements: load, load_acquire, store, store_release, cas, cas_acquire, cas_release, cas_acq_rel (each
gives 1 or 0), xchg, xchg_acquire, fetch_add, fetch_add_release, fetch_add_acq_rel (what was there), mb, mb_after_cas,
wmb, rmb, rcu_read_lock, rcu_read_unlock, synchronize_rcu; if (a == b) { }, if (a != b) { }.
"""
import hashlib
import os
import re
import sys
import textwrap

sys.dont_write_bytecode = True
import machine

HERE = os.path.dirname(os.path.abspath(__file__))
MODELS = ("c11", "lkmm", "ppc", "x86")

# What is left of a statement when its order is left out, and how that test is named.
WEAKER = {
    "load_acquire": [("", "load")],
    "store_release": [("", "store")],
    "cas_acquire": [("", "cas")],
    "cas_release": [("", "cas")],
    "cas_acq_rel": [("-acquire", "cas_release"), ("-release", "cas_acquire")],
    "xchg_acquire": [("", "xchg")],
    "fetch_add_acquire": [("", "fetch_add")],
    "fetch_add_release": [("", "fetch_add")],
    "fetch_add_acq_rel": [("-acquire", "fetch_add_release"), ("-release", "fetch_add_acquire")],
    "mb": [("-light", "light"), ("", None)],  # also: lwsync where sync is needed
    "mb_after_cas": [("-light", "light"), ("", None)],
    "wmb": [("", None)],
    "rmb": [("", None)],
    "rcu_read_lock": [("", None)],
    "synchronize_rcu": [("", None)],
}


class Bad(Exception):
    pass


class Algorithm:
    def __init__(self, path):
        self.fields = {"models": "c11 lkmm ppc x86", "about": "", "init": "", "rows": "", "note": ""}
        self.notes = {}  # "spent", "reached", "bad" -> {label or model: why}
        self.procs = []
        self.name = os.path.splitext(os.path.basename(path))[0]
        field, body = None, None
        for number, line in enumerate(open(path, encoding="ascii"), 1):
            text = line.strip()
            if not text or text.startswith("#"):
                continue
            if body is not None:
                depth += text.count("{") - text.count("}")
                if depth == 0:
                    body = None
                else:
                    body.append(self.statement(text, f"{path}:{number}"))
            elif re.fullmatch(r"P\d+ \{", text):
                body, depth = [], 1
                self.procs.append(body)
            elif line[0] in " \t" and field:
                self.fields[field] += " " + text
            else:
                field = self.field(text, f"{path}:{number}")
        self.labels = [s["label"] for p in self.procs for s in p if s["label"]]
        if len(self.labels) != len(set(self.labels)):
            raise Bad(f"{path}: a label is there twice")
        if "exists" not in self.fields:
            raise Bad(f"{path}: no exists")

    def field(self, text, where):
        match = re.fullmatch(r"(\w+)(?: ([\w-]+))?: ?(.*)", text)
        if not match:
            raise Bad(f"{where}: not understood: {text}")
        name, of, value = match.groups()
        if name in ("spent", "reached", "bad"):
            self.notes.setdefault(name, {})[of] = value
            return "note"
        self.fields[name] = value
        return name

    @staticmethod
    def statement(text, where):
        comment = re.search(r"/\*(.*)\*/", text)
        label = re.search(r"\[([\w-]+)\]", comment.group(1)) if comment else None
        code = re.sub(r"/\*.*\*/", "", text).strip().rstrip(";")
        out = {"label": label and label.group(1), "op": None, "to": None, "args": []}
        if code == "}":
            out["op"] = "end"
        elif match := re.fullmatch(r"if \((\w+) (==|!=) (\w+)\) \{", code):
            out.update(op="if", args=list(match.groups()))
        elif match := re.fullmatch(r"(?:(\w+) = )?(\w+)\((.*)\)", code):
            out.update(to=match.group(1), op=match.group(2))
            out["args"] = [a.strip() for a in match.group(3).split(",") if a.strip()]
        else:
            raise Bad(f"{where}: not understood: {text}")
        orders = out["op"] in WEAKER
        if orders != bool(out["label"]):
            raise Bad(f"{where}: {'no' if orders else 'a'} label: {text}")
        return out

    def variants(self):
        """(suffix, processes) of each test."""
        yield "", self.procs
        if "bad" in self.notes:
            return
        for p, proc in enumerate(self.procs):
            for i, s in enumerate(proc):
                for suffix, op in WEAKER.get(s["op"], []) if s["label"] else []:
                    weak = [dict(x) for x in proc]
                    weak[i]["op"] = op
                    if s["op"] == "rcu_read_lock":
                        for x in weak:
                            x["op"] = None if x["op"] == "rcu_read_unlock" else x["op"]
                    yield "." + s["label"] + suffix, self.procs[:p] + [weak] + self.procs[p + 1:]

    def rule(self, suffix, model):
        if model == "x86":
            return self.rule_x86(suffix)
        if not suffix:
            if "bad" in self.notes:
                return "flagged"
            return "reached" if model in self.notes.get("reached", {}) else "never"
        if model in self.notes.get("reached", {}):
            return "any"
        return "spent" if suffix[1:] in self.notes.get("spent", {}) else "flagged"


    def rule_x86(self, suffix):
        if not suffix:
            return "any" if "bad" in self.notes else "never"
        full = {s["label"] for p in self.procs for s in p if s["op"] == "mb"}
        return "flagged" if re.sub("-light$", "", suffix[1:]) in full and suffix[1:] not in self.notes.get("spent", {}) else "free"


def locations(procs):
    """Shared words of each process, and all."""
    each = []
    for proc in procs:
        names = []
        for s in proc:
            if s["op"] and s["args"] and s["op"] not in ("if", "end") and s["args"][0] not in names:
                names.append(s["args"][0])
        each.append(names)
    return each


def initial(text):
    return dict(item.split("=") for item in text.split())


def is_number(text):
    return text.isdigit()


def cas_old(procs):
    """(process, result) -> what a cas expects, as a number."""
    return {(p, s["to"]): s["args"][1] for p, proc in enumerate(procs) for s in proc
            if s["op"] and s["op"].startswith("cas")}


# ---- C ---------------------------------------------------------------------------------------------

C11 = {
    "load": "atomic_load_explicit({0}, memory_order_relaxed)",
    "load_acquire": "atomic_load_explicit({0}, memory_order_acquire)",
    "store": "atomic_store_explicit({0}, {1}, memory_order_relaxed)",
    "store_release": "atomic_store_explicit({0}, {1}, memory_order_release)",
    "xchg": "atomic_exchange_explicit({0}, {1}, memory_order_relaxed)",
    "xchg_acquire": "atomic_exchange_explicit({0}, {1}, memory_order_acquire)",
    "fetch_add": "atomic_fetch_add_explicit({0}, {1}, memory_order_relaxed)",
    "fetch_add_acquire": "atomic_fetch_add_explicit({0}, {1}, memory_order_acquire)",
    "fetch_add_release": "atomic_fetch_add_explicit({0}, {1}, memory_order_release)",
    "fetch_add_acq_rel": "atomic_fetch_add_explicit({0}, {1}, memory_order_acq_rel)",
    "cas": "atomic_compare_exchange_strong_explicit({0}, {e}, {2}, memory_order_relaxed, memory_order_relaxed)",
    "cas_acquire": "atomic_compare_exchange_strong_explicit({0}, {e}, {2}, memory_order_acquire, memory_order_relaxed)",
    "cas_release": "atomic_compare_exchange_strong_explicit({0}, {e}, {2}, memory_order_release, memory_order_relaxed)",
    "cas_acq_rel": "atomic_compare_exchange_strong_explicit({0}, {e}, {2}, memory_order_acq_rel, memory_order_acquire)",
    "mb": "atomic_thread_fence(memory_order_seq_cst)",
    "mb_after_cas": "atomic_thread_fence(memory_order_seq_cst)",
    "light": "atomic_thread_fence(memory_order_acq_rel)",
    "wmb": "atomic_thread_fence(memory_order_release)",
    "rmb": "atomic_thread_fence(memory_order_acquire)",
}

# cas_acq_rel is a full fence there, but on POWER (covbuf/arch/kernel.h); what either half alone does, its own tests show.
LKMM = {
    "load": "READ_ONCE(*{0})",
    "load_acquire": "smp_load_acquire({0})",
    "store": "WRITE_ONCE(*{0}, {1})",
    "store_release": "smp_store_release({0}, {1})",
    "xchg": "xchg_relaxed({0}, {1})",
    "xchg_acquire": "xchg_acquire({0}, {1})",
    "fetch_add": "atomic_fetch_add_relaxed({1}, {0})",
    "fetch_add_acquire": "atomic_fetch_add_acquire({1}, {0})",
    "fetch_add_release": "atomic_fetch_add_release({1}, {0})",
    "fetch_add_acq_rel": "atomic_fetch_add({1}, {0})",
    "cas": "cmpxchg_relaxed({0}, {1}, {2})",
    "cas_acquire": "cmpxchg_acquire({0}, {1}, {2})",
    "cas_release": "cmpxchg_release({0}, {1}, {2})",
    "cas_acq_rel": "cmpxchg({0}, {1}, {2})",
    "mb": "smp_mb()",
    "mb_after_cas": "smp_mb__after_atomic()",
    "light": "smp_wmb(); smp_rmb()",
    "wmb": "smp_wmb()",
    "rmb": "smp_rmb()",
    "rcu_read_lock": "rcu_read_lock()",
    "rcu_read_unlock": "rcu_read_unlock()",
    "synchronize_rcu": "synchronize_rcu()",
}


def local(text):
    """A result's name in C: others than those of shared words."""
    return text if is_number(text) else "r_" + text


def emit_c(alg, procs, model):
    init, old = initial(alg.fields["init"]), cas_old(procs)
    out = []
    for p, (proc, names) in enumerate(zip(procs, locations(procs))):
        expected = []
        results = []
        lines, depth = [], 1
        for s in proc:
            if s["op"] is None:
                continue
            if s["op"] == "if":
                left, how, right = s["args"]
                if (p, left) in old and model == "lkmm":
                    right = old[(p, left)]
                lines.append("\t" * depth + f"if ({local(left)} {how} {local(right)}) {{")
                depth += 1
                continue
            if s["op"] == "end":
                depth -= 1
                lines.append("\t" * depth + "}")
                continue
            e = None
            if model == "c11" and s["op"].startswith("cas"):
                e = f"expected{p}{len(expected)}"
                expected.append(e)
                init[e] = s["args"][1]
            table = C11 if model == "c11" else LKMM
            if s["op"] not in table:
                raise Bad(f"{alg.name}: {model} has no {s['op']}")
            text = table[s["op"]].format(*s["args"][:1], *map(local, s["args"][1:]), e=e)
            if s["to"]:
                if s["to"] not in results:
                    results.append(s["to"])
                text = f"{local(s['to'])} = {text}"
            lines.append("\t" * depth + text + ";")
        kind = "atomic_int" if model == "c11" else "int"
        parameters = [f"{kind} *{n}" for n in names] + [f"int *{n}" for n in expected]
        out.append(f"P{p}({', '.join(parameters)})\n{{")
        out += [f"\tint {local(r)};" for r in results] + lines + ["}"]
    values = " ".join(f"{n}={v};" for n, v in init.items())
    return f"{{ {values} }}\n\n" + "\n".join(out) + "\n", lambda exists: exists_c(exists, old, model)


def exists_c(exists, old, model):
    if model == "lkmm":
        for (p, name), value in old.items():
            exists = re.sub(rf"\b{p}:{name}=1\b", f"{p}:{name}={value}", exists)
    return re.sub(r"\b(\d):(\w+)=", r"\1:r_\2=", exists)


# ---- both ----------------------------------------------------------------------------------------

def emit(alg, suffix, procs, model):
    name = alg.name + suffix
    if model in machine.MACHINES:
        body, exists = machine.emit(initial(alg.fields["init"]), procs, locations(procs), model)
        language = machine.MACHINES[model].name
    else:
        body, exists = emit_c(alg, procs, model)
        language = "C"
    about = textwrap.fill(alg.fields["about"], 117, initial_indent="   ", subsequent_indent="   ")
    left_out = f"\n   Left out: [{suffix[1:]}]." if suffix else ""
    return (f"{language} {name}\n"
            f"(* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause\n"
            f"{about}{left_out} *)\n{body}\nexists ({exists(alg.fields['exists'])})\n")


def main(arguments):
    if not arguments or arguments[0] in ("-h", "--help"):
        print(__doc__.strip())
        return 0 if arguments else 2
    to = arguments[0]
    paths = arguments[1:] or sorted(
        os.path.join(HERE, "algorithms", f) for f in os.listdir(os.path.join(HERE, "algorithms")) if f.endswith(".alg"))
    for model in MODELS:
        os.makedirs(os.path.join(to, model), exist_ok=True)
    for path in paths:
        alg = Algorithm(path)
        known = {suffix[1:] for suffix, _ in alg.variants()}
        for label in alg.notes.get("spent", {}):
            if label not in known:
                raise Bad(f"{path}: spent {label}: there is no such test")
        for suffix, procs in alg.variants():
            for model in alg.fields["models"].split():
                text = emit(alg, suffix, procs, model)
                with open(os.path.join(to, model, alg.name + suffix + ".litmus"), "w", encoding="ascii") as out:
                    out.write(text)
                print(f"{model}/{alg.name}{suffix} {alg.rule(suffix, model)} {hashlib.sha256(text.encode()).hexdigest()}")
    return 0


if __name__ == "__main__":
    try:
        sys.exit(main(sys.argv[1:]))
    except Bad as error:
        print(f"expand.py: {error}", file=sys.stderr)
        sys.exit(2)
