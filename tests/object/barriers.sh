#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# barriers.sh [--update | --long] MACHINE...
#
# Whether gcc and clang make of each function the barriers and atomic instructions that barriers.table and
# shipped.table say, for MACHINE (x86-64, ppc64le). Status 77: a cross compiler or what it needs is not there.
#   --long    POWER's code for power9 and power10, too, which is held to the same
#   --update  write what there is into the tables, for git diff to show
set -eu
here=$(cd "$(dirname "$0")" && pwd)
# shellcheck source-path=SCRIPTDIR source=lib.sh
. "$here/lib.sh"
update='' long=''
while [ $# -gt 0 ]; do
	case $1 in
	--update) update=--update ;;
	--long) long='power9 power10' ;;
	-h | --help) sed -n '3,8s/^# \{0,1\}//p' "$0"; exit 0 ;;
	x86-64 | ppc64le) machines+=("$1") ;;
	*) echo "usage: ${0##*/} [--update | --long] x86-64|ppc64le..." >&2; exit 2 ;;
	esac
	shift
done
[ ${#machines[@]} -gt 0 ] || { echo "${0##*/}: name a machine; see --help" >&2; exit 2; }

check() { # MACHINE COMPILER NAME [FLAG]
	local machine=$1 compiler=$2 name=barriers/$1/$2$3 column="$1 $2" object=$work/$1-$2
	shift 3
	build "$object-engine.o" "$machine" "$compiler" engine -O1 -fno-inline -fno-unroll-loops "$@"
	build "$object-shm.o" "$machine" "$compiler" shm -O1 -fno-inline -fno-unroll-loops "$@"
	build "$object.o" "$machine" "$compiler" engine "$@"
	judge "$name/each_function_by_itself" "$here/check_barriers.py" ${update:+"$update"} \
		"$here/barriers.table" "$column" "$object-engine.o" "$object-shm.o"
	judge "$name/as_built_for_use" "$here/check_barriers.py" ${update:---named} \
		"$here/shipped.table" "$column" "$object.o"
}

for machine in "${machines[@]}"; do
	need_machine "$machine"
	for compiler in gcc clang; do
		check "$machine" "$compiler" ''
		[ "$machine" = ppc64le ] || continue
		for cpu in $long; do
			check "$machine" "$compiler" "/$cpu" -mcpu="$cpu"
		done
	done
done
summary || {
	echo "where it is meant so: ${0##*/} --update ${machines[*]}; git diff shows what became of each function"
	exit 1
}
