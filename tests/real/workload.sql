-- SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
-- For sqlite3.sh. Deterministic: no random(), no dates.
PRAGMA journal_mode = DELETE;
PRAGMA foreign_keys = ON;
CREATE TABLE author (id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE);
CREATE TABLE book (id INTEGER PRIMARY KEY, author INTEGER NOT NULL REFERENCES author (id) ON DELETE CASCADE,
	title TEXT, pages INTEGER CHECK (pages > 0), price REAL);
CREATE TABLE change (book INTEGER, was REAL, became REAL);
CREATE TRIGGER price_changed AFTER UPDATE OF price ON book
	BEGIN INSERT INTO change VALUES (old.id, old.price, new.price); END;

BEGIN;
WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 500)
	INSERT INTO author SELECT i, printf('author %05d', i * 7919 % 10007) FROM n;
WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 20000)
	INSERT INTO book SELECT i, 1 + i * 31 % 500, printf('%x', i * 2654435761 % 4294967296), 50 + i * 17 % 900,
		round(5 + i * 13 % 4000 / 100.0, 2) FROM n;
COMMIT;
CREATE INDEX book_by_author ON book (author, pages);
CREATE INDEX book_by_title ON book (title COLLATE NOCASE);

SELECT count(*), sum(pages), round(avg(price), 4), min(title), max(title) FROM book;
SELECT a.name, count(*), max(b.pages) FROM author a JOIN book b ON b.author = a.id
	GROUP BY a.id HAVING count(*) > 39 ORDER BY 3 DESC, 1 LIMIT 5;
SELECT a.name FROM author a LEFT JOIN book b ON b.author = a.id AND b.pages > 945 WHERE b.id IS NULL ORDER BY 1 LIMIT 3;
SELECT id, pages, sum(pages) OVER (ORDER BY id ROWS BETWEEN 2 PRECEDING AND CURRENT ROW),
	rank() OVER (PARTITION BY author ORDER BY pages) FROM book WHERE author = 7 ORDER BY id LIMIT 6;
SELECT title FROM book WHERE title LIKE 'ab%' OR title GLOB '*ffe*' ORDER BY title COLLATE NOCASE LIMIT 6;
SELECT pages % 10, count(*) FROM book GROUP BY 1 UNION SELECT -1, count(*) FROM author ORDER BY 1;
SELECT group_concat(upper(substr(title, 1, 2)) || length(title), ',') FROM (SELECT title FROM book ORDER BY id LIMIT 8);

BEGIN;
UPDATE book SET price = price * 2 WHERE author IN (SELECT id FROM author WHERE name < 'author 00500');
DELETE FROM book WHERE pages < 400;
SELECT count(*) FROM book;
ROLLBACK;
SELECT count(*), (SELECT count(*) FROM change) FROM book;

UPDATE book SET price = round(price * 1.1, 2) WHERE id % 100 = 0;
DELETE FROM author WHERE id IN (11, 12, 13);
SELECT count(*), (SELECT count(*) FROM change), (SELECT round(sum(became - was), 2) FROM change) FROM book;
INSERT INTO book VALUES (90001, 99999, 'nobody wrote it', 10, 1.0);
INSERT INTO book VALUES (90002, 1, 'no pages', 0, 1.0);
INSERT INTO author SELECT 9999, name FROM author WHERE id = 1;
SELECT json_extract('{"a": [1, {"b": "c"}]}', '$.a[1].b'), json_group_array(id) FROM author WHERE id < 5;
CREATE VIRTUAL TABLE text USING fts5 (body);
INSERT INTO text SELECT name || ' wrote ' || title FROM author JOIN book ON book.author = author.id WHERE book.id < 500;
SELECT count(*) FROM text WHERE text MATCH 'wrote NOT author';
EXPLAIN QUERY PLAN SELECT * FROM book WHERE author = 3 AND pages > 100;
PRAGMA integrity_check;
SELECT no_such_column FROM book;
