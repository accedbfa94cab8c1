#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# memcached, four threads, built by clang with guards, under load, with kill -9 in the middle.
#
# First memcached alone is killed, each place being recorded once: what a live report had, the one after
# the death has too. Then memcached and its recorder are killed at once while every record is kept: the
# recording has each request that was answered, exactly, but for those that were under way.
. "${0%/*}/common.sh"
need clang-19 make python3
[ -f /usr/include/event.h ] || skip "libevent-dev is missing; scripts/install-deps.sh installs it"
fetch memcached
load=$COVBUF_TOOLS/memcached_load
memcached=$built/memcached/memcached
if ! current "$memcached"; then
	mkdir -p "$built/memcached"
	cd "$built/memcached"
	[ -f Makefile ] || CC=clang-19 CFLAGS="-O1 -g" logged configure.log "$sources/memcached/configure" \
		--disable-docs --disable-coverage --disable-dependency-tracking
	rm -f memcached
	# Without inlining: a function's own entry is what the test counts.
	logged build.log make -j2 memcached LDFLAGS=-fno-sanitize-link-runtime LIBS="-levent ${libs[*]}" \
		CFLAGS="-O1 -g -pthread -fno-inline -fsanitize-coverage=trace-pc-guard,pc-table"
fi
cd "$run"
as=()
[ "$(id -u)" -ne 0 ] || as=(-u root)

kill_all() { kill -9 "${recorder:-}" "${server:-}" "${client:-}" 2> /dev/null || true; }
trap 'kill_all; rm -rf "$run"' EXIT

begin() { # RECORDING OPTION...: starts it, and load; sets recorder, server, client, port
	local recording=$1
	shift
	rm -f port
	MEMCACHED_PORT_FILENAME=$run/port "$covbuf" run -q "$@" -o "$recording" -- \
		"$memcached" "${as[@]}" -t 4 -m 64 -U 0 -l 127.0.0.1 -p -1 &
	recorder=$!
	for ((i = 0; i < 1200; i++)); do
		[ -s port ] && break
		kill -0 "$recorder" 2> /dev/null || fail "memcached ended before it listened"
		sleep 0.05
	done
	port=$(sed -n 's/^TCP INET: //p' port | head -1)
	[ -n "$port" ] || fail "memcached did not say where it listens"
	server=$(pgrep -P "$recorder" -x memcached) || fail "there is no memcached under covbuf run"
	"$load" "$port" 4 600000 "$pause" > answered & # until the server is gone
	client=$!
}

pause=0
begin once.covbuf
reached=(process_get_command process_update_command process_arithmetic_command)
for ((i = 0; i < 60; i++)); do # a slow machine needs more than a second
	sleep 1
	"$covbuf" report --json once.covbuf > live.json
	"$covbuf" stat --json once.covbuf > live.stat
	if ask covered live.json "${reached[@]}" > missing && [ "$(ask threads live.stat)" -ge 5 ]; then
		break
	fi
done
ask covered live.json "${reached[@]}"
[ "$(ask threads live.stat)" -ge 5 ] || fail "live: fewer than main and four workers: $(ask threads live.stat)"
kill -9 "$server"
status=0
wait "$recorder" || status=$?
[ $status -eq 137 ] || fail "covbuf run passed on $status for a program that was killed, not 137"
status=0
wait "$client" || status=$?
[ $status -eq 3 ] || fail "the load ended with $status: $(cat answered)"
"$covbuf" report --json once.covbuf > dead.json
"$covbuf" stat --json once.covbuf > dead.stat
[ "$(ask points dead.json)" -ge "$(ask points live.json)" ] || fail "what was there before the kill is gone"
[ "$(ask records dead.stat)" -ge "$(ask records live.stat)" ] || fail "records from before the kill are gone"
[ "$(ask lost dead.stat)" -eq 0 ] || fail "records were lost"
ask covered dead.json process_get_command process_update_command process_delete_command assoc_find slabs_alloc
ask missed dead.json slab_rebalance_finish process_flush_all_command usage

# All records. What was answered was recorded before it was answered. With pauses, since the recorder has
# to provide areas as fast as they fill, also where other tests run beside.
pause=500
for seconds in 1 4 16; do # until there was enough to do
	rm -f all.covbuf
	begin all.covbuf --trace --limit 8G
	sleep $seconds
	kill -STOP "$server" # while there is no recorder nobody makes areas
	kill -9 "$recorder" "$server"
	wait "$recorder" 2> /dev/null || true
	wait "$client" || true
	echo "answered: $(cat answered)"
	read -r _ sets _ gets _ counts _ deletes < answered
	[ "$sets" -le 100 ] || break
done
[ "$sets" -gt 100 ] || fail "hardly any load: $(cat answered)"
"$covbuf" report --json all.covbuf > all.json
"$covbuf" stat --json all.covbuf > all.stat
echo "recorded: $(ask records all.stat) records, $(ask lost all.stat) lost"
[ "$(ask lost all.stat)" -eq 0 ] || fail "records were lost"
exactly() { # FUNCTION ANSWERED: recorded as often, and up to once more for each of four clients
	local hits
	hits=$(ask hits all.json "$1") || fail "$hits"
	[ "$hits" -ge "$2" ] && [ "$hits" -le $(($2 + 4)) ] || fail "$1 was recorded $hits times; answered: $2"
}
exactly process_update_command "$sets"
exactly process_get_command "$gets"
exactly process_arithmetic_command "$counts"
exactly process_delete_command "$deletes"
