#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""step_qemu.py [--qemu "QEMU [OPTION...]"] [--prefix TRIPLE-] [--archive LIBCOVBUF.A] [--only TEXT,...]
             [--seconds N] [--seed N] [--long] [--hits FILE] STEP_TARGET

A signal at every instruction on POWER: step_target runs under qemu-user, whose debugger stub stops it at an
instruction, gives it SIGUSR1 there, and SIGUSR2 at an instruction of the handler; the program judges.

A breakpoint for each point and no single steps: a step, as any trap, drops the reservation, so one that steps
through ldarx..stdcx. never comes to its end. Stopping once between the two is what is wanted: the stdcx. must
fail, and the loop go round again. Which instructions there are is seen in qemu's own log of a run that nothing
interrupts. --seconds: all points of the named operations, then pairs at random, for so long; --long: points of
every operation by several handlers, and 20000 pairs. Exits with 77 where there is no qemu-user.
"""
import argparse
import os
import random
import re
import shlex
import shutil
import socket
import struct
import subprocess
import sys
import tempfile
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import coverage  # noqa: E402

# gdb's numbers
SIGUSR1, SIGUSR2, SIGTRAP = 30, 31, 5
MARKS = ("mark_ready", "mark_begin", "mark_end", "mark_pause", "mark_resume")
OP_HOT, OP_DRAINS, HANDLER_DRAINS = 16, 2, 1
WORTH_IT = ["append", "append cmp", "append to a ring", "append cmp to a ring", "append once in a process",
            "append to a full area", "append and grow", "start", "stop", "take and give", "enable", "disable",
            "reset", "remote enable"]


class Stub:
    """qemu's debugger stub."""

    def __init__(self, qemu, program):
        folder = tempfile.mkdtemp(prefix="step-qemu-")
        path = os.path.join(folder, "stub")
        try:
            self.process = subprocess.Popen(qemu + ["-g", path, program], stdout=subprocess.DEVNULL)
            self.socket = self.connect(path)
        finally:
            shutil.rmtree(folder, ignore_errors=True)
        self.buffer = b""
        self.ask("qXfer:features:read:target.xml:0,ffb")  # before it there is no "p"

    def connect(self, path):
        for _ in range(1200):
            s = socket.socket(socket.AF_UNIX)
            try:
                s.connect(path)
                return s
            except OSError:
                s.close()
                time.sleep(0.05)
        sys.exit("step_qemu.py: qemu does not listen")

    def ask(self, packet):
        self.socket.sendall(b"$%s#%02x" % (packet.encode(), sum(packet.encode()) & 255))
        while True:
            end = self.buffer.find(b"#")
            if end >= 0 and len(self.buffer) >= end + 3:
                break
            data = self.socket.recv(4096)
            if not data:
                sys.exit("step_qemu.py: the program is gone, after %s" % packet)
            self.buffer += data
        answer, self.buffer = self.buffer[:end], self.buffer[end + 3:]
        self.socket.sendall(b"+")
        return answer.split(b"$", 1)[1].decode()

    def pc(self):
        return int.from_bytes(bytes.fromhex(self.ask("p40")), "little")

    def go(self, packet):
        """Let it run. Where it stops, which must be at a breakpoint."""
        answer = self.ask(packet)
        if answer[:1] not in "ST" or int(answer[1:3], 16) != SIGTRAP:
            sys.exit("step_qemu.py: %s at %#x, not a breakpoint" % (answer, self.pc()))
        return self.pc()

    def leave(self):
        """Off the breakpoint that it stands at, and on."""
        self.go("s")
        return self.go("c")

    def read(self, address, size):
        return bytes.fromhex(self.ask("m%x,%x" % (address, size)))

    def write(self, address, data):
        if self.ask("M%x,%x:%s" % (address, len(data), data.hex())) != "OK":
            sys.exit("step_qemu.py: cannot write its memory")

    def stop(self):
        self.process.kill()
        self.process.wait()


def symbols(program, prefix):
    found = {}
    for line in coverage.run(prefix + "nm", program).splitlines():
        f = line.split()
        if len(f) == 3:
            found[f[2]] = int(f[0], 16)
    return found


def pairs_of_reservations(program, prefix):
    """Addresses behind a load that reserves, up to the store that needs it."""
    inside, among = set(), False
    for line in coverage.run(prefix + "objdump", "-d", "--no-show-raw-insn", program).splitlines():
        m = re.match(r"^ *([0-9a-f]+):\t(\S+)", line)
        if not m:
            among = False
            continue
        if among:
            inside.add(int(m[1], 16))
        if re.match(r"l[bhwdq]arx", m[2]):
            among = True
        elif re.match(r"st[bhwdq]cx\.", m[2]):
            among = False
    return inside


class Target:
    def __init__(self, options):
        self.options = options
        self.qemu = shlex.split(options.qemu)
        self.symbols = symbols(options.program, options.prefix)
        self.mark = {self.symbols[m]: m for m in MARKS}
        self.operations, self.handlers = [], []
        for line in coverage.run(*self.qemu, options.program, "--list").splitlines():
            what, _, flags, name = line.split(" ", 3)
            (self.operations if what == "operation" else self.handlers).append((name, int(flags)))
        self.hits, self.runs, self.missed, self.signals, self.errors = set(), 0, 0, [0, 0], 0
        self.stub = None

    def ranges(self):
        """Of the engine's functions, and the marks."""
        all_of = [(a, e) for a, e, _ in coverage.functions(self.options.program, self.options.archive,
                                                           self.options.prefix)
                  ] + [(a, a + 4) for a in self.mark]
        merged = []
        for a, e in sorted(all_of):
            if merged and a <= merged[-1][1] + 64:
                merged[-1][1] = max(merged[-1][1], e)
            else:
                merged.append([a, e])
        return merged

    def record(self, wanted):
        """The instructions of operations, by number, as they first come. Handlers are behind the operations."""
        ways = []
        with tempfile.NamedTemporaryFile(prefix="step-qemu-", mode="r") as log:
            filters = ",".join("%#x..%#x" % (a, e - 1) for a, e in self.ranges())
            status = subprocess.run(self.qemu + ["-singlestep", "-d", "exec,nochain", "-dfilter", filters,
                                                 "-D", log.name, self.options.program, "--once"] +
                                    [str(n) for n in wanted for _ in range(2)], check=False)
            if status.returncode:
                sys.exit("step_qemu.py: it fails when nothing interrupts it: %d" % status.returncode)
            way, paused = None, False
            for line in log:
                at = int(line.split("[", 1)[1].split("/")[1], 16) if line.startswith("Trace") else 0
                mark = self.mark.get(at)
                if mark == "mark_begin":
                    way = {}
                elif mark == "mark_end":
                    ways.append(list(way))
                    way = None
                elif mark in ("mark_pause", "mark_resume"):
                    paused = mark == "mark_pause"
                elif way is not None and not paused and at:
                    way[at] = True
        if len(ways) != 2 * len(wanted):
            sys.exit("step_qemu.py: qemu's log has %d operations, not %d" % (len(ways), 2 * len(wanted)))
        return dict(zip(wanted, ways[1::2]))  # the first time is another one: nothing is set up yet

    def start(self):
        self.stub = Stub(self.qemu, self.options.program)
        for address in self.mark:
            self.stub.ask("Z0,%x,4" % address)
        if self.mark.get(self.stub.go("c")) != "mark_ready":
            sys.exit("step_qemu.py: it does not come to its first mark")

    def arrive(self, at, wanted, lift):
        """Go on, past pauses, to wanted or to a mark; lift: a breakpoint that is not to be met in pauses."""
        while at != wanted and self.mark.get(at) in ("mark_pause", "mark_resume"):
            if lift:
                self.stub.ask("%s0,%x,4" % ("z" if self.mark[at] == "mark_pause" else "Z", lift))
            at = self.stub.leave()
        return at

    def inject(self, first, second, point, inner):
        """From mark_begin: SIGUSR1 at point, SIGUSR2 at inner. Returns how many came in."""
        stub, came = self.stub, 0
        stub.ask("Z0,%x,4" % point)
        at = self.arrive(stub.leave(), point, point)
        stub.ask("z0,%x,4" % point)
        if at != point:
            return 0
        came = 1
        self.hits.add(point)
        if inner:
            stub.ask("Z0,%x,4" % inner)
            at = self.arrive(stub.go("C%02x" % SIGUSR1), inner, inner)
            stub.ask("z0,%x,4" % inner)
            if at == inner:
                came = 2
                self.hits.add(inner)
                at = stub.go("C%02x" % SIGUSR2)
        else:
            at = stub.go("C%02x" % SIGUSR1)
        if self.mark.get(self.arrive(at, None, None)) != "mark_end":
            sys.exit("step_qemu.py: it stopped at %#x" % at)
        return came

    def run(self, operation, first, second, point, inner=None):
        stub = self.stub
        stub.write(self.symbols["step_request"], struct.pack("<4I", operation, first, second, 0))
        # past the pauses in what is done before the operation
        at = self.arrive(stub.leave(), None, None)
        if self.mark.get(at) != "mark_begin":
            sys.exit("step_qemu.py: it stopped at %#x before the operation" % at)
        came = self.inject(first, second, point, inner)
        if self.mark.get(self.arrive(stub.leave(), None, None)) != "mark_ready":
            sys.exit("step_qemu.py: the operation does not end")
        self.runs += 1
        self.signals[0] += came > 0
        self.signals[1] += came > 1
        self.missed += not came
        errors = struct.unpack("<QQ", stub.read(self.symbols["step_result"], 16))[1]
        if errors:
            self.errors += 1
            print("FAIL in \"%s\" at %#x by \"%s\"%s" % (
                self.operations[operation][0], point, self.handlers[first][0],
                ", in it at %#x \"%s\"" % (inner, self.handlers[second][0]) if inner else ""))
        return came

    def allows(self, operation, *handlers):
        drains = (self.operations[operation][1] & OP_DRAINS) // OP_DRAINS
        return drains + sum(self.handlers[h][1] & HANDLER_DRAINS for h in handlers) < 2


def first_level(target, ways, turns, reservations, end):
    nr = len(target.handlers)
    for o, way in ways.items():
        missed = set()
        for turn in range(turns):
            for i, point in enumerate(way):
                first = (i + o + 7 * turn) % nr
                if time.time() > end or target.errors:
                    return
                if target.allows(o, first) and not target.run(o, first, 0, point):
                    missed.add(point)
        print("operation \"%s\": interrupted at %d of %d instructions, %d of them between ldarx and stdcx."
              % (target.operations[o][0], len(way) - len(missed), len(way),
                 sum(p in reservations for p in way)), flush=True)


def second_level(target, ways, handler_ways, nr_pairs, end):
    choose = target.random
    while nr_pairs > 0 and time.time() < end and not target.errors:
        o, first, second = choose.choice(list(ways)), choose.choice(list(handler_ways)), choose.randrange(2)
        if target.allows(o, first, second):
            target.run(o, first, second, choose.choice(ways[o]), choose.choice(handler_ways[first]))
        nr_pairs -= 1


def main():
    parser = argparse.ArgumentParser(usage=__doc__)
    parser.add_argument("--qemu", default="qemu-ppc64le")
    parser.add_argument("--prefix", default="powerpc64le-linux-gnu-")
    parser.add_argument("--archive", required=True)
    parser.add_argument("--only")
    parser.add_argument("--seconds", type=float, default=0)
    parser.add_argument("--seed", type=int, default=time.time_ns() & 0xffffffff)
    parser.add_argument("--long", action="store_true")
    parser.add_argument("--hits")
    parser.add_argument("program")
    o = parser.parse_args()

    for tool in (shlex.split(o.qemu)[0], o.prefix + "objdump"):
        if not shutil.which(tool):
            print("step_qemu.py: there is no %s (Debian: qemu-user, binutils-powerpc64le-linux-gnu)" % tool)
            return 77
    os.environ.pop("LD_PRELOAD", None)  # what lets other tests execute programs of both machines
    started = time.time()
    print("seed %d" % o.seed)
    target = Target(o)
    target.random = random.Random(o.seed)
    reservations = pairs_of_reservations(o.program, o.prefix)
    only = o.only.split(",") if o.only else None
    wanted = [n for n, (name, _) in enumerate(target.operations)
              if (any(text in name for text in only) if only else o.long or name in WORTH_IT)]
    nr = len(target.operations)
    recorded = target.record(wanted + [nr + h for h in range(len(target.handlers) if o.long else 4)])
    ways = {n: way for n, way in recorded.items() if n < nr}
    handler_ways = {n - nr: way for n, way in recorded.items() if n >= nr}
    print("%d operations and %d handlers recorded in %.1f s" % (len(ways), len(handler_ways), time.time() - started),
          flush=True)
    end = started + (o.seconds or 1e9)
    target.start()
    first_level(target, ways, 3 if o.long else 1, reservations, end)
    second_level(target, ways, handler_ways, 20000 if o.long else 1000000 if o.seconds else 1000, end)
    target.stub.stop()
    print("%d runs in %.1f s: %d interrupted, %d twice, %d missed; points between ldarx and stdcx.: %d" % (
        target.runs, time.time() - started, target.signals[0], target.signals[1], target.missed,
        len(target.hits & reservations)))
    if o.hits:
        with open(o.hits, "w", encoding="ascii") as f:
            f.writelines("%#x\n" % a for a in sorted(target.hits))
    if target.errors:
        print("again with --seed %d" % o.seed)
    return 1 if target.errors else 0


if __name__ == "__main__":
    sys.exit(main())
