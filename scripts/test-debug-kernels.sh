#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# test-debug-kernels.sh [--only KERNEL]... [--minutes N] [--build] [--dir DIR] [--source TREE] [TEST...]
#
# Builds covbuf.ko and the tests of tests/vm, or those named, for four kernels that watch themselves, and runs them there:
#   lockdep, lockdep-rt   lockdep, KASAN, kmemleak, debug objects, UBSAN, sleeps where none may be, allocations that fail
#   kcsan, kcsan-rt       data races
# each fully preemptible, and with PREEMPT_RT. A complaint of the kernel fails the test; docs/debug-kernels.md says more.
#   --only KERNEL   this one; may be given more than once
#   --minutes N     the load test is run again and again, for N minutes on each kernel
#   --build         builds the kernels and runs nothing
#   --dir DIR       works there: sources, kernels, logs (build-debug/ otherwise)
#   --source TREE   the kernel's source, unpacked; otherwise Debian's linux-source-6.12 is fetched into DIR
# What is built already is not built again. The four take 30 to 60 minutes on two cores, and 4 GB of disk; JOBS=N sets how many
# compilers run at once.
set -eu
me=${0##*/}
top=$(cd "$(dirname "$0")/.." && pwd)
configs=$top/tests/vm/debug/configs
package=linux-source-6.12
die() { echo "$me: $*" >&2; exit 1; }
usage() { sed -n '3,/^set/{s/^# \{0,1\}//p}' "$0"; exit "${1:-0}"; }

# Each kernel's fragments of a configuration.
declare -A parts=(
	[lockdep]="base checks preempt"
	[lockdep-rt]="base checks rt"
	[kcsan]="base kcsan preempt"
	[kcsan-rt]="base kcsan rt"
)

kernels=() minutes=0 build_only='' dir=$top/build-debug source=
while [ $# -gt 0 ]; do
	case $1 in
	--only | --minutes | --dir | --source)
		[ $# -ge 2 ] || usage 2 >&2
		case $1 in
		--only) kernels+=("$2") ;;
		--minutes) minutes=$2 ;;
		--dir) dir=$2 ;;
		--source) source=$2 ;;
		esac
		shift
		;;
	--build) build_only=1 ;;
	-h | --help) usage ;;
	-*) usage 2 >&2 ;;
	*) break ;;
	esac
	shift
done
[[ $minutes =~ ^[0-9]+$ ]] || die "--minutes wants a number, not '$minutes'"
[ ${#kernels[@]} -gt 0 ] || kernels=(lockdep lockdep-rt kcsan kcsan-rt)
for kernel in "${kernels[@]}"; do
	[ -n "${parts[$kernel]:-}" ] || die "there is no kernel '$kernel'; there are: lockdep lockdep-rt kcsan kcsan-rt"
done
for test; do
	[ -e "$top/tests/vm/$test/guest.sh" ] || die "there is no test '$test' in tests/vm"
done
tests=("$@")
if [ $# -eq 0 ]; then
	for file in "$top"/tests/vm/*/guest.sh; do
		test=${file%/guest.sh}
		test=${test##*/}
		[ "$test" = debug ] || tests+=("$test")
	done
	tests+=(debug) # it looks for what the others left
fi

install_packages() {
	local wanted=(make gcc-12 flex bison bc cpio libelf-dev libssl-dev qemu-system-x86 busybox-static) missing=() one
	command -v dpkg-query > /dev/null || return 0 # not Debian: the build says what it misses
	for one in "${wanted[@]}"; do
		dpkg-query -W -f '${db:Status-Status}' "$one" 2> /dev/null | grep -qx installed || missing+=("$one")
	done
	[ ${#missing[@]} -gt 0 ] || return 0
	[ "$(id -u)" -eq 0 ] || die "missing: ${missing[*]}; as root: apt-get install ${missing[*]}"
	DEBIAN_FRONTEND=noninteractive apt-get -q -y --no-install-recommends install "${missing[@]}" ||
		die "apt-get install failed; is 'apt-get update' recent? By hand: apt-get install ${missing[*]}"
}

fetch_source() {
	local work=$dir/.fetch
	if [ -z "$source" ]; then
		source=$dir/source
		if [ ! -e "$source/Makefile" ]; then
			echo "$me: fetching $package (150 MB)"
			rm -rf "$work"
			mkdir -p "$work/tree"
			(cd "$work" && apt-get download -qq -o APT::Sandbox::User=root "$package") ||
				die "cannot download $package; it is in Debian 12's updates: is bookworm-security among apt's sources, and 'apt-get update' recent?"
			dpkg-deb -x "$work/$package"_*.deb "$work"
			tar -C "$work/tree" --strip-components=1 -xf "$work/usr/src/$package.tar.xz"
			rm -rf "$source"
			mv "$work/tree" "$source"
			rm -rf "$work"
		fi
	fi
	[ -e "$source/kernel/kcsan/core.c" ] || die "$source is not a kernel's source: it has no kernel/kcsan/core.c"
	source=$(cd "$source" && pwd)
}

run() { # COMMAND...: to the log; its end is printed where it fails
	"$@" >> "$log" 2>&1 || { tail -20 "$log" >&2; die "'$1 ... ${*: -1}' failed; all of it: $log"; }
}

# Merges the fragments FILE... into the configuration of BUILD; all of them has to be in there then.
configure() { # BUILD FILE...
	local build=$1 line
	shift
	(cd "$source" && run scripts/kconfig/merge_config.sh -m -O "$build" "$build/.config" "$@")
	run make -C "$source" O="$build" olddefconfig
	while IFS= read -r line; do
		case $line in
		CONFIG_*=n) line="# ${line%=n} is not set" ;;
		CONFIG_*) ;;
		*) continue ;;
		esac
		grep -qxF "$line" "$build/.config" || die "the configuration of $build did not take $line"
	done < <(cat "$@")
}

build_kernel() { # KERNEL
	local kernel=$1 out=$dir/kernels/$1 build=$dir/kernels/$1/build part files=() log=$dir/kernels/$1/build.log make
	for part in ${parts[$kernel]}; do
		files+=("$configs/$part.config")
	done
	mkdir -p "$build"
	cat "${files[@]}" "$configs/modules.config" > "$out/wanted"
	if [ -e "$out/vmlinuz" ] && cmp -s "$out/wanted" "$out/config"; then
		return
	fi
	echo "$me: building $kernel"
	rm -f "$out/vmlinuz"
	: > "$log"
	make=(nice -n 19 make -C "$source" O="$build" -j"${JOBS:-$(nproc)}" LOCALVERSION="-$kernel")
	run make -C "$source" O="$build" tinyconfig
	configure "$build" "${files[@]}"
	run "${make[@]}" bzImage
	# No module is part of this kernel: what vmlinux exports is all there is to link to.
	cp "$build/vmlinux.symvers" "$build/Module.symvers"
	cp "$build/arch/x86/boot/bzImage" "$out/vmlinuz.new"
	configure "$build" "$configs/modules.config"
	run "${make[@]}" modules_prepare
	mv "$out/wanted" "$out/config"
	mv "$out/vmlinuz.new" "$out/vmlinuz"
}

[[ ! -e $dir || -d $dir ]] || die "$dir is no folder"
mkdir -p "$dir/kernels"
dir=$(cd "$dir" && pwd)
exec 9> "$dir/.lock"
flock -n 9 || die "another run is at work in $dir; --dir gives this one a folder of its own"
install_packages
fetch_source
for kernel in "${kernels[@]}"; do
	build_kernel "$kernel"
	cp "$configs/kernel.conf" "$dir/kernels/$kernel/"
done
[ -z "$build_only" ] || exit 0

# run.sh takes kernels by name from here, and qemu from a script that sorts the reports of races in the console.
export COVBUF_VM_CACHE=$dir PATH=$top/tests/vm/debug/bin:$PATH
: > "$dir/summary"
failed=0
run_tests() { # KERNEL TEST...
	local kernel=$1
	shift
	"$top/tests/vm/run.sh" --dir "$dir/run-$kernel" --kernel "$kernel" "$@" 2>&1 | tee -a "$dir/summary" || failed=1
}
set -o pipefail
for kernel in "${kernels[@]}"; do
	run_tests "$kernel" "${tests[@]}"
	until=$((SECONDS + minutes * 60))
	while [ $SECONDS -lt $until ]; do
		run_tests "$kernel" --long load
	done
done
exit $failed
