/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The pool: areas that are free, found from a hint and taken by one compare-and-swap of their flag.
 *
 * No list and no lock: a context finds the area that it had last, or one near it, so two threads do
 * not meet on a line. Taking is bounded; an empty pool, and the rare full scan that misses a free area
 * at the far end, are refusals that the caller counts.
 */
#include "engine.h"

/* How many entries are looked at from the context's own hint, and then from the class's. */
#define NEAR_PROBES 64
#define FAR_PROBES 256

/* Point the frame at the area's words. False: the directory names no memory inside the segment. */
COVB_LONG bool covb_frame_locate(struct covb_frame *frame, const struct covbuf_area *area, uint32_t area_class)
{
	uint64_t offset_bytes = covb_load(&area->offset_bytes);
	uint64_t *words = covb_plat_locate(offset_bytes, covbuf_class_bytes(area_class));

	if (!words)
		return false;
	frame->area = (uint32_t)(area - covb_engine.areas);
	frame->area_class = (uint8_t)area_class;
	frame->start = words;
	frame->end = words + covb_frame_words(area_class);
	frame->offset_bytes = offset_bytes;
	return true;
}

/*
 * Whether the frame points there from its last use, which then was checked. A ring's start and end are
 * elsewhere.
 */
static COVBUF_NOINSTR bool is_set_up(const struct covb_frame *frame, const struct covbuf_area *area, uint32_t area_class)
{
	uint64_t offset_bytes = covb_load(&area->offset_bytes);

	return COVBUF_LIKELY(offset_bytes) && COVBUF_LIKELY(frame->offset_bytes == offset_bytes) &&
	       COVBUF_LIKELY(frame->area_class == area_class) && COVBUF_LIKELY(frame->kind != COVBUF_RING);
}

/*
 * Guard words lie in the area's last page, and a hole is punched by pages, so the first of them tells
 * of all.
 */
static COVB_LONG void set_guard(uint64_t *guard)
{
	for (uint32_t i = COVBUF_GUARD_WORDS; i-- > 0;)
		covb_store(&guard[i], COVBUF_GUARD_VALUE);
}

static COVBUF_NOINSTR struct covb_frame *try_area(uint32_t i, uint32_t area_class)
{
	struct covbuf_area *area = &covb_engine.areas[i];
	struct covb_frame *frame = &covb_engine.frames[i];
	uint64_t flag;

	if (COVBUF_UNLIKELY(covb_load(&area->area_class) != area_class))
		return NULL;
	if (COVBUF_UNLIKELY(!covb_flag_take(area, covb_engine.proc, &flag)))
		return NULL;
	if (!COVB_PLAT_COUNTED)
		covb_prefetch_write(frame->start);
	/* again: the maker may have retired the entry and made another of it between the two looks */
	if (COVBUF_UNLIKELY(covb_load(&area->area_class) != area_class)) {
		covb_flag_give(area, flag);
		return NULL;
	}
	/* somebody who may write there gave away what is ours: on the stack twice, it would lead in a circle */
	if (!COVB_PLAT_COUNTED && COVBUF_UNLIKELY(covb_load(&frame->flag))) {
		covb_flag_give(area, flag);
		return NULL;
	}
	if (!is_set_up(frame, area, area_class) && COVBUF_UNLIKELY(!covb_frame_locate(frame, area, area_class))) {
		/* nobody's: an entry that makes no sense is left out of the pool */
		covb_flag_move(area, &flag, 0, COVBUF_AREA_RETIRED);
		return NULL;
	}
	covb_store(&frame->flag, flag);
	if (!COVB_PLAT_COUNTED && COVBUF_UNLIKELY(covb_load(frame->end) != COVBUF_GUARD_VALUE))
		set_guard(frame->end);
	return frame;
}

static COVB_LONG struct covb_frame *scan(uint32_t from, uint32_t probes, uint32_t nr_areas, uint32_t area_class)
{
	uint32_t i = from < nr_areas ? from : 0;

	if (probes > nr_areas)
		probes = nr_areas;
	while (probes-- > 0) {
		struct covb_frame *frame = try_area(i, area_class);

		if (frame)
			return frame;
		if (++i == nr_areas)
			i = 0;
	}
	return NULL;
}

/* The area that the context had last is another's, or of another class. */
static COVB_LONG struct covb_frame *search(struct covbuf_context *ctx, uint32_t nr_areas, uint32_t area_class)
{
	struct covbuf_class *class = &covb_engine.classes[area_class];
	struct covb_frame *frame = scan(ctx->hint, NEAR_PROBES, nr_areas, area_class);

	if (COVBUF_UNLIKELY(!frame)) {
		uint32_t from = covb_load(&class->hint);

		/* relaxed: any value is safe. Moved on, so that whoever looks next does not look at the same again */
		frame = scan(from, FAR_PROBES, nr_areas, area_class);
		covb_store(&class->hint, (frame ? frame->area + 1 : from + FAR_PROBES) % (nr_areas ? nr_areas : 1));
	}
	if (COVBUF_UNLIKELY(!frame)) {
		covb_fetch_add(&class->wanted, 1);
		return NULL;
	}
	ctx->hint = frame->area;
	return frame;
}

/*
 * An area comes back from the processor that read and emptied it. Fetch what its next user writes to at once, not one
 * after the other: both of the entry's lines that x86 has; the first words as soon as the frame is ours to look at.
 */
static COVBUF_NOINSTR void fetch_area(uint32_t i)
{
	const struct covbuf_area *area = &covb_engine.areas[i];

	if (COVB_PLAT_COUNTED)
		return; /* whoever has it next is mostly who emptied it */
	covb_prefetch_write(&area->flag);
	covb_prefetch_write(&area->filled_words);
}

/* Take an area of a class. NULL: none was found. Any level; lock-free, bounded. */
COVBUF_NOINSTR struct covb_frame *covb_pool_take(struct covbuf_context *ctx, uint32_t area_class)
{
	struct covb_frame *frame = NULL;
	uint32_t hint = ctx->hint;
	uint32_t nr_areas;

	if (!covb_plat_alive() || area_class >= COVBUF_NR_CLASSES)
		return NULL;
	/* relaxed: an entry that is not there yet is not free, and the flag of one that is orders the rest */
	nr_areas = covb_load(covb_engine.nr_areas);
	if (COVBUF_UNLIKELY(nr_areas > covb_engine.nr_areas_max))
		nr_areas = covb_engine.nr_areas_max;
	if (COVBUF_LIKELY(hint < nr_areas)) {
		fetch_area(hint);
		frame = try_area(hint, area_class);
	}
	return COVBUF_LIKELY(frame) ? frame : search(ctx, nr_areas, area_class);
}

/* Return an area that nothing was written to. */
COVBUF_NOINSTR void covb_pool_give(struct covbuf_context *ctx, struct covb_frame *frame)
{
	uint32_t area = frame->area;
	uint64_t flag = covb_load(&frame->flag);

	covb_store(&frame->flag, 0);
	if (covb_flag_give(&covb_engine.areas[area], flag))
		COVB_STORE_NEW(&ctx->hint, area);
}

/*
 * Return an area whose records nobody wants any more. Each is counted as it goes, if counter is not
 * NULL: a process that is killed half way has lost track of one at most, since the rest is still there.
 * From the last word to the first: the word that says that a record is there goes before the record's others.
 */
COVB_LONG void covb_pool_discard(struct covbuf_context *ctx, struct covb_frame *frame, uint64_t *counter)
{
	uint64_t *words = frame->kind == COVBUF_RING ? frame->ring : frame->start;
	uint32_t nr_words = covbuf_class_words(frame->area_class);
	uint32_t step = frame->mode == COVBUF_MODE_CMP ? COVBUF_CMP_WORDS : 1;

	if (COVB_PLAT_COUNTED) {
		if (counter)
			covb_fetch_add(counter, covb_load(&words[0]));
		covb_store(&words[0], 0);
		nr_words = 0;
	}
	for (uint32_t i = nr_words; i-- > 0;) {
		uint64_t word = covb_load(&words[i]);

		if (!word)
			continue;
		covb_store(&words[i], 0);
		if ((i & (step - 1)) != step - 1) /* 1, or a power of two */
			continue;
		if (counter && !(word & COVBUF_NOT_A_RECORD))
			covb_fetch_add(counter, 1);
		if (step > 1)
			covb_barrier(); /* for whoever finds what the dead left: see shm/area.c */
	}
	covb_pool_give(ctx, frame);
}
