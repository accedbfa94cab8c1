#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""Runs the commands that documents show, and compares what they print.

  commands.py FILE...

A command is an indented line that begins with "$ ", and goes on behind a backslash. The indented lines
that follow it are what it prints, in this order: "..." stands for any lines, none too, and in a line for any text. Lines behind
the last one need not be shown, nor all of a line; white space counts as one blank. All commands of a document are run
by one bash, in the current folder, one after the other. Each has to succeed, unless "Killed" is shown. Before the
first one, the fenced blocks that follow a line "<!-- file: NAME -->" are written to NAME. A line
"<!-- run -->" right before indented lines says that each of them is a command, of which no output is shown.
"""
import re
import subprocess
import sys

MARK = "\x1e"


def read(path):
    """The files and the commands of a document; a command is [line number, text, lines that it prints]."""
    files, commands, name, fenced, command, all_run = {}, [], None, None, None, False
    with open(path, encoding="utf-8") as document:
        for number, line in enumerate(document, 1):
            line = line.rstrip("\n")
            if fenced is not None:
                if line.startswith("```"):
                    fenced = None
                else:
                    fenced.append(line)
            elif found := re.fullmatch(r"<!-- file: ([\w.-]+) -->", line):
                name = found[1]
            elif line.startswith("```"):
                fenced = files.setdefault(name, []) if name else []
                name = None
            elif command and command[1].endswith("\\") and line.startswith("    "):
                command[1] += "\n" + line.strip()
            elif line.startswith("    $ ") or (all_run and line.startswith("    ")):
                command = [number, line[4:].removeprefix("$ "), []]
                commands.append(command)
            elif line == "<!-- run -->":
                all_run, command = True, None
            elif command and line.startswith("    "):
                command[2].append(line.strip())
            else:
                command, all_run = None, False
    return files, commands


def blanks(line):
    return " ".join(line.split())


def shows(shown, printed):
    """Whether what stands between each "..." of a shown line is in the printed one, in that order."""
    return re.search(".*".join(map(re.escape, (part.strip() for part in shown.split("...")))), printed)


def missing(shown, printed):
    """The first shown line that was not printed where it should have been."""
    at, anywhere = 0, False
    for line in map(blanks, shown):
        if line == "...":
            anywhere = True
            continue
        while anywhere and at < len(printed) and not shows(line, printed[at]):
            at += 1
        if at == len(printed) or not shows(line, printed[at]):
            return line
        at, anywhere = at + 1, False
    return None


def run(path):
    files, commands = read(path)
    for name, lines in files.items():
        with open(name, "w", encoding="utf-8") as file:
            file.write("\n".join(lines) + "\n")
    script = "".join(f"{text}\nprintf '\\n{MARK}%d\\n' $?\n" for _, text, _ in commands)
    shell = subprocess.run(["bash", "-c", script], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                           stderr=subprocess.STDOUT, timeout=300, check=False)
    said = re.split(f"\n{MARK}([0-9]+)\n", shell.stdout.decode(errors="replace"))
    wrong = 0
    for place, (number, text, shown) in enumerate(commands):
        output, status = said[2 * place: 2 * place + 2] if 2 * place + 1 < len(said) else ("not run", "1")
        printed = [blanks(line) for line in output.split("\n")]
        killed = any("Killed" in line for line in shown)
        line = missing(shown, printed)
        if line is None and (status == "0" or killed):
            continue
        wrong += 1
        print(f"{path}:{number}: {text}\n{output}")
        print(f"{path}:{number}: status {status}" if line is None else f"{path}:{number}: not printed: {line}")
    print(f"{path}: {len(commands)} commands, {wrong} wrong")
    return wrong == 0 and commands


def main():
    if len(sys.argv) < 2 or sys.argv[1].startswith("-"):
        print(__doc__)
        sys.exit(2)
    sys.exit(0 if all([run(path) for path in sys.argv[1:]]) else 1)


main()
