#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# lazy.sh LIBCOVBUF.SO
#
# A program that inlines the append and finds the library's functions only when it first calls them, by each
# compiler: the dynamic linker, which is in between then, keeps fewer registers than preserve_most promises.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
top=$(cd "$here/../.." && pwd)
case ${1:-} in
-h | --help) sed -n '3,6s/^# \{0,1\}//p' "$0"; exit 0 ;;
-*) echo "${0##*/}: there is no option '$1'; see --help" >&2; exit 2 ;;
esac
{ [ $# -eq 1 ] && [ -f "$1" ]; } || { echo "usage: ${0##*/} LIBCOVBUF.SO" >&2; exit 2; }
library=$1
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
nr=0
for compiler in clang-19 gcc; do
	command -v "$compiler" > /dev/null || { echo "lazy: $compiler is not installed"; continue; }
	for how in "-fPIE -pie" "-fno-pie -no-pie"; do
		# shellcheck disable=SC2086 # several options
		"$compiler" -std=gnu11 -O2 $how -I"$top/include" "$here/lazy.c" -o "$work/lazy" "$library" \
			-Wl,-z,lazy -Wl,-rpath,"$(dirname "$library")"
		"$work/lazy" || { echo "lazy: $compiler $how: a register was lost"; exit 1; }
		nr=$((nr + 1))
	done
done
[ "$nr" -gt 0 ] || exit 77
