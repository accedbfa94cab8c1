#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# noinstr.sh [--each] MACHINE...
#
# Whether what runs inside a coverage callback carries no instrumentation in builds that have everything else
# instrumented, by gcc and by clang, in each way that the file kinds has. MACHINE is x86-64 or ppc64le. That each way
# is at work in the build is seen in broken.c. Status 77: a cross compiler or what it needs is not there.
#   --each  a build for each kind, too, instead of only as many at once as go together
set -eu
here=$(cd "$(dirname "$0")" && pwd)
# shellcheck source-path=SCRIPTDIR source=lib.sh
. "$here/lib.sh"
each=
while [ $# -gt 0 ]; do
	case $1 in
	--each) each=1 ;;
	-h | --help) sed -n '3,9s/^# \{0,1\}//p' "$0"; exit 0 ;;
	x86-64 | ppc64le) machines+=("$1") ;;
	*) echo "usage: ${0##*/} [--each] x86-64|ppc64le..." >&2; exit 2 ;;
	esac
	shift
done
[ ${#machines[@]} -gt 0 ] || { echo "${0##*/}: name a machine; see --help" >&2; exit 2; }

is_at_work() { # OBJECT PATTERN...: in broken_plain()
	local pattern why missing=0
	why=$("$here/check_noinstr.py" "$here/broken.rules" "$1" | grep ': broken_plain: ') || :
	shift
	for pattern; do
		grep -qE "$pattern" <<< "$why" || { echo "nothing here says $pattern"; missing=1; }
	done
	return $missing
}

check() { # NAME MACHINE COMPILER PATTERNS FLAG...
	local name=$1 machine=$2 compiler=$3 patterns form rules
	read -ra patterns <<< "$4"
	shift 4
	build "$work/broken.o" "$machine" "$compiler" "$here/broken.c" "$@"
	judge "$name/is_at_work" is_at_work "$work/broken.o" "${patterns[@]}"
	for form in engine image trace preload; do
		rules=callbacks.rules
		[ $form != engine ] || rules=userspace.rules
		build "$work/$form.o" "$machine" "$compiler" $form "$@"
		judge "$name/$form" "$here/check_noinstr.py" "$here/$rules" "$work/$form.o"
	done
}

for machine in "${machines[@]}"; do
	need_machine "$machine"
	for compiler in gcc clang; do
		declare -A patterns=() flags=()
		number=0
		while read -r nr pattern flag; do
			patterns[$nr]+="$pattern "
			flags[$nr]+="$flag "
			[ -n "$each" ] || continue
			number=$((number + 1))
			patterns[$number.each]=$pattern
			flags[$number.each]=$flag
		done < <(kinds "$machine" "$compiler")
		for nr in $(printf '%s\n' "${!flags[@]}" | sort -V); do
			read -ra list <<< "${flags[$nr]}"
			check "noinstr/$machine/$compiler/$nr" "$machine" "$compiler" "${patterns[$nr]}" "${list[@]}"
		done
		unset patterns flags
	done
done
summary
