#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# check.sh PROGRAM: the example prints what it recorded; and where the README shows it, it is this text.
# The README's copy is the block of C after the line <!-- examples/embed/embed.c -->, without the first
# line, which is the licence.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
readme=$here/../../README.md
got=$("$1")
[ "$got" = "$(printf 'reached 0x401000\nreached 0x401024')" ] || { echo "it printed: $got"; exit 1; }
if ! grep -qxF '<!-- examples/embed/embed.c -->' "$readme" 2> /dev/null; then
	echo "README.md does not show it"
	exit 77
fi
diff <(tail -n +2 "$here/embed.c") \
	<(awk '/^<!-- examples\/embed\/embed.c -->$/ { at = 1; next } at && /^```c$/ { in_block = 1; next }
		in_block && /^```$/ { exit } in_block' "$readme") ||
	{ echo "README.md shows another text than examples/embed/embed.c"; exit 1; }
