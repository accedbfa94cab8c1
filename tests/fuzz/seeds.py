#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""seeds.py DIR: inputs to begin with, for the targets stream, kernel and recording, in DIR/<target>/."""
import os
import struct
import sys

CODE = 0x401000


def word(difference):
    value = ((difference << 1) ^ (difference >> 63)) & (1 << 64) - 1
    out = bytearray()
    while value >= 0x80:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)


def batch(mode, words, images=1 << 12 | 1):
    step = 4 if mode else 1
    packed = b"".join(word(w - (words[i - step] if i >= step else 0)) for i, w in enumerate(words))
    return struct.pack("<IIIIQQIIIIQ", 100, 101, 0, mode, 0, 1, 0, len(words), len(packed), 1, images) + packed


def module(path, start, images=1 << 12 | 1):
    return struct.pack("<IIII32sQQQII424sQ", 2, 100, 1, 20, b"\xab" * 20, start, start + 0x10000, start & ~0xFFFF, 1, 0,
                       path, images)


def table(kind, rows):
    return struct.pack("<IIII", kind, len(rows), 8 + len(rows[0]), 0) + b"".join(
        struct.pack("<Q", i) + row for i, row in enumerate(rows))


def block(kind, contents):
    return struct.pack("<BH", kind, len(contents)) + contents


def streams():
    tables = table(3, [module(b"/nowhere/program", CODE), module(b"/nowhere/library.so", 0x7F0000000000)])
    losses = table(2, [struct.pack("<QII8QQ16s3Q", 1 << 24 | 1, 100, 101, *range(8), 0, b"thread", 0, 0, 0)])
    totals = table(4, [struct.pack("<QQQ", 1, 2, 3)])
    pcs = batch(0, [CODE + 16 * i for i in range(1, 20)])
    cmps = batch(1, [w for i in range(1, 5) for w in (6, i, ~0 & (1 << 64) - 1, CODE + i)])
    yield b"\0" + block(2, tables + losses + totals) + block(1, pcs + cmps) + block(3, b"")
    yield b"\2" + block(1, pcs) + block(2, tables) + block(1, cmps)
    yield b"\0" + block(2, tables) + block(1, batch(0, [CODE + 5], 7 << 32 | 1 << 12 | 1)) + block(3, b"")
    yield b"\1" + struct.pack("<QIIQ5Q", 0x3152545346554243, 1, 64, 1, 0, 0, 0, 0, 0)


def kernels():
    modules = b"demo 16384 0 - Live 0xffffffffc0400000 (OE)\nother 8192 1 demo, Live 0xffffffffc0410000\n"
    note = struct.pack("<III4s20s", 4, 20, 3, b"GNU", b"\xcd" * 20)
    core = b"\x7fELF" + bytes(28) + struct.pack("<QQIHHHHHH", 64, 0, 0, 64, 56, 1, 0, 0, 0)
    core += struct.pack("<IIQQQQQQ", 4, 0, 120, 0, 0, 64, 64, 4) + b"VMCOREINFO\nKERNELOFFSET=1a000000\nPAGESIZE=4096\n"
    files = [
        (0, modules), (1, b"ffffffff9b000000 T _stext\nffffffff9c000000 T _etext\n"), (3, b"1a000000\n"), (4, note),
        (5, b"6\n"), (6, b"0xffffffffc0400000\n"), (7, b"0xffffffffc0404000\n"), (8, note), (9, b"0xffffffffc0410000\n"),
        (10, b"0xffffffffc0411000\n"), (11, b"updates/demo.ko.xz: kernel/other.ko\nkernel/other.ko:\n"),
    ]
    yield b"".join(block(*f) for f in files)
    yield b"".join(block(*f) for f in files if f[0] != 3) + block(2, core)
    yield b"".join(block(*f) for f in files) + block(0x80, modules[44:]) + block(0x89, b"0xffffffffc0400000\n")


def recordings():
    for image in range(4):
        for ops in range(9):
            yield struct.pack("<BBH", image, 0, ops)


def main():
    for name, inputs in (("stream", streams()), ("kernel", kernels()), ("recording", recordings())):
        folder = os.path.join(sys.argv[1], name)
        os.makedirs(folder, exist_ok=True)
        for i, contents in enumerate(inputs):
            with open(os.path.join(folder, f"seed-{i}"), "wb") as out:
                out.write(contents)


main()
