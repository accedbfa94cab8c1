/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Where an owner's records come to lie that are not left to a collector: the merge target, which is an
 * area of the pool in a state of its own, and the area that an enabling thread records into.
 *
 * Where areas are counted, counted.c answers the same functions.
 */
#include "engine.h"

static uint32_t class_for(uint64_t nr_words)
{
	uint32_t area_class = 0;

	while (area_class < COVBUF_NR_CLASSES && covbuf_class_bytes(area_class) / 8 < nr_words)
		area_class++;
	return area_class;
}

/* The target is an area of the pool, in a state of its own. */
int covb_target_create(struct covbuf_owner *owner, uint64_t nr_words)
{
	struct covbuf_context nobody = { .hint = 0 };
	uint32_t area_class = nr_words ? class_for(nr_words) : COVB_CONFIG_CLASS(owner->config);
	struct covb_frame *frame;

	if (area_class >= COVBUF_NR_CLASSES || nr_words == 1)
		return -COVB_EINVAL;
	frame = covb_pool_take(&nobody, area_class);
	if (!frame && covb_plat_grow(area_class))
		frame = covb_pool_take(&nobody, area_class);
	if (!frame)
		return -COVB_ENOSPC;
	owner->target_words = nr_words ? nr_words : covbuf_class_bytes(area_class) / 8;
	covb_store(&covb_engine.areas[frame->area].kind, COVBUF_COUNTED);
	covb_store(&covb_engine.areas[frame->area].mode, COVB_CONFIG_MODE(owner->config));
	covb_store(&covb_engine.areas[frame->area].nr_words, (uint32_t)owner->target_words);
	covb_store(&covb_engine.areas[frame->area].owner, owner->index + 1);
	owner->target_flag = covb_load(&frame->flag);
	covb_store(&frame->flag, 0); /* no section's */
	covb_flag_move(&covb_engine.areas[frame->area], &owner->target_flag, covb_engine.proc, COVBUF_AREA_TARGET);
	covb_store(&owner->slot->target, frame->area + 1);
	owner->target_area = frame->area;
	for (uint64_t i = covbuf_class_words(area_class); i < covbuf_class_bytes(area_class) / 8; i++)
		covb_store(&frame->start[i], 0); /* guard words: a target has none */
	covb_store(&owner->target, frame->start);
	return 0;
}

void covb_target_destroy(struct covbuf_owner *owner)
{
	if (!owner->target)
		return;
	covb_store(&owner->target[0], 0);
	covb_barrier(); /* no count without its records: see shm/area.c */
	for (uint64_t i = 1; i < owner->target_words; i++)
		covb_store(&owner->target[i], 0);
	covb_store(&owner->target, (uint64_t *)NULL);
	covb_store(&owner->slot->target, 0);
	covb_flag_give(&covb_engine.areas[owner->target_area], owner->target_flag);
}

/* The calling thread records for the owner, in an area of the pool. 0: there is none. */
uint64_t covb_local_start(struct covbuf_context *ctx, struct covbuf_owner *owner)
{
	uint64_t token = covb_section_start(ctx, owner, owner->generation, 0, COVB_FRAME_LOCAL);
	const struct covb_frame *frame = token ? covb_context_find(ctx, token) : NULL;

	if (frame && frame->kind == COVB_KIND_VOID) {
		covb_section_stop(ctx, token);
		return 0;
	}
	return frame ? token : 0;
}
