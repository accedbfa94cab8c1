#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# plot.sh JSONL DIRECTORY NAME
#
# Draws DIRECTORY/NAME-BENCH.svg for each bench in the file: a bar to the median for each variant, with
# a line from the fastest pass to the 95th percentile.
set -eu
json=$1 directory=$2 name=$3
field() { sed -n "s/.*\"$1\":\"\{0,1\}\([^\",}]*\).*/\1/p" <<< "$2"; }

for bench in $(sed -n 's/^{"bench":"\([^"]*\)".*/\1/p' "$json" | sort -u); do
	data=$(mktemp)
	unit=
	while IFS= read -r line; do
		case $line in *'"missing"'*) continue ;; esac
		variant=$(sed -n 's/.*"variant":"\([^"]*\)".*/\1/p' <<< "$line")
		unit=$(sed -n 's/.*"unit":"\([^"]*\)".*/\1/p' <<< "$line")
		threads=$(field threads "$line")
		[ "$threads" = 1 ] || variant="$variant, $threads threads"
		printf '"%s" %s %s %s\n' "${variant//_/\\\\_}" "$(field median_ns "$line")" "$(field min_ns "$line")" \
			"$(field p95_ns "$line")"
	done < <(grep "^{\"bench\":\"$bench\"" "$json") > "$data"
	gnuplot <<-PLOT
		set terminal svg size 800,420 font "sans,11" background "white"
		set output "$directory/$name-$bench.svg"
		set title "$bench: ns per $unit (median; fastest to 95th percentile)"
		set style fill solid 0.6
		set boxwidth 0.6
		set logscale y
		set ylabel "ns"
		set grid y
		set xtics rotate by -25
		unset key
		plot "$data" using 0:2:xtic(1) with boxes lc rgb "#4477aa", \
		     "$data" using 0:2:3:4 with yerrorbars lc rgb "#222222" pt 0
	PLOT
	rm -f "$data"
done
echo "plots: $directory/$name-*.svg"
