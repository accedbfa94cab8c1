#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# run.sh [--long] [--kernel KERNEL]... [--module SOURCE] [--tests FOLDER] [--dir DIR] [TEST...]
#
# Runs the tests of this folder (README.md says what they are), or those named, on 6.1, 6.1-rt, 6.12 and 6.12-rt, or on the
# kernels named: one line for each kernel and test. A test fails with the first of its results that is "not ok", and with
# any complaint of the kernel. The last line is "N passed, N failed, N skipped", of results; the status is not 0 if one failed.
#   --long           tests that have a long form run it
#   --module SOURCE  the folder of covbuf.ko, adapters/kmod otherwise
#   --tests FOLDER   where the tests are
#   --dir DIR        works there, otherwise in build-vm/run/; the logs of what failed stay
set -eu
# shellcheck source-path=SCRIPTDIR source=lib.sh
. "$(dirname "$0")/lib.sh"

long='' module=$top/adapters/kmod from=$vm work=$top/build-vm/run kernels=()
while [ $# -gt 0 ]; do
	case $1 in
	--long) long=1 ;;
	--kernel) kernels+=("${2:?--kernel needs a name}") && shift ;;
	--module) module=${2:?--module needs a folder} && shift ;;
	--tests) from=${2:?--tests needs a folder} && shift ;;
	--dir) work=${2:?--dir needs a folder} && shift ;;
	-h | --help) usage ;;
	-*) usage 2 >&2 ;;
	*) break ;;
	esac
	shift
done
tests=("$@")
[ $# -gt 0 ] || for file in "$from"/*/guest.sh; do
	test=${file%/guest.sh}
	tests+=("${test##*/}")
done
for test in "${tests[@]}"; do
	[ -e "$from/$test/guest.sh" ] || die "there is no test '$test': no file $from/$test/guest.sh"
done
# shellcheck disable=SC2206
[ ${#kernels[@]} -gt 0 ] || kernels=($stock)
need busybox cpio flock
file -L "$(command -v busybox)" 2> /dev/null | grep -q 'dynamically linked' && die "busybox is not static; install busybox-static"
mkdir -p "$work"
work=$(cd "$work" && pwd)
exec 8> "$work/.lock"
flock -n 8 || die "another run is at work in $work; --dir gives this one a folder of its own"

passed=0 failed=0 skipped=0
progress() { [ ! -t 1 ] || printf '\r\033[K%s' "$*"; }
line() { # KERNEL TEST VERDICT DETAIL
	progress ''
	printf '%-8s %-10s %-7s %s\n' "$1" "$2" "$3" "$4"
}
# What is no result of a guest's.
fail() { # KERNEL TEST WHY
	failed=$((failed + 1))
	line "$1" "$2" "not ok" "$3"
}
skip() { # KERNEL TEST WHY
	skipped=$((skipped + 1))
	line "$1" "$2" skip "$3"
}

at_least() { echo $(($1 > $2 ? $1 : $2)); }
limit() { # KERNEL TEST: seconds
	local key=limit default=60
	[ -z "$long" ] || { key=limit_long; default=600; }
	echo $(($(conf "$from/$2/vm.conf" $key $default) * $(conf "$cache/kernels/$1/kernel.conf" slow 1)))
}

# Puts what TEST needs into the folder OUT: image/ is what the guest sees.
build_test() { # KERNEL TEST OUT
	local kernel=$1 test=$2 out=$3 status=0
	rm -rf "$out"
	mkdir -p "$out/build"
	if [ -e "$from/$test/build.sh" ]; then
		COVBUF_VM=$vm COVBUF_MODULE=$module KBUILD_EXTRA_SYMBOLS=$work/$kernel/module/Module.symvers \
			"$from/$test/build.sh" "$kernel" "$out/build" > "$out/build.log" 2>&1 < /dev/null || status=$?
	fi
	if [ $status -eq 77 ]; then
		skip "$kernel" "$test" "$(tail -1 "$out/build.log")"
	elif [ $status -ne 0 ]; then
		fail "$kernel" "$test" "cannot be built: see $out/build.log"
		tail -15 "$out/build.log" | sed 's/^/    /'
	fi
	[ $status -eq 0 ] || return 1
	mkdir -p "$out/build/image"
	cp "$from/$test/guest.sh" "$out/build/image/"
}

boot() { # KERNEL MACHINE TEST...: leaves console and report in the kernel's folder
	local kernel=$1 memory cpus threads append test dir=$work/$1 total=120 root=$work/$1/root
	IFS=: read -r memory cpus threads append <<< "$2"
	shift 2
	rm -rf "$root"
	make_root "$root" "$dir/module/covbuf.ko"
	for test; do
		cp -R "$dir/$test/build/image" "$root/tests/$test"
		echo "$test $(limit "$kernel" "$test")" >> "$root/tests/list"
		total=$((total + $(limit "$kernel" "$test") + 10))
	done
	printf 'export KERNEL=%s LONG=%s CPUS=%s\nINTERACTIVE=\n' "$kernel" "$long" "$cpus" > "$root/tests/environment"
	pack_root "$root" "$dir/root.cpio"
	"$vm/boot.sh" --memory "$memory" --cpus "$cpus" --threads "$threads" --append "$append" --limit "$total" \
		--console "$dir/console" --report "$dir/report" "$kernel" "$dir/root.cpio" > "$dir/boot.log" 2>&1 || :
	sed -i 's/\r//g' "$dir/console" "$dir/report"
}

# What the report and the console have of TEST goes to its folder.
split_logs() { # KERNEL TEST
	local dir=$work/$1
	sed -n "/^#vm begin $2\$/,/^#vm end $2 /p" "$dir/report" > "$dir/$2/report"
	sed -n "/vm: begin $2\$/,/vm: end $2\$/p" "$dir/console" > "$dir/$2/console"
}

# Prints and counts what came of TEST, which had begun.
count() { # KERNEL TEST
	local kernel=$1 test=$2 dir=$work/$1/$2 line status seconds left nr_ok nr_skipped end verdict=ok detail why=()
	while IFS= read -r line; do
		why+=("$line")
	done < <(grep -E '^not ok ' "$dir/report")
	end=$(grep "^#vm end $test " "$dir/report" | tail -1) || end=
	read -r _ _ _ status seconds left <<< "$end"
	nr_ok=$(grep -cE '^ok [^ ]' "$dir/report") || nr_ok=0
	nr_skipped=$(grep -cE '^skip [^ ]' "$dir/report") || nr_skipped=0
	if grep -q "^#vm late $test " "$dir/report"; then
		why+=("not ok in_time: not done after $(limit "$kernel" "$test") s")
	elif [ -z "$end" ]; then
		why+=("not ok alive: the machine died, or hung, in the middle of it")
	elif [ "$status" -ne 0 ] && [ ${#why[@]} -eq 0 ]; then
		why+=("not ok status: guest.sh ended with status $status: $(grep -v '^#vm ' "$dir/report" | tail -1)")
	elif [ $((nr_ok + nr_skipped + ${#why[@]})) -eq 0 ]; then
		why+=("not ok results: guest.sh gave none")
	fi
	[ -z "$left" ] || why+=("not ok unloaded: left behind: $left")
	# What comes when time is up was asked for.
	sed '/\] vm: time is up/,$d' "$dir/console" > "$dir/complaints"
	line=$(complaints "$dir/complaints" | head -1)
	[ -z "$line" ] || why+=("not ok kernel: $line")

	passed=$((passed + nr_ok))
	skipped=$((skipped + nr_skipped))
	failed=$((failed + ${#why[@]}))
	detail="$nr_ok ok"
	if [ ${#why[@]} -gt 0 ]; then
		verdict="not ok"
		detail="$detail, ${#why[@]} not"
	fi
	[ "$nr_skipped" -eq 0 ] || detail="$detail, $nr_skipped skipped"
	line "$kernel" "$test" "$verdict" "${seconds:--} s  $detail"
	grep -E '^skip [^ ]' "$dir/report" | sed 's/^/    /' || :
	[ ${#why[@]} -eq 0 ] || printf '    %s\n' "${why[@]}" "all of it: $dir/report, $dir/console"
}

# Boots until each test has begun once: after a death or a complaint the rest gets another machine.
run_group() { # KERNEL MACHINE TEST...
	local kernel=$1 machine=$2 dir=$work/$1 test rest begun
	shift 2
	while [ $# -gt 0 ]; do
		progress "$kernel: running $*"
		boot "$kernel" "$machine" "$@"
		rest=() begun=
		for test; do
			if grep -qx "#vm begin $test" "$dir/report"; then
				begun=1
				split_logs "$kernel" "$test"
				count "$kernel" "$test"
			else
				rest+=("$test")
			fi
		done
		if [ -z "$begun" ]; then
			fail "$kernel" boot "no test began: $(tail -1 "$dir/boot.log"); see $dir/console"
			tail -15 "$dir/console" | sed 's/^/    /'
			return
		fi
		set -- "${rest[@]}"
	done
	# What it says before the first test is nobody's.
	sed '/vm: begin /,$d' "$dir/console" > "$dir/console-boot"
	if complaints "$dir/console-boot" > "$dir/complaints"; then
		fail "$kernel" boot "$(head -1 "$dir/complaints"); all of it: $dir/console-boot"
	fi
}

run_kernel() { # KERNEL
	local kernel=$1 dir=$work/$1 test memory only machine
	local -A groups=()
	rm -rf "$dir"
	mkdir -p "$dir"
	progress "$kernel: building the module"
	if ! "$vm/build-module.sh" "$kernel" "$module" "$dir/module" > "$dir/module.log" 2>&1; then
		fail "$kernel" module "covbuf.ko cannot be built"
		sed 's/^/    /' "$dir/module.log"
		return
	fi
	for test in "${tests[@]}"; do
		only=$(conf "$from/$test/vm.conf" kernels "")
		[[ -z "$only" || " $only " = *" $kernel "* ]] || continue
		progress "$kernel: building $test"
		build_test "$kernel" "$test" "$dir/$test" || continue
		memory=$(at_least "$(conf "$from/$test/vm.conf" memory 512)" "$(conf "$cache/kernels/$kernel/kernel.conf" memory 0)")
		machine=$memory:$(conf "$from/$test/vm.conf" cpus 2):$(conf "$from/$test/vm.conf" threads single)
		machine=$machine:$(conf "$cache/kernels/$kernel/kernel.conf" append "") 
		groups[$machine $(conf "$from/$test/vm.conf" append "")]+=" $test"
	done
	for machine in "${!groups[@]}"; do
		# shellcheck disable=SC2086
		run_group "$kernel" "$machine" ${groups[$machine]}
	done
}

for kernel in "${kernels[@]}"; do
	if [ ! -e "$cache/kernels/$kernel/build/Makefile" ] && [[ " $stock " = *" $kernel "* ]]; then
		progress "$kernel: fetching"
		"$vm/fetch.sh" "$kernel" > "$work/fetch.log" 2>&1 || :
		if [ ! -e "$cache/kernels/$kernel/build/Makefile" ]; then
			for test in "${tests[@]}"; do
				skip "$kernel" "$test" "$(cat "$cache/kernels/$kernel.missing" 2> /dev/null || tail -1 "$work/fetch.log")"
			done
			continue
		fi
	fi
	(kernel_dir "$kernel" > /dev/null)
	run_kernel "$kernel"
done
progress ''
echo "$passed passed, $failed failed, $skipped skipped"
[ $failed -eq 0 ]
