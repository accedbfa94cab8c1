#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# run.sh [--quick] [--build DIR]
#
# Builds with -O2 and no assertions, runs every bench, and leaves one table, one file of JSON lines and
# a plot of each bench in bench/results/, named after the machine. --quick: a fifth of the repetitions, in
# half a minute.
#
# Columns: the fastest pass, the median, the 95th percentile; the ratio to the bench's baseline in this
# run; the ratio that was found before, on another machine; the target, and whether this run meets it.
# Ratios are of minima with one thread, of medians with two. Run it while the machine is idle.
set -eu
source=$(cd "$(dirname "$0")/.." && pwd)
build=$source/build-bench
quick=
while [ $# -gt 0 ]; do
	case $1 in
	--quick) quick=--quick ;;
	--build) build=$2; shift ;;
	*) sed -n '3,11s/^# \{0,1\}//p' "$0" >&2; exit 2 ;;
	esac
	shift
done

benches=(append callback pool handle section collector merge)
results=$source/bench/results
model=$(sed -n 's/^model name[[:space:]]*: //p' /proc/cpuinfo | head -n 1)
machine=$(printf '%s-%scores' "${model:-$(uname -m)}" "$(nproc)" | tr -cs 'A-Za-z0-9.\n' '-')
text=$results/$machine.txt
json=$results/$machine.jsonl
mkdir -p "$results"
# for libjemalloc, which is loaded while running and wants static TLS
export GLIBC_TUNABLES=glibc.rtld.optional_static_tls=65536

cmake -S "$source" -B "$build" -G Ninja -DCMAKE_BUILD_TYPE=Release > /dev/null
ninja -C "$build" "${benches[@]/#/bench/}" > "$build/bench.log" || { cat "$build/bench.log" >&2; exit 1; }

printf '{"machine":"%s","kernel":"%s","compiler":"%s","commit":"%s","load":"%s"}\n' "$model" "$(uname -r)" \
	"$(gcc --version | head -n 1)" "$(git -C "$source" rev-parse --short HEAD 2> /dev/null || echo none)" \
	"$(cut -d' ' -f1 /proc/loadavg)" > "$json"
{
	echo "$model, $(nproc) cores, Linux $(uname -r), $(gcc --version | head -n 1)"
	echo "load when this began: $(cut -d' ' -f1-3 /proc/loadavg)"
	echo
	for bench in "${benches[@]}"; do
		[ -x "$build/bench/$bench" ] || { echo "$bench: not built"; continue; }
		"$build/bench/$bench" $quick --json "$json" || echo "$bench: failed"
	done
} | tee "$text"
echo "table: ${text#"$source"/}, data: ${json#"$source"/}"

if command -v gnuplot > /dev/null; then
	"$source/bench/plot.sh" "$json" "$results" "$machine"
else
	echo "no plots: gnuplot is not installed"
fi
