# shellcheck shell=bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# What the tests of the command share. A directory of their own, programs, and checks that say what they
# expected. The environment names what was built: COVBUF, CC, CLANG, COVBUF_LINK, COVBUF_PRELOAD.
set -u
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
cd "$dir" || exit 1
unset COVBUF_SEGMENT LD_PRELOAD DEBUGINFOD_URLS
failed=0
read -ra link <<< "$COVBUF_LINK"

ok() { echo "ok $1"; }
not_ok() {
	echo "not ok $1"
	failed=1
}

check() { # NAME COMMAND...
	local name=$1
	shift
	if "$@"; then ok "$name"; else not_ok "$name: $*"; fi
}

# The exit status, and a pattern that stdout and stderr together must contain.
expect() { # NAME STATUS PATTERN COMMAND...
	local name=$1 status=$2 pattern=$3 got
	shift 3
	"$@" > out 2>&1 < /dev/null
	got=$?
	if [ $got != "$status" ]; then
		not_ok "$name: exit status $got instead of $status"
		head -5 out
	elif ! grep -qE -- "$pattern" out; then
		not_ok "$name: no '$pattern' in its output"
		head -5 out
	else
		ok "$name"
	fi
}

# One line of message, of the form that all have.
one_line() { # COMMAND-NAME
	if [ "$(wc -l < out)" != 1 ] || ! grep -q "^covbuf $1: " out; then
		not_ok "one line of message"
		head -5 out
	fi
}

build_gcc() { # NAME [FLAGS...]
	local name=$1
	shift
	"$CC" -O0 -g -fsanitize-coverage=trace-pc "$@" -c "$here/program.c" -o "$name.o" &&
		"$CC" "$name.o" -o "$name" "$@" "${link[@]}"
}

build_clang() { # NAME [FLAGS...]
	local name=$1
	shift
	[ -n "$CLANG" ] && command -v "$CLANG" > /dev/null || return 77
	# Without pruning: it leaves out blocks that are reached if another is.
	"$CLANG" -O0 -g -fsanitize-coverage=trace-pc-guard,pc-table -mllvm -sanitizer-coverage-prune-blocks=0 "$@" -c "$here/program.c" -o "$name.o" &&
		"$CC" "$name.o" -o "$name" "${link[@]}"
}

done_testing() { exit $failed; }
