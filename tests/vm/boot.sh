#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# boot.sh [--memory MIB] [--cpus N] [--threads single|multi] [--limit SECONDS] [--append TEXT]
#         [--console FILE] [--report FILE|-] KERNEL INITRAMFS
#
# Boots KERNEL (6.12-rt) until it powers off. KERNEL@CPU (6.12-ppc64el@power8) names one of the emulator's
# processors, power9 otherwise for POWER, and all that it can for x86. The kernel's console goes to FILE, else to the standard
# output; the guest's second port, to which tests report, into a file or to the standard output (-).
# Status: 0; 1 where the kernel complained, which is printed; 124 where the machine was not off within the
# limit.
set -eu
# shellcheck source-path=SCRIPTDIR source=lib.sh
. "$(dirname "$0")/lib.sh"
memory=512 cpus=2 threads=single limit=300 append='' console='' report=/dev/null
while [ $# -gt 0 ]; do
	case $1 in
	--memory | --cpus | --threads | --limit | --append | --console | --report)
		[ $# -ge 2 ] || usage 2 >&2
		declare "${1#--}=$2"
		shift
		;;
	-h | --help) usage ;;
	-*) usage 2 >&2 ;;
	*) break ;;
	esac
	shift
done
[ $# -eq 2 ] || usage 2 >&2
dir=$(kernel_dir "$1")
[ -r "$2" ] || die "there is no file $2"
qemu=$(qemu_of "$1") cpu=
[ "$1" = "${1%@*}" ] || cpu=${1#*@}
need "$qemu" timeout

# A port on PCI for the report leaves a PC's own second one, and its interrupt, to the tests.
if [ "$(processor "$1")" = ppc64el ]; then
	console_name=hvc0
	# Pages of hashed tables are made read-only while the other processors spin: for as long as each one's turn is, one after another.
	[ "$cpu" != power8 ] || threads=multi
	memory=$(((memory + 255) / 256 * 256)) # it has no other sizes
	machine=(-M "$pseries" -accel "tcg,thread=$threads" -cpu "${cpu:-power9}")
else
	console_name=ttyS0
	machine=(-M q35 -serial null)
	case $(accelerator "$dir") in
	kvm) machine+=(-accel kvm -cpu "${cpu:-host}") ;;
	*) machine+=(-accel "tcg,thread=$threads" -cpu "${cpu:-max}") ;;
	esac
fi
if [ "$report" = - ]; then
	machine+=(-chardev "stdio,id=report,signal=off")
else
	machine+=(-chardev "file,id=report,path=$report")
fi
keep=$console
[ -n "$console" ] || console=$(mktemp)

# Watchdogs have time: the host may be slow; an oops ends the machine at once.
status=0
watchdogs="watchdog_thresh=30 rcupdate.rcu_cpu_stall_timeout=60"
timeout --foreground -k 5 "$limit" "$qemu" -m "$memory" -smp "$cpus" -serial "file:$console" "${machine[@]}" -nodefaults \
	-display none -no-reboot -kernel "$dir/vmlinuz" -initrd "$2" \
	-append "console=$console_name panic=-1 oops=panic printk.devkmsg=on no_timer_check $watchdogs $append" \
	-device pci-serial,chardev=report < /dev/null || status=$?

if [ -z "$keep" ]; then
	cat "$console"
	trap 'rm -f "$console"' EXIT
fi
if [ $status -eq 124 ] || [ $status -eq 137 ]; then
	echo "$me: the machine was not off after $limit s" >&2
	exit 124
fi
[ $status -eq 0 ] || die "qemu ended with status $status"
! complaints "$console" >&2
