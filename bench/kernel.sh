#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# kernel.sh [--kcov | --power] [KERNEL...]
#
# Counts the instructions that covbuf.ko's hooks, sections and ioctls take on Debian's kernels, and the same of a kernel's own
# KCOV, in guests of an emulator whose clock advances by one with each instruction. Leaves a table and JSON lines in
# bench/results/kernel.txt and .jsonl. Some minutes. docs/kernel-speed.md explains the table.
#
# The KCOV kernel is counted if tests/vm's cache has it (kernels/kcov); --kcov builds it there, which takes 12 minutes. Where it is
# not there, what was counted on it last stays in the table.
# --power counts on the kernels for POWER, and leaves kernel-ppc64el.txt and .jsonl.
# KERNELs (6.12-rt) leave the rest out, and nothing in bench/results/: the table is printed only.
set -eu
source=$(cd "$(dirname "$0")/.." && pwd)
# shellcheck source-path=SCRIPTDIR source=../tests/vm/lib.sh
. "$source/tests/vm/lib.sh"
kcov='' wanted=amd64 kept_in=kernel kept='' of_kcov='"kernel":"kcov"'
kernels=()
for argument; do
	case $argument in
	--kcov) kcov=1 ;;
	--power) wanted=ppc64el kept_in=kernel-ppc64el ;;
	-h | --help) usage ;;
	-*) usage 2 >&2 ;;
	*) kernels+=("$argument") ;;
	esac
done
need busybox cpio timeout make
results=$source/bench/results
[ ${#kernels[@]} -eq 0 ] || results=
[ -z "$kcov" ] || "$source/scripts/build-kcov-kernel.sh" "$cache/kernels/kcov"
if [ ${#kernels[@]} -eq 0 ]; then
	for kernel in $stock; do
		[ "$(processor "$kernel")" != $wanted ] || kernels+=("$kernel")
	done
	if [ $wanted != amd64 ]; then
		:
	elif [ -e "$cache/kernels/kcov/vmlinuz" ]; then
		kernels+=(kcov)
	elif grep -qs "$of_kcov" "$results/kernel.jsonl"; then
		kernels+=(kcov)
		kept=1
	else
		echo "$me: there is no KCOV kernel to compare with in $cache/kernels/kcov; --kcov builds it" >&2
	fi
fi
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

release() { # KERNEL
	local name
	if [ "$1" = kcov ] && [ -n "$kept" ]; then
		sed -nE "/$of_kcov/s/.*\"release\":\"([^\"]*)\".*/\1/p" "$results/kernel.jsonl" | head -1
		return
	fi
	name=$(basename "$(readlink -f "$cache/kernels/$1/vmlinuz")")
	case $name in
	vmlinu?-*) echo "${name#vmlinu?-}" ;;
	*) cat "$cache/kernels/$1/build/include/config/kernel.release" ;;
	esac
}

# A virtual nanosecond for each instruction, 16 on POWER (tests/vm/count/module/count.h), and none while the machine is idle. One CPU:
# with more, they share the clock. Without the features erms and fsrm, because rep movsb counts each byte. Mitigations replace
# returns and indirect calls, if the kernel has been built with them: off, for Debian's and for the small KCOV kernel alike.
boot() { # KERNEL
	local dir=$work/$1 console=ttyS0 guest=(-M q35 -icount "shift=0,sleep=off" -cpu "max,-erms,-fsrm" -serial null)
	if [ "$(processor "$1")" = ppc64el ]; then
		console=hvc0 guest=(-M "$pseries" -icount "shift=4,sleep=off" -cpu power9)
	fi
	timeout -k 5 600 "$(qemu_of "$1")" -m 512 -smp 1 -accel tcg,thread=single -serial "file:$dir/console" "${guest[@]}" \
		-nodefaults -display none -no-reboot \
		-chardev "file,id=report,path=$dir/report" -device pci-serial,chardev=report \
		-kernel "$cache/kernels/$1/vmlinuz" -initrd "$dir/root.cpio" \
		-append "console=$console panic=-1 oops=panic mitigations=off" < /dev/null > "$dir/qemu.log" 2>&1
}

count() { # KERNEL: leaves lines "NAME VALUE" in its folder's counts
	local kernel=$1 dir=$work/$1 there=$work/$1/root/tests/count symbols='' module=/dev/null
	mkdir -p "$dir"
	if [ "$kernel" = kcov ] && [ -n "$kept" ]; then
		sed -nE "/$of_kcov/s/.*\"variant\":\"([^\"]*)\".*\"value\":([^}]*)}.*/\1 \2/p" "$results/kernel.jsonl" |
			sed 's/ null$/ -/' > "$dir/counts"
		return
	fi
	if [ "$kernel" != kcov ]; then
		"$vm/fetch.sh" "$kernel"
		"$vm/build-module.sh" "$kernel" "$source/adapters/kmod" "$dir/module"
		symbols=$dir/module/Module.symvers module=$dir/module/covbuf.ko
	fi
	mkdir -p "$dir/build"
	COVBUF_VM=$vm GUEST_CC=$(tools_of "$kernel")gcc-12 KBUILD_EXTRA_SYMBOLS=$symbols "$vm/count/build.sh" "$kernel" "$dir/build" > "$dir/build.log" 2>&1 ||
		{ cat "$dir/build.log" >&2; die "the counter cannot be built for $kernel"; }
	mkdir -p "$there"
	cp "$dir/build/image/"* "$vm/count/guest.sh" "$there"
	make_root "$kernel" "$dir/root" "$module"
	echo "count 1000" > "$dir/root/tests/list"
	printf 'export KERNEL=%s LONG= CPUS=1\nINTERACTIVE=\n' "$kernel" > "$dir/root/tests/environment"
	pack_root "$dir/root" "$dir/root.cpio"
	boot "$kernel" || { cat "$dir/qemu.log" >&2; die "the guest with $kernel ended with status $?, or not within 600 s"; }
	sed -i 's/\r//g' "$dir/report" "$dir/console"
	if complaints "$dir/console" >&2 || grep '^not ok counts' "$dir/report" >&2 ||
		! sed -n 's/^count: //p' "$dir/report" | grep '^[a-z0-9_]* [-0-9]' > "$dir/counts"; then
		sed 's/^/    /' "$dir/report" >&2
		tail -5 "$dir/console" >&2
		die "nothing was counted on $kernel"
	fi
}

# name|what it says|at most so often KCOV's, or so many (=)
rows='
|hook, one call
hook_idle|nobody collects|=5
hook_other|another task traces
hook_pc_other_mode|this task traces comparisons
hook_hardirq|in hardirq, over a task that traces
hook_full|the area is full
hook_pc_record|a PC is recorded|1
hook_unique_first|unique: recorded
hook_unique_again|unique: seen before
|comparison hook, 8 bytes, one call
hook_cmp_idle|nobody collects|=5
hook_cmp_other|another task traces
hook_cmp_other_mode|this task traces PCs
hook_cmp_record|a comparison is recorded|1
|remote start and stop
section_idle|nobody collects
section_unknown|nobody has the handle
section_1_empty|empty|0.333
section_100_empty|empty, one of 100 handles|0.333
section_1_records|10 records|0.333
section_100_records|10 records, one of 100 handles|0.333
|ENABLE and DISABLE
ioctls|the pair, less two refused ioctls
|context switch, SCHED_FIFO, a pipe
switch_idle|nobody collects
switch|more while somebody collects
'

table() {
	local kernel
	for kernel in "${kernels[@]}"; do
		sed "s/^/$kernel /" "$work/$kernel/counts"
	done | awk -v kernels="${kernels[*]}" -v rows="$rows" '
		function of(kernel, name,   all, less) {
			if (name == "ioctls" || name == "switch") {
				all = value[kernel, name == "ioctls" ? "ioctls_pair" : "switch_collecting"]
				less = value[kernel, name == "ioctls" ? "ioctls_refused" : "switch_idle"]
				return all == "" || less == "" ? "-" : all - less
			}
			return value[kernel, name] == "" ? "-" : value[kernel, name]
		}
		function width(kernel) {
			return length(kernel) < 8 ? 8 : length(kernel)
		}
		{ value[$1, $2] = $3 }
		END {
			nr = split(kernels, kernel, " ")
			compare = kernels ~ /(^| )kcov( |$)/
			nr_rows = split(rows, row, "\n")
			for (r = 1; r <= nr_rows; r++) {
				if (row[r] == "")
					continue
				split(row[r], part, "|")
				if (part[1] == "") {
					printf "%s%-37s", (r > 2 ? "\n" : ""), part[2]
					for (k = 1; k <= nr; k++)
						printf " %*s", width(kernel[k]), kernel[k]
					printf "  %10s  %s\n", (compare ? "6.12/kcov" : ""), "target"
					continue
				}
				printf "  %-35s", part[2]
				for (k = 1; k <= nr; k++)
					printf " %*s", width(kernel[k]), of(kernel[k], part[1])
				ours = of("6.12", part[1])
				theirs = of("kcov", part[1])
				ratio = ours != "-" && theirs != "-" && theirs > 0 ? ours / theirs : ""
				printf "  %10s", !compare ? "" : ratio == "" || part[1] ~ /^switch/ ? "-" : sprintf("%.2f", ratio)
				if (part[3] ~ /^=/) {
					most = substr(part[3], 2) + 0
					met = 1
					for (k = 1; k <= nr; k++)
						if (kernel[k] != "kcov" && of(kernel[k], part[1]) > most)
							met = 0
					printf "  <=%d %s", most, met ? "met" : "MISSED"
				} else if (part[3] != "" && ratio != "") {
					printf "  <=%.2fx %s", part[3], ratio <= part[3] + 0.0005 ? "met" : "MISSED"
				}
				printf "\n"
			}
		}' | sed 's/ *$//'
}

for kernel in "${kernels[@]}"; do
	need "$(qemu_of "$kernel")" "$(tools_of "$kernel")gcc-12" "$(tools_of "$kernel")objdump"
	echo "$me: counting on $kernel" >&2
	count "$kernel"
done
date=$(date +%F)
qemu=$("$(qemu_of "${kernels[0]}")" --version | head -1)
compiler=$("$(tools_of "${kernels[0]}")gcc-12" --version | head -1)
machine=$(sed -n 's/^model name[[:space:]]*: //p' /proc/cpuinfo | head -1)
commit=$(git -C "$source" rev-parse --short HEAD 2> /dev/null || echo none)
git -C "$source" diff --quiet HEAD -- adapters/kmod include libcovbuf tests/vm 2> /dev/null || commit="$commit and changes"
{
	echo "Instructions. $date, on $machine, $qemu, $compiler, commit $commit"
	for kernel in "${kernels[@]}"; do
		printf '%-16s Linux %s%s\n' "$kernel" "$(release "$kernel")" \
			"$([ "$kernel" != kcov ] || echo ": CONFIG_KCOV, all of it instrumented, with frame pointers${kept:+; counted before}")"
	done
	echo
	table
} | tee "$work/table"
[ -n "$results" ] || exit 0
cp "$work/table" "$results/$kept_in.txt"
{
	printf '{"bench":"kernel","date":"%s","machine":"%s","emulator":"%s","compiler":"%s","commit":"%s"}\n' "$date" "$machine" "$qemu" \
		"$compiler" "$commit"
	for kernel in "${kernels[@]}"; do
		while read -r name value; do
			[ "$value" != - ] || value=null
			printf '{"bench":"kernel","variant":"%s","unit":"instructions","kernel":"%s","release":"%s","value":%s}\n' \
				"$name" "$kernel" "$(release "$kernel")" "$value"
		done < "$work/$kernel/counts"
	done
} > "$work/lines"
cp "$work/lines" "$results/$kept_in.jsonl"
echo "table: bench/results/$kept_in.txt, data: bench/results/$kept_in.jsonl"
