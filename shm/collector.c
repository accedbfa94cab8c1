// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * The consumer's pass over a segment: finished areas are visited in place, emptied and given back to
 * the pool; rings are taken from while they are written; what the dead held comes back.
 *
 * Every number that is read from the segment is read once, checked, and used from the local. Lists are
 * followed for as many steps as there are areas and no further, and an area is ours only if its flag
 * could be moved from the value that was seen: whatever the bytes are, a pass ends, and touches nothing
 * but the segment. It ends soon, too: thousands of owners may share one circle, and a million areas one
 * place, so what leads nowhere, and what was finished, is added up over all of them.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "core/flag.h"
#include "core/queue.h"
#include "collector.h"

/* ---- a pass ---------------------------------------------------------------------------------- */

static uint64_t largest_area_bytes(const struct covb_layout *layout)
{
	uint64_t largest = covbuf_class_bytes(COVBUF_NR_CLASSES - 1);

	return largest < layout->limit_bytes ? largest : layout->limit_bytes;
}

/* taken: room for the queue that is drained, and for what is found half taken. Mostly never touched: address space only. */
static int alloc_room(struct covb_drain_room *room, const struct covb_layout *layout)
{
	room->taken = malloc(2 * layout->areas.nr * sizeof(*room->taken) + 1);
	room->queued = malloc(layout->areas.nr + 1);
	room->copy = malloc(largest_area_bytes(layout) + 1);
	if (room->taken && room->queued && room->copy)
		return 0;
	covb_drain_room_free(room);
	return -ENOMEM;
}

void covb_drain_room_free(struct covb_drain_room *room)
{
	free(room->taken);
	free(room->queued);
	free(room->copy);
	*room = (struct covb_drain_room){ 0 };
}

/* The segment keeps room for one pass; another one at the same time has its own. */
static int get_room(struct covb_drain *d)
{
	struct covbuf_segment *segment = d->segment;
	uint32_t idle = 0;

	/* acquire: partner is the release in covb_drain_fini(); the last pass is done with it */
	d->shares_room = covb_cas_acquire(&segment->room_busy, &idle, 1);
	if (!d->shares_room)
		return alloc_room(&d->room, &segment->layout);
	if (!segment->room) {
		segment->room = calloc(1, sizeof(*segment->room));
		if (!segment->room || alloc_room(segment->room, &segment->layout)) {
			free(segment->room);
			segment->room = NULL;
			covb_store_release(&segment->room_busy, 0);
			return -ENOMEM;
		}
	}
	d->room = *segment->room;
	return 0;
}

int covb_drain_init(struct covb_drain *d, struct covbuf_segment *segment, unsigned int flags, covbuf_batch_fn fn,
		    void *arg)
{
	int err;

	memset(d, 0, offsetof(struct covb_drain, guard)); /* which is set up where there is one */
	d->segment = segment;
	d->flags = flags;
	d->fn = fn;
	d->arg = arg;
	d->in_place = segment->sealed;
	d->holder = COVB_HOLDER_CONSUMER;
	err = get_room(d);
	d->taken = d->room.taken;
	d->queued = d->room.queued;
	d->copy = d->room.copy;
	return err;
}

void covb_drain_fini(struct covb_drain *d)
{
	if (d->shares_room)
		covb_store_release(&d->segment->room_busy, 0);
	else
		covb_drain_room_free(&d->room);
}

int covb_drain_run(struct covb_drain *d, int (*body)(struct covb_drain *d))
{
	int err;

	if (d->segment->sealed)
		return body(d);
	err = covb_guard_push(&d->guard, d->segment->base, d->segment->layout.limit_bytes);

	if (err)
		return err;
	if (sigsetjmp(d->guard.env, 0)) {
		covb_guard_pop(&d->guard);
		return -EIO;
	}
	covb_guard_arm(&d->guard);
	err = body(d);
	covb_guard_pop(&d->guard);
	return err;
}

/* ---- queues ---------------------------------------------------------------------------------- */

bool covb_drain_claim(struct covb_drain *d, uint32_t i, uint64_t seen, uint64_t *flag)
{
	*flag = seen;
	return covb_flag_move(&d->segment->areas[i], flag, d->holder, COVBUF_AREA_READING);
}

/* A link has led to an area that is not queued. True: there were too many of them, it is followed no further. */
static bool is_stray(struct covb_drain *d, uint32_t nr_areas, bool half_taken)
{
	bool too_many = d->nr_strays++ >= nr_areas;

	if (too_many || !half_taken)
		d->damaged = true;
	return too_many;
}

/*
 * Make the areas of a list ours, newest first. One that is not queued is not: a list that leads in a
 * circle comes to areas that are ours already, and the number of steps ends it. The link is read before
 * the area is moved, and believed if the area was queued then: a link only changes in an area that has
 * been given back and taken again. Elsewhere it is followed for what it is worth. taking: where the
 * consumer writes down what is left of the list, or NULL. half_taken: some of it may be ours already.
 */
static uint32_t claim_list(struct covb_drain *d, uint32_t head, struct covb_taken *taken, uint32_t *taking,
			   bool half_taken)
{
	struct covbuf_area *areas = d->segment->areas;
	uint32_t nr_areas = covb_segment_nr_areas(d->segment);
	uint32_t nr_taken = 0;

	for (uint32_t steps = 0; head && steps < nr_areas && nr_taken < d->segment->layout.areas.nr; steps++) {
		uint32_t i = head - 1;
		uint64_t seen;

		if (i >= nr_areas) {
			d->damaged = true;
			break;
		}
		seen = covb_load_acquire(&areas[i].flag); /* acquire: the link is read after it */
		head = covb_load(&areas[i].next);
		if (COVBUF_FLAG_STATE(seen) == COVBUF_AREA_QUEUED &&
		    covb_drain_claim(d, i, seen, &taken[nr_taken].flag))
			taken[nr_taken++].area = i;
		else if (is_stray(d, nr_areas, half_taken))
			break;
		if (taking)
			covb_store(taking, head);
	}
	return nr_taken;
}

/*
 * Take the queue as a whole. The consumer writes down what it takes before it does: if it is killed
 * before the areas are its own, they are on no list, and the next consumer finds them by that word.
 */
static uint32_t take_queue(struct covb_drain *d, struct covbuf_owner_slot *slot)
{
	uint32_t head;

	if (d->holder != COVB_HOLDER_CONSUMER)
		return covb_queue_take_all(slot);
	head = covb_load(&slot->queue);
	while (head) {
		covb_store(&slot->taking, head);
		/* acquire: partner is the push; release: the word above is there before the queue is empty */
		if (covb_cas_acq_rel(&slot->queue, &head, 0))
			break;
	}
	return head;
}

/*
 * Make all that is queued ours, oldest last. What an earlier consumer left half taken comes first: it may
 * also be on the queue, so nothing is given back before both are claimed.
 */
static uint32_t claim_queue(struct covb_drain *d, struct covbuf_owner_slot *slot)
{
	struct covb_taken *older = d->taken + d->segment->layout.areas.nr;
	uint32_t *taking = d->holder == COVB_HOLDER_CONSUMER ? &slot->taking : NULL;
	uint32_t nr_older = 0, nr_taken;

	if (taking && covb_load(taking)) {
		nr_older = claim_list(d, covb_load(taking), older, NULL, true);
		covb_store_release(taking, 0);
	}
	nr_taken = claim_list(d, take_queue(d, slot), d->taken, taking, nr_older);
	if (taking)
		covb_store(taking, 0);
	memmove(d->taken + nr_taken, older, nr_older * sizeof(*older));
	return nr_taken + nr_older;
}

static void queue_one_again(struct covb_drain *d, uint32_t owner, struct covb_taken *t)
{
	struct covbuf_area *areas = d->segment->areas;
	uint64_t *hint = &d->segment->header->queued_hints[owner % COVBUF_NR_HINTS];

	if (!covb_flag_move(&areas[t->area], &t->flag, d->holder, COVBUF_AREA_QUEUED))
		return;
	covb_queue_push(&d->segment->owners[owner], areas, t->area);
	/* full fence: as in wake_consumer() of handoff.c, for a collector beside the consumer, which may have cleared the hint */
	covb_mb_after_cas();
	if (!covb_load(hint))
		covb_store(hint, COVBUF_HINT(owner, t->area));
	covb_fetch_add(&d->segment->owners[owner].queued, (uint64_t)-1); /* it was counted before */
}

/* Put areas taken[0..nr) back, so that the newest is on top again. */
static void queue_again(struct covb_drain *d, uint32_t owner, uint32_t nr)
{
	while (nr)
		queue_one_again(d, owner, &d->taken[--nr]);
}

int covb_drain_queue(struct covb_drain *d, uint32_t owner)
{
	uint32_t nr_taken = claim_queue(d, &d->segment->owners[owner]);
	int err = 0;

	while (nr_taken && !err && !d->ends) {
		struct covb_taken *t = &d->taken[--nr_taken];

		if (d->holder == COVB_HOLDER_CONSUMER) {
			covb_store(&d->segment->areas[t->area].draining, 0); /* a consumer that died may have left it set */
		} else if (covb_ring_busy(&d->segment->areas[t->area])) {
			queue_one_again(d, owner, t);
			continue;
		}
		err = covb_drain_deliver(d, d->taken[nr_taken].area, d->taken[nr_taken].flag, false);
	}
	queue_again(d, owner, nr_taken);
	return err;
}

/* What is finished for a KCOV owner is merged by its own process. */
static bool merges(const struct covbuf_owner_slot *slot)
{
	return (covb_load(&slot->state) & 0xff) == COVBUF_OWNER_LIVE && (covb_load(&slot->flags) & COVBUF_OWNER_KCOV);
}

/* Owners first, first + step, ... */
static int drain_owners(struct covb_drain *d, uint32_t first, uint32_t step)
{
	int err = 0;

	for (uint32_t o = first; o < d->segment->layout.owners.nr && !d->ends && !err; o += step) {
		const struct covbuf_owner_slot *slot = &d->segment->owners[o];

		if ((covb_load(&slot->queue) || covb_load(&slot->taking)) && !merges(slot))
			err = covb_drain_queue(d, o);
	}
	return err;
}

/*
 * Fetch what we are about to look at, all at once: each is on another processor, and as far away as the hint was. Both
 * of the entry's lines that x86 has; and the first words, if they are where they were the last time.
 */
static void fetch_hinted(const struct covbuf_segment *segment, uint64_t hint)
{
	uint32_t owner = COVBUF_HINT_OWNER(hint), i = COVBUF_HINT_AREA(hint);
	uint64_t place;

	if (owner < segment->layout.owners.nr)
		covb_prefetch_write(&segment->owners[owner].queue);
	if (i < segment->layout.areas.nr) {
		covb_prefetch_write(&segment->areas[i].flag);
		covb_prefetch_write(&segment->areas[i].filled_words);
		place = segment->places ? covb_load(&segment->places[i]) : 0;
		if (place)
			covb_prefetch_write(segment->base + place);
	}
}

static int drain_queues(struct covb_drain *d)
{
	uint64_t *hints = d->segment->header->queued_hints;
	int err = 0;

	if (!d->by_hint)
		return drain_owners(d, 0, 1);
	for (uint32_t i = 0; i < COVBUF_NR_HINTS && !d->ends && !err; i++) {
		uint64_t hint = covb_load(&hints[i]);

		if (!hint)
			continue;
		fetch_hinted(d->segment, hint);
		err = drain_owners(d, i, COVBUF_NR_HINTS); /* first: nothing waits for the fence */
		if (err || d->ends)
			break;
		covb_store(&hints[i], 0);
		covb_mb(); /* partner: wake_consumer() in handoff.c; what is pushed and not seen now sets it again */
		err = drain_owners(d, i, COVBUF_NR_HINTS);
	}
	return err;
}

static int drain_live(struct covb_drain *d)
{
	uint32_t nr_areas = covb_segment_nr_areas(d->segment);

	for (uint32_t i = 0; i < nr_areas; i++) {
		int err = covb_ring_drain_live(d, i);

		if (err)
			return err;
	}
	return 0;
}

static int drain_all(struct covb_drain *d)
{
	int err = drain_queues(d);

	if (!err && (d->flags & COVBUF_DRAIN_LIVE))
		err = drain_live(d);
	if (!err && (d->flags & COVBUF_DRAIN_AUDIT))
		err = covb_audit_leftovers(d);
	if (!err && (d->flags & COVBUF_DRAIN_AUDIT))
		err = covb_audit_dead(d);
	return err;
}

/* So often only hints are looked at, before a pass looks for what was queued by who was killed before the hint. */
#define PASSES_BY_HINT 255

/* What there is has far to come: it is sent for while the pass begins. */
static bool is_any_hinted(const struct covbuf_segment *segment)
{
	uint64_t hint = 0;

	for (uint32_t i = 0; i < COVBUF_NR_HINTS && !hint; i++)
		hint = covb_load(&segment->header->queued_hints[i]);
	if (hint)
		fetch_hinted(segment, hint);
	return hint;
}

COVBUF_PUBLIC int covbuf_drain(struct covbuf_segment *segment, unsigned int flags, covbuf_batch_fn fn, void *arg,
			       struct covbuf_drained *out)
{
	/* relaxed, like its stores: passes at the same time may each count wrong, and look at all sooner or later */
	uint32_t passes = flags & COVBUF_DRAIN_AUDIT ? 0 : covb_load(&segment->passes_by_hint);
	struct covb_drain d;
	int err;

	if (!segment->consumer || !segment->base)
		return -EPERM;
	/* what others may cut short is looked at behind a guard */
	if (passes && !flags && segment->sealed && !is_any_hinted(segment)) {
		covb_store(&segment->passes_by_hint, passes - 1);
		if (out)
			*out = (struct covbuf_drained){ 0 };
		return 0;
	}
	err = covb_drain_init(&d, segment, flags, fn, arg);
	if (err)
		return err;
	d.by_hint = passes;
	err = covb_drain_run(&d, drain_all);
	/* the rest is on its queue */
	covb_store(&segment->passes_by_hint, err || d.ends ? 0 : passes ? passes - 1 : PASSES_BY_HINT);
	if (out)
		*out = d.sum;
	covb_drain_fini(&d);
	return err ? err : d.damaged ? -EPROTO : 0;
}
