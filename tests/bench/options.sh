#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# What the benches' harness promises to scripts: its options, its refusals, and lines that are JSON and hold what the
# table holds. $1: the bench "append"; $2: bench/.
set -eu
append=$1 bench=$2
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
die() { echo "$*" >&2; exit 1; }

[ "$("$append" --list | cut -d' ' -f1 | tr '\n' ' ')" = "append filtered " ] || die "--list: $("$append" --list)"

refuses() { # WORDS OPTION...
	local words=$1 status=0
	shift
	"$append" "$@" > "$work/out" 2>&1 || status=$?
	[ $status -eq 2 ] || die "$* ended with $status, not 2"
	grep -q -- "$words" "$work/out" || die "$*: no '$words' in: $(cat "$work/out")"
}
refuses "there is no bench 'nothing'" --only nothing --smoke
refuses "needs a positive number, not '0'" --seconds 0
refuses "there is no argument 'quick'" quick
refuses "unrecognized option" --quickly
refuses "No such file or directory" --json "$work/none/file"
refuses "No such file or directory" --counts "$work/none"
refuses "callgrind" --count

"$append" --smoke --only 'app*' --json "$work/lines" > "$work/table"
grep -q '^append: ' "$work/table" || die "--only 'app*' left append out"
! grep -q '^filtered: ' "$work/table" || die "--only 'app*' measured filtered"
printf 'append\tstore and count\t0\t5.25\n' > "$work/counts"
"$append" --smoke --only append --counts "$work/counts" --json "$work/lines" > "$work/table"
grep -q 'instr\.' "$work/table" || die "--counts: no column"

command -v python3 > /dev/null || { echo "skipped: python3 is missing"; exit 77; }
python3 - "$work/lines" <<-'PYTHON'
	import json, sys
	lines = [json.loads(line) for line in open(sys.argv[1])]
	counted = [line for line in lines if line.get("instructions") == 5.25]
	assert len(counted) == 1 and counted[0]["variant"] == "store and count", counted
	for line in lines:
	    assert line["bench"] == "append" and line["question"] and line["unit"], line
	    assert line.get("missing") or 0 < line["min_ns"] <= line["median_ns"] <= line["p95_ns"], line
	    for target in line.get("targets", []):
	        assert target["unit"] in ("x", "ns") and target["limit"] > 0, target
	        assert target["met"] in (True, False, None) and (target["figure"] is None) == (target["met"] is None), target
	assert any(line.get("targets") for line in lines)
PYTHON
printf '{"bench":"b","variant":"v","unit":"u","threads":2,"missing":"nobody \\"there\\"","targets":[%s]}\n' \
	'{"unit":"ns","limit":5,"figure":null,"met":null}' >> "$work/lines"
"$bench/summary.py" "$work/lines" > "$work/summary"
grep -q '1 not measured$' "$work/summary" || die "the summary's head: $(head -n 1 "$work/summary")"
grep -q 'b: v, 2 threads .*<= 5 ns *not measured: nobody "there"' "$work/summary" || die "the gap: $(cat "$work/summary")"
if command -v gnuplot > /dev/null; then
	"$bench/plot.py" "$work/lines" "$work" > "$work/plots" 2>&1
	grep -q '^plot.py: 1 plots in' "$work/plots" || die "plots: $(cat "$work/plots")"
	grep -q '</svg>' "$work/append.svg" || die "append.svg is cut short"
fi
