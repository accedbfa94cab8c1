/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Aligned columns of text: cells are collected row by row, and printed when all widths are known.
 */
#ifndef COVBUF_TABLE_H
#define COVBUF_TABLE_H

#include <stdio.h>

struct table;

/* columns: one character each, 'l' or 'r' for where its text goes. */
struct table *table_create(const char *columns);

/* Append the next cell; a row is full after as many as there are columns. */
void table_cell(struct table *table, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* Print all rows, two spaces between columns, and destroy it. */
void table_print(struct table *table, FILE *out);

#endif
