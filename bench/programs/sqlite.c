/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* A database in memory: rows inserted, looked up by an index, joined, sorted, grouped, updated and deleted. */
#include <stddef.h>

#include <sqlite3.h>

#include "driver.h"

static const char schema[] =
	"CREATE TABLE author (id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE);"
	"CREATE TABLE book (id INTEGER PRIMARY KEY, author INTEGER NOT NULL REFERENCES author (id), title TEXT,"
	"	pages INTEGER CHECK (pages > 0), price REAL);"
	"WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 500)"
	"	INSERT INTO author SELECT i, printf('author %05d', i * 7919 % 10007) FROM n;"
	"WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 5000)"
	"	INSERT INTO book SELECT i, 1 + i * 31 % 500, printf('%x', i * 2654435761 % 4294967296),"
	"	50 + i * 17 % 900, 5 + i * 13 % 4000 / 100.0 FROM n;"
	"CREATE INDEX book_by_author ON book (author, pages);"
	"CREATE INDEX book_by_title ON book (title COLLATE NOCASE);";

/* Each with one parameter, the number of the slice. */
static const char *const statements[] = {
	"BEGIN",
	"INSERT INTO book SELECT id + 10000, author, title || ?1, pages, price FROM book WHERE id BETWEEN ?1 AND ?1 + 19",
	"SELECT count(*), sum(pages), min(title) FROM book WHERE author BETWEEN ?1 AND ?1 + 3",
	"SELECT a.name, b.title FROM author a JOIN book b ON b.author = a.id WHERE a.id = ?1 ORDER BY b.price",
	"SELECT pages % 10, count(*) FROM book WHERE author BETWEEN ?1 AND ?1 + 9 GROUP BY 1",
	"SELECT id FROM book WHERE title LIKE printf('%x', ?1 % 16) || '%' ORDER BY title COLLATE NOCASE LIMIT 20",
	"UPDATE book SET pages = pages + 1 WHERE id > 10000",
	"DELETE FROM book WHERE id > 10000",
	"COMMIT",
};
#define NR_STATEMENTS (sizeof(statements) / sizeof(statements[0]))

static sqlite3_stmt *prepared[NR_STATEMENTS];

const uint32_t workload_slices = 96;

void workload_prepare(void)
{
	sqlite3 *db;

	if (sqlite3_open(":memory:", &db) != SQLITE_OK || sqlite3_exec(db, schema, NULL, NULL, NULL) != SQLITE_OK)
		driver_fail("the database");
	for (uint32_t i = 0; i < NR_STATEMENTS; i++)
		if (sqlite3_prepare_v2(db, statements[i], -1, &prepared[i], NULL) != SQLITE_OK)
			driver_fail(statements[i]);
}

void workload_slice(uint32_t i)
{
	for (uint32_t s = 0; s < NR_STATEMENTS; s++) {
		int result;

		sqlite3_bind_int(prepared[s], 1, (int)i + 1);
		while ((result = sqlite3_step(prepared[s])) == SQLITE_ROW)
			;
		sqlite3_reset(prepared[s]);
		if (result != SQLITE_DONE)
			driver_fail(statements[s]);
	}
}
