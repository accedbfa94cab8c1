/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The formats that coverage is written in.
 */
#ifndef COVBUF_OUTPUT_H
#define COVBUF_OUTPUT_H

#include <stdio.h>

#include "coverage.h"

/* lcov.c: a tracefile as geninfo(1) describes it. */
void lcov_write(const struct coverage *coverage, FILE *out);

/* json.c: one object with totals, files and functions. */
void json_write_report(const struct coverage *coverage, FILE *out);

/* json.c: a line for each point, in the words of syzkaller's coverage files. */
void json_write_points(const struct coverage *coverage, FILE *out);

/* json.c: a text in quotes. What is no UTF-8 is replaced. */
void json_write_text(const char *text, FILE *out);

/* html.c: pages in a directory, by genhtml. Complains itself. Returns a STATUS_*. */
int html_write(const struct coverage *coverage, const char *directory, const char *source_prefix);

#endif
