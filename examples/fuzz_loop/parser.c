// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * What is fuzzed: a small parser, compiled with -fsanitize-coverage. Its bug is behind five conditions
 * on one another; blind mutation would need some 95^5 tries and more.
 */
#include "parser.h"

static int parse_key(const unsigned char **at, const unsigned char *end)
{
	int n = 0;

	while (*at < end && ((**at >= 'a' && **at <= 'z') || **at == '_')) {
		++*at;
		n++;
	}
	return n;
}

/* The i-th byte, 0 behind the end. */
static inline unsigned char peek(const unsigned char *at, const unsigned char *end, int i)
{
	return end - at > i ? at[i] : 0;
}

static void parse_value(const unsigned char **at, const unsigned char *end)
{
	const unsigned char *from = *at;

	while (*at < end && **at != ';' && **at != ']')
		++*at;
	if (peek(from, *at, 0) == 'C')
		if (peek(from, *at, 1) == 'R')
			if (peek(from, *at, 2) == '4')
				if (peek(from, *at, 3) == 'S')
					if (peek(from, *at, 4) == 'H')
						*(volatile int *)0 = 1; /* the bug */
}

int parse(const unsigned char *text, size_t nr_bytes)
{
	const unsigned char *at = text, *end = text + nr_bytes;
	int nr = 0;

	if (at == end || *at++ != '[')
		return -1;
	while (at < end && *at != ']') {
		if (!parse_key(&at, end))
			return -1;
		if (at == end || *at++ != '=')
			return -1;
		parse_value(&at, end);
		if (at < end && *at == ';')
			at++;
		nr++;
	}
	return at < end ? nr : -1;
}
