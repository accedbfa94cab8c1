# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""
The functions of a relocatable object, and what their instructions refer to.

Read from what binutils print (readelf, objdump), for x86-64 and ppc64le. A relocation names a symbol, or
a section and an offset; both are resolved to the symbol that lies there, so that a call of a static function,
or a counter that a compiler keeps without a name that others see, is found by its name too. On POWER data is
mostly reached through .toc, which is followed.
"""
import bisect
import collections
import re
import shutil
import subprocess

Relocation = collections.namedtuple("Relocation", "offset type name addend")
Instruction = collections.namedtuple("Instruction", "address end name operands relocations")


class ObjectError(Exception):
    pass


def _output(*command):
    if not shutil.which(command[0]):
        raise ObjectError(f"{command[0]} is missing; scripts/install-deps.sh installs it")
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, errors="replace",
                          env={"LC_ALL": "C", "PATH": "/usr/local/bin:/usr/bin:/bin"})
    if done.returncode:
        raise ObjectError(f"{command[-1]}: {command[0]}: {done.stderr.strip() or 'failed'}")
    return done.stdout


class Function:
    """A piece of code with a name: its aliases too, its place, its instructions."""

    def __init__(self, name, section, start, end):
        self.names = [name]
        self.section, self.start, self.end = section, start, end
        self.instructions = []

    @property
    def name(self):
        return self.names[0]

    @property
    def base(self):
        """The name that the source has: without what compilers append to pieces and clones of a function."""
        return re.sub(r"\.(cold|part|isra|constprop|lto_priv|llvm|specialized)(\.\d+)*", "", self.name)


class Object:
    def __init__(self, path):
        self.path = path
        header = _output("readelf", "-hW", path)
        machine = re.search(r"Machine:\s+(.*)", header).group(1)
        if "X86-64" in machine:
            self.machine, objdump = "x86-64", "objdump"
        elif "PowerPC64" in machine and "little endian" in header:
            self.machine, objdump = "ppc64le", "powerpc64le-linux-gnu-objdump"
        else:
            raise ObjectError(f"{path}: objects for {machine} are not read here")
        if "REL (Relocatable" not in header:
            raise ObjectError(f"{path}: not a relocatable object; a linked file no longer says what it refers to")
        self._read_sections(_output("readelf", "-SW", path))
        self._read_symbols(_output("readelf", "-sW", path))
        self._read_data_relocations(_output("readelf", "-rW", path))
        self._read_code(_output(objdump, "-dr", "--no-show-raw-insn", path))

    def _read_sections(self, text):
        self.sections = {}
        for number, name in re.findall(r"^ *\[ *(\d+)\] (\S+) ", text, re.M):
            self.sections[number] = name
            if name.startswith(".gnu.lto_"):
                raise ObjectError(f"{self.path}: an object for link-time optimisation holds no code")

    def _read_symbols(self, text):
        at = {}                                     # (section, start) -> Function
        self._data = collections.defaultdict(list)  # section -> (start, end, name)
        for line in text.splitlines():
            match = re.match(r" *\d+: ([0-9a-f]+) +(\S+) (\S+) +\S+ +\S+ +(?:\[.*?\] +)?(\S+) (\S+)$", line)
            if not match or match[4] not in self.sections:
                continue
            start, size = int(match[1], 16), int(match[2], 0)
            section = self.sections[match[4]]
            if match[3] in ("FUNC", "IFUNC"):
                function = at.setdefault((section, start), Function(match[5], section, start, start + size))
                if function.name != match[5]:
                    function.names.append(match[5])
            elif match[3] in ("OBJECT", "NOTYPE", "TLS") and size:
                self._data[section].append((start, start + size, match[5]))
        self.functions = sorted(at.values(), key=lambda f: (f.section, f.start))
        self.by_name = {name: f for f in self.functions for name in f.names}
        self._in_section = collections.defaultdict(list)
        for function in self.functions:
            self._in_section[function.section].append(function)
        for entries in self._data.values():
            entries.sort()

    def _read_data_relocations(self, text):
        self.tables = collections.defaultdict(list)  # section -> (offset, name, addend)
        section = None
        for line in text.splitlines():
            match = re.match(r"Relocation section '\.rela(\S+)'", line)
            if match:
                section = match[1]
                continue
            match = re.match(r"([0-9a-f]{16}) +\S+ +(R_\S+) +[0-9a-f]+ (\S+) ([+-]) ([0-9a-f]+)", line)
            if match and section:
                addend = int(match[5], 16) * (-1 if match[4] == "-" else 1)
                self.tables[section].append((int(match[1], 16), match[3], addend))
        self._toc = {offset: (name, addend) for offset, name, addend in self.tables[".toc"]}

    def _read_code(self, text):
        section = function = None
        raw = []

        def finish():
            for i, (address, name, operands, relocations) in enumerate(raw):
                end = raw[i + 1][0] if i + 1 < len(raw) else function.end
                function.instructions.append(Instruction(address, end, name, operands, relocations))
            raw.clear()

        for line in text.splitlines():
            if line.startswith("Disassembly of section "):
                if function:
                    finish()
                section, function = line[23:-1], None
                continue
            match = re.match(r"\s+([0-9a-f]+):\s+(R_\S+)\s+(\S+)", line)
            if match:
                if function and int(match[1], 16) < function.end:
                    name, addend = self._split(match[3])
                    raw[-1][3].append(Relocation(int(match[1], 16), match[2], name, addend))
                continue
            match = re.match(r"\s+([0-9a-f]+):\t(.*)", line)
            if not match:
                continue
            address = int(match[1], 16)
            if not function or not function.start <= address < function.end:
                if function:
                    finish()
                function = self.function_at(section, address)  # none: what lies between functions
            if not function:
                continue
            words = match[2].split()
            while words and words[0] in ("bnd", "notrack", "data16", "cs", "ds", "rex.W", "repz", "rep", "repnz"):
                words.pop(0)
            if words and words[0] == "lock":
                words[:2] = [" ".join(words[:2])]
            if words:
                raw.append((address, words[0], " ".join(words[1:]), []))
        if function:
            finish()

    @staticmethod
    def _split(text):
        match = re.match(r"(.*?)([+-])0x([0-9a-f]+)$", text)
        if not match:
            return text, 0
        return match[1], int(match[3], 16) * (-1 if match[2] == "-" else 1)

    def function_at(self, section, address):
        functions = self._in_section.get(section, [])
        i = bisect.bisect_right([f.start for f in functions], address) - 1
        if i >= 0 and functions[i].start <= address < max(functions[i].end, functions[i].start + 1):
            return functions[i]
        return None

    def function_after(self, section, address):
        return next((f for f in self._in_section.get(section, []) if f.start >= address), None)

    def _datum_at(self, section, offset):
        for start, end, name in self._data.get(section, []):
            if start <= offset < end:
                return name
        return section

    def resolve(self, relocation, instruction):
        """The function that a relocation refers to, or the name of what it refers to."""
        name, addend = relocation.name, relocation.addend
        if self.machine == "x86-64" and re.search(r"PC32|PLT32|PC64|GOTPC|PC8", relocation.type):
            addend += instruction.end - relocation.offset
        if name == ".toc" and addend in self._toc:
            name, addend = self._toc[addend]
        return self.at(name, addend)

    def at(self, name, addend):
        if name in self.by_name:
            function = self.by_name[name]
            return self.function_at(function.section, function.start + addend) or function
        if name in self.sections.values():
            return self.function_at(name, addend) or self._datum_at(name, addend)
        return re.sub(r"@.*", "", name)

    def target(self, instruction, function):
        """
        Where a call or jump goes: a Function, a name, or None where it goes nowhere that is known. One through the
        global offset table is one by name: the linker makes it so.
        """
        for relocation in instruction.relocations:
            if "PLTCALL" in relocation.type or not re.search(r"TLS|TOCSAVE|ENTRY|PLTSEQ|_NONE", relocation.type):
                return self.resolve(relocation, instruction)
        match = re.search(r"\b([0-9a-f]+) <", instruction.operands)
        if not match:
            return None
        return self.function_at(function.section, int(match[1], 16))
