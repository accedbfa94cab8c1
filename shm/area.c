// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * One area, as a reader sees it: is what the directory says of it possible, which of its words are
 * records, and how it is made empty again for the pool.
 *
 * The checks work on a copy, so what they have seen is what is used afterwards. The words themselves
 * may be changed by a peer that breaks the rules while they are looked at: each is loaded once.
 */
#include <errno.h>

#include "core/line.h"
#include "area.h"

/* How far ahead lines are fetched for writing: some that are on their way at any time, none that are gone again. */
#define PREFETCH_WORDS 512
#define PREFETCHED_WORDS 8 /* by one prefetch; more on POWER */

bool covb_area_same(const struct covbuf_area *a, const struct covbuf_area *b)
{
	return COVBUF_FLAG_GENERATION(a->flag) == COVBUF_FLAG_GENERATION(b->flag) &&
	       a->offset_bytes == b->offset_bytes && a->area_class == b->area_class && a->nr_words == b->nr_words &&
	       a->mode == b->mode && a->kind == b->kind && a->owner == b->owner && a->context == b->context &&
	       a->sequence == b->sequence && a->handle == b->handle && a->pid == b->pid && a->tid == b->tid &&
	       a->serial == b->serial && a->token == b->token && a->module_generation == b->module_generation &&
	       a->images == b->images;
}

bool covb_area_place_ok(const struct covb_layout *layout, uint64_t size_bytes, const struct covbuf_area *area)
{
	uint64_t end = size_bytes < layout->limit_bytes ? size_bytes : layout->limit_bytes;

	if (area->area_class >= COVBUF_NR_CLASSES || area->offset_bytes % COVBUF_PART_BYTES)
		return false;
	/* the sum cannot wrap: a segment's limit is far below that */
	return area->offset_bytes >= layout->data_offset_bytes && area->offset_bytes <= end &&
	       area->offset_bytes + covbuf_class_bytes(area->area_class) <= end;
}

uint32_t covb_segment_nr_areas(const struct covbuf_segment *segment)
{
	uint32_t nr;

	if (!segment->header)
		return 0;
	/* acquire: partner is the release in publish(), grow.c; the entries are there before the number is */
	nr = covb_load_acquire(&segment->header->nr_areas);
	return nr < segment->layout.areas.nr ? nr : segment->layout.areas.nr;
}

uint64_t *covb_segment_words(const struct covbuf_segment *segment, uint32_t i, uint64_t *nr_words)
{
	struct covbuf_area area = { 0 };

	if (!segment->base || i >= segment->layout.areas.nr)
		return NULL;
	area.offset_bytes = covb_load(&segment->areas[i].offset_bytes);
	area.area_class = covb_load(&segment->areas[i].area_class);
	if (!covb_area_place_ok(&segment->layout, covb_load_acquire(&segment->header->size_bytes), &area))
		return NULL;
	*nr_words = covbuf_class_bytes(area.area_class) / sizeof(uint64_t);
	return (uint64_t *)(segment->base + area.offset_bytes);
}

static bool power_of_two(uint64_t n)
{
	return n && !(n & (n - 1));
}

/* mode, kind and nr_words fit one another and the class, which has been checked. */
static bool contents_ok(const struct covbuf_area *area)
{
	uint64_t all_words = covbuf_class_bytes(area->area_class) / 8;
	uint32_t record_words;

	if (area->mode >= COVBUF_NR_MODES)
		return false;
	record_words = covb_record_words(area->mode);
	switch (area->kind) {
	case COVBUF_LINEAR:
		return area->nr_words <= covbuf_class_words(area->area_class) && area->nr_words % record_words == 0;
	case COVBUF_RING:
		return area->nr_words <= all_words && area->nr_words % record_words == 0 &&
		       power_of_two(area->nr_words / record_words);
	case COVBUF_COUNTED:
		return area->nr_words >= 1 && area->nr_words <= all_words;
	default:
		return false;
	}
}

/* An area that describes nobody's records: in the pool, or taken a moment ago. */
static void forget_contents(struct covbuf_area *area)
{
	struct covbuf_area bare = {
		.flag = area->flag, .offset_bytes = area->offset_bytes, .area_class = area->area_class,
	};

	*area = bare;
}

int covb_area_check(const struct covb_layout *layout, uint64_t size_bytes, struct covbuf_area *area)
{
	uint32_t state = COVBUF_FLAG_STATE(area->flag);

	if (state == COVBUF_AREA_NONE)
		return -ENOENT;
	if (state > COVBUF_AREA_RETIRED)
		return -EPROTO;
	if (state == COVBUF_AREA_RETIRED) {
		/* its memory is gone, and where the file was trimmed, so is its place */
		forget_contents(area);
		area->offset_bytes = 0;
		return 0;
	}
	if (!covb_area_place_ok(layout, size_bytes, area))
		return -EPROTO;
	if (state == COVBUF_AREA_FREE) {
		forget_contents(area);
		return 0;
	}
	if (!contents_ok(area)) {
		/* The taker describes an area after it has taken it, so half a description is not damage then. */
		if (state != COVBUF_AREA_HELD)
			return -EPROTO;
		forget_contents(area);
	}
	if (area->owner > layout->owners.nr)
		area->owner = 0;
	if (area->context > layout->contexts.nr)
		area->context = 0;
	if (area->next > layout->areas.nr)
		area->next = 0;
	return 0;
}

/* Goes through the words; empty: slots since the last record that hold nothing. */
struct progress {
	uint64_t records, holes, empty, end;
};

static void see_records(struct progress *p, uint64_t nr, uint64_t end)
{
	p->records += nr;
	p->holes += p->empty;
	p->empty = 0;
	p->end = end;
}

static void see_slot(struct progress *p, uint64_t word, uint64_t end)
{
	if (covb_is_record(word))
		see_records(p, 1, end);
	else if (!word)
		p->empty++;
}

/* Not all of its slots are filled. */
static void see_slots(struct progress *p, const struct covb_line *line, uint32_t record_words, uint64_t i)
{
	uint64_t word[COVB_LINE_WORDS];

	if (!covb_line_any(line)) {
		p->empty += COVB_LINE_WORDS / record_words;
		return;
	}
	covb_line_store(word, line);
	for (uint32_t j = record_words; j <= COVB_LINE_WORDS; j += record_words)
		see_slot(p, word[j - 1], i + j);
}

/*
 * As many whole lines as there are; returns their words. Each word is loaded once: what is decided is what is copied. A
 * line that is read here is emptied soon. If it were fetched to be read only, its writer's processor would be asked for
 * it twice.
 */
static uint64_t see_lines(struct progress *p, const uint64_t *words, uint64_t nr_words, uint32_t record_words,
			  uint64_t *to)
{
	const uint32_t nr_slots = COVB_LINE_WORDS / record_words;
	uint64_t i = 0;

	for (; i + COVB_LINE_WORDS <= nr_words; i += COVB_LINE_WORDS) {
		const bool ahead = i + COVB_LINE_WORDS + PREFETCH_WORDS <= nr_words;
		struct covb_line line;

		for (uint32_t j = 0; ahead && j < COVB_LINE_WORDS; j += PREFETCHED_WORDS)
			covb_prefetch_write(&words[i + PREFETCH_WORDS + j]);
		line = covb_line_load(&words[i]);
		if (to)
			covb_line_store(&to[i], &line);
		if (COVBUF_LIKELY(covb_line_full(&line, record_words)))
			see_records(p, nr_slots, i + COVB_LINE_WORDS);
		else
			see_slots(p, &line, record_words, i);
	}
	return i;
}

void covb_scan_linear(const uint64_t *words, uint64_t nr_words, uint32_t mode, uint64_t *to, struct covb_scan *out)
{
	uint32_t record_words = covb_record_words(mode);
	struct progress p = { 0 };
	uint64_t i = see_lines(&p, words, nr_words, record_words, to);

	for (; i + record_words <= nr_words; i += record_words) {
		uint64_t word = covb_load(&words[i + record_words - 1]);

		if (to) {
			for (uint32_t j = 0; j + 1 < record_words; j++)
				to[i + j] = covb_load(&words[i + j]);
			to[i + record_words - 1] = word;
		}
		see_slot(&p, word, i + record_words);
	}
	out->records = p.records;
	out->holes = p.holes;
	out->nr_words = p.end;
}

void covb_scan_counted(const uint64_t *words, uint64_t nr_words, uint32_t mode, uint64_t *to, struct covb_scan *out)
{
	uint32_t record_words = covb_record_words(mode);
	uint64_t room = (nr_words - 1) / record_words;
	uint64_t count = covb_load_acquire(&words[0]); /* partner: the merger's release, after the records */

	if (count > room)
		count = room;
	covb_scan_linear(words + 1, count * record_words, mode, to, out);
}

/* From the last to the first, as in pool.c: the first of them tells of all. */
void covb_area_set_guard(uint64_t *words, uint64_t nr_words)
{
	uint64_t *guard = words + nr_words - COVBUF_GUARD_WORDS;

	for (uint32_t i = COVBUF_GUARD_WORDS; i > 0; i--) {
		if (covb_load(&guard[i - 1]) != COVBUF_GUARD_VALUE)
			covb_store(&guard[i - 1], COVBUF_GUARD_VALUE);
	}
}

#define BLOCK_WORDS 512 /* stays in the nearest cache between being looked at and being zeroed */

/* They are emptied from the last to the first: the nearest cache has what the reader has seen last. */
static uint64_t nr_blocks(uint64_t nr_words)
{
	return (nr_words + BLOCK_WORDS - 1) / BLOCK_WORDS;
}

static uint64_t block_words(uint64_t left_words)
{
	return left_words < BLOCK_WORDS ? left_words : BLOCK_WORDS;
}

static bool holds_anything(const uint64_t *block, uint64_t nr_words)
{
	bool any = false;

	for (uint64_t i = 0; i < nr_words; i += COVB_LINE_WORDS) {
		const struct covb_line line = covb_line_load(&block[i]);

		any |= covb_line_any(&line);
	}
	return any;
}

/* Pages that were never written stay untouched. */
void covb_words_clean(uint64_t *words, uint64_t nr_words, uint32_t mode, uint32_t kind)
{
	uint32_t record_words = kind == COVBUF_COUNTED ? 1 : covb_record_words(mode);

	if (kind == COVBUF_COUNTED) {
		covb_store(&words[0], 0);
		covb_barrier();
	}
	for (uint64_t n = nr_blocks(nr_words - COVBUF_GUARD_WORDS); n > 0; n--) {
		uint64_t i = (n - 1) * BLOCK_WORDS, nr = block_words(nr_words - COVBUF_GUARD_WORDS - i);

		if (holds_anything(&words[i], nr))
			covb_words_zero(&words[i], nr, record_words);
	}
	covb_area_set_guard(words, nr_words);
}

void covb_words_clean_used(uint64_t *words, uint64_t nr_words, uint32_t mode)
{
	for (uint64_t n = nr_blocks(nr_words); n > 0; n--) {
		uint64_t i = (n - 1) * BLOCK_WORDS;

		covb_words_zero(&words[i], block_words(nr_words - i), covb_record_words(mode));
	}
}

void covb_area_clean(const struct covbuf_segment *segment, uint32_t area)
{
	uint64_t nr_words = 0;
	uint64_t *words = covb_segment_words(segment, area, &nr_words);

	if (words)
		covb_words_clean(words, nr_words, COVBUF_MODE_PC, COVBUF_LINEAR);
}
