#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#
# Compare herd7's verdict on each litmus test with expect.txt. Exit status 1 on a difference, 77 where
# herd7 is not installed. The LKMM tests are left out, and it is said, where the kernel's model is not given.
#
#   HERD     herd7, if it is not on the path
#   HERDLIB  its libdir, if it does not find it itself
#   LKMM     tools/memory-model of a kernel source tree

cd "$(dirname "$0")" || exit 2
here=$PWD
HERD=${HERD:-$(command -v herd7)}
if [ -z "$HERD" ]; then
	echo "skipped: herd7 is not installed (herdtools7; not in Debian 12)"
	exit 77
fi
lib=()
[ -n "$HERDLIB" ] && lib=(-set-libdir "$HERDLIB")

n=0 left_out=0 bad=0
while read -r name want; do
	case $name in '' | '#'*) continue ;; esac
	case $name in
	c11/*) out=$("$HERD" "${lib[@]}" -model rc11.cat "$name.litmus" 2>&1) ;;
	ppc/*) out=$("$HERD" "${lib[@]}" "$name.litmus" 2>&1) ;;
	lkmm/*)
		[ -z "$LKMM" ] && { left_out=$((left_out + 1)); continue; }
		out=$(cd "$LKMM" && "$HERD" "${lib[@]}" -I . -conf linux-kernel.cfg "$here/$name.litmus" 2>&1)
		;;
	esac
	got=$(awk '/^Observation/ { o = $3 } END { print o }' <<<"$out")
	n=$((n + 1))
	if [ "$got" != "$want" ]; then
		echo "$name: want $want, got ${got:-nothing}: $(tail -2 <<<"$out" | head -c 300)"
		bad=$((bad + 1))
	fi
done <expect.txt

missing=$(for f in */*.litmus; do grep -q "^${f%.litmus} " expect.txt || echo "$f"; done)
[ -n "$missing" ] && { echo "no verdict given for: $missing"; bad=$((bad + 1)); }
[ "$left_out" -gt 0 ] && echo "$left_out LKMM tests left out: LKMM is not set to the kernel's tools/memory-model"
echo "$n litmus tests, $bad unexpected"
[ "$n" -gt 0 ] && [ "$bad" -eq 0 ]
