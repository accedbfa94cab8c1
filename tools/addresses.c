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
	map->valid = false;
}

/* Generations wrap in principle; the difference is what counts. */
static bool is_after(uint32_t a, uint32_t b)
{
	return (int32_t)(a - b) > 0;
}

static bool overlaps_selected(const struct address_map *map, const struct address_range *range)
{
	for (size_t i = 0; i < map->nr_selected; i++)
		if (range->start < map->selected[i]->end && map->selected[i]->start < range->end)
			return true;
	return false;
}

/* The kernel lets a process map no more files than that (vm.max_map_count, several mappings each). */
#define MAX_SELECTED 16384

enum whose { OF_ROWS, OF_PID };

/* Ranges that were there at a generation; or, second, that came later. */
static void select_ranges(struct address_map *map, enum whose whose, uint32_t generation, bool later)
{
	for (size_t i = 0; i < map->nr && map->nr_selected < MAX_SELECTED; i++) {
		struct address_range *range = &map->ranges[i];

		if (whose == OF_ROWS ? range->images != COVBUF_IMAGES_ROWS(map->images) : range->pid != map->pid)
			continue;
		if (is_after(range->loaded, generation) != later)
			continue;
		if (range->unloaded && !is_after(range->unloaded, generation))
			continue;
		if (!overlaps_selected(map, range))
			map->selected[map->nr_selected++] = range;
	}
}

void addresses_select(struct address_map *map, uint32_t pid, uint64_t images, uint32_t generation)
{
	uint32_t forked = COVBUF_IMAGES_FORKED(images);

	if (map->valid && map->pid == pid && map->images == images && map->generation == generation)
		return;
	map->pid = pid;
	map->images = images;
	map->generation = generation;
	map->valid = true;
	map->nr_selected = 0;
	map->selected = must_realloc(map->selected, map->nr * sizeof(struct address_range *));
	if (COVBUF_IMAGES_ROWS(images)) {
		/* what a parent loaded after the fork is not its child's */
		select_ranges(map, OF_ROWS, forked ? forked : generation, false);
		if (!forked)
			select_ranges(map, OF_ROWS, generation, true);
	}
	/* a child that loads something while it uses the area has rows of its own, for later ones */
	if (map->nr_selected && !forked)
		return;
	select_ranges(map, OF_PID, generation, false);
	select_ranges(map, OF_PID, generation, true);
}

void addresses_fini(struct address_map *map)
{
	free(map->ranges);
	free(map->selected);
	*map = (struct address_map){ 0 };
}
