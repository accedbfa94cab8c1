#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# count.sh [--only NAME]... DIR OUT PROGRAM...
#
# Counts the instructions of each variant that has one thread: runs the programs of DIR under callgrind, one pass of each
# variant, and writes bench, variant, x and instructions per operation to OUT, separated by tabs. The programs' --counts OUT
# puts them into their tables. What others do on the machine does not matter.
set -eu
me=${0##*/}
die() { echo "$me: $*" >&2; exit 1; }
only=()
while [ $# -gt 0 ]; do
	case $1 in
	--only) only+=(--only "${2:?--only needs a name}"); shift ;;
	-h | --help) sed -n '3,7s/^# \{0,1\}//p' "$0"; exit 0 ;;
	-*) echo "$me: there is no option '$1'; see --help" >&2; exit 2 ;;
	*) break ;;
	esac
	shift
done
[ $# -ge 3 ] || { echo "$me: needs a folder, a file and programs; see --help" >&2; exit 2; }
dir=$1 out=$2
shift 2
command -v valgrind > /dev/null || die "valgrind is not there (Debian: valgrind); nothing was counted"
dumps=$(mktemp -d)
trap 'rm -rf "$dumps"' EXIT

for program; do
	# a dump for each counted pass, and one of each process at its end, which has no name of ours
	valgrind --quiet --tool=callgrind --instr-atstart=no --combine-dumps=no --trace-children=no \
		--callgrind-out-file="$dumps/$program.%p" "$dir/$program" --quick --count "${only[@]}" \
		> "$dumps/log" 2>&1 || { [ $? -eq 2 ] && [ ${#only[@]} -gt 0 ]; } ||
		{ echo "$me: $program under callgrind:" >&2; tail -n 5 "$dumps/log" >&2; }
done
find "$dumps" -type f -name '*.[0-9]*' -print0 | sort -z -V | xargs -0 -r cat | awk -F '\t' '
	/^desc: Trigger: Client Request: / { sub(/^desc: Trigger: Client Request: /, ""); bench = $1; variant = $2; x = $3; ops = $4 }
	/^desc: Trigger: Program termination/ { bench = "" }
	/^totals: / && bench != "" {
		sub(/^totals: /, "")
		printf "%s\t%s\t%s\t%.2f\n", bench, variant, x, $0 / ops
		bench = ""
	}' > "$out"
echo "$me: counted $(wc -l < "$out") variants"
