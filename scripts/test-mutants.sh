#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# test-mutants.sh [NAME...]
#
# Breaks the engine in one place after another, and demands that a test fails each time: all of
# tests/mutants/*.patch, or those that are named. Works on a copy of the tree in build-mutants/. Whatever
# the tests find, they have to find in a few seconds, so a mutant that only shows now and then is given
# three tries with other seeds.
set -u
top=$(cd "$(dirname "$0")/.." && pwd)
work=$top/build-mutants
tree=$work/tree
build=$work/build
jobs=$(nproc)
units="test_append test_sections test_owner test_pool test_ring test_merge"
shown_units="test_collector test_profile test_profile_part" # by patches that name them
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

build_tree() {
	# shellcheck disable=SC2086
	ninja -C "$build" -j"$jobs" stress_engine step_inside kill_storm death_engine death_consumer death_follower death_maker \
		death_inject covb_llvmprof_runtimes covbuf_static $units $shown_units >"$work/log" 2>&1
}

# A patch may say what shows it, in a line "PROGRAM: OPTION|ARGUMENT|...": step_inside, one of death_*, or of unit/test_*;
# or in a line "llvmprof: TEST", one of tests/llvmprof; or "per_test: NAME", of tests/per_test/points.c.
shown_by() { sed -nE '/^--- /q; /^(step_inside|llvmprof|per_test|death_[a-z]+|test_[a-z_]+): /p' "$1"; }

# With a clang that the runtime was built for.
run_llvmprof() { # llvmprof|per_test TEST
	local object major clang status
	for object in "$build"/adapters/llvmprof/*/runtime.o; do
		major=$(basename "$(dirname "$object")")
		[ "$major" != 19 ] || break
	done
	clang=$(command -v "clang-$major" || echo "/usr/lib/llvm-$major/bin/clang")
	case $1 in
	llvmprof) set -- "$top/tests/llvmprof/$2.sh" "$major" ;;
	per_test) set -- "$top/tests/per_test/run.sh" "$clang" "$major" "$2" ;;
	esac
	COVBUF_BUILD=$build COVBUF_SOURCE=$tree COVBUF_CLANGS="$major=$clang" timeout 1500 "$@" >"$work/out" 2>&1
	status=$?
	[ $status -eq 0 ] || [ $status -eq 77 ]
}

run_shown() { # PROGRAM: OPTION|ARGUMENT|...: prints the test if it failed
	local program=${1%%: *} folder=${1%%_*} options
	[ "$folder" != test ] || folder=unit
	mapfile -t options < <(tr '|' '\n' <<<"${1#*: }")
	case $program in
	llvmprof | per_test)
		run_llvmprof "$program" "${options[0]}" && return 1
		echo "$program ${options[0]}"
		return
		;;
	esac
	timeout 1500 "$build/tests/$folder/$program" "${options[@]}" >"$work/out" 2>&1
	case $? in 0 | 77) return 1 ;; esac
	echo "$program ${options[*]}"
}

# Prints the test that failed.
find_it() { # [PATCH]
	local shown
	shown=${1:+$(shown_by "$1")}
	if [ -n "$shown" ]; then
		run_shown "$shown"
		return
	fi
	for unit in $units; do
		[ -x "$build/tests/unit/$unit" ] || continue
		timeout 60 "$build/tests/unit/$unit" >"$work/out" 2>&1 || { echo "$unit"; return 0; }
	done
	for round in 1 2 3; do
		timeout 60 "$build/tests/step/step_inside" --seconds 6 --seed "$((round * 7919))" >"$work/out" 2>&1
		case $? in 0 | 77) ;; *) echo step_inside; return 0 ;; esac
		timeout 60 "$build/tests/stress/stress_engine" --seconds 5 --seed "$((round * 104729))" >"$work/out" 2>&1 ||
			{ echo stress_engine; return 0; }
		timeout 60 "$build/tests/stress/kill_storm" --seconds 3 --seed "$((round * 1299709))" >"$work/out" 2>&1 ||
			{ echo kill_storm; return 0; }
	done
	return 1
}

copy_tree
cmake -S "$tree" -B "$build" -G Ninja -DCOVBUF_BENCH=OFF >/dev/null || exit 2
build_tree || { tail -n 20 "$work/log"; exit 2; }
find_broken() {
	local shown
	find_it && return
	while read -r shown; do
		run_shown "$shown" </dev/null && return
	done < <(for patch in "$top"/tests/mutants/*.patch; do shown_by "$patch"; done | sort -u)
	return 1
}
if broken=$(find_broken); then
	echo "without a mutant $broken fails"
	tail -n 5 "$work/out"
	exit 1
fi
[ $# -gt 0 ] || set -- $(cd "$top/tests/mutants" && ls -- *.patch | sed 's/\.patch$//')
for name; do
	patch=$top/tests/mutants/$name.patch
	started=$SECONDS
	if ! patch -d "$tree" -p1 --silent --no-backup-if-mismatch <"$patch" >"$work/log" 2>&1; then
		survivors+=("$name (does not apply)")
		echo "$name: does not apply: the code has changed, renew it"
		copy_tree
		continue
	fi
	if ! build_tree; then
		survivors+=("$name (does not build)")
		echo "$name: does not build"
	elif found=$(find_it "$patch"); then
		echo "$name: found by $found in $((SECONDS - started)) s"
	else
		survivors+=("$name")
		echo "$name: NOT FOUND: $(head -n 1 "$patch")"
	fi
	patch -d "$tree" -p1 -R --silent <"$patch" >/dev/null
done
[ ${#survivors[@]} -eq 0 ] && exit 0
printf 'no test fails with: %s\n' "${survivors[@]}"
exit 1
