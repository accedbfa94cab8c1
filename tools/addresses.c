// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "addresses.h"

#include <stdlib.h>

#include "command.h"

void addresses_add(struct address_map *map, const struct covbuf_module *row, uint32_t module)
{
	map->ranges = must_grow(map->ranges, map->nr, &map->room, sizeof(*map->ranges));
	map->ranges[map->nr++] = (struct address_range){
		.start = row->start,
		.end = row->end,
		.bias = row->bias,
		.pid = row->pid,
		.images = COVBUF_IMAGES_ROWS(row->images),
		.loaded = row->loaded,
		.unloaded = row->unloaded,
		.module = module,
	};
}

/* Generations wrap in principle; the difference is what counts. */
static bool is_after(uint32_t a, uint32_t b)
{
	return (int32_t)(a - b) > 0;
}

static bool overlaps_selected(const struct address_space *space, const struct address_range *range)
{
	for (size_t i = 0; i < space->nr; i++)
		if (range->start < space->ranges[i]->end && space->ranges[i]->start < range->end)
			return true;
	return false;
}

/* The kernel lets a process map no more files than that (vm.max_map_count, several mappings each). */
#define MAX_SELECTED 16384

enum whose { OF_ROWS, OF_PID };

/* Ranges that were there at a generation; or, second, that came later. */
static void select_ranges(struct address_space *space, enum whose whose, uint32_t generation, bool later)
{
	for (size_t i = 0; i < space->map->nr && space->nr < MAX_SELECTED; i++) {
		const struct address_range *range = &space->map->ranges[i];

		if (whose == OF_ROWS ? range->images != COVBUF_IMAGES_ROWS(space->images) : range->pid != space->pid)
			continue;
		if (is_after(range->loaded, generation) != later)
			continue;
		if (range->unloaded && !is_after(range->unloaded, generation))
			continue;
		if (!overlaps_selected(space, range))
			space->ranges[space->nr++] = range;
	}
}

static int compare_ranges(const void *a, const void *b)
{
	const struct address_range *x = *(const struct address_range *const *)a;
	const struct address_range *y = *(const struct address_range *const *)b;

	return x->start < y->start ? -1 : x->start > y->start;
}

static void select_all(struct address_space *space)
{
	uint32_t generation = space->generation, forked = COVBUF_IMAGES_FORKED(space->images);

	if (COVBUF_IMAGES_ROWS(space->images)) {
		/* what a parent loaded after the fork is not its child's */
		select_ranges(space, OF_ROWS, forked ? forked : generation, false);
		if (!forked)
			select_ranges(space, OF_ROWS, generation, true);
	}
	/* a child that loads something while it uses the area has rows of its own, for later ones */
	if (space->nr && !forked)
		return;
	select_ranges(space, OF_PID, generation, false);
	select_ranges(space, OF_PID, generation, true);
}

void addresses_select(struct address_space *space, const struct address_map *map, uint32_t pid, uint64_t images,
		      uint32_t generation)
{
	if (space->map == map && space->nr_rows == map->nr && space->pid == pid && space->images == images &&
	    space->generation == generation)
		return;
	space->ranges = must_realloc(space->ranges, map->nr * sizeof(struct address_range *));
	space->nr = 0;
	space->map = map;
	space->nr_rows = map->nr;
	space->pid = pid;
	space->images = images;
	space->generation = generation;
	select_all(space);
	if (space->nr)
		qsort(space->ranges, space->nr, sizeof(struct address_range *), compare_ranges);
}

const struct address_range *addresses_find(const struct address_space *space, uint64_t pc)
{
	size_t low = 0, high = space->nr;

	/* the first that begins at pc or behind it; those before it begin before pc */
	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (space->ranges[middle]->start < pc)
			low = middle + 1;
		else
			high = middle;
	}
	if (low && pc <= space->ranges[low - 1]->end)
		return space->ranges[low - 1];
	return low < space->nr && space->ranges[low]->start == pc ? space->ranges[low] : NULL;
}

void addresses_fini(struct address_map *map)
{
	free(map->ranges);
	*map = (struct address_map){ 0 };
}

void address_space_fini(struct address_space *space)
{
	free(space->ranges);
	*space = (struct address_space){ 0 };
}
