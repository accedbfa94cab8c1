// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "strings.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "command.h"

static struct {
	char **slots;
	size_t nr, nr_slots;
} pool;

static size_t hash_text(const char *text)
{
	uint64_t hash = 0xcbf29ce484222325ull;

	for (; *text; text++)
		hash = (hash ^ (unsigned char)*text) * 0x100000001b3ull;
	return (size_t)(hash ^ hash >> 32);
}

static char **find_slot(char **slots, size_t nr_slots, const char *text)
{
	size_t i = hash_text(text);

	for (;; i++) {
		char **slot = &slots[i & (nr_slots - 1)];

		if (!*slot || !strcmp(*slot, text))
			return slot;
	}
}

static void enlarge(void)
{
	size_t nr_slots = pool.nr_slots ? pool.nr_slots * 2 : 1024;
	char **slots = must_alloc(nr_slots * sizeof(*slots));

	for (size_t i = 0; i < pool.nr_slots; i++)
		if (pool.slots[i])
			*find_slot(slots, nr_slots, pool.slots[i]) = pool.slots[i];
	free(pool.slots);
	pool.slots = slots;
	pool.nr_slots = nr_slots;
}

const char *intern(const char *text)
{
	char **slot;

	if (pool.nr * 2 >= pool.nr_slots)
		enlarge();
	slot = find_slot(pool.slots, pool.nr_slots, text);
	if (!*slot) {
		*slot = must_dup(text);
		pool.nr++;
	}
	return *slot;
}

const char *intern_printf(const char *format, ...)
{
	char text[1024];
	va_list args;

	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	return intern(text);
}

const char *intern_path(const char *directory, const char *path)
{
	char *joined = directory && *path != '/' ? must_printf("%s/%s", directory, path) : must_dup(path);
	bool absolute = *joined == '/';
	char *out = joined + absolute;
	const char *in = out;
	char *floor = out; /* ".." goes no further back: the root, or a leading ".." */
	const char *result;

	while (*in) {
		size_t n = strcspn(in, "/");

		if (n == 2 && in[0] == '.' && in[1] == '.' && out > floor) {
			while (out > floor && out[-1] != '/')
				out--;
			if (out > floor)
				out--;
		} else if (n == 2 && in[0] == '.' && in[1] == '.' && absolute) {
			;
		} else if (n && !(n == 1 && in[0] == '.')) {
			bool up = n == 2 && in[0] == '.' && in[1] == '.';

			if (out > joined + absolute)
				*out++ = '/';
			memmove(out, in, n);
			out += n;
			if (up)
				floor = out;
		}
		in += n;
		while (*in == '/')
			in++;
	}
	*out = 0;
	result = intern(*joined ? joined : ".");
	free(joined);
	return result;
}
