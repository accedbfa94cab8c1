#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# test.sh [--quick | --long] [--kcov] [--no-install] [--dir DIR]
#
# Everything that can be checked on one machine: builds with gcc and with clang, warnings being errors;
# every test of the gcc build (units, command, sancov, LLVM profiles, models, proofs, litmus, objects, every instruction,
# stress, real programs, examples, the quickstart); the unit tests of the clang build; covbuf.ko on Debian's
# kernels, x86-64 and POWER, in virtual machines; everything for POWER under qemu; fuzzers; sanitizers; mutants.
# The last line is "N passed, N failed, N skipped", and the status is not 0 if anything failed. Less than an hour
# on two cores. docs/verification.md says what proves what.
#   --quick       no real programs, stress, models, virtual machines, POWER, fuzzers, sanitizers, mutants: minutes
#   --long        each of these at length, and the mutants of covbuf.ko and of the readers: hours
#   --kcov        the program that tests KCOV's ABI runs on a kernel with KCOV, too, which is built first
#   --no-install  the packages are there
#   --dir DIR     build there instead of in build-test/
set -u
set -o pipefail
top=$(cd "$(dirname "$0")/.." && pwd)
dir=$top/build-test
quick=
long=
kcov=
install=1
while [ $# -gt 0 ]; do
	case $1 in
	--quick) quick=1 ;;
	--long) long=--long ;;
	--kcov) kcov=1 ;;
	--no-install) install= ;;
	--dir) dir=${2:?--dir needs a folder} && shift ;;
	-h | --help) sed -n '3,16s/^# \{0,1\}//p' "$0"; exit 0 ;;
	*) echo "test.sh: there is no option '$1'; see --help" >&2; exit 2 ;;
	esac
	shift
done

started=$SECONDS
jobs=$(nproc)
[ "$jobs" -le 8 ] || jobs=8
passed=0 failed=0 skipped=0
failures=()
step() { printf '\n[%d:%02d] %s\n' $(((SECONDS - started) / 60)) $(((SECONDS - started) % 60)) "$*"; }
pass() { passed=$((passed + 1)); }
fail() { failed=$((failed + 1)); failures+=("$*"); echo "failed: $*"; }
summary() {
	step "done"
	[ ${#failures[@]} -eq 0 ] || printf 'failed: %s\n' "${failures[@]}"
	echo "$passed passed, $failed failed, $skipped skipped"
	[ "$failed" -eq 0 ]
	exit
}

if [ -n "$install" ]; then
	step "packages"
	"$top/scripts/install-deps.sh" || { fail "packages are missing"; summary; }
fi
mkdir -p "$dir" || { fail "cannot make $dir"; summary; }
dir=$(cd "$dir" && pwd)
# Fetched sources stay when the builds go.
export COVBUF_SOURCES=$dir/sources

build() { # NAME C-COMPILER C++-COMPILER TARGET...: a build counts as a test
	local name=$1 cc=$2 cxx=$3
	shift 3
	step "building with $name, warnings being errors"
	cmake -S "$top" -B "$dir/$name" -G Ninja -DCMAKE_C_COMPILER="$cc" -DCMAKE_CXX_COMPILER="$cxx" \
		-DCOVBUF_WERROR=ON -DCOVBUF_SOURCES="$COVBUF_SOURCES" > "$dir/$name-configure.log" 2>&1 ||
		{ tail -20 "$dir/$name-configure.log"; fail "configuring with $name"; return 1; }
	ninja -C "$dir/$name" "$@" > "$dir/$name-build.log" 2>&1 ||
		{ grep -A 20 FAILED "$dir/$name-build.log" | head -60; fail "building with $name"; return 1; }
	pass
}

count_junit() { # FILE NAME: adds what ctest wrote
	local of kind nr
	of=$(grep -o '<testsuite [^>]*' <<< "$(tr '\n\t' '  ' < "$1")") || { fail "$2: ctest wrote no results"; return; }
	local -A n=([tests]=0 [failures]=0 [disabled]=0 [skipped]=0)
	for kind in "${!n[@]}"; do
		nr=$(grep -oE " $kind=\"[0-9]+\"" <<< "$of" | grep -oE '[0-9]+') && n[$kind]=$nr
	done
	passed=$((passed + n[tests] - n[failures] - n[disabled] - n[skipped]))
	failed=$((failed + n[failures]))
	skipped=$((skipped + n[skipped] + n[disabled]))
	local name
	while read -r name; do
		failures+=("$2: $name")
	done < <(grep -oE '<testcase name="[^"]*"[^>]* status="fail"' "$1" | sed 's/<testcase name="//; s/".*//')
	[ "${n[tests]}" -gt 0 ] || fail "$2: there are no tests"
}

run_ctest() { # NAME WHAT OPTION...
	local name=$1 what=$2
	shift 2
	step "$what"
	rm -f "$dir/$name.xml"
	# What a failed test printed is shown; so is why one was skipped, which ctest keeps to itself.
	ctest --test-dir "$dir/$name" -j "$jobs" --timeout 900 --output-on-failure --no-tests=error \
		--test-output-size-passed 20000 --output-junit "$dir/$name.xml" "$@" 2>&1 |
		grep -vE '^ *Start +[0-9]+:'
	if [ -s "$dir/$name.xml" ]; then
		count_junit "$dir/$name.xml" "$name"
	else
		fail "$name: ctest wrote no results"
	fi
	awk '/<testcase / { name = $0; sub(/.*<testcase name="/, "", name); sub(/".*/, "", name); shown = 0
			off = !/status="(notrun|disabled)"/ }
		!off && !shown && /<system-out>/ { text = $0; sub(/.*<system-out>/, "", text); sub(/<.*/, "", text)
			print "skipped " name ": " text; shown = 1 }' "$dir/$name.xml" 2> /dev/null
}

# A script that prints "N passed, N failed, N skipped" at its end is counted so, any other as one test.
run_script() { # NAME WHAT SCRIPT ARGUMENT...
	local name=$1 what=$2 status=0 last
	shift 2
	[ -x "$1" ] || { fail "$1 is not there"; return; }
	step "$what"
	"$@" 2>&1 | tee "$dir/$name.log" || status=$?
	last=$(tail -1 "$dir/$name.log")
	if [[ $last =~ ^([0-9]+)\ passed,\ ([0-9]+)\ failed,\ ([0-9]+)\ skipped ]]; then
		passed=$((passed + BASH_REMATCH[1]))
		failed=$((failed + BASH_REMATCH[2]))
		skipped=$((skipped + BASH_REMATCH[3]))
		[ "${BASH_REMATCH[2]}" -eq 0 ] || failures+=("$name: ${BASH_REMATCH[2]}, see $dir/$name.log")
		[ "${BASH_REMATCH[2]}" -ne 0 ] || [ $status -eq 0 ] || [ $status -eq 77 ] ||
			fail "$name ended with status $status"
	elif [ $status -eq 77 ]; then
		skipped=$((skipped + 1))
	elif [ $status -eq 0 ]; then
		pass
	else
		fail "$name, see $dir/$name.log"
	fi
}

# What has a short form in ctest.
run_long() {
	local b=$dir/gcc/tests mode who
	run_script long-step "every instruction, at length" "$b/step/step_inside" --long --seconds 900
	for mode in sig look sig2; do
		run_script "long-$mode" "every instruction, from outside: $mode" \
			"$b/step/step_outside" --long --mode "$mode" --seconds 1200 "$b/step/step_target"
	done
	for who in engine consumer maker follower; do
		run_script "long-death-$who" "death at every instruction: $who" "$b/death/death_$who" --long
	done
	run_script long-inject "fork, exit, cancellation, dlclose" "$b/death/death_inject" --limit 400
	run_script long-relacy "the engine under Relacy" "$b/relacy/relacy" --executions 200000 \
		--mutants "$top/tests/relacy/exceptions.txt"
	run_script long-barriers "barriers of POWER9 and 10" "$top/tests/object/barriers.sh" --long ppc64le
	run_script long-noinstr "each kind of instrumentation by itself" "$top/tests/object/noinstr.sh" --each x86-64 ppc64le
	run_script long-module "hooks for every kernel" "$top/tests/object/module.sh" --all
	run_script long-scribble "readers beside a hostile process" "$b/hostile/hostile_scribble" --seconds 600
}

if [ -z "$quick" ]; then
	step "Debian's kernels" # whose hooks are looked at, and which are booted: what cannot be had is skipped there, with the reason
	"$top/tests/vm/fetch.sh" || :
fi
if build gcc gcc g++; then
	if [ -n "$quick" ]; then
		run_ctest gcc "quick tests" -LE 'real|stress|model|slow'
	else
		run_ctest gcc "all tests"
	fi
fi
if build clang clang-19 clang++-19; then
	run_ctest clang "unit tests, built by clang" -R '^unit/'
fi
if [ -z "$quick" ]; then
	run_script vm-harness "virtual machines: each kind of failure is noticed" "$top/tests/vm/harness/check.sh" --dir "$dir/vm-harness"
	run_script vm "covbuf.ko in virtual machines" "$top/tests/vm/run.sh" $long --dir "$dir/vm"
	if [ -n "$kcov" ]; then
		step "a kernel with KCOV"
		cache=${COVBUF_VM_CACHE:-$top/build-vm}
		if "$top/scripts/build-kcov-kernel.sh" "$cache/kernels/kcov" > "$dir/kcov.log" 2>&1; then
			run_script vm-kcov "KCOV's ABI on KCOV itself" "$top/tests/vm/run.sh" --dir "$dir/vm-kcov" --kernel kcov abi
		else
			fail "the KCOV kernel cannot be built, see $dir/kcov.log"
		fi
	fi
	[ -z "$long" ] || run_script vm-mutants "covbuf.ko: each test can fail" "$top/tests/vm/mutants/run.sh"
	run_script power "POWER under qemu" "$top/scripts/test-power.sh" $long --dir "$dir/power"
	run_script fuzz "fuzzers" "$top/scripts/fuzz.sh" $long --dir "$dir/fuzz"
	[ -z "$long" ] || run_script fuzz-mutants "fuzzers: each can fail" "$top/scripts/fuzz.sh" --mutants --dir "$dir/fuzz"
	[ -z "$long" ] || run_long
	run_script sanitizers "sanitizers" "$top/scripts/test-sanitizers.sh"
	run_script mutants "mutants: each test can fail" "$top/scripts/test-mutants.sh"
fi
summary
