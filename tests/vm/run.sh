#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# run.sh [--long] [--kernel KERNEL]... [--module SOURCE] [--tests FOLDER] [--dir DIR] [--jobs N]
#        [TEST...]
#
# Runs the tests of this folder (README.md says what they are), or those named, on 6.1, 6.1-rt, 6.12,
# 6.12-rt, and POWER's 6.1-ppc64el, 6.12-ppc64el and 6.12-64k-ppc64el, or on the kernels named: one line for
# each kernel and test. KERNEL@CPU is one on another processor of the emulator (6.12-ppc64el@power8). A test
# fails if one of its results is "not ok", and with any complaint of the kernel. The last line is "N passed,
# N failed, N skipped", of results; the status is not 0 if one failed.
#   --long           tests that have a long form run it; all run on 6.12-64k-ppc64el, of which otherwise 6.1-ppc64el has
#                    the pages and 6.12-ppc64el the rest; POWER's kernels run on power8 and power10 too
#   --module SOURCE  the folder of covbuf.ko, adapters/kmod otherwise
#   --tests FOLDER   where the tests are
#   --jobs N         so many kernels at the same time; 2, where there are two processors
#   --dir DIR        works there, otherwise in build-vm/run/; its logs stay until the next run
set -eu
# shellcheck source-path=SCRIPTDIR source=lib.sh
. "$(dirname "$0")/lib.sh"

long='' module=$top/adapters/kmod from=$vm work=$top/build-vm/run jobs=$(($(nproc) > 1 ? 2 : 1)) kernels=()
while [ $# -gt 0 ]; do
	case $1 in
	--long) long=1 ;;
	--kernel) kernels+=("${2:?--kernel needs a name}") && shift ;;
	--module) module=${2:?--module needs a folder} && shift ;;
	--tests) from=${2:?--tests needs a folder} && shift ;;
	--jobs) jobs=${2:?--jobs needs a number} && shift ;;
	--dir) work=${2:?--dir needs a folder} && shift ;;
	-h | --help) usage ;;
	-*) usage 2 >&2 ;;
	*) break ;;
	esac
	shift
done
tests=("$@") named=$#
[ "$named" -gt 0 ] || named=
[ $# -gt 0 ] || for file in "$from"/*/guest.sh; do
	test=${file%/guest.sh}
	tests+=("${test##*/}")
done
for test in "${tests[@]}"; do
	[ -e "$from/$test/guest.sh" ] || die "there is no test '$test': no file $from/$test/guest.sh"
done
if [ ${#kernels[@]} -eq 0 ]; then
	# shellcheck disable=SC2206
	kernels=($stock)
	[ -z "$long" ] || for kernel in $stock; do
		[ "$(processor "$kernel")" = amd64 ] || kernels+=("$kernel@power8" "$kernel@power10")
	done
fi
need busybox cpio flock
! ldd "$(command -v busybox)" > /dev/null 2>&1 || die "busybox is not static; install busybox-static"
mkdir -p "$work"
work=$(cd "$work" && pwd)
exec 8> "$work/.lock"
flock -n 8 || die "another run is at work in $work; --dir gives this one a folder of its own"

passed=0 failed=0 skipped=0
progress() { [ ! -t 1 ] || printf '\r\033[K%s' "$*"; }
# Prints what comes in in one piece: kernels run side by side.
show() {
	local text
	text=$(cat)
	(
		flock 7
		progress ''
		printf '%s\n' "$text"
	) 7> "$work/.print"
}
line() { printf '%-16s %-10s %-7s %s\n' "$@"; } # KERNEL TEST VERDICT DETAIL
indent() { sed 's/^/    /'; }
# Of what no guest printed.
fail() { # KERNEL TEST WHY [FILE]: with the end of FILE
	failed=$((failed + 1))
	{
		line "$1" "$2" "not ok" "$3"
		[ -z "${4:-}" ] || tail -15 "$4" | indent
	} | show
}
skip() { # KERNEL TEST WHY
	skipped=$((skipped + 1))
	line "$1" "$2" skip "$3" | show
}

at_least() { echo $(($1 > $2 ? $1 : $2)); }
limit() { # KERNEL TEST: seconds
	local key=limit default=150 slow=1
	[ "$(processor "$1")" = amd64 ] || slow=3 # never by KVM
	[ -z "$long" ] || { key=limit_long; default=600; }
	echo $(($(conf "$from/$2/vm.conf" $key $default) * $(conf "$cache/kernels/${1%@*}/kernel.conf" slow $slow)))
}

# Puts what TEST needs into the folder OUT: image/ is what the guest sees.
build_test() { # KERNEL TEST OUT
	local kernel=$1 test=$2 out=$3 status=0
	rm -rf "$out"
	mkdir -p "$out/build"
	if [ -e "$from/$test/build.sh" ]; then
		COVBUF_VM=$vm COVBUF_MODULE=$module GUEST_CC=$(tools_of "$kernel")gcc-12 \
			KBUILD_EXTRA_SYMBOLS=$work/$kernel/module/Module.symvers \
			"$from/$test/build.sh" "$kernel" "$out/build" > "$out/build.log" 2>&1 < /dev/null || status=$?
	fi
	if [ $status -eq 77 ]; then
		skip "$kernel" "$test" "$(tail -1 "$out/build.log")"
	elif [ $status -ne 0 ]; then
		fail "$kernel" "$test" "cannot be built; all of it: $out/build.log" "$out/build.log"
	fi
	[ $status -eq 0 ] || return 1
	mkdir -p "$out/build/image"
	cp "$from/$test/guest.sh" "$out/build/image/"
}

boot() { # KERNEL MACHINE TEST...: leaves console and report in the kernel's folder
	local kernel=$1 memory cpus threads append test dir=$work/$1 total=120 root=$work/$1/root
	local conf=$cache/kernels/${1%@*}/kernel.conf
	IFS=: read -r memory cpus threads append <<< "$2"
	memory=$(at_least "$memory" "$(conf "$conf" memory 0)")
	append="$append $(conf "$conf" append "")"
	shift 2
	rm -rf "$root"
	make_root "$kernel" "$root" "$dir/module/covbuf.ko"
	for test; do
		cp -R "$dir/$test/build/image" "$root/tests/$test"
		echo "$test $(limit "$kernel" "$test")" >> "$root/tests/list"
		total=$((total + $(limit "$kernel" "$test") + 10))
	done
	printf 'export KERNEL=%s LONG=%s CPUS=%s\n' "$kernel" "$long" "$cpus" > "$root/tests/environment"
	pack_root "$root" "$dir/root.cpio"
	: > "$dir/console"
	: > "$dir/report"
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

# What TEST's files say is for the host to find out: its results join the guest's.
check() { # KERNEL TEST
	local dir=$work/$1/$2 status=0
	[ -e "$from/$2/check.sh" ] && grep -q "^#vm end $2 " "$dir/report" || return 0
	COVBUF_VM=$vm "$from/$2/check.sh" "$1" "$dir/build" "$dir/report" > "$dir/check.log" 2>&1 < /dev/null || status=$?
	[ $status -eq 0 ] || echo "not ok check: check.sh ended with status $status: $(tail -1 "$dir/check.log")" >> "$dir/check.log"
	cat "$dir/check.log" >> "$dir/report"
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
	{
		line "$kernel" "$test" "$verdict" "${seconds:--} s  $detail"
		grep -E '^skip [^ ]' "$dir/report" | indent
		[ ${#why[@]} -eq 0 ] || printf '%s\n' "${why[@]}" "all of it: $dir/report, $dir/console" | indent
	} | show
}

# What the kernel says before the first test is nobody's; once is enough.
check_boot() { # KERNEL
	local dir=$work/$1
	[ ! -e "$dir/console-boot" ] || return 0
	sed '/\] vm: begin /,$d' "$dir/console" > "$dir/console-boot"
	! complaints "$dir/console-boot" > "$dir/complaints" ||
		fail "$1" boot "$(head -1 "$dir/complaints"); all of it: $dir/console-boot"
}

# Boots until each test has begun once: after a death or a complaint the rest gets another machine.
run_group() { # KERNEL MACHINE TEST...
	local kernel=$1 machine=$2 dir=$work/$1 test rest begun
	shift 2
	while [ $# -gt 0 ]; do
		progress "$kernel: running $*"
		boot "$kernel" "$machine" "$@"
		check_boot "$kernel"
		rest=() begun=
		for test; do
			if grep -qx "#vm begin $test" "$dir/report"; then
				begun=1
				split_logs "$kernel" "$test"
				check "$kernel" "$test"
				count "$kernel" "$test"
			else
				rest+=("$test")
			fi
		done
		if [ -z "$begun" ]; then
			fail "$kernel" boot "no test began: $(tail -1 "$dir/boot.log"); all of it: $dir/console" "$dir/console"
			return
		fi
		set -- "${rest[@]}"
	done
}

wants() { # KERNEL TEST
	local only later
	only=$(conf "$from/$2/vm.conf" kernels "")
	later=$(conf "$from/$2/vm.conf" unless_long "")
	[[ -z "$only" || " $only " = *" ${1%@*} "* ]] && [[ -n "$long$named" || " $later " != *" ${1%@*} "* ]]
}

run_kernel() { # KERNEL TEST...
	local kernel=$1 dir=$work/$1 test conf machine
	local -A groups=() memory=()
	shift
	rm -rf "$dir"
	mkdir -p "$dir"
	progress "$kernel: building the module"
	if ! "$vm/build-module.sh" "$kernel" "$module" "$dir/module" > "$dir/module.log" 2>&1; then
		fail "$kernel" module "covbuf.ko cannot be built" "$dir/module.log"
		return
	fi
	for test; do
		progress "$kernel: building $test"
		build_test "$kernel" "$test" "$dir/$test" || continue
		conf=$from/$test/vm.conf
		machine="$(conf "$conf" cpus 2):$(conf "$conf" threads single):$(conf "$conf" append "")"
		groups[$machine]+=" $test"
		memory[$machine]=$(at_least "$(conf "$conf" memory 512)" "${memory[$machine]:-0}")
	done
	for machine in "${!groups[@]}"; do
		# shellcheck disable=SC2086
		run_group "$kernel" "${memory[$machine]}:$machine" ${groups[$machine]}
	done
}

# A kernel's counts come back in a file. Each job is a process group, so that the machines end when this is
# told to.
set -m
end_all() {
	local job
	for job in $(jobs -p); do
		kill -- "-$job"
	done
	exit 130
}
trap end_all INT TERM HUP
run_aside() { # KERNEL TEST...
	rm -f "$work/$1.counts"
	(
		# shellcheck disable=SC2030
		passed=0 failed=0 skipped=0
		run_kernel "$@"
		echo "$passed $failed $skipped" > "$work/$1.counts"
	) &
}

running=()
for kernel in "${kernels[@]}"; do
	these=()
	for test in "${tests[@]}"; do
		if wants "$kernel" "$test"; then
			these+=("$test")
		elif [ -n "$named" ]; then
			skip "$kernel" "$test" "it is for other kernels: $(conf "$from/$test/vm.conf" kernels "")"
		fi
	done
	[ ${#these[@]} -gt 0 ] || continue
	lack=$(lacks "$kernel") name=${kernel%@*}
	if [ -z "$lack" ] && [ ! -e "$cache/kernels/$name/build/Makefile" ] && [[ " $stock " = *" $name "* ]]; then
		progress "$kernel: fetching"
		"$vm/fetch.sh" "$name" > "$work/fetch.log" 2>&1 || :
		[ -e "$cache/kernels/$name/build/Makefile" ] ||
			lack=$(cat "$cache/kernels/$name.missing" 2> /dev/null || tail -1 "$work/fetch.log")
	fi
	if [ -n "$lack" ]; then
		for test in "${these[@]}"; do
			skip "$kernel" "$test" "$lack"
		done
		continue
	fi
	kernel_dir "$kernel" > /dev/null
	[ "$(jobs -rp | wc -l)" -lt "$jobs" ] || wait -n || :
	running+=("$kernel")
	run_aside "$kernel" "${these[@]}"
done
wait
for kernel in "${running[@]}"; do
	if [ -e "$work/$kernel.counts" ]; then
		read -r ok not_ok not_run < "$work/$kernel.counts"
		# shellcheck disable=SC2031
		passed=$((passed + ok)) failed=$((failed + not_ok)) skipped=$((skipped + not_run))
	else
		fail "$kernel" all "run.sh went wrong; see above"
	fi
done
progress ''
echo "$passed passed, $failed failed, $skipped skipped"
[ $failed -eq 0 ]
