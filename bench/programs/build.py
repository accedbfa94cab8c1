#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""build.py BUILD: every program in every variant, into BUILD/programs, with the libraries of the build folder BUILD.

Fetches the programs' sources from Debian, writes a build.ninja and runs it: what is there and current stays. What
cannot be built is left out, and is a gap in the table; BUILD/programs/log says why.
"""
import glob
import json
import os
import shlex
import subprocess
import sys

from matrix import BUILDS, CLANG, CLANG_VERSION, GCC, PROGRAMS, VARIANTS

HERE = os.path.dirname(os.path.abspath(__file__))
TOP = os.path.dirname(os.path.dirname(HERE))


def die(message):
    sys.exit(f"build.py: {message}")


def expand(pattern):
    """a{b,c}d, as a shell does it."""
    begin, end = pattern.find("{"), pattern.find("}")
    if begin < 0:
        return sorted(glob.glob(pattern))
    return [path for part in pattern[begin + 1:end].split(",")
            for path in expand(pattern[:begin] + part + pattern[end + 1:])]


def logged(folder, *command):
    """Run a command in a folder; its words go to a file there."""
    os.makedirs(folder, exist_ok=True)
    with open(os.path.join(folder, "log"), "a", encoding="utf-8") as log:
        if subprocess.run(command, cwd=folder, stdout=log, stderr=log, check=False).returncode:
            die(f"{command[0]} did not succeed; all it said: {folder}/log")


class Ninja:
    """What goes into build.ninja."""

    def __init__(self):
        self.lines = ["rule run", "  command = $command", "  description = $out", ""]

    def edge(self, out, inputs, command, implicit=()):
        implicit = "".join(" " + name for name in implicit)
        self.lines += [f"build {out}: run {' '.join(inputs)} |{implicit}",
                       f"  command = {command.replace('$', '$$')} > {out}.log 2>&1", ""]

    def write(self, path):
        text = "\n".join(self.lines) + "\n"
        if os.path.exists(path):
            with open(path, encoding="utf-8") as old:
                if old.read() == text:
                    return
        with open(path, "w", encoding="utf-8") as new:
            new.write(text)


def compile_with(build, flags):
    return f"{build.environment + ' ' if build.environment else ''}{build.compiler} -O2 -w {own_flags(build)} {flags}"


def llvmprof():
    """What adapters/llvmprof has for this clang; in the folder beside this one."""
    return f"{os.path.dirname(os.getcwd())}/adapters/llvmprof/{CLANG_VERSION}"


def own_flags(build):
    return build.flags.format(llvmprof=llvmprof())


def recorders(ninja, covbuf):
    """The recorders' objects and, for each name in a Variant, what is linked."""
    engine = f"{covbuf}/libcovbuf/libcovbuf.a"
    rest = "-lurcu -lpthread -lm -ldl -Wl,--wrap=pthread_create,--wrap=_Fork -Wl,--export-dynamic-symbol=covbuf_*"
    ninja.edge("recorder/covbuf.o", [f"{HERE}/recorder_covbuf.c"],
               f"{GCC} -O2 -Wall -Wextra -Werror -I{TOP}/include -c {HERE}/recorder_covbuf.c -o recorder/covbuf.o",
               [f"{HERE}/driver.h"])
    linked = {"": ([], "")}
    for name, archive in (("covbuf", "sancov"), ("covbuf_lto", "sancov_lto"), ("covbuf_trace_lto", "sancov_trace_lto"),
                          ("covbuf_context_lto", "sancov_context_lto")):
        path = f"{covbuf}/adapters/sancov/libcovbuf_{archive}.a"
        linked[name] = (["recorder/covbuf.o", path, engine],
                        f"recorder/covbuf.o -Wl,--whole-archive {path} -Wl,--no-whole-archive {engine} {rest}")
    linked["llvmprof"] = ([f"{llvmprof()}/runtime.o", f"{llvmprof()}/covbuf.lds"], f"-Wl,-T,{llvmprof()}/covbuf.lds")
    for name, flags in (("empty", "-DEMPTY"), ("kcov", "-DKCOV"), ("counters", "-DCOUNTERS"),
                        ("null_test", "-DNULL_TEST -flto=full")):
        out = f"recorder/{name}.o"
        ninja.edge(out, [f"{HERE}/recorder_peers.c"],
                   f"{CLANG} -O2 -Wall -Wextra -Werror {flags} -c {HERE}/recorder_peers.c -o {out}",
                   [f"{HERE}/driver.h"])
        linked[name] = ([out], out)
    return linked


def fuzzer_library():
    folder = subprocess.run([CLANG, "-print-resource-dir"], capture_output=True, text=True, check=True).stdout.strip()
    found = glob.glob(f"{folder}/lib/linux/libclang_rt.fuzzer_no_main-x86_64.a")
    return found[0] if found else "no-libclang_rt.fuzzer_no_main"


def objects(ninja, program, name, sources, flags):
    """Rules for a program's code in one build."""
    build, out = BUILDS[name], []
    for source in sources:
        obj = f"{program}/{name}/{os.path.splitext(os.path.basename(source))[0]}.o"
        ninja.edge(obj, [source], compile_with(build, f"{flags} -c {source} -o {obj}"))
        out.append(obj)
    return out


def binary(variant):
    """A variant's program: what is built and linked alike is one, whatever it is run as."""
    return f"{variant.build}.{variant.recorder or 'none'}" + (".rt" if "undefined" in variant.link else "")


def programs(ninja, sources, linked):
    fuzzer = fuzzer_library()
    for program in PROGRAMS:
        source = f"{sources}/{program.package}" if program.package != "sqlite3" else "sqlite3"
        files = [path for path in expand(f"{source}/{program.sources}")
                 if os.path.basename(path) not in program.leave_out]
        flags = program.flags.format(source=source)
        name = program.name
        for part, path in (("driver", f"{HERE}/driver.c"), ("workload", f"{HERE}/{name}.c")):
            ninja.edge(f"{name}/{part}.o", [path],
                       f"{GCC} -O2 -Wall -Wextra -Werror {flags} -c {path} -o {name}/{part}.o", [f"{HERE}/driver.h"])
        built, done = {}, set()
        for variant in VARIANTS:
            out = f"{name}/{binary(variant)}"
            if not BUILDS[variant.build].compiler or out in done:
                continue
            done.add(out)
            if variant.build not in built:
                built[variant.build] = objects(ninja, name, variant.build, files, flags)
            inputs, libraries = linked[variant.recorder]
            ours = [f"{name}/driver.o", f"{name}/workload.o"] + built[variant.build]
            build = BUILDS[variant.build]
            ninja.edge(out, ours, f"{build.environment} {build.compiler} -O2 {variant.link.format(fuzzer=fuzzer)} "
                       f"{' '.join(ours)} {libraries} -lm -lpthread -ldl -o {out}", inputs)


def xz(ninja, sources, linked):
    """The command, by what its own CMake files say: flags of each source, with our compilers in place of its own."""
    with open("xz-utils/compile_commands.json", encoding="utf-8") as file:
        entries = json.load(file)
    units = []
    for entry in entries:
        words = shlex.split(entry["command"])
        part = words[words.index("-o") + 1].split("/")[1]
        if part in ("liblzma.dir", "xz.dir"):
            flags = " ".join(shlex.quote(word) for word in words if word[:2] in ("-D", "-I"))
            units.append((f"{part}-{os.path.relpath(entry['file'], sources).replace('/', '-')}", entry["file"], flags))
    built, done = {}, set()
    for variant in VARIANTS:
        build, out = BUILDS[variant.build], f"xz/{binary(variant)}"
        if not variant.xz or not build.compiler or out in done:
            continue
        done.add(out)
        if variant.build not in built:
            built[variant.build] = []
            for name, source, flags in units:
                obj = f"xz/{variant.build}/{name}.o"
                ninja.edge(obj, [source], compile_with(build, f"{flags} -c {source} -o {obj}"))
                built[variant.build].append(obj)
        inputs, libraries = linked[variant.recorder]
        libraries = libraries.replace("recorder/covbuf.o", "")
        ninja.edge(out, built[variant.build], f"{build.environment} {build.compiler} -O2 "
                   f"{variant.link.format(fuzzer=fuzzer_library())} {' '.join(built[variant.build])} {libraries} "
                   f"-lpthread -lm -ldl -o {out}", inputs)


def main():
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    covbuf = os.path.abspath(sys.argv[1])
    out = f"{covbuf}/programs"
    os.makedirs(out, exist_ok=True)
    os.chdir(out)
    sources = os.environ.get("COVBUF_SOURCES", f"{covbuf}/sources")
    packages = [program.package for program in PROGRAMS] + ["xz-utils"]
    if subprocess.run([f"{TOP}/scripts/debian-source.sh", sources, *packages], check=False).returncode:
        die("no sources; see above")
    if not os.path.exists("sqlite3/sqlite3.c"):
        logged("sqlite3", f"{sources}/sqlite3/configure", "--disable-tcl", "--disable-readline")
        logged("sqlite3", "make", "sqlite3.c")
    if not os.path.exists("xz-utils/compile_commands.json"):
        logged("xz-utils", "cmake", "-S", f"{sources}/xz-utils", "-B", ".", "-G", "Unix Makefiles",
               "-DCMAKE_EXPORT_COMPILE_COMMANDS=ON", "-DBUILD_SHARED_LIBS=OFF", f"-DCMAKE_C_COMPILER={GCC}")
    # Debian's lua wants a header that its packaging makes
    os.makedirs("lua/include", exist_ok=True)
    if not os.path.exists("lua/include/lua5.4-deb-multiarch.h"):
        with open("lua/include/lua5.4-deb-multiarch.h", "w", encoding="utf-8") as header:
            header.write('#define DEB_HOST_MULTIARCH ""\n')
    ninja = Ninja()
    linked = recorders(ninja, covbuf)
    programs(ninja, sources, linked)
    xz(ninja, sources, linked)
    ninja.edge("segment", [f"{HERE}/segment.c", f"{covbuf}/libcovbuf/libcovbuf.a"],
               f"{GCC} -O2 -Wall -Wextra -Werror -I{TOP}/include {HERE}/segment.c {covbuf}/libcovbuf/libcovbuf.a "
               "-lurcu -lpthread -lm -ldl -o segment")
    ninja.write("build.ninja")
    with open("log", "w", encoding="utf-8") as log:
        subprocess.run(["ninja", "-k0", f"-j{max(os.cpu_count(), 2)}"], stdout=log, stderr=log, check=False)


if __name__ == "__main__":
    main()
