/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * From a key of 64 bits to a number: what keeps a table that is searched for each of its rows, and that a
 * file may make as long as it likes, from taking the square of its length. Open addressing, half full at most.
 */
#ifndef COVBUF_INDEX_H
#define COVBUF_INDEX_H

#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include "command.h"

struct index_slot {
	uint64_t key;
	uint32_t number; /* + 1; 0: empty */
};

/* All zero is an empty one. */
struct index {
	struct index_slot *slots;
	size_t nr, nr_slots; /* nr_slots is 0 or a power of two */
};

static inline struct index_slot *index_slot(const struct index *index, uint64_t key)
{
	size_t i = (size_t)(key * 0x9e3779b97f4a7c15ull >> 20);

	while (index->slots[i & (index->nr_slots - 1)].number && index->slots[i & (index->nr_slots - 1)].key != key)
		i++;
	return &index->slots[i & (index->nr_slots - 1)];
}

static inline void index_enlarge(struct index *index)
{
	struct index old = *index;

	index->nr_slots = old.nr_slots ? old.nr_slots * 2 : 64;
	index->slots = must_alloc(index->nr_slots * sizeof(*index->slots));
	for (size_t i = 0; i < old.nr_slots; i++)
		if (old.slots[i].number)
			*index_slot(index, old.slots[i].key) = old.slots[i];
	free(old.slots);
}

/* The number of a key; where it has none, the one given becomes it. */
static inline uint32_t index_find(struct index *index, uint64_t key, uint32_t otherwise)
{
	struct index_slot *slot;

	if (index->nr * 2 >= index->nr_slots)
		index_enlarge(index);
	slot = index_slot(index, key);
	if (!slot->number) {
		*slot = (struct index_slot){ .key = key, .number = otherwise + 1 };
		index->nr++;
	}
	return slot->number - 1;
}

static inline void index_fini(struct index *index)
{
	free(index->slots);
	*index = (struct index){ .nr = 0 };
}

#endif
