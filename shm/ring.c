// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * Taking records out of a ring, finished or still in use.
 *
 * Slot k of the ring's endless sequence is word (or CMP record) k modulo its size; it holds k itself
 * while it is free, then the record, and k + size once the record was taken, which is the free value of
 * the next lap. All free values have bit 63, no record has. The consumer of a ring in use goes in
 * order and never past a slot that is not filled; in a finished ring it takes all slots that are.
 *
 * Serves the collector. Records are copied out, since they may begin anywhere in the ring.
 */
#include "collector.h"

#define BATCH_WORDS 8192
#define PREFETCH_WORDS (8 * COVBUF_LINE_BYTES / 8)

struct ring {
	uint64_t *words;
	uint64_t nr_slots;	/* a power of two */
	uint32_t record_words;
};

static struct ring ring_of(const struct covbuf_area *area, uint64_t *words)
{
	struct ring ring = { .words = words, .record_words = covb_record_words(area->mode) };

	ring.nr_slots = area->nr_words / ring.record_words;
	return ring;
}

/* The word that says whether slot k holds a record. */
static uint64_t *key_of(const struct ring *ring, uint64_t k)
{
	return &ring->words[((k & (ring->nr_slots - 1)) + 1) * ring->record_words - 1];
}

/* Copy the record of slot k, if there is one. */
static bool copy_record(const struct ring *ring, uint64_t k, uint64_t *to)
{
	const uint64_t *key = key_of(ring, k);
	/* acquire: partner is the producer's release of a CMP record's pc, after the three words before it */
	uint64_t word = ring->record_words > 1 ? covb_load_acquire(key) : covb_load(key);

	if (!covb_is_record(word))
		return false;
	for (uint32_t j = ring->record_words - 1; j; j--)
		to[ring->record_words - 1 - j] = covb_load(key - j);
	to[ring->record_words - 1] = word;
	return true;
}

/* Slots that were claimed and never filled: up to where the writer was, if it said so, else to the last record. */
static uint64_t end_of_claims(const struct covbuf_area *area, const struct ring *ring, uint64_t first)
{
	uint64_t claims = area->claimed - first;

	return claims <= ring->nr_slots ? claims : 0;
}

/* A consumer that was killed between freeing a slot and moving its position has left that to the next. */
static bool was_taken(const struct ring *ring, uint64_t position)
{
	return (position & COVBUF_RING_START) && covb_load(key_of(ring, position)) == position + ring->nr_slots;
}

void covb_ring_gather(struct covb_drain *d, const struct covbuf_area *area, const uint64_t *words,
		      struct covb_scan *out)
{
	struct ring ring = ring_of(area, (uint64_t *)words);
	uint64_t first = area->position, nr = 0, end;

	if (was_taken(&ring, first))
		first++;
	end = end_of_claims(area, &ring, first);
	for (uint64_t n = 0; n < ring.nr_slots; n++) {
		if (!copy_record(&ring, first + n, &d->copy[nr * ring.record_words]))
			continue;
		nr++;
		if (n >= end)
			end = n + 1;
	}
	*out = (struct covb_scan){ .records = nr, .nr_words = nr * ring.record_words, .holes = end - nr };
}

/* ---- in use ---------------------------------------------------------------------------------- */

/* Copy up to max records from slot first on, as far as there is no gap. */
static uint64_t copy_ready(const struct ring *ring, uint64_t first, uint64_t max, uint64_t *to)
{
	uint64_t n = 0;

	while (n < max) {
		covb_prefetch_write(key_of(ring, first + n + PREFETCH_WORDS / ring->record_words));
		if (!copy_record(ring, first + n, to + n * ring->record_words))
			break;
		n++;
	}
	return n;
}

/*
 * Whether what was copied is of the ring that was described: the taker describes an area after it has
 * taken it, and before it records, so the same description on both sides of the records is theirs.
 */
static bool still_in_use(struct covb_drain *d, uint32_t i, const struct covbuf_area *area, uint64_t position)
{
	const struct covbuf_area *entry = &d->segment->areas[i];
	struct covbuf_area now;

	covb_mb(); /* the records before the description; draining before the flag, partner: covb_ring_busy() */
	if (covb_load(&entry->flag) != area->flag || covb_load(&entry->position) != position)
		return false;
	return !covb_drain_describe(d, i, area->flag, &now) && covb_area_same(&now, area);
}

/* Make n slots free for the next lap. */
static void mark_taken(const struct ring *ring, uint64_t *position, uint64_t first, uint64_t n)
{
	for (uint64_t k = first; k != first + n; k++) {
		/*
		 * release: the record was read before the producer may store the next one there; and the position was
		 * here before, partner: drop_taken() in view_words.c
		 */
		covb_store_release(key_of(ring, k), k + ring->nr_slots);
		/* release: partner is the producer's acquire when it finds the ring full; the slot is free by then */
		covb_store_release(position, k + 1);
	}
}

/*
 * Where there is something to be taken. (If the writer has gone all the way round since a consumer was killed, the
 * slot holds a record, which is taken in its turn, a lap early.)
 */
static uint64_t step_over(struct covb_drain *d, uint32_t i, const struct covbuf_area *area, const struct ring *ring)
{
	struct covbuf_area *entry = &d->segment->areas[i];
	uint64_t first = area->position;

	if (!was_taken(ring, first))
		return first;
	covb_store(&entry->draining, 1);
	if (still_in_use(d, i, area, first))
		covb_store_release(&entry->position, ++first); /* release: as in mark_taken() */
	covb_store_release(&entry->draining, 0);
	return first;
}

/* Only a ring that is being collected for an owner that wants it, and that is no recording. */
static bool may_take(struct covb_drain *d, const struct covbuf_area *area)
{
	if (area->kind != COVBUF_RING || !area->nr_words || !covb_drain_wanted(d, area))
		return false;
	return !covb_drain_keeps(d, area->owner - 1);
}

int covb_ring_drain_live(struct covb_drain *d, uint32_t i)
{
	struct covbuf_area *entry = &d->segment->areas[i];
	uint64_t flag = covb_load_acquire(&entry->flag);
	struct covbuf_area area;
	struct ring ring;
	uint64_t first, taken = 0;
	int err = 0;

	if (COVBUF_FLAG_STATE(flag) != COVBUF_AREA_HELD)
		return 0;
	err = covb_drain_describe(d, i, flag, &area);
	if (err) {
		d->damaged = true;
		return 0;
	}
	if (!may_take(d, &area))
		return 0;
	ring = ring_of(&area, (uint64_t *)(d->segment->base + area.offset_bytes));
	first = step_over(d, i, &area, &ring);
	while (taken < ring.nr_slots && !err) {
		uint64_t room = BATCH_WORDS / ring.record_words, left = ring.nr_slots - taken;
		uint64_t n = copy_ready(&ring, first, room < left ? room : left, d->copy);

		if (!n)
			break;
		/* Said before the flag is looked at: from then on nobody else empties the ring. See covb_ring_busy(). */
		covb_store(&entry->draining, 1);
		if (!still_in_use(d, i, &area, first)) {
			covb_store_release(&entry->draining, 0);
			break;
		}
		if (!(first & COVBUF_RING_START)) {
			/*
			 * Its free values would be taken for records. Not before now: the position of a ring that is just
			 * being made is there before its first record, and not always before its description.
			 */
			covb_store_release(&entry->draining, 0);
			d->damaged = true;
			break;
		}
		mark_taken(&ring, &entry->position, first, n);
		/* release: partner is the acquire in covb_ring_busy(); our last mark is there */
		covb_store_release(&entry->draining, 0);
		d->sum.records += n;
		err = covb_drain_visit(d, &area, d->copy, n * ring.record_words);
		first += n;
		taken += n;
	}
	return err;
}
