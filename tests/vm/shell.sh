#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# shell.sh [--module SOURCE] [--limit SECONDS] [BOOT-OPTION...] KERNEL SCRIPT [FILE...]
#
# Builds covbuf.ko, boots KERNEL (6.12-rt) and runs SCRIPT (- is the standard input) in the guest as a
# test's guest.sh would run: its functions are at hand, covbuf.ko is there and not loaded. What it prints
# is printed, then the kernel's complaints. Of the FILEs a folder with a Kbuild is built as a module that
# may use covbuf.ko's symbols; a .c file is built as a static program; all else is taken as it is. They
# are in the script's folder. BOOT-OPTIONs are --memory, --cpus, --threads, --append, as boot.sh takes
# them; --console FILE keeps the kernel's log. Status: 1 if the script or the kernel failed.
set -eu
# shellcheck source-path=SCRIPTDIR source=lib.sh
. "$(dirname "$0")/lib.sh"
module=$top/adapters/kmod limit=300 cpus=2 options=() console=
while [ $# -gt 0 ]; do
	case $1 in
	--module | --limit | --console)
		[ $# -ge 2 ] || usage 2 >&2
		declare "${1#--}=$2"
		shift
		;;
	--memory | --cpus | --threads | --append)
		[ $# -ge 2 ] || usage 2 >&2
		[ "$1" != --cpus ] || cpus=$2
		options+=("$1" "$2")
		shift
		;;
	-h | --help) usage ;;
	-?*) usage 2 >&2 ;;
	*) break ;;
	esac
	shift
done
[ $# -ge 2 ] || usage 2 >&2
kernel=$1 script=$2
shift 2
[[ " $stock " != *" ${kernel%@*} "* ]] || "$vm/fetch.sh" "${kernel%@*}"
need busybox cpio
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

"$vm/build-module.sh" "$kernel" "$module" "$work/module"
export KBUILD_EXTRA_SYMBOLS=$work/module/Module.symvers
make_root "$kernel" "$work/root" "$work/module/covbuf.ko"
there=$work/root/tests/shell
mkdir -p "$there"
for file; do
	if [ -d "$file" ] && [ -e "$file/Kbuild" ]; then
		"$vm/build-module.sh" "$kernel" "$file" "$work/build"
		cp "$work/build/"*.ko "$there"
	elif [[ "$file" = *.c ]]; then
		name=${file##*/}
		"$(tools_of "$kernel")gcc-12" -std=gnu11 -g -O2 -Wall -static -pthread -I"$top/include" -o "$there/${name%.c}" "$file"
	else
		cp -R "$file" "$there"
	fi
done
if [ "$script" = - ]; then
	script=/dev/stdin
fi
cat "$script" > "$there/guest.sh"
echo "shell $limit" > "$work/root/tests/list"
printf 'export KERNEL=%s LONG= CPUS=%s\n' "$kernel" "$cpus" > "$work/root/tests/environment"
pack_root "$work/root" "$work/root.cpio"

status=0
{
	"$vm/boot.sh" "${options[@]}" --limit $((limit + 60)) --console "$work/console" --report - "$kernel" "$work/root.cpio" ||
		touch "$work/failed"
} | tee "$work/report" | grep --line-buffered -v '^#vm ' || :
[ ! -e "$work/failed" ] || status=1
[ -z "$console" ] || cp "$work/console" "$console"
read -r _ _ _ code _ left < <(grep '^#vm end' "$work/report") || code=
if [ "$code" != 0 ] || [ -n "$left" ]; then
	echo "$me: the script ended with status ${code:-unknown}${left:+, left behind: $left}; the kernel's last lines:" >&2
	tail -20 "$work/console" >&2
	status=1
fi
exit $status
