#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# sqlite3's shell, built by clang with inline 8-bit counters, which become records when it exits: a
# workload of 20,000 rows with indices, joins, windows, triggers, a rollback and an error gives what an
# uninstrumented sqlite3 gives, and the report has what SQL it used and not what it did not.
. "${0%/*}/common.sh"
need clang-19 gcc make tclsh python3
fetch sqlite3
shell=$built/sqlite3/sqlite3
amalgamation
cd "$built/sqlite3"
options=(-DSQLITE_THREADSAFE=1 -DSQLITE_ENABLE_FTS5 -DSQLITE_OMIT_LOAD_EXTENSION)
if [ ! -f plain ]; then
	logged plain.log gcc -O1 "${options[@]}" sqlite3.c shell.c -o plain -lpthread -lm
fi
if ! current "$shell"; then
	for part in sqlite3 shell; do
		[ -f $part.o ] || logged $part.log clang-19 -O1 -g "${options[@]}" \
			-fsanitize-coverage=inline-8bit-counters,pc-table -c $part.c
	done
	logged link.log clang-19 sqlite3.o shell.o -o sqlite3 "${libs[@]}"
fi
cd "$run"
"$built/sqlite3/plain" plain.db < "$here/workload.sql" > expected 2>&1 || true
"$covbuf" run -q -o sql.covbuf -- "$shell" recorded.db < "$here/workload.sql" > got 2>&1 || true
[ "$(wc -l < expected)" -gt 20 ] || { cat expected; fail "the workload printed hardly anything"; }
diff expected got || fail "the recorded sqlite3 answered differently"
cmp plain.db recorded.db || fail "the recorded sqlite3 wrote another database"

"$covbuf" stat --json sql.covbuf > stat.json
[ "$(ask lost stat.json)" -eq 0 ] || fail "records were lost"
"$covbuf" report --json sql.covbuf > report.json
ask covered report.json sqlite3BtreeInsert balance_nonroot sqlite3WindowCodeStep sqlite3CodeRowTrigger \
	sqlite3FkCheck vdbeSorterSort sqlite3PagerRollback exprAnalyze
ask missed report.json sqlite3AlterRenameTable sqlite3RunVacuum sqlite3_backup_step sqlite3WalCheckpoint
ask percent report.json 15 70
