#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# check.sh [RUN-OPTION...]
#
# Tests the tests: each of cases/ goes wrong in its own way, and run.sh has to say what its file "expect"
# says, on a kernel for x86 and on one for POWER. It needs no covbuf.ko: trouble/ stands for it.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
kernels=(6.12 6.12-ppc64el)
passed=0 failed=0 skipped=0
said=$("$here/../run.sh" --tests "$here/cases" --module "$here/trouble" --kernel "${kernels[0]}" --kernel "${kernels[1]}" "$@") && status=0 ||
	status=$?
for kernel in "${kernels[@]}"; do
	if why=$(grep -E "^$kernel +works +skip" <<< "$said"); then
		skipped=$((skipped + 1))
		echo "$why"
		continue
	fi
	for file in "$here"/cases/*/expect; do
		name=${file%/expect}
		name=${name##*/}
		# Of one test: its line, and the indented ones after it.
		if sed -nE "/^$kernel +$name +/,/^[^ ]/{/^$kernel +$name |^ /p}" <<< "$said" | grep -qE "$(cat "$file")"; then
			passed=$((passed + 1))
		else
			failed=$((failed + 1))
			echo "run.sh did not say '$(cat "$file")' of the case $name on $kernel"
		fi
	done
done
[ $passed -gt 0 ] || exit 77
[ "$status" -ne 0 ] || { failed=$((failed + 1)); echo "run.sh ended with status 0"; }
[ $failed -eq 0 ] || echo "$said"
echo "$passed passed, $failed failed, $skipped skipped"
[ $failed -eq 0 ]
