/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Which module an address belonged to: the module rows of one recording, asked for one process and one
 * moment of its life at a time.
 */
#ifndef COVBUF_ADDRESSES_H
#define COVBUF_ADDRESSES_H

#include <stdbool.h>
#include <stddef.h>

#include <covbuf/format.h>

struct address_range {
	uint64_t start, end, bias;
	uint32_t pid;
	uint32_t images; /* COVBUF_IMAGES_ROWS() */
	uint32_t loaded, unloaded;
	uint32_t module; /* in the recording */
};

/* All zero is an empty map. */
struct address_map {
	struct address_range *ranges;
	size_t nr, room;
	/* What was selected: no two overlap; the one that was found last comes first. */
	struct address_range **selected;
	size_t nr_selected;
	uint64_t images;
	uint32_t pid, generation;
	bool valid;
};

void addresses_add(struct address_map *map, const struct covbuf_module *row, uint32_t module);

/*
 * Look at the process with these images (COVBUF_IMAGES(); 0: not known) and this pid, in which an area was
 * taken when the module table was at this generation.
 */
void addresses_select(struct address_map *map, uint32_t pid, uint64_t images, uint32_t generation);

/* The range with this address among those selected, or NULL. */
static inline const struct address_range *addresses_find(struct address_map *map, uint64_t pc)
{
	for (size_t i = 0; i < map->nr_selected; i++) {
		struct address_range *range = map->selected[i];

		if (pc < range->start || pc > range->end)
			continue;
		map->selected[i] = map->selected[0];
		map->selected[0] = range;
		return range;
	}
	return NULL;
}

void addresses_fini(struct address_map *map);

#endif
