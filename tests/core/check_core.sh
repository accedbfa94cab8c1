#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# The engine knows nothing of the world it is built for: its sources include only their own headers, and
# its objects need only each other, the platform's functions and what any compiler may call.
#
# check_core.sh SOURCE_DIR CC
set -u
src=$1 cc=$2 bad=0
work=$(mktemp -d) || exit 1
trap 'rm -rf "$work"' EXIT

if grep -nE '^[[:space:]]*#[[:space:]]*include[[:space:]]*<' "$src"/libcovbuf/core/*.[ch] | grep -v '<covbuf/'; then
	echo "the engine includes a header of its world"
	bad=1
fi
if grep -ln __KERNEL__ "$src"/libcovbuf/core/*.c; then
	echo "the engine asks which world it is in"
	bad=1
fi
for file in "$src"/libcovbuf/core/*.c; do
	[ "${file##*/}" = counted.c ] && continue # of worlds whose areas are counted: built with the kernel module
	"$cc" -std=gnu11 -O2 -ffreestanding -Wall -Wextra -Werror -I"$src/include" -c "$file" \
		-o "$work/$(basename "$file" .c).o" || bad=1
done
ld -r -o "$work/core.o" "$work"/*.o || bad=1
needed=$(nm -u "$work/core.o" | awk '{ print $2 }' |
	grep -vE '^(covb_plat_[a-z_]+|covb_alive_word|covb_engine|covbuf_tls|covbuf_append_slow_(pc|cmp)|mem(cpy|set|move)|_GLOBAL_OFFSET_TABLE_)$')
if [ -n "$needed" ]; then
	echo "the engine needs from outside:" $needed
	bad=1
fi
exit $bad
