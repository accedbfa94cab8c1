#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# run.sh [BUILD/examples]: starts the server, sends it two requests at once, shows what each reached,
# and checks it: each has its own functions and none of the other's, and the parser, which another
# thread ran, in both. After them a hundred requests in a row, since areas and owners must come back.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
programs=${1:-$here/../../build/examples}
[ -x "$programs/per_request_server" ] ||
	{ echo "there is no $programs/per_request_server; build first, or: run.sh BUILD/examples" >&2; exit 2; }
work=$(mktemp -d)
"$programs/per_request_server" "$work/port" &
server=$!
trap 'kill $server 2> /dev/null || true; rm -rf "$work"' EXIT
for ((i = 0; i < 600; i++)); do
	[ -s "$work/port" ] && break
	sleep 0.05
done
read -r port < "$work/port"

# Once more, with more to do, where the first was served before the second came: 3.
for n in 1 1 2 4 8 8; do
	status=0
	"$programs/per_request_client" "$port" "/primes?$((400000 * n))" "/syllables?$((30000000 * n))" > "$work/table" || status=$?
	[ "$status" -eq 3 ] || break
done
cat "$work/table"
[ "$status" -eq 0 ] || { echo "they were not served at the same time"; exit 1; }

reached() { # FUNCTION: "LEFT RIGHT", places
	awk -v name="$1" '$1 == name { print $2, $3 }' "$work/table"
}
only_left() { [[ $(reached "$1") =~ ^[0-9]+\ -$ ]] || { echo "$1 is not in the left request alone"; exit 1; }; }
only_right() { [[ $(reached "$1") =~ ^-\ [0-9]+$ ]] || { echo "$1 is not in the right request alone"; exit 1; }; }
both() { [[ $(reached "$1") =~ ^[0-9]+\ [0-9]+$ ]] || { echo "$1 is not in both requests"; exit 1; }; }
only_left count_primes
only_left is_prime
only_right count_syllables
only_right is_vowel
both parse_request
both serve_request

for ((i = 0; i < 50; i++)); do
	"$programs/per_request_client" "$port" "/primes?10" "/unknown" > "$work/table" || true
	only_left count_primes
	only_right answer_unknown
	both parse_request
done
echo "and so have 100 more requests"
exec 5<> "/dev/tcp/127.0.0.1/$port"
printf 'GET /quit HTTP/1.0\r\n\r\n' >&5
wait $server
