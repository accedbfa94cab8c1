#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""join.py DIRECTORY OUT: adds up the files of a profile directory, for each image a raw profile OUT/ID.all; and the sums of two fields
of their notes, OUT/lost and OUT/in_use.

The second reading of adapters/llvmprof/format.h, beside the command's: what does not fit it is an error.
"""
import os
import stat
import struct
import sys

FORMAT = "<8sIIQQQQQQQQQQIIQQQQ96x64s512s216s"
FIELDS = ("magic version kind id raw file_bytes counters counters_bytes bitmaps bitmaps_bytes template_counters"
          " template_bitmaps started pid in_use lost processes summed pid_namespace compiler image label").split()


def read(path):
    status = os.lstat(path)
    assert stat.S_ISREG(status.st_mode) and stat.S_IMODE(status.st_mode) == 0o600, f"{path}: mode {status.st_mode:o}"
    with open(path, "rb") as file:
        data = file.read()
    for end in range(4096, len(data) + 1, 4096):
        note = dict(zip(FIELDS, struct.unpack(FORMAT, data[end - 1024:end])))
        if note["magic"] == b"covbprof" and note["counters"] == end:
            break
    else:
        sys.exit(f"{path}: no note")
    assert note["version"] == 1 and note["file_bytes"] == len(data), f"{path}: {note}"
    assert note["image"].rstrip(b"\0").startswith(b"/"), f"{path}: {note['image']}"
    assert path.split("/")[-1].split(".")[-4 if ".template" not in path else -2] == f"{note['id']:016x}", path
    return note, data


def add(base, start, data, note):
    for i in range(note["counters_bytes"] // 8):
        at, = struct.unpack_from("<Q", base, start[0] + 8 * i)
        more, = struct.unpack_from("<Q", data, note["counters"] + 8 * i)
        struct.pack_into("<Q", base, start[0] + 8 * i, at + more)
    for i in range(note["bitmaps_bytes"]):
        base[start[1] + i] |= data[note["bitmaps"] + i]


def main(directory, out):
    paths = [f"{directory}/{name}" for name in sorted(os.listdir(directory)) if not name.startswith(".")]
    files = [(path, *read(path)) for path in paths]
    for path, note, data in files:
        if not path.endswith(".template"):
            continue
        base = bytearray(data)
        start = note["counters"], note["bitmaps"]
        base[start[0]:start[0] + note["counters_bytes"]] = bytes(note["counters_bytes"])
        base[start[1]:start[1] + note["bitmaps_bytes"]] = bytes(note["bitmaps_bytes"])
        for other, its, counts in files:
            if its["id"] == note["id"] and not other.endswith(".template"):
                assert its["kind"] == (1 if other.endswith(".profraw") else 2), other
                assert (its["template_counters"], its["template_bitmaps"]) == start, other
                add(base, start, counts, its)
        with open(f"{out}/{note['id']:016x}.all", "wb") as file:
            file.write(base)
    ids = {note["id"] for path, note, _ in files if path.endswith(".template")}
    for field in ("lost", "in_use"):
        with open(f"{out}/{field}", "w", encoding="ascii") as file:
            print(sum(note[field] for path, note, _ in files if not path.endswith(".template")), file=file)
    for path, note, _ in files:
        assert note["id"] in ids, f"{path}: has no template"


main(*sys.argv[1:])
