#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# test-mutants.sh [NAME...]
#
# Breaks the engine in one place after another, and demands that a test fails each time: all of
# tests/mutants/*.patch, or those that are named. Works on a copy of the tree in build-mutants/.
#
# A patch says in its first line what is broken, and in its second one what shows it, each time and soon:
#
#   PROGRAM: OPTION|ARGUMENT|...    test_* of tests/unit, step_*, death_*
#   llvmprof: NAME                  tests/llvmprof/NAME.sh
#   per_test: NAME                  one of tests/per_test/points.c
#
# Nothing is left to a seed or to the time that a machine has: programs of tests/unit set the very state up, or
# step_* and death_* come in at every point of what they are told to do. The same has to pass without a mutant.
set -u
me=${0##*/}
top=$(cd "$(dirname "$0")/.." && pwd)
work=$top/build-mutants
tree=$work/tree
build=$work/build
jobs=$(nproc)
seconds=900 # for one test, on a machine that has much else to do
survivors=()

copy_tree() {
	mkdir -p "$tree/tests"
	for part in CMakeLists.txt cmake include libcovbuf shm scripts adapters/sancov adapters/llvmprof tests/CMakeLists.txt \
		tests/unit tests/stress tests/step tests/death tests/per_test; do
		rm -rf "${tree:?}/$part"
		mkdir -p "$(dirname "$tree/$part")"
		cp -R "$top/$part" "$tree/$part"
	done
}

shown_by() { # PATCH
	sed -nE '2{/^(step_[a-z]+|llvmprof|per_test|death_[a-z]+|test_[a-z_]+): /p}' "$1"
}

build_for() { # SHOWN...: the programs that it names
	local targets=() shown
	for shown; do
		case $shown in
		llvmprof:* | per_test:*) targets+=(covb_llvmprof_runtimes covbuf_static) ;;
		*) targets+=("${shown%%: *}") ;;
		esac
	done
	ninja -C "$build" -j"$jobs" "${targets[@]}" >"$work/log" 2>&1
}

# With a clang that the runtime was built for.
run_llvmprof() { # llvmprof|per_test NAME
	local object major clang
	for object in "$build"/adapters/llvmprof/*/runtime.o; do
		major=$(basename "$(dirname "$object")")
		[ "$major" != 19 ] || break
	done
	clang=$(command -v "clang-$major" || echo "/usr/lib/llvm-$major/bin/clang")
	case $1 in
	llvmprof) set -- "$top/tests/llvmprof/$2.sh" "$major" ;;
	per_test) set -- "$top/tests/per_test/run.sh" "$clang" "$major" "$2" ;;
	esac
	COVBUF_BUILD=$build COVBUF_SOURCE=$tree COVBUF_CLANGS="$major=$clang" timeout "$seconds" "$@"
}

run_shown() { # SHOWN: exits as the test does; 77: it cannot run here
	local program=${1%%: *} folder=${1%%_*} options
	mapfile -t options < <(tr '|' '\n' <<<"${1#*: }")
	case $program in
	llvmprof | per_test)
		run_llvmprof "$program" "${options[0]}"
		return
		;;
	test_*) folder=unit ;;
	esac
	timeout "$seconds" "$build/tests/$folder/$program" "${options[@]}"
} >"$work/out" 2>&1 </dev/null

try() { # NAME PATCH: the tree has the mutant
	local name=$1 shown started=$SECONDS
	shown=$(shown_by "$2")
	if ! build_for "$shown"; then
		survivors+=("$name (does not build)")
		echo "$name: does not build"
		return
	fi
	run_shown "$shown"
	case $? in
	0) ;;
	77) survivors+=("$name ($shown cannot run here)") && return ;;
	*) echo "$name: found by $shown in $((SECONDS - started)) s" && return ;;
	esac
	survivors+=("$name")
	echo "$name: NOT FOUND by $shown: $(head -n 1 "$2")"
}

for name; do
	case $name in
	-h | --help) sed -n '3,16s/^# \{0,1\}//p' "$0"; exit 0 ;;
	-*) echo "$me: there is no option '$name'; see --help" >&2; exit 2 ;;
	esac
	[ -f "$top/tests/mutants/$name.patch" ] || { echo "$me: there is no tests/mutants/$name.patch" >&2; exit 2; }
done
if [ $# = 0 ]; then
	for patch in "$top"/tests/mutants/*.patch; do
		set -- "$@" "$(basename "$patch" .patch)"
	done
fi
all_shown=()
for name; do
	shown=$(shown_by "$top/tests/mutants/$name.patch")
	[ -n "$shown" ] || { echo "$name: its second line does not say what shows it"; exit 1; }
	all_shown+=("$shown")
done
mapfile -t all_shown < <(printf '%s\n' "${all_shown[@]}" | sort -u)
copy_tree
cmake -S "$tree" -B "$build" -G Ninja -DCOVBUF_BENCH=OFF >/dev/null || exit 2
build_for "${all_shown[@]}" || { tail -n 20 "$work/log"; exit 2; }
for shown in "${all_shown[@]}"; do
	run_shown "$shown"
	case $? in 0 | 77) continue ;; esac
	echo "without a mutant $shown fails"
	tail -n 5 "$work/out"
	exit 1
done
for name; do
	patch=$top/tests/mutants/$name.patch
	if ! patch -d "$tree" -p1 --silent --no-backup-if-mismatch <"$patch" >"$work/log" 2>&1; then
		survivors+=("$name (does not apply)")
		echo "$name: does not apply: the code has changed, renew it"
		copy_tree
		continue
	fi
	try "$name" "$patch"
	patch -d "$tree" -p1 -R --silent <"$patch" >/dev/null
done
[ ${#survivors[@]} -eq 0 ] && exit 0
printf 'no test fails with: %s\n' "${survivors[@]}"
exit 1
