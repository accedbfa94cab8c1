// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * Aligned columns of text. What comes from a recording may hold any bytes: those that would move a
 * terminal's cursor are shown as '?'.
 */
#include "table.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "command.h"

struct table {
	const char *columns;
	size_t nr_columns;
	char **cells;
	size_t nr, room;
	size_t *widths;
};

struct table *table_create(const char *columns)
{
	struct table *table = must_alloc(sizeof(*table));

	table->columns = columns;
	table->nr_columns = strlen(columns);
	table->widths = must_alloc(table->nr_columns * sizeof(*table->widths));
	return table;
}

/* Characters it takes on a screen, for UTF-8. */
static size_t count_width(const char *text)
{
	size_t n = 0;

	for (; *text; text++)
		n += (*text & 0xc0) != 0x80;
	return n;
}

void table_cell(struct table *table, const char *format, ...)
{
	size_t column = table->nr % table->nr_columns;
	va_list args;
	size_t width;
	char *text;

	va_start(args, format);
	if (vasprintf(&text, format, args) < 0)
		text = must_dup("");
	va_end(args);
	for (char *p = text; *p; p++)
		if ((unsigned char)*p < ' ' || *p == 0x7f)
			*p = '?';
	table->cells = must_grow(table->cells, table->nr, &table->room, sizeof(*table->cells));
	table->cells[table->nr++] = text;
	width = count_width(text);
	if (width > table->widths[column])
		table->widths[column] = width;
}

static void print_cell(const struct table *table, size_t column, const char *text, FILE *out)
{
	size_t pad = table->widths[column] - count_width(text);
	bool right = table->columns[column] == 'r';

	if (column)
		fputs("  ", out);
	if (right)
		fprintf(out, "%*s", (int)pad, "");
	fputs(text, out);
	if (!right && column + 1 < table->nr_columns)
		fprintf(out, "%*s", (int)pad, "");
}

void table_print(struct table *table, FILE *out)
{
	for (size_t i = 0; i < table->nr; i++) {
		size_t column = i % table->nr_columns;

		print_cell(table, column, table->cells[i], out);
		if (column + 1 == table->nr_columns || i + 1 == table->nr)
			fputc('\n', out);
		free(table->cells[i]);
	}
	free(table->cells);
	free(table->widths);
	free(table);
}
