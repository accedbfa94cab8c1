// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* See judge.h. */
#define _GNU_SOURCE
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "judge.h"
#include "libcovbuf/core/flag.h"
#include "shm/shm.h"

int judge_init(struct judge *judge, struct covbuf_segment *segment, bool automatic)
{
	char where[32];

	judge->segment = segment;
	judge->automatic = automatic;
	judge->nr_areas = covbuf_segment_free_areas(segment, 0);
	snprintf(where, sizeof(where), "fd:%d", covbuf_segment_descriptor(segment));
	return covbuf_segment_open(where, COVBUF_OPEN_READ, &judge->observer, NULL);
}

/* ---- what was counted ------------------------------------------------------------------------ */

static uint64_t counted(const uint64_t *lost)
{
	return lost[COVBUF_LOST_FULL] + lost[COVBUF_LOST_NO_AREA] + lost[COVBUF_LOST_STALE];
}

static uint64_t counted_by_contexts(const struct covbuf_segment *segment)
{
	uint64_t sum = 0;

	for (uint32_t i = 0; i < segment->layout.contexts.nr; i++)
		sum += counted(segment->contexts[i].lost);
	for (uint32_t i = 0; i < segment->layout.procs.nr; i++)
		sum += counted(segment->procs[i].lost);
	return sum;
}

static uint64_t counted_by_owners(const struct covbuf_segment *segment)
{
	uint64_t sum = 0;

	for (uint32_t i = 0; i < segment->layout.owners.nr; i++)
		sum += segment->owners[i].stale + segment->owners[i].merge_lost;
	return sum;
}

/* Nobody is there: what was lost so far is no matter of the next round. */
static void forget_losses(struct judge *judge)
{
	const struct covbuf_segment *segment = judge->segment;

	for (uint32_t i = 0; i < segment->layout.contexts.nr; i++)
		memset(segment->contexts[i].lost, 0, sizeof(segment->contexts[i].lost));
	for (uint32_t i = 0; i < segment->layout.procs.nr; i++)
		memset(segment->procs[i].lost, 0, sizeof(segment->procs[i].lost));
	for (uint32_t i = 0; i < segment->layout.owners.nr; i++) {
		segment->owners[i].stale = 0;
		segment->owners[i].merge_lost = 0;
	}
}

void judge_new_round(struct judge *judge, uint32_t round)
{
	forget_losses(judge);
	judge->lost_before = 0;
	books_forget(&judge->found);
	books_new_round(round);
}

uint64_t judge_counted(const struct judge *judge)
{
	return counted_by_contexts(judge->segment) + counted_by_owners(judge->segment) - judge->lost_before;
}

void judge_lose_before(struct judge *judge)
{
	for (uint32_t i = 0; i < judge->segment->layout.contexts.nr; i++)
		judge->segment->contexts[i].lost[COVBUF_LOST_FULL] = JUDGE_LOST_BEFORE;
	judge->lost_before = counted_by_contexts(judge->segment);
}

/* ---- what an observer sees ------------------------------------------------------------------- */

static int note_viewed(const struct covbuf_area *area, const uint64_t *record, void *found)
{
	books_note(found, record, area->mode, area->kind == COVBUF_COUNTED ? 0 : area->token, area->serial);
	return 0;
}

static void view_area(struct judge *judge, uint32_t i, struct books_found *found)
{
	struct covbuf_area area;
	int err = covbuf_view_area(judge->observer, i, &area);
	int64_t nr;

	if (err) {
		books_fail("area %u cannot be looked at: %s", i, strerror(-err));
		return;
	}
	if (COVBUF_FLAG_STATE(area.flag) == COVBUF_AREA_FREE || COVBUF_FLAG_STATE(area.flag) == COVBUF_AREA_RETIRED)
		return;
	nr = covbuf_view_records(judge->observer, i, &area, note_viewed, found, NULL);
	if (nr == -ESTALE && COVBUF_FLAG_STATE(area.flag) == COVBUF_AREA_READING && area.mode == COVBUF_MODE_CMP)
		judge->unseen = true;
	else if (nr < 0)
		books_fail("records of area %u cannot be looked at: %s", i, strerror((int)-nr));
}

static void view_areas(struct judge *judge)
{
	books_forget(&judge->viewed);
	judge->unseen = false;
	for (uint32_t i = 0; i < covb_segment_nr_areas(judge->segment); i++)
		view_area(judge, i, &judge->viewed);
}

/* Whatever the consumer got, the observer had seen. */
static void compare_views(const struct judge *judge)
{
	for (uint32_t p = 0; p < BOOKS_PROCESSES; p++)
		for (uint32_t l = 0; l < BOOKS_LEVELS; l++)
			for (uint32_t n = 0; n < books->made[p][l].begun; n++)
				if (judge->found.times[p][l][n] && !judge->viewed.times[p][l][n])
					books_fail("the observer did not see number %u of process %u, level %u", n, p,
						   l);
}

/* ---- what the consumer gets ------------------------------------------------------------------ */

/* Areas that stay are visited by the consumer only if nobody handed them over, so they are looked at instead. */
static int note_batch(const struct covbuf_batch *batch, void *arg)
{
	struct judge *judge = arg;

	if (judge->segment->owners[batch->owner].flags & COVBUF_OWNER_KEEP)
		return 0;
	return books_note_batch(batch, &judge->found);
}

/* Look at an area that stays, and give it back, so that there is a next round. */
static void end_kept(struct judge *judge, uint32_t i)
{
	struct covbuf_area *area = &judge->segment->areas[i];
	uint64_t flag = area->flag;

	view_area(judge, i, &judge->found);
	covb_area_clean(judge->segment, i);
	if (!covb_flag_give(area, flag))
		books_fail("area %u is moved by a dead process", i);
}

static void drain(struct judge *judge, covbuf_batch_fn fn)
{
	struct covbuf_drained drained;
	int err = covbuf_drain(judge->segment, COVBUF_DRAIN_LIVE | COVBUF_DRAIN_AUDIT, fn, judge, &drained);

	if (err)
		books_fail("cannot drain: %s", strerror(-err));
	for (uint32_t i = 0; i < covb_segment_nr_areas(judge->segment); i++)
		if (COVBUF_FLAG_STATE(judge->segment->areas[i].flag) == COVBUF_AREA_ENDED)
			end_kept(judge, i);
}

void judge_drain(struct judge *judge)
{
	drain(judge, note_batch);
}

void judge_books(struct judge *judge, const struct judge_limits *limits)
{
	uint64_t counted_before = counted_by_owners(judge->segment), seen, dropped, lost, begun;

	view_areas(judge);
	if (limits->in_hand)
		books_add_given(&judge->found);
	seen = judge->found.records;
	drain(judge, note_batch);
	seen = judge->found.records - seen;
	dropped = counted_by_owners(judge->segment) - counted_before;
	lost = judge_counted(judge);
	begun = books_begun();

	if (judge->found.records + lost > begun + limits->again_areas * covbuf_class_words(0) + limits->recounted)
		books_fail("%lu begun; %lu found and %lu counted: too many", begun, judge->found.records, lost);
	else if (judge->found.records + lost + limits->open < begun)
		books_fail("%lu begun, %lu of them cut short; %lu found and %lu counted: too few", begun, limits->open,
			   judge->found.records, lost);
	if (judge->found.nr_again_areas > limits->again_areas)
		books_fail("%lu records of %lu areas were found twice, as %#lx", judge->found.again,
			   judge->found.nr_again_areas, judge->found.first_again);
	if (judge->viewed.nr_again_areas > limits->again_areas)
		books_fail("the observer saw %lu records of %lu areas twice, as %#lx", judge->viewed.again,
			   judge->viewed.nr_again_areas, judge->viewed.first_again);
	if (limits->in_hand || limits->drained || limits->again_areas || judge->unseen)
		return;
	compare_views(judge);
	if (judge->viewed.records != seen + dropped)
		books_fail("the observer saw %lu records; the consumer got %lu and dropped %lu",
			   judge->viewed.records, seen, dropped);
}

/* ---- what is left ---------------------------------------------------------------------------- */

static void check_words(const struct judge *judge, uint32_t i)
{
	uint64_t nr_words, nr_guards = 0;
	const uint64_t *words = covb_segment_words(judge->segment, i, &nr_words);

	if (!words) {
		books_fail("area %u lies nowhere", i);
		return;
	}
	nr_words -= COVBUF_GUARD_WORDS;
	for (uint64_t k = 0; k < nr_words; k++)
		if (words[k]) {
			books_fail("area %u is free and its word %lu is %#lx", i, k, words[k]);
			break;
		}
	for (uint64_t k = 0; k < COVBUF_GUARD_WORDS; k++)
		nr_guards += words[nr_words + k] == COVBUF_GUARD_VALUE;
	/* none: a merge target had none, or a hole was punched; whoever takes the area sets them */
	if (nr_guards != COVBUF_GUARD_WORDS && nr_guards)
		books_fail("area %u is free and has %lu of its guard words", i, nr_guards);
}

static void check_areas(const struct judge *judge)
{
	uint32_t nr_free = 0, nr_nobodys = judge->maker_died;

	for (uint32_t i = 0; i < covb_segment_nr_areas(judge->segment); i++) {
		uint64_t flag = judge->segment->areas[i].flag;

		switch (COVBUF_FLAG_STATE(flag)) {
		case COVBUF_AREA_FREE:
			nr_free += judge->segment->areas[i].area_class == 0;
			check_words(judge, i);
			break;
		case COVBUF_AREA_RETIRED:
			break;
		default:
			if (COVBUF_FLAG_HOLDER(flag) == COVB_HOLDER_MAKER && nr_nobodys--)
				break;
			books_fail("area %u is left in state %u of holder %u", i, COVBUF_FLAG_STATE(flag),
				   COVBUF_FLAG_HOLDER(flag));
		}
	}
	if (nr_free != judge->nr_areas)
		books_fail("%u areas are free, not %u", nr_free, judge->nr_areas);
}

static void check_owner(const struct judge *judge, uint32_t i)
{
	const struct covbuf_owner_slot *slot = &judge->segment->owners[i];

	if (slot->queue || slot->taking)
		books_fail("owner %u has a queue still", i);
	if (judge->automatic && !i)
		return;
	if ((slot->state & 0xff) != COVBUF_OWNER_NONE || (slot->sequence & 1))
		books_fail("owner %u is left in state %lu, sequence %lu", i, slot->state & 0xff, slot->sequence);
}

void judge_pool(struct judge *judge)
{
	const struct covbuf_segment *segment = judge->segment;

	check_areas(judge);
	for (uint32_t i = 0; i < segment->layout.owners.nr; i++)
		check_owner(judge, i);
	for (uint32_t i = 0; i < segment->layout.contexts.nr; i++)
		if ((segment->contexts[i].state & 0xff) == COVBUF_CONTEXT_LIVE)
			books_fail("context %u is left", i);
	for (uint32_t i = 1; i < segment->layout.procs.nr; i++)
		if ((segment->procs[i].state & 0xff) == COVBUF_PROC_LIVE)
			books_fail("process slot %u is left", i);
	if (segment->header->lost_contexts || segment->header->lost_procs)
		books_fail("%lu threads and %lu processes found no slot", segment->header->lost_contexts,
			   segment->header->lost_procs);
}
