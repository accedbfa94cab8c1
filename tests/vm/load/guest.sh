# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# shellcheck shell=dash
# Rounds, each with the modules loaded anew. Odd ones have all handles enabled all the time.
rounds=2 seconds=4
[ -z "$LONG" ] || rounds=12 seconds=15
for round in $(seq $rounds); do
	seed=$(awk '{ print $1 * 100 }' /proc/uptime)
	echo "round $round, seed $seed"
	shifting=--shifting
	[ $((round % 2)) = 0 ] || shifting=
	load_covbuf || break
	insmod sections.ko || break
	expect "round/$round" ./load --seed "$seed" --seconds $seconds $shifting || break
	rmmod sections
	expect "rest/$round" at_rest
	unload_covbuf || break
done
rmmod sections passing 2> /dev/null
! grep -q '^covbuf ' /proc/modules || expect unload unload_covbuf
