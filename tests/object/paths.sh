#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# paths.sh BUILD
#
# How many instructions POWER executes for each operation, on the way that is mostly taken, and which of them order: the
# table of docs/power.md. BUILD is a cross build (cmake/ppc64le-linux-gnu.cmake); qemu-user executes an instruction at a
# time and writes down each. Counts, no times: qemu has none to tell.
set -eu
me=${0##*/}
case ${1:-} in
-h | --help) sed -n '3,7s/^# \{0,1\}//p' "$0"; exit 0 ;;
'') echo "usage: $me BUILD" >&2; exit 2 ;;
esac
here=$(cd "$(dirname "$0")" && pwd)
library=$1/libcovbuf/libcovbuf.a callbacks=$1/adapters/sancov/libcovbuf_sancov.a
for file in "$library" "$callbacks"; do
	[ -e "$file" ] || { echo "$me: there is no $file; build covbuf_static and covbuf_sancov in $1" >&2; exit 1; }
done
sysroot=${COVBUF_PPC_SYSROOT:-$("$here/../../scripts/ppc-sysroot.sh")}
umask 077
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# At fixed addresses, which are the log's.
powerpc64le-linux-gnu-gcc --sysroot="$sysroot" -std=gnu11 -O2 -Wall -Wextra -no-pie -fno-pie \
	-I"$here/../../include" "$here/paths.c" -o "$work/paths" \
	-Wl,--whole-archive "$callbacks" -Wl,--no-whole-archive "$library" \
	-lurcu -lpthread -lm -ldl -Wl,--wrap=pthread_create,--wrap=_Fork
read -r address bytes < <(powerpc64le-linux-gnu-objdump -h -j .text "$work/paths" |
	awk '$2 == ".text" { print $4, $3 }')
timeout 600 qemu-ppc64le -cpu power9 -L "$sysroot" -singlestep -d exec,nochain -dfilter "0x$address+0x$bytes" \
	-D "$work/log" "$work/paths" || { echo "$me: the program ended with status $?" >&2; exit 1; }
"$here/paths.py" "$work/paths" < "$work/log"
