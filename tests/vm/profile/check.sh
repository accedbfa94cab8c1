#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# check.sh KERNEL OUT REPORT: whether LLVM's tools say the same of the module as of the program.
set -eu
# shellcheck source-path=SCRIPTDIR source=../lib.sh
. "$COVBUF_VM/lib.sh"
out=$2 report=$3
grep -q '^#file both' "$report" || exit 0 # the guest's own results say why

# What LLVM says of a file: $out/NAME.report, .show, .lcov.
figures() { # VERSION NAME IMAGE SOURCE...
	local version=$1 name=$2
	shift 2
	llvm-profdata-"$version" merge -o "$out/$name.profdata" "$out/$name.profraw" &&
		llvm-cov-"$version" report --show-mcdc-summary "$1" -instr-profile="$out/$name.profdata" "${@:2}" > "$out/$name.report" &&
		llvm-cov-"$version" show --show-branches=count --show-mcdc "$1" -instr-profile="$out/$name.profdata" "${@:2}" > "$out/$name.show" &&
		llvm-cov-"$version" export -format=lcov "$1" -instr-profile="$out/$name.profdata" "${@:2}" > "$out/$name.lcov"
}

# A module's file and its folder have one name, MODULE, beside PROGRAM of the same logic.
compare() { # PREFIX VERSION MODULE PROGRAM
	local logic part sources
	logic=$(dirname "$(find "$out/$3/tree" -path '*/profile/module/logic.c')")
	sources=("$logic/logic.c" "$logic/more.c" "$logic/clamped.h")
	received "$3" "$report" > "$out/$3.profraw"
	if ! { figures "$2" "$4" "$out/$4" "${sources[@]}" && figures "$2" "$3" "$out/$3/prof.ko" "${sources[@]}"; } > "$out/$3.log" 2>&1; then
		echo "not ok $1figures: $(tail -1 "$out/$3.log")"
		return
	fi
	for part in report show lcov; do
		if [ -s "$out/$4.$part" ] && cmp -s "$out/$4.$part" "$out/$3.$part"; then
			echo "ok $1$part/equal"
		else
			diff "$out/$4.$part" "$out/$3.$part" | head -20
			echo "not ok $1$part/equal: $out/$4.$part and $out/$3.$part are not"
		fi
	done
	# Some of all of it, so that it is no comparison of nothing.
	if grep -q '^TOTAL .* 100.00%' "$out/$3.report" || ! grep -q 'C2-Pair: covered' "$out/$3.show"; then
		echo "not ok $1figures: they are not what the logic was written for"
	else
		echo "ok $1figures"
	fi
}
compare '' 19 module program
[ ! -e "$out/newer" ] || compare newer/ 22 newer program-newer

for name in one both; do
	received $name "$report" > "$out/$name.profraw"
	module=$out/module/prof_one.ko
	[ $name = one ] || module=$out/both/prof_both.ko
	if llvm-profdata-19 merge -o "$out/$name.profdata" "$out/$name.profraw" > "$out/$name.log" 2>&1 &&
		llvm-cov-19 report --show-mcdc-summary "$module" -instr-profile="$out/$name.profdata" > "$out/$name.report" 2>> "$out/$name.log" &&
		[ -s "$out/$name.report" ]; then
		echo "ok report/$name"
	else
		echo "not ok report/$name: $(tail -1 "$out/$name.log")"
	fi
done
