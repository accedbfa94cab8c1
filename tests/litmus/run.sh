#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#
# run.sh [--recorded | --record]
#
# Runs the litmus tests that expand.py makes of algorithms/, and compares herd7's verdict on each with expect.txt and with what
# must come of it. Exit status 1 on a difference, 77 where herd7 is not installed. Those under the kernel's model are left out, and
# it is said, where that is not given.
#
#   --recorded  without herd7: that expect.txt has a verdict for each test, for the very text of it, and that each is what must come of it
#   --record    write expect.txt
#
#   HERD     herd7, if it is not on the path
#   HERDLIB  its libdir, if it does not find it itself
#   LKMM     tools/memory-model of a kernel source tree
set -eu

here=$(cd "$(dirname "$0")" && pwd)
how=${1:-run}
case $how in
run | --recorded | --record) ;;
-h | --help) sed -n '4,17s/^# \{0,1\}//p' "$0"; exit 0 ;;
*) echo "usage: run.sh [--recorded | --record]" >&2; exit 2 ;;
esac
command -v python3 > /dev/null || { echo "skipped: python3 is not installed"; exit 77; }

tests=$(mktemp -d)
trap 'rm -rf "$tests"' EXIT
python3 "$here/expand.py" "$tests" > "$tests/list"

if [ "$how" = --recorded ]; then
	exec python3 "$here/verdicts.py" "$tests/list" "$here/expect.txt" "$here/expect.txt"
fi

HERD=${HERD:-$(command -v herd7 || true)}
if [ -z "$HERD" ]; then
	echo "skipped: herd7 is not installed (herdtools7; not in Debian 12); litmus.recorded has looked at what it said"
	exit 77
fi
lib=()
[ -z "${HERDLIB:-}" ] || lib=(-set-libdir "$HERDLIB")

# One line for each test of a file: "Observation NAME VERDICT ..."
run_model() {
	local model=$1 folder=$2
	shift 2
	(cd "$folder" && printf '%s\n' "$tests/$model"/*.litmus | timeout 900 xargs "$HERD" "${lib[@]}" "$@" 2>&1) |
		awk -v model="$model" '/^Observation/ { print model "/" $2, $3; next } /rror/ { print > "/dev/stderr" }' || true
}
{
	run_model c11 "$tests" -model rc11.cat
	run_model ppc "$tests"
	run_model x86 "$tests"
	[ -z "${LKMM:-}" ] || run_model lkmm "$LKMM" -I . -conf linux-kernel.cfg
} > "$tests/verdicts"

if [ "$how" = --record ]; then
	[ -n "${LKMM:-}" ] || { echo "--record needs all models: set LKMM to tools/memory-model of a kernel source tree" >&2; exit 2; }
	{
		echo "# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause"
		echo "# test, herd7's verdict on its exists clause, checksum of the test. Written by run.sh --record."
		echo "# verified with herd7 $("$HERD" -version | sed 's/[ ,].*//'), rc11.cat, ppc.cat, x86tso.cat, and the memory model of Linux 6.1"
		awk 'NR == FNR { verdict[$1] = $2; next } { print $1, verdict[$1] ? verdict[$1] : "none", substr($3, 1, 16) }' \
			"$tests/verdicts" "$tests/list"
	} > "$here/expect.txt"
fi
[ -n "${LKMM:-}" ] || echo "the tests under the kernel's model are left out: LKMM is not set to its tools/memory-model"
python3 "$here/verdicts.py" "$tests/list" "$here/expect.txt" "$tests/verdicts"
