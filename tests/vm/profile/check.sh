#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# check.sh KERNEL OUT REPORT: whether LLVM's tools say the same of the module as of the program.
set -eu
# shellcheck source-path=SCRIPTDIR source=../lib.sh
. "$COVBUF_VM/lib.sh"
out=$2 report=$3
logic=$(dirname "$(find "$out/module/tree" -path '*/profile/module/logic.c')")
grep -q '^#file both' "$report" || exit 0 # the guest's own results say why
sources=("$logic/logic.c" "$logic/more.c" "$logic/clamped.h")

for part in report show lcov; do
	case $part in
	report) tool=(report --show-mcdc-summary) ;;
	show) tool=(show --show-branches=count --show-mcdc) ;;
	lcov) tool=(export -format=lcov) ;;
	esac
	for from in program module; do
		image=$out/program
		[ $from = program ] || image=$out/module/prof.ko
		[ -e "$out/$from.profraw" ] || received whole "$report" > "$out/$from.profraw"
		if ! llvm-profdata-19 merge -o "$out/$from.profdata" "$out/$from.profraw" > "$out/$from.log" 2>&1 ||
			! llvm-cov-19 "${tool[@]}" "$image" -instr-profile="$out/$from.profdata" "${sources[@]}" \
				> "$out/$from.$part" 2>> "$out/$from.log"; then
			echo "not ok $part/$from: $(tail -1 "$out/$from.log")"
			exit
		fi
	done
	if [ -s "$out/program.$part" ] && cmp -s "$out/program.$part" "$out/module.$part"; then
		echo "ok $part/equal"
	else
		diff "$out/program.$part" "$out/module.$part" | head -20
		echo "not ok $part/equal: $out/program.$part and $out/module.$part are not"
	fi
done
# Some of all of it, so that it is no comparison of nothing.
if grep -q '^TOTAL .* 100.00%' "$out/module.report" || ! grep -q 'C2-Pair: covered' "$out/module.show"; then
	echo "not ok figures: they are not what the logic was written for"
else
	echo "ok figures"
fi

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
