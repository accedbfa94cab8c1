#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# run.sh [--quick] [--only PROGRAM] [--json FILE] [--build DIR] [--variants TEXT[,TEXT]...]
#
# Measures whole programs (zlib, lua, cjson, sqlite, xz), uninstrumented and instrumented in every way that libcovbuf
# and its peers have: one table of ratios, and one of xz with its threads and of how many counts are lost. Builds
# them first, from Debian's source packages, into DIR/programs (DIR: build-bench), which takes ten minutes the first
# time and is kept. Five minutes then; --quick: some 20 seconds. What is not installed is a gap in the table.
#   --only PROGRAM   one of those named above
#   --json FILE      append JSON lines (bench/README.md)
#   --variants TEXT  variants with one of these texts in their names, and what they are compared with
# COVBUF_SOURCES names a folder for fetched source packages, to share it.
set -eu
top=$(cd "$(dirname "$0")/../.." && pwd)
build=$top/build-bench
pass=()
while [ $# -gt 0 ]; do
	case $1 in
	--quick) pass+=("$1") ;;
	--only | --json | --variants)
		[ $# -gt 1 ] || { echo "${0##*/}: $1 wants something behind it; see --help" >&2; exit 2; }
		pass+=("$1" "$2")
		shift
		;;
	--build) build=${2:?--build needs a folder} && shift ;;
	-h | --help) sed -n '3,13s/^# \{0,1\}//p' "$0"; exit 0 ;;
	*) echo "${0##*/}: there is no option '$1'; see --help" >&2; exit 2 ;;
	esac
	shift
done

for tool in python3 ninja cmake make tclsh clang-19; do
	command -v "$tool" > /dev/null || { echo "programs: $tool is missing; scripts/install-deps.sh installs it" >&2; exit 1; }
done
if [ ! -f "$build/build.ninja" ]; then
	cmake -S "$top" -B "$build" -G Ninja -DCMAKE_BUILD_TYPE=Release -DCOVBUF_TESTS=OFF > /dev/null
fi
log=$build/programs.log
ninja -C "$build" covbuf_{static,sancov,sancov_lto,sancov_trace_lto,sancov_context_lto} adapters/llvmprof/all > "$log" 2>&1 ||
	{ tail -20 "$log" >&2; echo "programs: libcovbuf cannot be built; all of it: $log" >&2; exit 1; }
"$top/bench/programs/build.py" "$build"
exec python3 "$top/bench/programs/measure.py" "$build/programs" "${pass[@]}"
