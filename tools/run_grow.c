// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * Growing the pool ahead of need: programs take areas without a system call, so there must always be
 * some. How many follows from how fast they went lately.
 */
#include "command.h"
#include "run.h"

#define RETRY_NS 500000000ull
#define AHEAD_OF_RATE 4	      /* as many as went since the last look, this many times over */
#define OTHER_CLASSES_STEP 4u /* for owners that programs make themselves */

void grower_init(struct grower *grower, struct covbuf_segment *segment, uint32_t area_class, uint64_t ahead_bytes,
		 uint32_t max_step)
{
	uint64_t ahead = ahead_bytes / covbuf_class_bytes(area_class);

	*grower = (struct grower){
		.segment = segment,
		.area_class = area_class,
		.max_step = max_step,
		.ahead = ahead < 2 ? 2 : (uint32_t)ahead,
		.free_areas = covbuf_segment_free_areas(segment, area_class),
	};
}

/* Returns areas made. A limit that was reached may be lifted again: areas come back, a disk is tidied. */
static uint32_t grow(struct grower *grower, uint32_t area_class, uint32_t nr)
{
	int made;

	if (grower->refused_ns && now_ns() - grower->refused_ns < RETRY_NS)
		return 0;
	made = covbuf_segment_grow(grower->segment, area_class, nr < grower->max_step ? nr : grower->max_step);
	if (made >= 0) {
		grower->refused_ns = 0;
		return (uint32_t)made;
	}
	grower->refused_ns = now_ns();
	grower->refused = true;
	grower->error = made;
	return 0;
}

/* Whether takers have found none of a class since the last look. */
static bool was_wanted(struct grower *grower, const struct covbuf_header *header, uint32_t area_class)
{
	uint32_t wanted = header->classes[area_class].wanted;
	bool moved = wanted != grower->wanted[area_class];

	grower->wanted[area_class] = wanted;
	return moved;
}

bool grower_tick(struct grower *grower)
{
	uint32_t now_free = covbuf_segment_free_areas(grower->segment, grower->area_class);
	uint32_t taken = grower->free_areas > now_free ? grower->free_areas - now_free : 0;
	uint32_t target = grower->ahead + taken * AHEAD_OF_RATE;
	struct covbuf_header header;

	if (!covbuf_view_header(grower->segment, &header)) {
		for (uint32_t i = 0; i < COVBUF_NR_CLASSES; i++) {
			if (!was_wanted(grower, &header, i))
				continue;
			if (i != grower->area_class)
				grow(grower, i, OTHER_CLASSES_STEP);
			else if (!now_free && grower->ahead < UINT32_MAX / 2)
				target = 2 * (grower->ahead + taken * AHEAD_OF_RATE);
		}
	}
	if (now_free < target)
		now_free += grow(grower, grower->area_class, target - now_free);
	grower->free_areas = now_free;
	return taken != 0;
}
