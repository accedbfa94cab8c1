#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# scripts/quickstart.sh, with less data: everything in it that can go wrong is an error there. A second
# call, which builds and fetches nothing, does as well.
. "${0%/*}/common.sh"
need clang-19 cmake ninja genhtml make
fetch xz-utils
dir=$built/quickstart
"$COVBUF_SOURCE/scripts/quickstart.sh" --short --no-install --dir "$dir"
grep -q 'worker_encode' "$dir/functions.txt" || fail "functions.txt does not have the threaded encoder"
[ -s "$dir/html/index.html" ] || fail "there is no HTML"

began=$SECONDS
"$COVBUF_SOURCE/scripts/quickstart.sh" --short --no-install --dir "$dir" > "$run/again.out" 2>&1 ||
	{ cat "$run/again.out"; fail "the second call"; }
echo "again: $((SECONDS - began)) s"
