// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * Observing: the words of one area, also while it is being written.
 *
 * A reading by pread() may copy half of a word that is being stored, and words of one record at
 * different times. Words are therefore read twice, and a word counts when two readings, one after the
 * other, agree: then it was not torn (view.c says why). That is enough, because of how a slot changes
 * during one use of an area:
 *
 *   linear  0 -> record, once; perhaps -> consumed mark. Where the first reading has anything but 0,
 *           the slot was stored to before the second began, so the second has it whole; a third
 *           reading of that slot alone is made where the two differ, since it may have been marked.
 *   CMP     The same, decided by the pc word. Its record's other three words were stored before it, so
 *           where the first reading has the pc, the second has the others.
 *   ring    free value -> record -> next lap's free value -> record ... Only slots that were not taken
 *           by the consumer between the first and the last look at its position are believed: those
 *           changed once, as a linear area's do.
 *   counted KCOV's layout; a client may reset it at any time, so a slot may change from one record to
 *           another. Each word is whole; a record with a word that does not settle is left out.
 *
 * What the two readings disagree on comes out as 0: not there yet. An area that was passed on
 * meanwhile has another generation in its flag: -ESTALE, and nothing that was read counts.
 */
#include <errno.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include "view.h"

#define BLOCK_WORDS 32768u

struct reader {
	const struct covbuf_segment *segment;
	uint32_t i;
	const struct covbuf_area *area;
	uint32_t record_words;
	uint64_t *again;	/* BLOCK_WORDS, for the second reading */
	bool keep_marks;	/* a slot whose record was consumed is its mark, not zero */
};

static uint64_t smaller(uint64_t a, uint64_t b)
{
	return a < b ? a : b;
}

static int read_raw(const struct reader *r, uint64_t from, uint64_t nr, uint64_t *out)
{
	return covb_view_read(r->segment, r->area->offset_bytes + from * 8, out, nr * 8);
}

/* ---- one record ------------------------------------------------------------------------------ */

/* What stays of a slot without a record. */
static void clear_record(const struct reader *r, uint32_t words, uint64_t *out, uint64_t key)
{
	memset(out, 0, words * 8);
	if (r->keep_marks && (key & COVBUF_NOT_A_RECORD))
		out[words - 1] = key;
}

/* Decide about the record at out[], of which again[] is the second reading. Leaves the record, or nothing. */
static int settle_record(const struct reader *r, uint64_t slot, uint32_t words, uint64_t *out, const uint64_t *again)
{
	uint64_t third[COVBUF_CMP_WORDS];
	uint32_t key = words - 1; /* says whether it is there */

	if (!out[key] || !covb_is_record(again[key]))
		goto none;
	if (memcmp(out, again, words * 8)) {
		int err = read_raw(r, slot, words, third);

		if (err)
			return err;
		if (memcmp(third, again, words * 8))
			goto none;
		memcpy(out, again, words * 8);
	}
	return 0;
none:
	clear_record(r, words, out, out[key] == again[key] ? again[key] : 0);
	return 0;
}

/* ---- KCOV's layout --------------------------------------------------------------------------- */

/* Whether two readings agree on a word, which is then left in *out. */
static int settle_word(const struct reader *r, uint64_t slot, uint64_t *out, uint64_t again, bool *settled)
{
	uint64_t third;
	int err;

	*settled = *out == again;
	if (*settled)
		return 0;
	err = read_raw(r, slot, 1, &third);
	if (!err && third == again) {
		*out = again;
		*settled = true;
	}
	return err;
}

/* Zero what the block has of the record around a slot; returns the record's end in the block. */
static uint64_t drop_counted(const struct reader *r, uint64_t from, uint64_t nr, uint64_t n, uint64_t *out)
{
	uint64_t before = from + n ? (from + n - 1) % r->record_words : 0;
	uint64_t end = from + n ? smaller(nr, n - before + r->record_words) : 1;

	n -= smaller(n, before);
	memset(&out[n], 0, (end - n) * 8);
	return end;
}

static int settle_counted(const struct reader *r, uint64_t from, uint64_t nr, uint64_t *out)
{
	uint64_t n = 0;

	while (n < nr) {
		bool settled;
		int err = settle_word(r, from + n, &out[n], r->again[n], &settled);

		if (err)
			return err;
		n = settled ? n + 1 : drop_counted(r, from, nr, n, out);
	}
	return 0;
}

/* ---- blocks ---------------------------------------------------------------------------------- */

static bool all_zero(const uint64_t *words, uint64_t nr)
{
	uint64_t any = 0;

	for (uint64_t i = 0; i < nr; i++)
		any |= words[i];
	return !any;
}

static int settle_block(const struct reader *r, uint64_t from, uint64_t nr, uint64_t *out)
{
	uint32_t step = r->record_words;
	int err = 0;

	if (r->area->kind == COVBUF_COUNTED)
		return settle_counted(r, from, nr, out);
	for (uint64_t n = 0; n < nr && !err; n += step)
		err = settle_record(r, from + n, step, &out[n], &r->again[n]);
	return err;
}

/* A finished area that stays does not change any more: one reading, of which marks are left out. */
static void drop_marks(const struct reader *r, uint64_t nr, uint64_t *out)
{
	uint32_t step = r->record_words;

	if (r->area->kind == COVBUF_COUNTED || (step == 1 && r->keep_marks))
		return;
	for (uint64_t n = 0; n < nr; n += step) {
		if (!covb_is_record(out[n + step - 1]))
			clear_record(r, step, &out[n], out[n + step - 1]);
	}
}

/*
 * Where the consumer of a ring is. It only rises, so the largest of three readings is no less than
 * where it was at the second, even if one of them is torn.
 */
static int read_position(const struct reader *r, uint64_t *position)
{
	const struct covbuf_table *table = &r->segment->layout.areas;
	uint64_t offset = table->offset_bytes + (uint64_t)r->i * table->entry_bytes +
			  offsetof(struct covbuf_area, position);
	uint64_t largest = 0;

	for (int n = 0; n < 3; n++) {
		uint64_t seen;
		int err = covb_view_read(r->segment, offset, &seen, sizeof(seen));

		if (err)
			return err;
		if (seen > largest)
			largest = seen;
	}
	*position = largest;
	return 0;
}

/*
 * Keep the slots whose index lies in (after, before + N): the consumer had not come to them when all
 * was read, and they were not its last lap's when reading began. The slot at its position may be
 * stored to by it and then by the next lap before the position moves; it counts if the position has
 * not moved, since it changed twice then at most, and the readings agree.
 */
static void drop_taken(const struct reader *r, uint64_t from, uint64_t nr, uint64_t before, uint64_t after,
		       uint64_t *out)
{
	uint64_t nr_slots = r->area->nr_words / r->record_words;

	for (uint64_t n = 0; n < nr; n += r->record_words) {
		uint64_t slot = (from + n) / r->record_words;
		uint64_t ahead = (slot - after) & (nr_slots - 1);

		if ((ahead == 0 && before != after) || after + ahead - before >= nr_slots)
			memset(&out[n], 0, r->record_words * 8);
	}
}

static int read_block(const struct reader *r, uint64_t from, uint64_t nr, uint64_t *out)
{
	uint32_t state = COVBUF_FLAG_STATE(r->area->flag);
	bool moving_ring = r->area->kind == COVBUF_RING && state == COVBUF_AREA_HELD;
	uint64_t before = 0, after = 0;
	int err = 0;

	if (moving_ring)
		err = read_position(r, &before);
	if (!err)
		err = read_raw(r, from, nr, out);
	if (err)
		return err;
	if (state == COVBUF_AREA_ENDED) {
		drop_marks(r, nr, out);
		return 0;
	}
	if (all_zero(out, nr))
		return 0;
	err = read_raw(r, from, nr, r->again);
	if (!err)
		err = settle_block(r, from, nr, out);
	if (!err && moving_ring) {
		err = read_position(r, &after);
		if (!err)
			drop_taken(r, from, nr, before, after, out);
	}
	return err;
}

/* Whether the area is still in the use that the caller means, now that its words have been read. */
static int check_still(const struct reader *r)
{
	struct covbuf_area now;
	uint32_t state = COVBUF_FLAG_STATE(r->area->flag);
	int err;

	/* The words, then the description: partner is covb_area_describe(), which writes them in the other order. */
	covb_rmb();
	err = covb_view_area_now(r->segment, r->i, &now);
	if (err)
		return err == -EIO ? err : -ESTALE;
	if (!covb_area_same(&now, r->area))
		return -ESTALE;
	/* Its consumer zeroes it: what was there may be missing from what was read, and half a record may be left. */
	if (COVBUF_FLAG_STATE(now.flag) == COVBUF_AREA_READING &&
	    (state != COVBUF_AREA_READING || r->record_words > 1 || r->area->kind == COVBUF_COUNTED))
		return -ESTALE;
	return 0;
}

/* The caller's description was checked when we gave it out; what came back is checked again. */
static int check_argument(const struct covbuf_segment *segment, const struct covbuf_area *area)
{
	struct covbuf_area copy = *area;
	int err = covb_area_check(&segment->layout, segment->layout.limit_bytes, &copy);

	return err || copy.nr_words != area->nr_words ? -EINVAL : 0;
}

static int64_t read_words(const struct covbuf_segment *segment, uint32_t i, const struct covbuf_area *area,
			  uint64_t from, uint64_t nr, uint64_t *out, bool keep_marks)
{
	struct reader r = { .segment = segment, .i = i, .area = area, .keep_marks = keep_marks };
	uint64_t done = 0;
	int err = check_argument(segment, area);

	if (err)
		return err;
	r.record_words = covb_record_words(area->mode);
	if (area->kind != COVBUF_COUNTED) {
		if (from % r.record_words)
			return -EINVAL;
		nr -= nr % r.record_words;
	}
	if (from >= area->nr_words)
		return 0;
	nr = smaller(nr, area->nr_words - from);
	r.again = malloc(smaller(nr, BLOCK_WORDS) * 8 + 8);
	if (!r.again)
		return -ENOMEM;
	while (done < nr && !err) {
		uint64_t block = smaller(nr - done, BLOCK_WORDS);

		err = read_block(&r, from + done, block, out + done);
		done += block;
	}
	if (!err)
		err = check_still(&r);
	free(r.again);
	return err ? err : (int64_t)nr;
}

COVBUF_PUBLIC int64_t covbuf_view_words(struct covbuf_segment *segment, uint32_t i, const struct covbuf_area *area,
					uint64_t from, uint64_t nr, uint64_t *out)
{
	return read_words(segment, i, area, from, nr, out, false);
}

/* ---- records --------------------------------------------------------------------------------- */

/* Kernel areas have KCOV's layout, and all of a kernel's addresses have the bit that elsewhere means "not a record". */
static bool has_record(const struct covbuf_area *area, uint64_t key)
{
	return area->kind == COVBUF_COUNTED ? key != 0 : covb_is_record(key);
}

/* A walk over an area's records, in the order in which they were claimed. */
struct walk {
	struct covbuf_segment *segment;
	uint32_t i;
	const struct covbuf_area *area;
	covbuf_run_fn fn;
	void *arg;
	uint64_t *block;
	int64_t records;
	uint64_t holes, empty;	/* empty: slots without a record since the last one */
};

/* Where the records end that follow each other from word n. */
static uint64_t find_run_end(const struct walk *w, uint64_t n, uint64_t nr, uint32_t step)
{
	while (n + step <= nr && has_record(w->area, w->block[n + step - 1]))
		n += step;
	return n;
}

static int visit_block(struct walk *w, uint64_t nr)
{
	uint32_t step = covb_record_words(w->area->mode);
	uint64_t n = 0;

	while (n + step <= nr) {
		uint64_t end = find_run_end(w, n, nr, step);
		uint64_t run = (end - n) / step;
		int err;

		if (!run) {
			w->empty += w->block[n + step - 1] == 0;
			n += step;
			continue;
		}
		w->holes += w->empty;
		w->empty = 0;
		w->records += (int64_t)run;
		err = w->fn ? w->fn(w->area, &w->block[n], run, w->arg) : 0;
		if (err)
			return err;
		n = end;
	}
	return 0;
}

static int visit_words(struct walk *w, uint64_t from, uint64_t to)
{
	while (from < to) {
		/* a ring's free slot may have been claimed, a linear area's mark was a record */
		int64_t got = read_words(w->segment, w->i, w->area, from, smaller(to - from, BLOCK_WORDS), w->block,
					 w->area->kind == COVBUF_LINEAR);
		int err;

		if (got <= 0)
			return (int)got;
		err = visit_block(w, (uint64_t)got);
		if (err)
			return err;
		from += (uint64_t)got;
	}
	return 0;
}

/* From where its consumer stands, once around. */
static int visit_ring(struct walk *w)
{
	uint64_t step = covb_record_words(w->area->mode);
	uint64_t nr_slots = w->area->nr_words / step;
	uint64_t first = (w->area->position & (nr_slots - 1)) * step;
	int err = visit_words(w, first, w->area->nr_words);

	return err ? err : visit_words(w, 0, first);
}

static int visit_counted(struct walk *w)
{
	uint64_t step = covb_record_words(w->area->mode);
	uint64_t count;
	int64_t got = covbuf_view_words(w->segment, w->i, w->area, 0, 1, &count);

	if (got <= 0)
		return (int)got;
	count = smaller(count, (w->area->nr_words - 1) / step);
	return visit_words(w, 1, 1 + count * step);
}

COVBUF_PUBLIC int64_t covbuf_view_runs(struct covbuf_segment *segment, uint32_t i, const struct covbuf_area *area,
				       covbuf_run_fn fn, void *arg, uint64_t *holes)
{
	struct walk w = { .segment = segment, .i = i, .area = area, .fn = fn, .arg = arg };
	int err = check_argument(segment, area);

	if (err)
		return err;
	w.block = malloc(BLOCK_WORDS * 8);
	if (!w.block)
		return -ENOMEM;
	if (area->nr_words && area->kind == COVBUF_COUNTED)
		err = visit_counted(&w);
	else if (area->nr_words && area->kind == COVBUF_RING)
		err = visit_ring(&w);
	else
		err = visit_words(&w, 0, area->nr_words);
	free(w.block);
	if (err)
		return err;
	/* What its consumer has emptied is no hole. */
	if (COVBUF_FLAG_STATE(area->flag) == COVBUF_AREA_READING ||
	    (area->kind == COVBUF_RING && COVBUF_FLAG_STATE(area->flag) == COVBUF_AREA_HELD))
		w.holes = 0;
	if (holes)
		*holes = w.holes;
	return w.records;
}

struct one_by_one {
	covbuf_record_fn fn;
	void *arg;
};

static int visit_run(const struct covbuf_area *area, const uint64_t *records, uint64_t nr, void *arg)
{
	const struct one_by_one *each = arg;
	uint32_t step = covb_record_words(area->mode);
	int err = 0;

	for (uint64_t n = 0; n < nr && !err; n++)
		err = each->fn(area, &records[n * step], each->arg);
	return err;
}

COVBUF_PUBLIC int64_t covbuf_view_records(struct covbuf_segment *segment, uint32_t i, const struct covbuf_area *area,
					  covbuf_record_fn fn, void *arg, uint64_t *holes)
{
	struct one_by_one each = { fn, arg };

	return covbuf_view_runs(segment, i, area, fn ? visit_run : NULL, &each, holes);
}
