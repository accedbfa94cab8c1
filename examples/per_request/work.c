// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * What the server does for a request, built with -fsanitize-coverage. Nothing here knows of coverage.
 * The functions are not static, so that dladdr() knows their names.
 */
#include "work.h"

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

bool is_prime(unsigned long n);
unsigned long count_primes(unsigned long below);
unsigned char letter(unsigned long i);
bool is_vowel(unsigned char c);
unsigned long count_syllables(unsigned long nr_letters);
int answer_unknown(struct work *work);

int parse_request(const char *text, struct work *work)
{
	size_t n;

	if (strncmp(text, "GET /", 5))
		return -1;
	text += 4;
	n = strcspn(text, "? \r\n");
	if (n >= sizeof(work->path))
		return -1;
	memcpy(work->path, text, n);
	work->path[n] = 0;
	work->argument = text[n] == '?' ? strtoul(text + n + 1, NULL, 10) : 0;
	return 0;
}

/* ---- /primes --------------------------------------------------------------------------------- */

bool is_prime(unsigned long n)
{
	if (n < 2)
		return false;
	for (unsigned long d = 2; d * d <= n; d++)
		if (n % d == 0)
			return false;
	return true;
}

unsigned long count_primes(unsigned long below)
{
	unsigned long nr = 0;

	for (unsigned long n = 0; n < below; n++)
		nr += is_prime(n);
	return nr;
}

/* ---- /syllables ------------------------------------------------------------------------------ */

/* The i-th of a text without end. */
unsigned char letter(unsigned long i)
{
	return (unsigned char)('a' + (i * 2654435761u >> 7) % 26);
}

bool is_vowel(unsigned char c)
{
	switch (c) {
	case 'a':
	case 'e':
	case 'i':
	case 'o':
	case 'u':
		return true;
	default:
		return false;
	}
}

unsigned long count_syllables(unsigned long nr_letters)
{
	unsigned long nr = 0;
	bool in_vowels = false;

	for (unsigned long i = 0; i < nr_letters; i++) {
		bool vowel = is_vowel(letter(i));

		nr += vowel && !in_vowels;
		in_vowels = vowel;
	}
	return nr;
}

/* ---- all ------------------------------------------------------------------------------------- */

int answer_unknown(struct work *work)
{
	snprintf(work->answer, sizeof(work->answer), "there is /primes?N and /syllables?N");
	return 404;
}

int serve_request(struct work *work)
{
	if (!strcmp(work->path, "/primes"))
		snprintf(work->answer, sizeof(work->answer), "%lu primes below %lu", count_primes(work->argument),
			 work->argument);
	else if (!strcmp(work->path, "/syllables"))
		snprintf(work->answer, sizeof(work->answer), "%lu syllables in %lu letters",
			 count_syllables(work->argument), work->argument);
	else
		return answer_unknown(work);
	return 200;
}
