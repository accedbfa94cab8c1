#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# link-flags.sh [--profile CLANG] BUILD
#
# Prints what is added to the end of a program's link line (LIBS, with autoconf) so that it records into
# the segment that COVBUF_SEGMENT names, with the libraries in the build folder BUILD. The program is
# compiled with -fsanitize-coverage=...; clang links with -fno-sanitize-link-runtime, since the
# callbacks come from here. Each archive is one argument together with its options, since libtool
# reorders arguments.
#
# With --profile: what is added so that a program or library which CLANG compiled with -fprofile-instr-generate
# -fcoverage-mapping keeps its counters in the directory that COVBUF_PROFILE names.
set -eu
case ${1:-} in
-h | --help) sed -n '3,13s/^# \{0,1\}//p' "$0"; exit 0 ;;
esac
clang=
if [ "${1:-}" = --profile ] && [ $# -ge 2 ]; then
	clang=$2
	shift 2
fi
{ [ $# -eq 1 ] && [ -d "$1" ]; } || { echo "usage: ${0##*/} [--profile CLANG] BUILD, a build folder" >&2; exit 2; }
build=$(cd "$1" && pwd)
if [ -n "$clang" ]; then
	version=$("$clang" -dumpversion)
	script=$build/adapters/llvmprof/${version%%.*}/covbuf.lds
	if [ ! -f "$script" ]; then
		echo "${0##*/}: there is no $script: $clang was not found when this was built, or has no" \
			"include/profile/InstrProfData.inc; configure again: cmake $build" >&2
		exit 1
	fi
	echo "-Wl,-T,$script"
	exit 0
fi
sancov=$build/adapters/sancov/libcovbuf_sancov.a
engine=$build/libcovbuf/libcovbuf.a
for archive in "$sancov" "$engine"; do
	[ -f "$archive" ] || { echo "${0##*/}: there is no $archive; build first: ninja -C $build" >&2; exit 1; }
done
echo "-Wl,--whole-archive,$sancov,--no-whole-archive $engine -lurcu -lpthread -lm -ldl" \
	"-Wl,--wrap=pthread_create,--wrap=_Fork -Wl,--export-dynamic-symbol=covbuf_*"
