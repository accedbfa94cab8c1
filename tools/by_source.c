// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * A line may have a great many points: generated code, or what is inlined all over a program. So points are sorted by
 * all that must be the same and by address, and the nearest is found by bisection. There is one order for each
 * thing that may be different, made when nothing better was found for some place.
 */
#include "by_source.h"

#include <stdlib.h>

#include "command.h"

struct source_point {
	const struct place *place;
	const struct binary_symbol *function; /* of the symbol table; or NULL */
};

/* What must be the same, the best first. */
static const struct order {
	bool function, column;
} orders[4] = { { true, true }, { true, false }, { false, true }, { false, false } };

static int compare_numbers(uint64_t a, uint64_t b)
{
	return a < b ? -1 : a > b;
}

/* All but the address. Texts are interned, and any order of them will do. */
static int compare_kinds(const struct source_point *x, const struct source_point *y, const struct order *order)
{
	int result = compare_numbers((uintptr_t)x->place->file, (uintptr_t)y->place->file);

	if (!result)
		result = compare_numbers(x->place->line, y->place->line);
	if (!result && order->function)
		result = compare_numbers((uintptr_t)x->function, (uintptr_t)y->function);
	if (!result && order->column)
		result = compare_numbers(x->place->column, y->place->column);
	return result;
}

static int compare(const void *a, const void *b, void *arg)
{
	const struct source_point *x = a, *y = b;
	int result = compare_kinds(x, y, arg);

	return result ? result : compare_numbers(x->place->address, y->place->address);
}

static struct source_point *sort_points(const struct by_source *by, const struct order *order)
{
	struct source_point *sorted = must_alloc(by->nr * sizeof(*sorted));

	for (size_t i = 0; i < by->nr; i++)
		sorted[i] = (struct source_point){ &by->points[i], binary_function(by->binary, by->points[i].address) };
	qsort_r(sorted, by->nr, sizeof(*sorted), compare, (void *)order);
	return sorted;
}

void by_source_init(struct by_source *by, const struct binary *binary, const struct place *points, size_t nr)
{
	*by = (struct by_source){ .binary = binary, .points = points, .nr = nr };
}

/* The nearest of its kind before a point, or else behind it; NULL: there is none of its kind. */
static const struct place *find_nearest(const struct source_point *sorted, size_t nr, const struct source_point *wanted,
					const struct order *order)
{
	size_t low = 0, high = nr;

	/* the first that is behind it */
	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (compare(&sorted[middle], wanted, (void *)order) <= 0)
			low = middle + 1;
		else
			high = middle;
	}
	if (low && !compare_kinds(&sorted[low - 1], wanted, order))
		return sorted[low - 1].place;
	return low < nr && !compare_kinds(&sorted[low], wanted, order) ? sorted[low].place : NULL;
}

const struct place *by_source_find(struct by_source *by, const struct place *place)
{
	struct source_point wanted = { place, binary_function(by->binary, place->address) };
	const struct place *found = NULL;

	if (!place->line || !by->nr)
		return NULL;
	for (size_t i = 0; i < sizeof(orders) / sizeof(orders[0]) && !found; i++) {
		if (!by->sorted[i])
			by->sorted[i] = sort_points(by, &orders[i]);
		found = find_nearest(by->sorted[i], by->nr, &wanted, &orders[i]);
	}
	return found;
}

void by_source_fini(struct by_source *by)
{
	for (size_t i = 0; i < sizeof(by->sorted) / sizeof(by->sorted[0]); i++)
		free(by->sorted[i]);
}
