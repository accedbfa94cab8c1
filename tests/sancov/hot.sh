#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# The hot callbacks are leaves: nothing is pushed, called through a PLT or checked by a stack protector,
# and recording takes no more instructions than it did. With both compilers, x86-64 only.
set -eu
[[ $(${CC:-gcc} -dumpmachine) = x86_64-* ]] || { echo "x86-64 only"; exit 77; }
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
failed=0

# All instructions of the function count, those of the slow half too: some are jumped over each time.
check() { # COMPILER DEFINITIONS SOURCE FUNCTION LIMIT
	local listing count
	# shellcheck disable=SC2086
	"$1" $2 -std=gnu11 -O2 -fPIC -fno-plt -fno-stack-protector -I"$COVBUF_SOURCE/include" \
		-c "$COVBUF_SOURCE/adapters/sancov/$3" -o "$dir/a.o"
	listing=$(objdump -d --no-show-raw-insn "$dir/a.o" |
		awk -v f="<$4>:" '$2 == f { on = 1; next } /^$/ { on = 0 } on' | grep -vE '\s(nop|xchg +%ax,%ax|data16|cs nop|endbr64)')
	count=$(grep -c . <<< "$listing")
	if grep -qE '\s(push|pop|call|sub +\$0x[0-9a-f]+,%rsp)' <<< "$listing" || [ "$count" -gt "$5" ]; then
		echo "not ok $1 $2 $4: $count instructions"
		echo "$listing"
		failed=1
	else
		echo "ok $1 $2 $4: $count instructions"
	fi
}

for compiler in gcc clang-19 clang; do
	command -v $compiler > /dev/null || continue
	for definitions in -DDIRECT -DCOVBUF_IMAGE; do
		check $compiler $definitions trace_pc.c __sanitizer_cov_trace_pc 24
		check $compiler $definitions guard.c __sanitizer_cov_trace_pc_guard 46
		check $compiler $definitions cmp.c __sanitizer_cov_trace_cmp4 26
		check $compiler $definitions cmp.c __sanitizer_cov_trace_const_cmp8 25
		check $compiler $definitions cmp.c __sanitizer_cov_trace_switch 11
	done
done
exit $failed
