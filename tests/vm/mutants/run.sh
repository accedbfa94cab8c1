#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# run.sh [--kernel KERNEL] [--dir DIR] [NAME...]
#
# Breaks covbuf.ko in one place after another, and demands that the tests sections or load fail each time, or the test
# profile where the patch's name begins so, in a guest with KERNEL (6.12-rt otherwise): all of this folder's patches, or
# those that are named. Works on a copy of the tree in DIR, otherwise build-vm-mutants/. A minute or two each, so this is
# for the long run.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
top=$(cd "$here/../../.." && pwd)
kernel=6.12-rt work=$top/build-vm-mutants survivors=()
while [ $# -gt 0 ]; do
	case $1 in
	--kernel) kernel=${2:?--kernel needs a name} && shift ;;
	--dir) work=${2:?--dir needs a folder} && shift ;;
	-*) sed -n '/^# run\.sh /,/^[^#]/{s/^# \{0,1\}//p}' "$0" >&2; exit 2 ;;
	*) break ;;
	esac
	shift
done
[ $# -gt 0 ] || for patch in "$here"/*.patch; do
	name=${patch##*/}
	set -- "$@" "${name%.patch}"
done
tree=$work/tree
export COVBUF_VM_CACHE=${COVBUF_VM_CACHE:-$top/build-vm}

copy_tree() {
	rm -rf "$tree"
	mkdir -p "$tree"
	for part in include libcovbuf adapters tests examples; do
		cp -R "$top/$part" "$tree/$part"
	done
	cp "$top/CMakeLists.txt" "$tree"
}

# Prints what failed. A complaint of the kernel, or its death, is a failure too.
find_it() { # TEST...
	local test
	for test; do
		"$tree/tests/vm/run.sh" --dir "$work/run" --kernel "$kernel" "$test" > "$work/log" 2>&1 && continue
		echo "$test: $(sed -n 's/^ *not ok //p' "$work/log" | head -1)"
		return 0
	done
	return 1
}

tests_for() { # NAME
	[[ $1 = profile-* ]] && echo profile || echo sections load
}

copy_tree
# shellcheck disable=SC2046
if broken=$(find_it $(for name; do tests_for "$name"; done | tr ' ' '\n' | sort -u)); then
	echo "without a mutant this fails already: $broken"
	tail -n 5 "$work/log"
	exit 1
fi
# shellcheck disable=SC2046
for name; do
	started=$SECONDS
	copy_tree
	if ! patch -d "$tree" -p1 --silent --no-backup-if-mismatch < "$here/$name.patch" > "$work/log" 2>&1; then
		survivors+=("$name (does not apply)")
		echo "$name: does not apply: the code has changed, renew it"
	elif ! found=$(find_it $(tests_for "$name")); then
		survivors+=("$name")
		echo "$name: NOT FOUND: $(head -n 1 "$here/$name.patch")"
	elif [[ $found = *"cannot be built"* ]] || grep -q 'cannot be built' "$work/log"; then
		survivors+=("$name (does not build)")
		echo "$name: does not build"
	else
		echo "$name: found in $((SECONDS - started)) s by $found"
	fi
done
[ ${#survivors[@]} -eq 0 ] && exit 0
printf 'no test fails with: %s\n' "${survivors[@]}"
exit 1
