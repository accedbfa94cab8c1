#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# barriers.sh [--update] MACHINE...
#
# Whether gcc and clang make of each function the barriers and atomic instructions that barriers.table and
# shipped.table say, for MACHINE (x86-64, ppc64le). Status 77: a cross compiler or what it needs is not there.
#   --update  write what there is into the tables, for git diff to show
set -eu
here=$(cd "$(dirname "$0")" && pwd)
# shellcheck source-path=SCRIPTDIR source=lib.sh
. "$here/lib.sh"
update=
while [ $# -gt 0 ]; do
	case $1 in
	--update) update=--update ;;
	-h | --help) sed -n '3,7s/^# \{0,1\}//p' "$0"; exit 0 ;;
	x86-64 | ppc64le) machines+=("$1") ;;
	*) echo "usage: ${0##*/} [--update] x86-64|ppc64le..." >&2; exit 2 ;;
	esac
	shift
done
[ ${#machines[@]} -gt 0 ] || { echo "${0##*/}: name a machine; see --help" >&2; exit 2; }

for machine in "${machines[@]}"; do
	need_machine "$machine"
	for compiler in gcc clang; do
		name=$work/$machine-$compiler
		column="$machine $compiler"
		build "$name-engine.o" "$machine" "$compiler" engine -O1 -fno-inline -fno-unroll-loops
		build "$name-shm.o" "$machine" "$compiler" shm -O1 -fno-inline -fno-unroll-loops
		build "$name.o" "$machine" "$compiler" engine
		judge "barriers/$machine/$compiler/each_function_by_itself" \
			"$here/check_barriers.py" ${update:+"$update"} "$here/barriers.table" "$column" "$name-engine.o" "$name-shm.o"
		judge "barriers/$machine/$compiler/as_built_for_use" \
			"$here/check_barriers.py" ${update:---named} "$here/shipped.table" "$column" "$name.o"
	done
done
summary || { echo "where it is meant so: ${0##*/} --update ${machines[*]}, then git diff shows what became of each function"; exit 1; }
