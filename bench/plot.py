#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""plot.py RESULTS.jsonl DIRECTORY

Draws DIRECTORY/BENCH.svg for each bench, with gnuplot. A comparison is bars to the figure that ratios and targets are about (the
minimum of one thread, otherwise the median), with a line from the fastest pass to the 95th percentile; what has targets is
dark, a red mark is a target. A series is lines, with the same ranges. The axis is logarithmic where the figures need it.
"""
import json
import math
import subprocess
import sys

from summary import place

OURS, OTHER, RANGE, TARGET = "#1f5fa8", "#b8c4d0", "#333333", "#c62828"
MOST_LINES = 8  # of a series that has two places only; above, bars can be told apart better
LINES = ["#1f5fa8", "#d9822b", "#4a9b5d", "#8e5ba6", "#c04f6a", "#6b6b6b", "#37a3b8", "#a88a1f"]
WIDE_RANGE = 60
UNITS = [(1e9, "s"), (1e6, "ms"), (1e3, "us"), (1, "ns")]


def quote(text):
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


def unit_for(highest, wide):
    """Seconds for whole programs, nanoseconds for a record; and where both are there, seconds, with prefixes at the axis."""
    if wide and highest >= 10000:
        return 1e9, None
    for factor, name in UNITS:
        if highest >= 10 * factor:
            return factor, name
    return 1, "ns"


def figure_text(ns):
    factor, name = next(((factor, name) for factor, name in UNITS if ns >= factor), UNITS[-1])
    return f"{ns / factor:.3g} {name}"


def figure_of(line):
    return max(line.get("figure_ns") or (line["median_ns"] if line.get("threads", 1) > 1 else line["min_ns"]), 1e-3)


def ranges(line, factor):
    """Figure, lowest, highest."""
    return figure_of(line) / factor, max(line["min_ns"], 1e-3) / factor, max(line["p95_ns"], 1e-3) / factor


def scale(axis, factor, unit, wide, what):
    lines = [f"set {axis}label {quote((unit + ' ' if unit else '') + 'for each: ' + what)} noenhanced"]
    if wide:
        lines.append(f"set logscale {axis}")
    if not unit:
        lines.append(f'set format {axis} "%.0s %cs"')
    return lines


def limits(line):
    """The targets of a variant, as times."""
    for target in line.get("targets", []):
        if target["unit"] == "ns":
            yield target["limit"]
        elif target["unit"] == "x" and target.get("figure"):
            yield figure_of(line) / target["figure"] * target["limit"]


def head(bench, path, height, lines):
    title = f"{bench}: {lines[0].get('question', '')}"
    return [
        f'set terminal svg size 900,{height} font "sans-serif,12" background "white"',
        f"set output {quote(path)}",
        f'set title {quote(title)} noenhanced font ",13"',
        "set border 3 lc rgb '#888888'",
        "set tics nomirror textcolor rgb '#333333'",
        'set grid lc rgb "#e4e4e4" lt 1',
    ]


def draw_bars(bench, lines, path):
    marks = [(i, limit) for i, line in enumerate(lines) for limit in limits(line)]
    values = [value for line in lines for value in ranges(line, 1)] + [mark for _, mark in marks]
    wide = max(values) / min(values) > WIDE_RANGE
    factor, unit = unit_for(max(values), wide)
    values = [value / factor for value in values]
    names = [line["variant"] + place(line) for line in lines]
    script = head(bench, path, 110 + 24 * len(lines), lines)
    bottom = 10 ** math.floor(math.log10(min(values))) if wide else 0
    top = max(values) * (6 if wide else 1.15)
    script += [
        f"set yrange [{len(lines) - 0.4}:-0.6]",
        f"set xrange [{bottom:g}:{top:g}]",
        # a tic's text is a format
        "set ytics (" + ", ".join(f"{quote(name.replace('%', '%%'))} {i}" for i, name in enumerate(names)) +
        ") noenhanced scale 0",
        "unset grid",
        'set grid x lc rgb "#e4e4e4" lt 1',
        "set style fill solid 1.0 noborder",
        "unset key",
    ]
    script += scale("x", factor, unit, wide, lines[0]["unit"])
    script.append("$bars << END")
    for i, line in enumerate(lines):
        shown, low, high = ranges(line, factor)
        free = max([shown, high] + [mark / factor for row, mark in marks if row == i])
        label = quote(figure_text(figure_of(line)))
        script.append(f"{i} {low:g} {shown:g} {high:g} {1 if line.get('targets') else 0} {label} {free:g}")
    script += ["END", "$marks << END"] + [f"{i} {mark / factor:g}" for i, mark in marks] + ["END"]
    plots = [
        f'$bars using ($5 == {ours} ? $3 : NaN):1:({bottom:g}):3:($1-0.36):($1+0.36) with boxxyerror lc rgb "{colour}"'
        for ours, colour in ((0, OTHER), (1, OURS))
    ]
    plots += [
        f'$bars using 3:1:2:4 with xerrorbars pt 0 lw 1.3 lc rgb "{RANGE}"',
        f'$bars using 7:1:6 with labels left offset 0.6,0 font ",10" textcolor rgb "{RANGE}"',
    ]
    if marks:
        plots.append(f'$marks using 2:($1-0.42):(0):(0.84) with vectors nohead lw 2.5 lc rgb "{TARGET}"')
    script.append("plot " + ", \\\n     ".join(plots))
    return script


def draw_lines(bench, lines, path):
    names = list(dict.fromkeys(line["variant"] for line in lines))
    values = [value for line in lines for value in ranges(line, 1)]
    places = sorted({line["x"] for line in lines})
    x_wide = places[0] > 0 and places[-1] / places[0] > 1.5 * len(places)
    y_wide = max(values) / min(values) > WIDE_RANGE
    factor, unit = unit_for(max(values), y_wide)
    x_unit = lines[0]["x_unit"]
    labels = {line["x"]: place(line)[2:] for line in lines}
    script = head(bench, path, 480, lines)
    script += [
        "set key below Left reverse noenhanced samplen 2 spacing 1.2 maxcols 3",
        f"set xlabel {quote(x_unit)} noenhanced",
    ]
    if x_wide:
        script.append("set logscale x 2" if x_unit in ("bytes", "threads", "frames") else "set logscale x")
    if x_unit == "bytes":
        script.append("set xtics (" + ", ".join(f"{quote(labels[x])} {x:.15g}" for x in places) + ") rotate by -35")
    elif len(places) <= 10 and places[-1] <= 1e4:
        script.append("set xtics (" + ", ".join(f"{x:.15g}" for x in places) + ")")
    else:
        script.append('set format x "%.0s%c"')
    if x_wide:
        script.append(f"set xrange [{places[0] / 1.25:.15g}:{places[-1] * 1.25:.15g}]")
    else:
        step = (places[-1] - places[0]) * 0.06 or 1
        script.append(f"set xrange [{places[0] - step:.15g}:{places[-1] + step:.15g}]")
    script += scale("y", factor, unit, y_wide, lines[0]["unit"])
    if not y_wide:
        script.append("set yrange [0:*]")
    plots = []
    for i, name in enumerate(names):
        script.append(f"$line{i} << END")
        for line in sorted((line for line in lines if line["variant"] == name), key=lambda line: line["x"]):
            script.append(f"{line['x']:.15g} " + " ".join(f"{value:g}" for value in ranges(line, factor)))
        script.append("END")
        colour = LINES[i % len(LINES)]
        plots.append(f'$line{i} using 1:2:3:4 with yerrorlines lw 1.6 pt 7 ps 0.55 lc rgb "{colour}" title {quote(name)}')
    marks = [(line["x"], limit / factor) for line in lines for limit in limits(line)]
    if marks:
        script += ["$marks << END"] + [f"{x:.15g} {mark:g}" for x, mark in sorted(marks)] + ["END"]
        plots.append(f'$marks using 1:2 with points pt 2 ps 1.1 lw 2 lc rgb "{TARGET}" title "target"')
    script.append("plot " + ", \\\n     ".join(plots))
    return script


def main():
    if len(sys.argv) != 3 or sys.argv[1] in ("-h", "--help"):
        print(__doc__, end="")
        return 0 if sys.argv[1:2] in (["-h"], ["--help"]) else 2
    benches = {}
    with open(sys.argv[1], encoding="utf-8") as file:
        for line in map(json.loads, file):
            if "median_ns" in line:
                benches.setdefault(line["bench"], []).append(line)
    for bench, lines in benches.items():
        nr_places, nr_lines = len({line.get("x") for line in lines}), len({line["variant"] for line in lines})
        draw = draw_lines if nr_places > 2 or (nr_places == 2 and nr_lines <= MOST_LINES) else draw_bars
        script = draw(bench, lines, f"{sys.argv[2]}/{bench}.svg")
        done = subprocess.run(["gnuplot"], input="\n".join(script) + "\n", text=True, capture_output=True, check=False)
        if done.returncode:
            print(f"plot.py: {bench}: {done.stderr.strip()}", file=sys.stderr)
    print(f"plot.py: {len(benches)} plots in {sys.argv[2]}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
