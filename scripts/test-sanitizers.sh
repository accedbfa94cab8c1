#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# test-sanitizers.sh [SECONDS]
#
# Builds with AddressSanitizer and UndefinedBehaviorSanitizer in build-asan/ and with ThreadSanitizer in
# build-tsan/, and runs the stress tests (SECONDS each, 5 by default) and, of the former, the unit tests.
#
# The engine's functions carry no instrumentation, since they run inside coverage callbacks. For the race
# detector that would hide what orders the rest, so there COVBUF_NOINSTR is defined as nothing. It delivers
# signals late and at few places: the interleavings within an append are step_inside's to find, and jumps
# out of handlers are left out.
set -eu
case ${1:-} in
-h | --help) sed -n '3,11s/^# \{0,1\}//p' "$0"; exit 0 ;;
*[!0-9]*) echo "usage: ${0##*/} [SECONDS]" >&2; exit 2 ;;
esac
cd "$(dirname "$0")/.."
seconds=${1:-5}
jobs=$(nproc)
clang=$(command -v clang-19 || command -v clang || true)
status=0

build() {
	dir=$1
	shift
	cmake -S . -B "$dir" -G Ninja -DCOVBUF_BENCH=OFF "$@" >/dev/null
}

run() {
	echo "== $*"
	"$@" || status=1
}

build build-asan -DCOVBUF_SANITIZE=address,undefined
unit=$(cd tests/unit && ls test_*.c | sed 's/\.c$//')
# shellcheck disable=SC2086
ninja -C build-asan -j"$jobs" stress_engine kill_storm $unit | tail -n 1
export UBSAN_OPTIONS=halt_on_error=1:print_stacktrace=1
run build-asan/tests/stress/stress_engine --seconds "$seconds"
run build-asan/tests/stress/kill_storm --seconds "$seconds"
# What tests do not free is theirs; and they limit the address space, which the shadow needs.
export ASAN_OPTIONS=detect_leaks=0:allocator_may_return_null=1
for test in $unit; do
	run build-asan/tests/unit/"$test"
done

if [ -n "$clang" ]; then
	build build-tsan -DCOVBUF_SANITIZE=thread -DCMAKE_C_COMPILER="$clang" -DCMAKE_CXX_COMPILER="${clang/clang/clang++}" \
		-DCMAKE_C_FLAGS=-DCOVBUF_NOINSTR=
	ninja -C build-tsan -j"$jobs" stress_engine | tail -n 1
	export TSAN_OPTIONS="detect_deadlocks=0 suppressions=$PWD/tests/stress/tsan.supp"
	run build-tsan/tests/stress/stress_engine --seconds "$seconds"
else
	echo "no clang: the race detector is not run"
fi
exit $status
