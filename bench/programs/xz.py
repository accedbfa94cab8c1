# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""xz, compressing with one thread, two, and as many as there are cores: whole runs of the command, start and end
included. And how many counts those lose that count in memory which threads share, without atomic instructions.
"""
import os
import random
import shutil
import struct
import subprocess
import tempfile
import time

from build import binary
from matrix import PROFDATA, VARIANTS, first

BLOCK_BYTES = 512 << 10


def make_input(path, nr_bytes):
    """Text of a sort, the same everywhere."""
    chance = random.Random(1)
    words = ["".join(chance.choices("etaoinshrdlucmfw", k=chance.randint(2, 9))) for _ in range(3000)]
    text = "".join(f"{word}{chance.choice(' ,; .' + chr(10))}" for word in chance.choices(words, k=nr_bytes // 5))
    with open(path, "w", encoding="ascii") as out:
        out.write(text[:nr_bytes])


class Segment:
    """A segment that a variant records into, and the process that holds it."""

    def __init__(self, folder, mode):
        self.name = f"name:/covbuf-bench-{os.getpid()}-{mode}"
        self.child = subprocess.Popen([f"{folder}/segment", self.name, mode], stdin=subprocess.PIPE,
                                      stdout=subprocess.PIPE, text=True)
        if self.child.stdout.readline() != "ready\n":
            raise RuntimeError("there is no segment")

    def empty(self):
        """Records and losses since the last time."""
        self.child.stdin.write("\n")
        self.child.stdin.flush()
        return [int(word) for word in self.child.stdout.readline().split()]

    def end(self):
        self.child.stdin.close()
        self.child.wait()


class Xz:
    """What all runs have in common."""

    def __init__(self, folder, nr_bytes):
        self.folder, self.out = folder, tempfile.mkdtemp(dir="/dev/shm" if os.path.isdir("/dev/shm") else None)
        self.input, self.segments = f"{self.out}/input", {}
        make_input(self.input, nr_bytes)

    def command(self, variant, threads):
        return [f"{self.folder}/xz/{binary(variant)}", "-1", f"-T{threads}", f"--block-size={BLOCK_BYTES}", "-c",
                self.input]

    def environment(self, variant, out=None):
        environment = dict(os.environ, **{k: v.format(out=out or self.out) for k, v in variant.environment.items()})
        if variant.xz == "segment":
            mode = "context" if variant.mode == "context" else "unique"
            if mode not in self.segments:
                self.segments[mode] = Segment(self.folder, mode)
            environment["COVBUF_SEGMENT"] = self.segments[mode].name
        return environment

    def run(self, variant, threads):
        """Nanoseconds; records and losses, where there is a segment."""
        environment = self.environment(variant)
        begin = time.monotonic_ns()
        status = subprocess.run(self.command(variant, threads), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
                                env=environment, check=False).returncode
        ns = time.monotonic_ns() - begin
        if status:
            raise RuntimeError(f"it ended with status {status}")
        if variant.xz == "segment":
            return ns, *self.segments["context" if variant.mode == "context" else "unique"].empty()
        return ns, 0, 0

    # ---- what was counted ---------------------------------------------------------------------

    def counts(self, variant, threads):
        """All counters of one run, by place; None: it cannot be told here."""
        with tempfile.TemporaryDirectory() as out:  # afl-showmap makes no file below /dev
            return self.counts_in(out, variant, threads)

    def counts_in(self, out, variant, threads):
        environment = self.environment(variant, out)
        command = self.command(variant, threads)
        if variant.build.startswith("afl"):
            showmap = first("afl-showmap")
            if not showmap:
                return None
            environment["AFL_QUIET"] = "1"
            command = [showmap, "-q", "-r", "-o", f"{out}/map", "-t", "60000", "-m", "none", "--", *command]
        subprocess.run(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env=environment, check=False)
        if variant.build.startswith("afl"):
            return read_map(f"{out}/map")
        return read_gcda(out) if variant.build.startswith("gcov") else read_profile(out)

    def end(self):
        for segment in self.segments.values():
            segment.end()
        shutil.rmtree(self.out, ignore_errors=True)


def read_map(path):
    """What afl-showmap -r wrote: lines of site:count, a byte each."""
    with open(path, encoding="ascii") as lines:
        return dict(map(int, line.split(":")) for line in lines)


def read_profile(folder):
    """A raw profile, through llvm-profdata's text: a function's counters follow a comment that says so."""
    files = [f"{folder}/{name}" for name in os.listdir(folder) if name.endswith(".profraw")]
    if not PROFDATA or not files:
        return None
    subprocess.run([PROFDATA, "merge", "-text", "-o", f"{folder}/text", *files], check=True)
    counts, counting = {}, False
    with open(f"{folder}/text", encoding="utf-8") as lines:
        for line in lines:
            if counting and line.strip().isdigit():
                counts[len(counts)] = int(line)
            else:
                counting = line.startswith("# Counter Values:")
    return counts


ARCS = 0x01A10000


def read_gcda(folder):
    """gcc's files: after four words, records of a tag and a length in bytes, negative where all counters are 0."""
    counts = {}
    for root, _, names in os.walk(folder):
        for name in sorted(names):
            if not name.endswith(".gcda"):
                continue
            with open(f"{root}/{name}", "rb") as file:
                data = file.read()
            at, function = 16, 0
            while at + 8 <= len(data):
                tag, length = struct.unpack_from("<Ii", data, at)
                at += 8
                if tag == ARCS:
                    function += 1
                    for i in range(max(length, 0) // 8):
                        counts[(name, function, i)] = struct.unpack_from("<Q", data, at + 8 * i)[0]
                at += max(length, 0)
    return counts


def difference(got, truth):
    """The share of all counts that is missing, and of the counters that anybody reached, how many are wrong."""
    reached = [place for place in truth if truth[place] or got.get(place, 0)]
    total = sum(truth[place] for place in reached)
    if not total:
        return None
    missing = sum(truth[place] - got.get(place, 0) for place in reached) / total
    return missing, sum(truth[place] != got.get(place, 0) for place in reached) / len(reached)


LOSSY = (("clang's profile", "clang's profile, atomic"), ("gcov", "gcov, atomic"),
         ("AFL++'s PCGUARD", "AFL++'s PCGUARD, atomic"))


def losses(xz, threads):
    """For each that counts without atomic instructions: missing, wrong; and what differs between two right runs."""
    by_name, found = {v.name: v for v in VARIANTS}, {}
    for name, atomic in LOSSY:
        if atomic not in by_name or not os.path.exists(xz.command(by_name[atomic], 1)[0]) or \
           not os.path.exists(xz.command(by_name[name], 1)[0]):
            continue
        truth, again, got = (xz.counts(by_name[n], threads) for n in (atomic, atomic, name))
        if name.startswith("AFL"):  # only its atomic counters wrap to 0: each beside itself with one thread
            single, plain = xz.counts(by_name[atomic], 1), xz.counts(by_name[name], 1)
            if single and plain and again and got:
                found[name] = difference(got, plain), difference(again, single)
        elif truth and again and got:
            found[name] = difference(got, truth), difference(again, truth)
    return found
