# shellcheck shell=bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# What the scripts of this folder share; to be sourced.

# shellcheck disable=SC2034 # for those who source this
me=${0##*/}
vm=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
top=$(cd "$vm/../.." && pwd)
cache=${COVBUF_VM_CACHE:-$top/build-vm}
stock="6.1 6.1-rt 6.12 6.12-rt 6.1-ppc64el 6.12-ppc64el 6.12-64k-ppc64el"

die() { echo "$me: $*" >&2; exit 1; }
usage() { sed -n '/^# [a-z-]*\.sh /,/^[^#]/{s/^# \{0,1\}//p}' "$0"; exit "${1:-0}"; }

need() { # TOOL...
	local tool
	for tool; do
		command -v "$tool" > /dev/null || die "$tool is missing; scripts/install-deps.sh installs it"
	done
}

# The name says what a kernel is for: Debian's word for the processor stands at its end, and none for amd64.
processor() { # KERNEL
	case ${1%@*} in
	*-ppc64el) echo ppc64el ;;
	*) echo amd64 ;;
	esac
}
flavour_of() { # KERNEL: in Debian's names of packages
	case ${1%@*} in
	*-64k-ppc64el) echo powerpc64le-64k ;;
	*-ppc64el) echo powerpc64le ;;
	*-rt) echo rt-amd64 ;;
	*) echo amd64 ;;
	esac
}
# What the names of the compiler and its tools begin with.
tools_of() { # KERNEL
	[ "$(processor "$1")" = amd64 ] || echo powerpc64le-linux-gnu-
}
qemu_of() { # KERNEL
	[ "$(processor "$1")" = amd64 ] && echo qemu-system-x86_64 || echo qemu-system-ppc64
}
# Without what TCG cannot do, which the kernel wants to be told.
pseries=pseries,cap-htm=off,cap-cfpc=broken,cap-sbbc=broken,cap-ibs=broken,cap-ccf-assist=off
# What is missing for kernels of this processor, where others can do without; nothing else is printed.
lacks() { # KERNEL
	local tool
	[ "$(processor "$1")" != amd64 ] || return 0
	for tool in "$(qemu_of "$1")" "$(tools_of "$1")gcc-12" "$(tools_of "$1")objdump"; do
		command -v "$tool" > /dev/null || { echo "$tool is missing; scripts/install-deps.sh installs it"; return; }
	done
}

# What FILE says of KEY; DEFAULT where it says nothing, or is not there.
conf() { # FILE KEY DEFAULT
	local line
	line=$(grep -s -m 1 "^$2=" "$1") || { echo "$3"; return; }
	line=${line#*=}
	line=${line%%#*}
	echo "${line%"${line##*[![:blank:]]}"}"
}

kernel_dir() { # KERNEL
	local dir=$cache/kernels/${1%@*}
	{ [ -e "$dir/vmlinuz" ] && [ -e "$dir/build/Makefile" ]; } ||
		die "there is no kernel '$1' in $cache/kernels; tests/vm/fetch.sh gets these: $stock"
	echo "$dir"
}

# What a kernel says when something is wrong with it, in its own log or a debug kernel's; lines begin with
# a time in brackets.
complaint='BUG:|BUG [a-z_-]|WARNING:|Oops|INFO: |Kernel panic|Call Trace|Modules linked in|ODEBUG'
complaint="$complaint|general protection fault|unable to handle|double fault|segfault at|Out of memory"
complaint="$complaint|scheduling while atomic|sleeping function called|possible (recursive|circular) locking"
complaint="$complaint|detected (expedited )?stall|blocked for more than|soft lockup|hard LOCKUP|DEBUG_LOCKS_WARN_ON"
complaint="$complaint|KASAN|KCSAN|KFENCE|UBSAN|unreferenced object|list_(add|del) corruption|refcount_t: "
complaints() { # FILE
	grep -E "$complaint" "$1" | grep -vE "This is not a bug|report a bug|took too long to run|\] vm: "
}

# KVM counts only where a guest gets on under it: /dev/kvm may be there and of no use. Remembered until
# the next reboot of this machine.
accelerator() { # KERNEL-DIR
	local file boot
	file=$cache/accelerator boot=$(cat /proc/sys/kernel/random/boot_id)
	if [ -n "${COVBUF_VM_ACCEL:-}" ]; then
		echo "$COVBUF_VM_ACCEL"
		return
	fi
	if [ "$(sed -n 1p "$file" 2> /dev/null)" != "$boot" ]; then
		# Without a root file system the kernel panics and the machine ends, within two seconds.
		if [ -w /dev/kvm ] && timeout 10 qemu-system-x86_64 -accel kvm -cpu host -M q35 -m 256 -nodefaults \
			-display none -no-reboot -kernel "$1/vmlinuz" -append "panic=-1" > /dev/null 2>&1 < /dev/null; then
			printf '%s\nkvm\n' "$boot" > "$file"
		else
			printf '%s\ntcg\n' "$boot" > "$file"
		fi
	fi
	sed -n 2p "$file"
}

# The guest's root: busybox, the first process, the functions of guest.sh, covbuf.ko.
make_root() { # KERNEL ROOT COVBUF-KO
	local busybox
	busybox=$(command -v busybox)
	[ "$(processor "$1")" = amd64 ] || busybox=$(kernel_dir "$1")/bin/busybox
	shift
	mkdir -p "$1/bin" "$1/dev" "$1/lib" "$1/modules" "$1/proc" "$1/sys" "$1/tests" "$1/tmp"
	cp -L "$busybox" "$1/bin/busybox"
	cp "$vm/guest/init" "$1/init"
	cp "$vm/guest/lib.sh" "$1/lib/guest.sh"
	cp "$2" "$1/modules/covbuf.ko"
}

pack_root() { # ROOT OUT
	(cd "$1" && find . | LC_ALL=C sort | cpio -o -H newc -R 0:0 --quiet) > "$2"
}

# What guest.sh has sent under NAME, of the guest's report.
received() { # NAME REPORT
	sed -n "/^#file ${1//\//\\\/}\$/,/^#end\$/p" "$2" | sed '1d;$d' | base64 -d | gzip -dc
}
