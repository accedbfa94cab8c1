#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# sqlite3's shell, its profile in shared memory: what compiler-rt writes at exit; and in the middle of a transaction,
# where compiler-rt's is written by a signal handler and the other one is read live, and again after kill -9.
. "${0%/*}/profile.sh"
need gcc make tclsh
fetch sqlite3
amalgamation
cd "$run"
# Both programs are in system() there, which spawns and does not fork. What halt does is no input of sqlite3's.
sed '/^ROLLBACK;/i .system . ./halt' "$here/workload.sql" > workload.sql
grep -q halt workload.sql || fail "there is no ROLLBACK in $here/workload.sql"

build() { # VERSION
	local objects=$built/profile_sqlite3/$1 part compiling=()
	if [ ! -f "$objects/built" ]; then
		mkdir -p "$objects"
		for part in shell sqlite3; do
			logged "$objects/$part.log" "clang-$1" -O0 -w -DSQLITE_THREADSAFE=1 -DSQLITE_ENABLE_FTS5 -DSQLITE_OMIT_LOAD_EXTENSION \
				"${profile_flags[@]}" -c "$built/sqlite3/$part.c" -o "$objects/$part.o" &
			compiling+=($!)
		done
		for part in "${compiling[@]}"; do
			wait "$part" || fail "clang-$1 does not compile sqlite3"
		done
		touch "$objects/built"
	fi
	link_both "$1" sqlite3 "$objects/sqlite3.o" "$objects/shell.o" -lm
}

# Errors are part of the workload, and of the status.
sql() { # ref|own HALT
	echo "$2" > halt
	rm -f data.db*
	HOME=$run "$1/sqlite3" data.db < ../workload.sql > "$1.out" 2>&1 || true
}

halted() { # FORM: own/sqlite3 stops in its transaction, its profile in half.FORM; sets pid
	rm -f pid
	COVBUF_PROFILE=half.$1 COVBUF_PROFILE_FORM=$1 sql own 'echo $PPID > pid; kill -STOP $PPID' 2> /dev/null &
	shell=$!
	until [ -s pid ]; do
		kill -0 "$shell" 2> /dev/null || fail "sqlite3 ended before its transaction"
		sleep 0.05
	done
	read -r pid < pid
	await_stop "$pid"
}

for version in "${versions[@]}"; do
	clang="sqlite3 of clang $version"
	mkdir "$run/$version" && cd "$run/$version"
	build "$version"
	LLVM_PROFILE_FILE=ref.profraw sql ref :
	mv data.db ref.db
	COVBUF_PROFILE=shared sql own :
	[ "$(wc -l < ref.out)" -gt 20 ] || { cat ref.out; fail "the workload printed hardly anything"; }
	cmp ref.out own.out || fail "$clang answers otherwise in shared memory"
	cmp ref.db data.db || fail "$clang writes another database in shared memory"
	views compiler-rt ref/sqlite3 ref.profraw
	views shared own/sqlite3 "$(only 'shared/*.profraw')"
	same_views compiler-rt shared "$clang, at exit"

	LLVM_PROFILE_FILE=half.profraw sql ref 'kill -USR1 $PPID'
	views compiler-rt.half ref/sqlite3 half.profraw
	halted whole
	views live own/sqlite3 "$(only 'half.whole/*.profraw')"
	same_views compiler-rt.half live "$clang, live, in a transaction"
	end "$shell"
	same_profile live "$(only 'half.whole/*.profraw')" "$clang, killed there"
	halted counts
	"$covbuf" profraw -q half.counts -o live.profraw
	same_profile live live.profraw "$clang, counts, live"
	end "$shell"
	"$covbuf" profraw -q half.counts -o killed.profraw
	same_profile live killed.profraw "$clang, counts, killed there"
done
