#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# fuzz.sh [--seconds N] [--long] [--seed N] [--dir DIR] [--minimise | --mutants] [TARGET...]
#
# Builds the fuzzers of tests/fuzz with clang, ASan and UBSan, runs each over what is stored for it
# (tests/fuzz/corpus, tests/fuzz/regressions), and then for N seconds from there: 10, with --long 300. The last line is
# "N passed, N failed, N skipped". Whatever ends a fuzzer is a finding: also two seconds of
# processor time, or 1 GiB, for one input.
#   --seed N     where chance begins: 1, so that a short run goes the same way each time; with --long the clock's,
#                which is printed. drain and engine look at the machine's processes, too: they differ a little
#   --dir DIR    build and work there instead of in build-fuzz/; findings stay in DIR/findings/
#   --minimise   write back to tests/fuzz/corpus what is needed of it and of what DIR/corpus/ has found
#   --mutants    break the library in one place after another, tests/fuzz/mutants/*.patch, in a copy, and demand that
#                a target finds it in those seconds
# TARGET is a name as in tests/fuzz/fuzz_TARGET.c; all of them if none is given.
set -eu
top=$(cd "$(dirname "$0")/.." && pwd)
dir=$top/build-fuzz
seconds=10
seed=
long=
what=run
findings=
targets=()
while [ $# -gt 0 ]; do
	case $1 in
	--seconds) seconds=${2:?--seconds needs a number} && shift ;;
	--long) seconds=300 long=1 ;;
	--seed) seed=${2:?--seed needs a number} && shift ;;
	--dir) dir=${2:?--dir needs a folder} && shift ;;
	--minimise) what=minimise ;;
	--mutants) what=mutants ;;
	-h | --help) sed -n '3,16s/^# \{0,1\}//p' "$0"; exit 0 ;;
	-*) echo "fuzz.sh: there is no option '$1'; see --help" >&2; exit 2 ;;
	*) targets+=("$1") ;;
	esac
	shift
done
[ -n "$seed" ] || seed=${long:+$(date +%s)}
seed=${seed:-1}
if [ ${#targets[@]} -eq 0 ]; then
	for target in "$top"/tests/fuzz/fuzz_*.c; do
		target=${target##*/fuzz_}
		targets+=("${target%.c}")
	done
fi
for target in "${targets[@]}"; do
	[ -f "$top/tests/fuzz/fuzz_$target.c" ] || { echo "fuzz.sh: there is no target '$target'" >&2; exit 2; }
done
mkdir -p "$dir"
dir=$(cd "$dir" && pwd)
findings=$dir/findings

# 77, where there is no clang or no libFuzzer.
check_clang() {
	echo 'int LLVMFuzzerTestOneInput(const unsigned char *p, unsigned long n) { return p && !n; }' > "$dir/probe.c"
	if ! clang-19 -fsanitize=fuzzer,address,undefined "$dir/probe.c" -o "$dir/probe" > "$dir/probe.log" 2>&1; then
		echo "there is no clang-19 with libFuzzer: install clang-19 and libclang-rt-19-dev"
		exit 77
	fi
}

build() { # TREE BUILD TARGET...
	local tree=$1 to=$2 jobs
	shift 2
	jobs=$(nproc)
	if [ ! -f "$to/build.ninja" ]; then
		cmake -S "$tree" -B "$to" -G Ninja -DCMAKE_C_COMPILER=clang-19 -DCMAKE_CXX_COMPILER=clang++-19 \
			-DCOVBUF_FUZZ=ON -DCOVBUF_WERROR=ON -DCOVBUF_BENCH=OFF > "$to.log" 2>&1 ||
			{ tail -20 "$to.log"; return 1; }
	fi
	ninja -C "$to" -j"$jobs" "${@/#/fuzz_}" > "$to.log" 2>&1 || { grep -A 20 FAILED "$to.log" | head -40; return 1; }
}

stored() { # TARGET: folders that are there
	local folder
	for folder in "$top/tests/fuzz/corpus/$1" "$top/tests/fuzz/regressions/$1"; do
		[ ! -d "$folder" ] || echo "$folder"
	done
}

# What was compared is put into inputs, addresses too: the same ones each time, where the sandbox lets them be.
fixed=(setarch -R)
"${fixed[@]}" true 2> /dev/null || fixed=()

fuzz() { # BUILD TARGET OPTION...: in the background's own time limit; libFuzzer's own report goes to a log
	local from=$1 target=$2 log
	shift 2
	log=$dir/$target.log
	timeout $((seconds + 600)) "${fixed[@]}" "$from/tests/fuzz/fuzz_$target" -seed="$seed" -max_len=4096 -timeout=60 \
		-rss_limit_mb=1024 -dict="$top/tests/fuzz/fuzz.dict" -print_final_stats=1 \
		-artifact_prefix="$findings/$target-" "$@" > "$log" 2>&1
}

run() { # TARGET: 0 if nothing was found
	local target=$1 folders inputs
	mapfile -t folders < <(stored "$target")
	mapfile -t inputs < <(find /dev/null "${folders[@]}" -type f | LC_ALL=C sort)
	mkdir -p "$dir/corpus/$target" "$findings"
	if ! fuzz "$dir/build" "$target" "${inputs[@]}"; then
		echo "$target: what is stored ends it:"
		return 1
	fi
	if [ "$seconds" -gt 0 ] &&
		! fuzz "$dir/build" "$target" -max_total_time="$seconds" -seed_inputs="$(IFS=, && echo "${inputs[*]}")" \
			"$dir/corpus/$target"; then
		echo "$target: found something:"
		return 1
	fi
	echo "$target: $(sed -n 's/^stat::number_of_executed_units: *//p' "$dir/$target.log") inputs," \
		"$(grep -oE 'cov: [0-9]+' "$dir/$target.log" | tail -1 | sed 's/cov: //') places reached"
}

show() { # TARGET
	grep -vE '^(#|INFO|MS:|Base64|	NEW_FUNC|[0-9a-fx,]*$)' "$dir/$1.log" | grep -v '# Uses' | tail -30
	echo "again: $dir/build/tests/fuzz/fuzz_$1 $(sed -n 's/.*Test unit written to //p; s/^Running: //p' "$dir/$1.log" | tail -1)"
}

# What is needed to reach what all of it reaches.
minimise() {
	local target to
	for target in "${targets[@]}"; do
		to=$top/tests/fuzz/corpus/$target
		mkdir -p "$dir/minimal/$target" "$dir/corpus/$target" "$findings" "$to"
		rm -f "$dir/minimal/$target"/*
		fuzz "$dir/build" "$target" -set_cover_merge=1 -use_counters=0 "$dir/minimal/$target" "$to" "$dir/corpus/$target"
		rm -f "$to"/*
		cp "$dir/minimal/$target"/* "$to/"
		echo "$target: $(find "$to" -type f | wc -l) inputs, $(cat "$to"/* | wc -c) bytes"
	done
}

copy_tree() {
	rm -rf "$dir/mutant"
	mkdir -p "$dir/mutant"
	tar -C "$top" --exclude='./build*' --exclude=./.git -cf - . | tar -C "$dir/mutant" -xf -
}

# The head of a patch says which target is to find it: "target: NAME".
mutants() {
	local patch name target found=0 missed=0
	copy_tree
	findings=$dir/mutants
	mkdir -p "$findings"
	for patch in "$top"/tests/fuzz/mutants/*.patch; do
		name=$(basename "$patch" .patch)
		target=$(sed -n 's/^target: //p' "$patch")
		if ! patch -d "$dir/mutant" -p1 --silent --no-backup-if-mismatch < "$patch"; then
			echo "$name: does not apply: the code has changed, renew it"
			missed=$((missed + 1))
			copy_tree
			continue
		fi
		mapfile -t folders < <(stored "$target")
		if ! build "$dir/mutant" "$dir/mutant-build" "$target"; then
			echo "$name: does not build"
			missed=$((missed + 1))
		elif fuzz "$dir/mutant-build" "$target" -max_total_time="$seconds" "$(mktemp -d -p "$dir")" "${folders[@]}"; then
			echo "$name: NOT FOUND by $target: $(head -n 1 "$patch")"
			missed=$((missed + 1))
		else
			echo "$name: found by $target: $(grep -m1 -oE '(ERROR: AddressSanitizer: [a-zA-Z-]*|runtime error: .*|ERROR: libFuzzer: .*)' "$dir/$target.log")"
			found=$((found + 1))
		fi
		patch -d "$dir/mutant" -p1 -R --silent < "$patch"
	done
	echo "$found passed, $missed failed, 0 skipped"
	[ "$missed" -eq 0 ]
}

check_clang
[ -z "$long" ] || echo "--seed $seed"
export UBSAN_OPTIONS=print_stacktrace=1
case $what in
mutants) mutants; exit ;;
esac
build "$top" "$dir/build" "${targets[@]}" || { echo "the fuzzers cannot be built"; exit 1; }
if [ $what = minimise ]; then
	minimise
	exit
fi
passed=0 failed=0
for target in "${targets[@]}"; do
	if run "$target"; then
		passed=$((passed + 1))
	else
		show "$target"
		failed=$((failed + 1))
	fi
done
echo "$passed passed, $failed failed, 0 skipped"
[ "$failed" -eq 0 ]
