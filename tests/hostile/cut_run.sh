#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# cut_run.sh: a recording is cut and made whole again for seconds while "covbuf run" makes and drains it: it passes on
# its program's status, and is not killed by SIGBUS.
set -u
covbuf=${COVBUF:?COVBUF: the covbuf command}
work=$(mktemp -d -p /var/tmp)
trap 'rm -rf "$work"' EXIT
for how in --trace --stream; do
	timeout 60 "$covbuf" run -q $how -o "$work/x$how" -- sleep 3 2> "$work/log" &
	run=$!
	sleep 0.3
	while kill -0 $run 2> /dev/null; do
		truncate -s $((RANDOM * 16)) "$work/x$how" 2> /dev/null
		truncate -s 4M "$work/x$how" 2> /dev/null
		sleep 0.003
	done
	wait $run
	status=$?
	echo "covbuf run $how: status $status $(cat "$work/log")"
	[ $status -le 1 ] || exit 1
done
