# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# shellcheck shell=bash
# For the tests of real programs: where things are, sources, and what is said about a recording.
#
# The environment, from CMakeLists.txt: COVBUF_SOURCE, COVBUF_BUILD, and COVBUF_SOURCES, the folder in
# which fetched sources stay between runs. Programs are built in COVBUF_BUILD/real/NAME and stay too;
# what a run makes is in a folder of its own, $run, which goes with the test.
set -eu
set -o pipefail
unset COVBUF_SEGMENT LD_PRELOAD
covbuf=$COVBUF_BUILD/tools/covbuf
here=$COVBUF_SOURCE/tests/real
sources=$COVBUF_SOURCES
built=$COVBUF_BUILD/real
mkdir -p "$built"
run=$(mktemp -d)
trap 'rm -rf "$run"' EXIT

skip() { echo "skipped: $*"; exit 77; }
fail() { echo "failed: $*"; exit 1; }
[ -x "$covbuf" ] || skip "there is no covbuf command in this build"

need() { # TOOL...
	local tool
	for tool; do
		command -v "$tool" > /dev/null || skip "$tool is missing; scripts/install-deps.sh installs it"
	done
}

fetch() { # PACKAGE: its source is in $sources/PACKAGE then
	"$COVBUF_SOURCE/scripts/debian-source.sh" "$sources" "$1" || skip "the source of $1 cannot be had here"
}

# What an instrumented program is linked with, at the end.
read -ra libs <<< "$("$COVBUF_SOURCE/scripts/link-flags.sh" "$COVBUF_BUILD")"

# Whether a program is there and newer than what it is linked with.
current() { # PROGRAM
	[ "$1" -nt "$COVBUF_BUILD/libcovbuf/libcovbuf.a" ] &&
		[ "$1" -nt "$COVBUF_BUILD/adapters/sancov/libcovbuf_sancov.a" ]
}

logged() { # LOG COMMAND...
	local log=$1
	shift
	"$@" > "$log" 2>&1 || { tail -20 "$log"; fail "$1 did not succeed; all it said: $log"; }
}

# ask WHAT FILE ARGUMENT...: see ask.py
ask() { python3 "$here/ask.py" "$@"; }

megabytes() { # N: real data, the same each time on one machine
	{ tar -C / --sort=name -cf - usr/include usr/share usr/lib 2> /dev/null || true; } | head -c "$1M" || true
}

amalgamation() { # of sqlite3, from its fetched source: sqlite3.c and shell.c in $built/sqlite3
	mkdir -p "$built/sqlite3"
	(
		flock 9 # two tests want it
		cd "$built/sqlite3"
		if [ ! -f sqlite3.c ] || [ ! -f shell.c ]; then
			logged configure.log "$sources/sqlite3/configure" --disable-tcl --disable-readline
			logged amalgamation.log make sqlite3.c shell.c
		fi
	) 9> "$built/sqlite3/.lock"
}
