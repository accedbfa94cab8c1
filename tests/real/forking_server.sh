#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# A server that forks for each connection: followed, each child records into areas of its own, also one
# that is killed, and each place once for each process; not followed, only the server itself does.
. "${0%/*}/common.sh"
need python3
server=$COVBUF_TOOLS/forking_server
cd "$run"
trap 'kill -9 "${recorder:-}" 2> /dev/null || true; rm -rf "$run"' EXIT

ask_server() { # LINE: prints the answer
	local answer=
	exec 5<> "/dev/tcp/127.0.0.1/$port" || fail "no connection"
	echo "$1" >&5
	read -r -t 20 answer <&5 || true
	exec 5>&-
	echo "$answer"
}

record() { # RECORDING OPTION...: four connections
	local recording=$1
	shift
	rm -f port
	"$covbuf" run -q "$@" -o "$recording" -- "$server" port &
	recorder=$!
	for ((i = 0; i < 1200; i++)); do
		[ -s port ] && break
		sleep 0.05
	done
	read -r port < port || fail "the server did not say where it listens"
	[ "$(ask_server "sum 10")" = 85 ] || fail "a wrong sum"
	[ "$(ask_server "reverse stressed")" = desserts ] || fail "wrongly reversed"
	[ -z "$(ask_server crash)" ] || fail "the child that was to die answered"
	[ "$(ask_server "sum 4")" = 16 ] || fail "no answer after a child died"
	ask_server end > /dev/null
	wait "$recorder" || fail "the server ended with $?"
	"$covbuf" stat --json "$recording" > "$recording.stat"
	"$covbuf" report --json "$recording" > "$recording.json"
	[ "$(ask lost "$recording.stat")" -eq 0 ] || fail "records were lost"
}

record followed.covbuf --follow
[ "$(ask processes followed.covbuf.stat)" -eq 6 ] ||
	fail "not the server and five children recorded, but $(ask processes followed.covbuf.stat) processes"
ask covered followed.covbuf.json main serve_connection serve_request sum_up reverse_text kill_myself
# Each place once per process: two children summed, five served.
[ "$(ask hits followed.covbuf.json sum_up)" -eq 2 ] ||
	fail "sum_up was recorded by $(ask hits followed.covbuf.json sum_up) processes, not 2"
[ "$(ask hits followed.covbuf.json serve_connection)" -eq 5 ] ||
	fail "serve_connection was recorded by $(ask hits followed.covbuf.json serve_connection) processes, not 5"

record alone.covbuf --no-follow
[ "$(ask processes alone.covbuf.stat)" -eq 1 ] ||
	fail "not followed, yet $(ask processes alone.covbuf.stat) processes recorded"
ask covered alone.covbuf.json main
ask missed alone.covbuf.json serve_connection sum_up
