// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * One finished area: described, looked through, visited, emptied, given back; or kept, where the
 * segment is a recording.
 *
 * Serves the collector. The area is the consumer's: its flag says READING, and nobody else moves it.
 */
#include "core/flag.h"
#include "core/line.h"
#include "collector.h"

int covb_drain_describe(const struct covb_drain *d, uint32_t i, uint64_t flag, struct covbuf_area *area)
{
	const struct covbuf_area *entry = &d->segment->areas[i];
	uint64_t size_bytes = covb_load_acquire(&d->segment->header->size_bytes);

	*area = (struct covbuf_area){
		.flag = flag,
		.offset_bytes = covb_load(&entry->offset_bytes),
		.area_class = covb_load(&entry->area_class),
		.nr_words = covb_load(&entry->nr_words),
		.mode = covb_load(&entry->mode),
		.kind = covb_load(&entry->kind),
		.owner = covb_load(&entry->owner),
		.context = covb_load(&entry->context),
		.sequence = covb_load(&entry->sequence),
		.handle = covb_load(&entry->handle),
		.pid = covb_load(&entry->pid),
		.tid = covb_load(&entry->tid),
		.module_generation = covb_load(&entry->module_generation),
		.serial = covb_load(&entry->serial),
		.token = covb_load(&entry->token),
		.images = covb_load(&entry->images),
		.filled_words = covb_load(&entry->filled_words),
		.position = covb_load(&entry->position),
		.claimed = covb_load(&entry->claimed),
	};
	return covb_area_check(&d->segment->layout, size_bytes, area);
}

bool covb_drain_wanted(const struct covb_drain *d, const struct covbuf_area *area)
{
	uint64_t now;

	if (!area->owner)
		return false;
	if (area->kind == COVBUF_COUNTED)
		return true; /* what is merged there was looked at before */
	now = covb_load_acquire(&d->segment->owners[area->owner - 1].sequence);
	return area->sequence == now || area->sequence + 1 == now; /* enabled, or just disabled */
}

bool covb_drain_keeps(const struct covb_drain *d, uint32_t owner)
{
	const struct covbuf_auto *automatic = &d->segment->layout.automatic;

	if (automatic->enabled && automatic->owner == owner && (automatic->flags & COVBUF_AUTO_KEEP))
		return true;
	return covb_load(&d->segment->owners[owner].flags) & COVBUF_OWNER_KEEP;
}

int covb_drain_visit(struct covb_drain *d, const struct covbuf_area *area, const uint64_t *words, uint64_t nr_words)
{
	struct covbuf_batch batch = {
		.words = words,
		.nr_words = nr_words,
		.mode = area->mode,
		.kind = area->kind,
		.owner = area->owner - 1,
		.pid = area->pid,
		.tid = area->tid,
		.serial = area->serial,
		.handle = area->handle,
		.token = area->token,
		.context = area->context,
		.module_generation = area->module_generation,
		.images = area->images,
	};
	int err;

	if (!d->fn)
		return 0;
	covb_guard_disarm(&d->guard);
	err = d->fn(&batch, d->arg);
	covb_guard_arm(&d->guard);
	return err;
}

static uint64_t *words_of(const struct covb_drain *d, const struct covbuf_area *area)
{
	return (uint64_t *)(d->segment->base + area->offset_bytes);
}

/* How many words of a linear area one has to look at, and to zero. 0: nobody has said, that is all of them. */
static uint64_t used_words(const struct covb_drain *d, const struct covbuf_area *area)
{
	if (area->kind != COVBUF_LINEAR || area->nr_words != covbuf_class_words(area->area_class) || !area->filled_words)
		return 0;
	return covb_words_used(words_of(d, area), area->nr_words, area->filled_words, covb_record_words(area->mode));
}

/* Find the records. Returns where they are: in place, or in d->copy. */
static const uint64_t *look_through(struct covb_drain *d, const struct covbuf_area *area, uint64_t used,
				    struct covb_scan *scan)
{
	const uint64_t *words = words_of(d, area);
	uint64_t *to = d->in_place ? NULL : d->copy;

	switch (area->kind) {
	case COVBUF_RING:
		covb_ring_gather(d, area, words, scan);
		return d->copy;
	case COVBUF_COUNTED:
		covb_scan_counted(words, area->nr_words, area->mode, to, scan);
		return to ? to : words + 1;
	default:
		covb_scan_linear(words, used ? used : area->nr_words, area->mode, to, scan);
		return to ? to : words;
	}
}

/* used: of used_words(). */
static void give_back(struct covb_drain *d, uint32_t i, uint64_t flag, const struct covbuf_area *area, uint64_t used)
{
	if (used)
		covb_words_clean_used(words_of(d, area), used, area->mode);
	else
		covb_words_clean(words_of(d, area), covbuf_class_bytes(area->area_class) / 8, area->mode, area->kind);
	covb_flag_give(&d->segment->areas[i], flag);
}

/* Its records are nobody's, or of an enable that is over. */
static void drop(struct covb_drain *d, const struct covbuf_area *area, uint64_t records)
{
	d->sum.lost += records;
	if (area->owner)
		covb_fetch_add(&d->segment->owners[area->owner - 1].stale, records);
}

/* The same memory many times over: areas are used again while the pass goes on, but not so often. */
#define MAX_TURNS 16

static void add_bytes(struct covb_drain *d, const struct covbuf_area *area)
{
	d->bytes += covbuf_class_bytes(area->area_class);
	d->ends = d->bytes / MAX_TURNS > d->segment->layout.limit_bytes;
}

/*
 * What describes the records cannot be. Where the area is can: it goes back to the pool, else it stays ours for
 * good. That is no damage where it was left: whoever took it died before it had described it, or recorded in it.
 */
static int give_back_damaged(struct covb_drain *d, uint32_t i, uint64_t flag, struct covbuf_area *area, bool left)
{
	bool in_place = covb_area_place_ok(&d->segment->layout, covb_load_acquire(&d->segment->header->size_bytes), area);

	if (!left || !in_place)
		d->damaged = true;
	if (in_place) {
		add_bytes(d, area);
		area->mode = COVBUF_MODE_PC;
		area->kind = COVBUF_LINEAR;
		give_back(d, i, flag, area, 0);
	}
	return 0;
}

int covb_drain_deliver(struct covb_drain *d, uint32_t i, uint64_t flag, bool left)
{
	struct covbuf_area area;
	struct covb_scan scan = { 0 };
	const uint64_t *words = NULL;
	uint64_t used;
	int err = covb_drain_describe(d, i, flag, &area);

	if (err)
		return give_back_damaged(d, i, flag, &area, left);
	add_bytes(d, &area);
	if (d->segment->places)
		covb_store(&d->segment->places[i], area.offset_bytes);
	if (left)
		area.claimed = area.position; /* of an earlier use: its writer has not said how far it was */
	used = left ? 0 : used_words(d, &area); /* likewise */
	if (area.nr_words)
		words = look_through(d, &area, used, &scan);
	d->sum.areas++;
	if (!covb_drain_wanted(d, &area)) {
		drop(d, &area, scan.records);
		give_back(d, i, flag, &area, used);
		return 0;
	}
	d->sum.lost += scan.holes;
	d->sum.records += scan.records;
	if (scan.records || !left)
		err = covb_drain_visit(d, &area, words, scan.nr_words);
	if (scan.records && covb_drain_keeps(d, area.owner - 1)) {
		covb_flag_move(&d->segment->areas[i], &flag, 0, COVBUF_AREA_ENDED);
	} else {
		if (d->discards)
			drop(d, &area, scan.records);
		give_back(d, i, flag, &area, used);
	}
	return err;
}
