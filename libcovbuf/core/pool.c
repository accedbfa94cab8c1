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

/* The area's words where the directory names memory inside the segment, else NULL. */
static COVBUF_NOINSTR uint64_t *words_of(const struct covbuf_area *area, uint32_t area_class)
{
	uint64_t offset_bytes = covb_load(&area->offset_bytes);
	uint64_t bytes = covbuf_class_bytes(area_class);

	if (offset_bytes % COVBUF_AREA_MIN_BYTES || offset_bytes < COVBUF_PART_BYTES ||
	    offset_bytes > covb_engine.limit_bytes || bytes > covb_engine.limit_bytes - offset_bytes)
		return NULL;
	return (uint64_t *)(covb_engine.base + offset_bytes);
}

/*
 * Guard words lie in the area's last page, and a hole is punched by pages, so the first of them tells
 * of all.
 */
static COVBUF_NOINSTR void set_guard(uint64_t *guard)
{
	if (COVBUF_LIKELY(covb_load(guard) == COVBUF_GUARD_VALUE))
		return;
	for (uint32_t i = COVBUF_GUARD_WORDS; i-- > 0;)
		covb_store(&guard[i], COVBUF_GUARD_VALUE);
}

static COVBUF_NOINSTR struct covb_frame *try_area(uint32_t i, uint32_t area_class)
{
	struct covbuf_area *area = &covb_engine.areas[i];
	struct covb_frame *frame = &covb_engine.frames[i];
	uint64_t *words;
	uint64_t flag;

	if (covb_load(&area->area_class) != area_class)
		return NULL;
	if (!covb_flag_take(area, covb_engine.proc, &flag))
		return NULL;
	words = words_of(area, area_class);
	if (!words) {
		/* nobody's: an entry that makes no sense is left out of the pool */
		covb_flag_move(area, &flag, 0, COVBUF_AREA_RETIRED);
		return NULL;
	}
	frame->area = i;
	frame->flag = flag;
	frame->area_class = (uint8_t)area_class;
	frame->start = words;
	frame->end = words + covbuf_class_words(area_class);
	set_guard(frame->end);
	return frame;
}

static COVBUF_NOINSTR struct covb_frame *scan(uint32_t from, uint32_t probes, uint32_t nr_areas, uint32_t area_class)
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

/* Take an area of a class. NULL: none was found. Any level; lock-free, bounded. */
COVBUF_NOINSTR struct covb_frame *covb_pool_take(struct covbuf_context *ctx, uint32_t area_class)
{
	struct covb_frame *frame;
	uint32_t nr_areas;

	if (!covb_plat_alive() || area_class >= COVBUF_NR_CLASSES)
		return NULL;
	/* acquire: partner is the maker's release; the entries below the number are filled in */
	nr_areas = covb_load_acquire(covb_engine.nr_areas);
	if (nr_areas > covb_engine.nr_areas_max)
		nr_areas = covb_engine.nr_areas_max;
	frame = scan(ctx->hint, NEAR_PROBES, nr_areas, area_class);
	if (COVBUF_UNLIKELY(!frame))
		frame = scan(covb_load(&covb_engine.classes[area_class].hint), FAR_PROBES, nr_areas, area_class);
	if (COVBUF_UNLIKELY(!frame)) {
		covb_fetch_add(&covb_engine.classes[area_class].wanted, 1);
		return NULL;
	}
	ctx->hint = frame->area;
	return frame;
}

/* Return an area that nothing was written to. */
COVBUF_NOINSTR void covb_pool_give(struct covbuf_context *ctx, struct covb_frame *frame)
{
	if (covb_flag_give(&covb_engine.areas[frame->area], frame->flag))
		ctx->hint = frame->area;
}

/* Return an area whose records nobody wants any more. Returns how many there were. */
COVBUF_NOINSTR uint64_t covb_pool_discard(struct covbuf_context *ctx, struct covb_frame *frame)
{
	uint64_t *words = frame->kind == COVBUF_RING ? frame->ring : frame->start;
	uint32_t nr_words = covbuf_class_words(frame->area_class);
	uint32_t step = frame->mode == COVBUF_MODE_CMP ? COVBUF_CMP_WORDS : 1;
	uint64_t nr_records = 0;

	for (uint32_t i = 0; i < nr_words; i++) {
		uint64_t word = covb_load(&words[i]);

		if (word && i % step == step - 1 && !(word & COVBUF_NOT_A_RECORD))
			nr_records++;
		covb_store(&words[i], 0);
	}
	covb_pool_give(ctx, frame);
	return nr_records;
}
