# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""What is measured: programs, the ways their code is compiled, and what each way is linked with and run as.

A build is a way to compile a program's code. A variant is a build, linked with something, in some mode of the
recorder. Variants are compared with the uninstrumented build of the same compiler.
"""
import os
import shutil
import subprocess
from dataclasses import dataclass, field


def first(*names):
    """The first of these commands that this machine has, or None."""
    return next((path for path in map(shutil.which, names) if path), None)


CLANG = first("clang-19", "clang")
GCC = first("gcc-12", "gcc")
AFL = first("afl-clang-fast")
AFL_CLANG = first("clang-14")  # what Debian's AFL++ compiles with
LLD = first("ld.lld-19", "ld.lld")
CLANG_VERSION = subprocess.run([CLANG, "-dumpversion"], capture_output=True, text=True,
                               check=True).stdout.split(".", maxsplit=1)[0]
# what a plugin for it is built with
LLVM_HEADERS = os.path.exists(f"/usr/lib/llvm-{CLANG_VERSION}/include/llvm/Passes/PassBuilder.h")
PROFDATA = first("llvm-profdata-19", "llvm-profdata")

GUARD = "-fsanitize-coverage=trace-pc-guard,pc-table"
ATOMIC = "-fprofile-update=atomic"
MCDC = "-fprofile-instr-generate -fcoverage-mapping -fcoverage-mcdc"


@dataclass
class Build:
    compiler: str
    flags: str = ""
    environment: str = ""
    missing: str = ""  # what to install, where the compiler is not there


BUILDS = {
    "clang": Build(CLANG),
    "gcc": Build(GCC),
    "clang14": Build(AFL_CLANG, missing="clang-14"),
    "guard": Build(CLANG, GUARD),
    "counters": Build(CLANG, "-fsanitize-coverage=inline-8bit-counters,pc-table"),
    "flags": Build(CLANG, "-fsanitize-coverage=inline-bool-flag,pc-table"),
    "fuzzer": Build(CLANG, "-fsanitize=fuzzer-no-link"),
    "profile": Build(CLANG, "-fprofile-instr-generate"),
    "profile_atomic": Build(CLANG, f"-fprofile-instr-generate {ATOMIC}"),
    "mcdc": Build(CLANG, MCDC),
    "mcdc_memory": Build(CLANG, f"{MCDC} -mllvm -disable-licm-promotion"),
    "mcdc_atomic": Build(CLANG, f"{MCDC} {ATOMIC}"),
    "mcdc_bitmaps": Build(CLANG if LLVM_HEADERS else None,
                          f"{MCDC} {ATOMIC} -fpass-plugin={{llvmprof}}/atomic-bitmaps.so",
                          missing=f"llvm-{CLANG_VERSION}-dev"),
    "lto": Build(CLANG, "-flto=full"),
    "lto_guard": Build(CLANG, f"-flto=full {GUARD}"),
    "trace_pc": Build(GCC, "-fsanitize-coverage=trace-pc"),
    "gcov": Build(GCC, "--coverage"),
    "gcov_atomic": Build(GCC, f"--coverage {ATOMIC}"),
    "afl": Build(AFL, "", "AFL_QUIET=1 AFL_DONT_OPTIMIZE=1", "afl++"),
    "afl_atomic": Build(AFL, "", "AFL_QUIET=1 AFL_DONT_OPTIMIZE=1 AFL_LLVM_THREADSAFE_INST=1", "afl++"),
}

# How a build is linked when it is a program: the compiler's own flags, and a library.
LTO_LINK = "-flto=full -fuse-ld=lld -no-pie"
CALLED = "-fno-sanitize-link-runtime"


@dataclass
class Variant:
    name: str
    build: str
    link: str = ""
    recorder: str = ""  # covbuf, llvmprof or an object of recorder_peers.c
    mode: str = "-"
    against: str = ""
    xz: str = ""  # "": not with xz; "plain", "segment": see xz.py
    environment: dict = field(default_factory=dict)


BASE = {"clang": "uninstrumented, clang", "lto": "uninstrumented, clang LTO", "gcc": "uninstrumented, gcc",
        "afl": "uninstrumented, clang 14"}
EMPTY = "trace-pc-guard called, empty callback"
MCDC_RT = "clang's profile, MC/DC"

VARIANTS = [
    Variant(BASE["clang"], "clang", xz="plain"),
    Variant(BASE["lto"], "lto", LTO_LINK, xz="plain"),
    Variant(BASE["gcc"], "gcc", xz="plain"),
    Variant(BASE["afl"], "clang14", xz="plain"),

    Variant("covbuf, LTO: full ordered trace", "lto_guard", LTO_LINK, "covbuf_lto", "trace", BASE["lto"]),
    Variant("covbuf, LTO: unique per process", "lto_guard", LTO_LINK, "covbuf_lto", "unique", BASE["lto"],
            xz="segment"),
    Variant("covbuf, LTO: unique per context", "lto_guard", LTO_LINK, "covbuf_lto", "context", BASE["lto"],
            xz="segment"),
    Variant("covbuf, LTO, context: unique per context", "lto_guard", LTO_LINK, "covbuf_context_lto", "context",
            BASE["lto"], xz="segment"),
    Variant("covbuf, LTO, context: idle", "lto_guard", LTO_LINK, "covbuf_context_lto", "idle", BASE["lto"]),
    Variant("covbuf, LTO: idle", "lto_guard", LTO_LINK, "covbuf_lto", "idle", BASE["lto"], xz="plain"),
    Variant("covbuf, LTO, trace only: full ordered trace", "lto_guard", LTO_LINK, "covbuf_trace_lto", "trace",
            BASE["lto"]),
    Variant("covbuf, LTO, trace only: idle", "lto_guard", LTO_LINK, "covbuf_trace_lto", "idle", BASE["lto"]),
    Variant("an inlined NULL test", "lto_guard", LTO_LINK, "null_test", "-", BASE["lto"], xz="plain"),

    Variant("covbuf, called: full ordered trace", "guard", CALLED, "covbuf", "trace", BASE["clang"]),
    Variant("covbuf, called: unique per process", "guard", CALLED, "covbuf", "unique", BASE["clang"], xz="segment"),
    Variant("covbuf, called: idle", "guard", CALLED, "covbuf", "idle", BASE["clang"], xz="plain"),
    Variant(EMPTY, "guard", CALLED, "empty", "-", BASE["clang"], xz="plain"),
    Variant("KCOV's sequence, called", "guard", CALLED, "kcov", "-", BASE["clang"]),
    Variant("compiler-rt's guards", "guard", "-fsanitize-coverage=trace-pc-guard -fsanitize=undefined "
            "-fno-sanitize=vptr,function", "", "-", BASE["clang"], xz="plain",
            environment={"UBSAN_OPTIONS": "coverage=1:coverage_dir={out}"}),
    Variant("libFuzzer's", "fuzzer", "-fsanitize=fuzzer-no-link {fuzzer} -lstdc++", "", "-", BASE["clang"]),

    Variant("covbuf, inline 8-bit counters", "counters", CALLED, "covbuf", "counters", BASE["clang"], xz="segment"),
    Variant("inline 8-bit counters", "counters", CALLED, "counters", "-", BASE["clang"], xz="plain"),
    Variant("inline bool flags", "flags", CALLED, "counters", "-", BASE["clang"]),
    Variant("clang's profile", "profile", "-fprofile-instr-generate", "", "-", BASE["clang"], xz="plain",
            environment={"LLVM_PROFILE_FILE": "{out}/%p.profraw"}),
    Variant("clang's profile, atomic", "profile_atomic", "-fprofile-instr-generate", "", "-", BASE["clang"], xz="plain",
            environment={"LLVM_PROFILE_FILE": "{out}/%p.profraw"}),
    Variant(MCDC_RT, "mcdc", "-fprofile-instr-generate", "", "-", BASE["clang"], xz="plain",
            environment={"LLVM_PROFILE_FILE": "{out}/%p.profraw"}),
    Variant("covbuf, clang's profile, MC/DC", "mcdc", "", "llvmprof", "-", BASE["clang"], xz="plain",
            environment={"COVBUF_PROFILE": "{out}/covbuf"}),
    Variant("covbuf, clang's profile, MC/DC, loops live", "mcdc_memory", "", "llvmprof", "-", BASE["clang"], xz="plain",
            environment={"COVBUF_PROFILE": "{out}/covbuf"}),
    Variant("covbuf, clang's profile, MC/DC, atomic bitmaps", "mcdc_bitmaps", "", "llvmprof", "-", BASE["clang"],
            xz="plain", environment={"COVBUF_PROFILE": "{out}/covbuf"}),
    Variant("covbuf, clang's profile, MC/DC, atomic", "mcdc_atomic", "", "llvmprof", "-", BASE["clang"], xz="plain",
            environment={"COVBUF_PROFILE": "{out}/covbuf"}),
    Variant("AFL++'s PCGUARD", "afl", "", "", "-", BASE["afl"], xz="plain"),
    Variant("AFL++'s PCGUARD, atomic", "afl_atomic", "", "", "-", BASE["afl"], xz="plain"),
    Variant("gcov", "gcov", "--coverage", "", "-", BASE["gcc"], xz="plain", environment={"GCOV_PREFIX": "{out}"}),
    Variant("gcov, atomic", "gcov_atomic", "--coverage", "", "-", BASE["gcc"], xz="plain",
            environment={"GCOV_PREFIX": "{out}"}),

    Variant("covbuf, gcc's trace-pc called: full ordered trace", "trace_pc", "", "covbuf", "trace", BASE["gcc"]),
    Variant("covbuf, gcc's trace-pc called: idle", "trace_pc", "", "covbuf", "idle", BASE["gcc"]),
    Variant("gcc's trace-pc called, empty callback", "trace_pc", "", "empty", "-", BASE["gcc"]),
]


# Of the geometric mean, at most. "what": the words for the summary.
TARGETS = {
    # by the archive that is meant for it
    "covbuf, LTO, trace only: full ordered trace": [
        {"limit": 1.52, "stretch": 1.32, "what": "full ordered trace, LTO"}],
    "covbuf, called: full ordered trace": [
        {"limit": 1.70, "what": "full ordered trace, called"},
        {"limit": 1.05, "against": EMPTY, "what": "callback against an empty one, in programs"}],
    "covbuf, LTO: unique per process": [{"limit": 1.10, "stretch": 1.07, "what": "unique per process, LTO"}],
    "covbuf, LTO, context: unique per context": [{"limit": 1.18, "what": "unique per context, LTO"}],
    "covbuf, LTO: idle": [{"limit": 1.19, "stretch": 1.10, "what": "idle, LTO"}],
    "covbuf, clang's profile, MC/DC": [
        {"limit": 1.02, "against": MCDC_RT, "what": "clang's profile in shared memory"}],
    "covbuf, clang's profile, MC/DC, loops live": [
        {"limit": 1.02, "against": MCDC_RT, "what": "clang's profile in shared memory, loops live"}],
    "covbuf, clang's profile, MC/DC, atomic bitmaps": [
        {"limit": 1.02, "against": MCDC_RT, "what": "clang's profile in shared memory, atomic bitmaps"}],
}


# Of xz with as many threads as there are cores, two at least.
XZ_TARGETS = {"covbuf, LTO: unique per process": [{"limit": 1.10, "what": "xz on all cores, unique mode"}]}


@dataclass
class Program:
    name: str
    package: str
    sources: str  # a pattern, in the package's folder
    leave_out: tuple = ()
    flags: str = ""
    libraries: str = ""


PROGRAMS = [
    Program("zlib", "zlib", "{adler32,crc32,deflate,inffast,inflate,inftrees,trees,zutil}.c",
            flags="-I{source} -DHAVE_UNISTD_H -DHAVE_HIDDEN"),
    Program("lua", "lua5.4", "src/l*.c", ("lua.c", "luac.c"),
            "-I{source}/src -Ilua/include -DLUA_USE_POSIX '-Dluai_makeseed(L)=1'"),
    Program("cjson", "cjson", "cJSON.c", flags="-I{source}"),
    Program("sqlite", "sqlite3", "sqlite3.c", flags="-I{source} -DSQLITE_THREADSAFE=0 -DSQLITE_OMIT_LOAD_EXTENSION"),
]
