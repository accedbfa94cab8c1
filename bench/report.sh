#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# report.sh [--quick] [--build DIR] [--json FILE]
#
# How long is it from a recording of 10^8 records to a report of it, and how much memory does that take?
# sqlite's shell runs SQL under 'covbuf run --trace', which keeps every basic block in order; then 'covbuf report' and its
# like read that, five times each (lcov once), in turn. Beside them what makes reports of gcc --coverage and of clang's
# profile of the same SQL: those hold a count for each place, no order and no threads, so nothing has to be added up.
#   --quick      a hundredth of the records
#   --build DIR  libcovbuf is built there, and sqlite in DIR/report, which stays; instead of build-bench/
#   --json FILE  append JSON lines to FILE, see README.md
# Memory is the largest resident set of a process; the recording is read, not mapped, and is in the page cache before.
set -eu
me=${0##*/}
here=$(cd "$(dirname "$0")" && pwd)
source=$(cd "$here/.." && pwd)
die() { echo "$me: $*" >&2; exit 1; }

build=$source/build-bench quick='' json=''
while [ $# -gt 0 ]; do
	case $1 in
	--quick) quick=1 ;;
	--build) build=${2:?--build needs a folder}; shift ;;
	--json) json=$(realpath -m "${2:?--json needs a file}"); shift ;;
	-h | --help) sed -n '3,13s/^# \{0,1\}//p' "$0"; exit 0 ;;
	*) echo "$me: there is no option '$1'; see --help" >&2; exit 2 ;;
	esac
	shift
done
mkdir -p "$build/report"
build=$(cd "$build" && pwd)
dir=$build/report
covbuf=$build/tools/covbuf

logged() { # LOG COMMAND...
	local log=$dir/$1
	shift
	"$@" > "$log" 2>&1 || { tail -n 10 "$log" >&2; return 1; }
}

have() { command -v "$1" > /dev/null; }
have python3 || die "python3 is not there; it takes the times (scripts/install-deps.sh bench)"

# ---- programs --------------------------------------------------------------------------------------------------------

logged cmake.log cmake -S "$source" -B "$build" -G Ninja -DCMAKE_BUILD_TYPE=Release ||
	die "libcovbuf cannot be configured; all of it: $dir/cmake.log"
logged ninja.log ninja -C "$build" covbuf_static covbuf_sancov covbuf_command ||
	die "libcovbuf does not build; all of it: $dir/ninja.log"
read -ra libraries <<< "$("$source/scripts/link-flags.sh" "$build")"

# One file of source, as its authors ship it.
amalgamate() {
	[ ! -s "$dir/sqlite/shell.c" ] || return 0
	have tclsh || die "tclsh is not there; sqlite's build needs it (scripts/install-deps.sh tests)"
	"$source/scripts/debian-source.sh" "$build/sources" sqlite3 || die "the source of sqlite3 cannot be had"
	mkdir -p "$dir/sqlite"
	(cd "$dir/sqlite" && logged configure.log "$build/sources/sqlite3/configure" --disable-tcl --disable-readline &&
		logged amalgamation.log make sqlite3.c shell.c) || die "sqlite's source cannot be put together"
}

compile() { # NAME COMPILER FLAG...: DIR/NAME/sqlite3.o and shell.o, with what gcov needs beside them
	local name=$1 part
	shift
	mkdir -p "$dir/$name"
	for part in sqlite3 shell; do
		[ "$dir/$name/$part.o" -nt "$dir/sqlite/shell.c" ] ||
			(cd "$dir/$name" && logged "$name-$part.log" "$@" -O1 -g -w -DSQLITE_THREADSAFE=1 -DSQLITE_ENABLE_FTS5 \
				-DSQLITE_OMIT_LOAD_EXTENSION -c "$dir/sqlite/$part.c" -o $part.o) || return 1
	done
}

# A peer that cannot be built is a gap.
gcov_missing='' clang_missing=''
amalgamate
have clang-19 || die "clang-19 is not there; it builds sqlite to be recorded (scripts/install-deps.sh build)"
if ! have gcov || ! have gcc; then gcov_missing="gcc and gcov are not installed"; fi
have llvm-profdata-19 && have llvm-cov-19 || clang_missing="llvm-19's tools are not installed"
compile recorded clang-19 -fsanitize-coverage=trace-pc-guard,pc-table & recorded=$!
[ -n "$gcov_missing" ] || compile gcov gcc --coverage || gcov_missing="sqlite does not build with gcc --coverage"
wait $recorded || die "sqlite does not build"
[ -n "$clang_missing" ] || compile profile clang-19 -fprofile-instr-generate -fcoverage-mapping ||
	clang_missing="sqlite does not build with clang's profile"
logged link.log clang-19 "$dir"/recorded/{sqlite3,shell}.o -o "$dir/recorded/sqlite" -fno-sanitize-link-runtime \
	"${libraries[@]}" || die "sqlite cannot be linked with libcovbuf"
if [ -z "$gcov_missing" ]; then
	logged gcov-link.log gcc --coverage "$dir"/gcov/{sqlite3,shell}.o -o "$dir/gcov/sqlite" -lpthread -lm ||
		gcov_missing="sqlite cannot be linked with gcc --coverage"
fi
if [ -z "$clang_missing" ]; then
	logged profile-link.log clang-19 -fprofile-instr-generate "$dir"/profile/{sqlite3,shell}.o -o "$dir/profile/sqlite" \
		-lpthread -lm || clang_missing="compiler-rt's profile is not installed"
fi

# ---- recordings ------------------------------------------------------------------------------------------------------

# The SQL of the tests, of which the number of rows is most of the work, as often as it takes.
write_sql() { # ROWS TIMES
	local n
	for ((n = 0; n < $2; n++)); do
		echo ".open :memory:"
		sed "s/i < 20000/i < $1/" "$source/tests/real/workload.sql"
	done > "$dir/load.sql"
}
if [ -n "$quick" ]; then write_sql 150 1; else write_sql 20000 2; fi

# The SQL is right and wrong on purpose: its status says nothing.
cd "$dir"
"$covbuf" run -q --trace --force --limit 4G -o trace.covbuf -- recorded/sqlite < load.sql > record.log 2>&1 || true
"$covbuf" run -q --stream --force -o stream.covbuf -- recorded/sqlite < load.sql > record.log 2>&1 || true
records=$("$covbuf" stat --json trace.covbuf | sed -n 's/^"records":\([0-9]*\),.*/\1/p')
[ "${records:-0}" -gt 100000 ] || die "sqlite was not recorded; see $dir/record.log"
# rings are drained while it runs, and a stream may have lost some
streamed=$("$covbuf" export --json stream.covbuf 2> /dev/null | grep -o '"hits":[0-9]*' |
	awk -F: '{ n += $2 } END { print n + 0 }')
if [ -z "$gcov_missing" ]; then
	rm -f gcov/*.gcda
	gcov/sqlite < load.sql > gcov.log 2>&1 || true
	[ -s gcov/sqlite3.gcda ] || gcov_missing="the program wrote no counts"
fi
if [ -z "$clang_missing" ]; then
	LLVM_PROFILE_FILE=$dir/profile/raw profile/sqlite < load.sql > profile.log 2>&1 || true
	[ -s profile/raw ] || clang_missing="the program wrote no profile"
fi
lcov_missing=$gcov_missing
have lcov || lcov_missing=${lcov_missing:-lcov is not installed}

# ---- times -----------------------------------------------------------------------------------------------------------

# The first core that may be used.
core=$(taskset -pc $$ | sed 's/.*: \([0-9]*\).*/\1/')
limits=()
[ -n "$quick" ] || limits=("limit_s=5" "limit_mib=500" "what=covbuf report of 10^8 records of sqlite")
line() { local IFS=$'\t'; echo "$*"; } # VARIANT COMMAND KEY=VALUE...
{
	line "read the recording, count nothing" "cat trace.covbuf"
	line "covbuf report" "$covbuf report trace.covbuf" "records=$records" "${limits[@]}"
	line "covbuf report, one core" "taskset -c $core $covbuf report trace.covbuf" "records=$records"
	line "covbuf report, of a stream" "$covbuf report stream.covbuf" "records=$streamed"
	line "covbuf export --lcov" "$covbuf export --lcov trace.covbuf" "records=$records"
	line "covbuf stat" "$covbuf stat trace.covbuf" "records=$records"
	line "gcov" "cd gcov && gcov sqlite3.gcda shell.gcda" "missing=$gcov_missing"
	line "lcov --capture" "lcov -q --capture --directory gcov --output-file gcov/info" "missing=$lcov_missing" runs=1
	line "llvm-profdata, llvm-cov report" \
		"llvm-profdata-19 merge -o profile/data profile/raw && llvm-cov-19 report profile/sqlite -instr-profile=profile/data" \
		"missing=$clang_missing"
} > commands.tsv
"$here/commands.py" --bench report ${json:+--json "$json"} --runs 5 --against "read the recording, count nothing" \
	--question "How long is it from $records records of sqlite to a report? (gcov, clang's profile: counts, no trace)" commands.tsv
