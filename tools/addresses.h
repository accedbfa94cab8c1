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
};

void addresses_add(struct address_map *map, const struct covbuf_module *row, uint32_t module);
void addresses_fini(struct address_map *map);

/* What a map has of one process at one moment; several may look at one map. All zero is an empty one. */
struct address_space {
	const struct address_range **ranges; /* sorted, no two overlap */
	size_t nr;
	const struct address_map *map;
	size_t nr_rows; /* of the map, when this was selected */
	uint64_t images;
	uint32_t pid, generation;
};

/*
 * Look at the process with these images (COVBUF_IMAGES(); 0: not known) and this pid, in which an area was
 * taken when the module table was at this generation.
 */
void addresses_select(struct address_space *space, const struct address_map *map, uint32_t pid, uint64_t images,
		      uint32_t generation);

/*
 * The range with this address among those selected, or NULL. What is recorded is the address behind a call: where one
 * range ends and the next begins, it belongs to the one that ends.
 */
const struct address_range *addresses_find(const struct address_space *space, uint64_t pc);

void address_space_fini(struct address_space *space);

#endif
