/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The point that a record belongs to, where its address does not say it. Where a callback was inlined, what
 * records it is often moved out of its block, to the function's end. It keeps the block's place in the source,
 * so the point is one of those that have the same.
 */
#ifndef COVBUF_BY_SOURCE_H
#define COVBUF_BY_SOURCE_H

#include "symbols.h"

struct by_source {
	const struct binary *binary;
	const struct place *points;
	size_t nr;
	struct source_point *sorted[4]; /* in each of the orders that were asked for yet */
};

/* Points of a binary, and how many; they stay where they are. */
void by_source_init(struct by_source *by, const struct binary *binary, const struct place *points, size_t nr);

/*
 * Of the points with the file and line of a place: one in the same function, of these one of the same column, of these
 * one before it, of these the nearest. NULL: no point has this file and line.
 */
const struct place *by_source_find(struct by_source *by, const struct place *place);

void by_source_fini(struct by_source *by);

#endif
