#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# check.sh [RUN-OPTION...]
#
# Tests the tests: each of cases/ goes wrong in its own way, and run.sh has to say what its file "expect"
# says, on one kernel. It needs no covbuf.ko: trouble/ stands for it.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
passed=0 failed=0
said=$("$here/../run.sh" --tests "$here/cases" --module "$here/trouble" --kernel 6.12 "$@") && status=0 || status=$?
if [[ $said = *"6.12     works      skip"* ]]; then
	echo "$said"
	exit 77
fi
for file in "$here"/cases/*/expect; do
	name=${file%/expect}
	name=${name##*/}
	# Of one test: its line, and the indented ones after it.
	if sed -nE "/^6\.12 +$name +/,/^[^ ]/{/^6\.12 +$name |^ /p}" <<< "$said" | grep -qE "$(cat "$file")"; then
		passed=$((passed + 1))
	else
		failed=$((failed + 1))
		echo "run.sh did not say '$(cat "$file")' of the case $name"
	fi
done
[ "$status" -ne 0 ] || { failed=$((failed + 1)); echo "run.sh ended with status 0"; }
[ $failed -eq 0 ] || echo "$said"
echo "$passed passed, $failed failed, 0 skipped"
[ $failed -eq 0 ]
