/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* A parser with a bug in it, for the loop to find. */
#ifndef FUZZ_LOOP_PARSER_H
#define FUZZ_LOOP_PARSER_H

#include <stddef.h>

/* Parses "[key=value;...]"; the number of entries, or -1. Some input makes it write to address 0. */
int parse(const unsigned char *text, size_t nr_bytes);

#endif
