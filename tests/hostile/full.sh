#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# full.sh: on a file system that is full, or becomes it, what makes a segment says so, leaves nothing behind, and the
# program that was to be recorded is not killed by SIGBUS.
set -u
if [ -z "${IN_NAMESPACE:-}" ]; then
	unshare -rm true 2> /dev/null || { echo "there are no user namespaces to mount a small tmpfs in"; exit 77; }
	IN_NAMESPACE=1 exec unshare -rm -- "$0" "$@"
fi
covbuf=${COVBUF:?COVBUF: the covbuf command}
work=$(mktemp -d)
trap 'umount "$work/small" 2>/dev/null; rm -rf "$work"' EXIT
mkdir "$work/small"
mount -t tmpfs -o size=2m none "$work/small" 2> "$work/log" ||
	{ echo "no tmpfs can be mounted here: $(cat "$work/log")"; exit 77; }
failed=0
check() { # WHAT STATUS PATTERN COMMAND...: this status, this on stderr, and nothing left in small/
	local what=$1 status=$2 pattern=$3 got
	shift 3
	timeout 60 "$@" > /dev/null 2> "$work/log"
	got=$?
	if [ "$got" != "$status" ] || ! grep -qE "$pattern" "$work/log"; then
		echo "not ok: $what: status $got, $(cat "$work/log")"
		failed=1
	elif [ -n "$(find "$work/small" -type f ! -name filler)" ]; then
		echo "not ok: $what: $(ls "$work/small") is left behind"
		failed=1
	else
		echo "ok: $what"
	fi
}

"$covbuf" run -q -o "$work/good" -- true || { echo "nothing can be recorded"; exit 1; }
check "a segment that does not fit" 1 "[Nn]o space left|free some space" "$covbuf" run -q -o "$work/small/x" -- true
head -c 4M /dev/zero > "$work/small/filler" 2> /dev/null
check "no room for the tables" 1 "[Nn]o space left|free some space" "$covbuf" run -q -o "$work/small/x" -- true
check "merging" 1 "[Nn]o space left" "$covbuf" merge -o "$work/small/x" "$work/good" "$work/good"
check "a stream" 1 "[Nn]o space left|free some space" "$covbuf" run -q --stream -o "$work/small/x" -- true
exit $failed
