// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * Taking back what the dead held.
 *
 * A process that was killed leaves areas that it held, areas that it had finished and not queued yet,
 * and owners that nobody will disable. Its areas are found by the holder in their flags, but not those
 * on a queue: they are safe there, so the queues are walked first. Each is then finished as if it had
 * been handed over. A consumer that died leaves areas that it was reading; the consumer's number is no
 * process slot's, so whoever has the lock now finds them the same way, and they are delivered again.
 *
 * Only then is the slot given up, so a slot's number in a flag never means anybody else.
 */
#include <errno.h>
#include <string.h>

#include "core/flag.h"
#include "core/queue.h"
#include "collector.h"

static uint32_t slot_proc(uint64_t state)
{
	return (uint32_t)(state >> 8) & 0xffff;
}

/* ---- queues ---------------------------------------------------------------------------------- */

/* Mark what one queue holds. A list that comes to an area that is marked has been walked from there. */
static void walk_queue(struct covb_drain *d, uint32_t head, uint32_t nr_areas)
{
	while (head && head <= nr_areas && !d->queued[head - 1]) {
		d->queued[head - 1] = 1;
		head = covb_load(&d->segment->areas[head - 1].next);
	}
}

static void walk_queues(struct covb_drain *d, uint32_t nr_areas)
{
	memset(d->queued, 0, nr_areas);
	for (uint32_t o = 0; o < d->segment->layout.owners.nr; o++) {
		/* acquire: partner is the release of the push; the links are there */
		walk_queue(d, covb_load_acquire(&d->segment->owners[o].queue), nr_areas);
	}
}

/* ---- areas ----------------------------------------------------------------------------------- */

/* Whether an area with this flag is something that its holder had in its hands. */
static bool in_hand(const struct covb_drain *d, uint32_t i, uint64_t flag)
{
	switch (COVBUF_FLAG_STATE(flag)) {
	case COVBUF_AREA_HELD:
	case COVBUF_AREA_READING:
	case COVBUF_AREA_TARGET:
		return true;
	case COVBUF_AREA_QUEUED:
		return !d->queued[i];
	default:
		return false;
	}
}

/* Finish what a holder that is no more had. Returns 0 or what fn returned. */
static int reclaim(struct covb_drain *d, uint32_t holder)
{
	uint32_t nr_areas = covb_segment_nr_areas(d->segment);
	int err = 0;

	walk_queues(d, nr_areas);
	for (uint32_t i = 0; i < nr_areas && !err && !d->ends; i++) {
		uint64_t flag = covb_load_acquire(&d->segment->areas[i].flag);

		if (COVBUF_FLAG_HOLDER(flag) != holder || !in_hand(d, i, flag))
			continue;
		if (!covb_drain_claim(d, i, flag, &flag))
			continue;
		d->sum.reclaimed++;
		err = covb_drain_deliver(d, i, flag, true);
	}
	return err;
}

int covb_audit_leftovers(struct covb_drain *d)
{
	return reclaim(d, COVB_HOLDER_CONSUMER);
}

/* ---- owners, contexts, the process ----------------------------------------------------------- */

/* Later than any enable that its sections can have seen. */
static void raise_sequence(struct covbuf_owner_slot *slot, uint64_t by)
{
	covb_fetch_add(&slot->sequence, by);
}

/* The owner that programs record for by themselves is the maker's, whoever adopted it. */
static bool owner_stays(const struct covb_drain *d, uint32_t o)
{
	return d->segment->layout.automatic.enabled && d->segment->layout.automatic.owner == o;
}

static int end_owner(struct covb_drain *d, uint32_t o)
{
	struct covbuf_owner_slot *slot = &d->segment->owners[o];
	uint64_t state = covb_load_acquire(&slot->state);
	int err;

	if ((state & 0xff) != COVBUF_OWNER_LIVE || slot_proc(state) != d->proc || owner_stays(d, o))
		return 0;
	/* Disabled: what is queued still counts. */
	if (covb_load(&slot->sequence) & 1)
		raise_sequence(slot, 1);
	err = covb_drain_queue(d, o);
	if (err || d->ends)
		return err; /* the rest is another pass's */
	/* One enable further: what is queued from now on does not. */
	raise_sequence(slot, 2);
	/* release: partner is the acquire of whoever takes the slot */
	covb_cas_release(&slot->state, &state, (state & ~0xffull) | COVBUF_OWNER_NONE);
	return 0;
}

static int end_owners(struct covb_drain *d)
{
	int err = 0;

	for (uint32_t o = 0; o < d->segment->layout.owners.nr && !err && !d->ends; o++)
		err = end_owner(d, o);
	return err;
}

/* Of any process's owner: nobody waits for the dead, and whoever has the slot next does not merge there. */
static void end_merges(struct covb_drain *d)
{
	for (uint32_t o = 0; o < d->segment->layout.owners.nr; o++) {
		uint32_t who = covb_load(&d->segment->owners[o].merging);

		if (who && COVB_MERGER_PROC(who) == d->proc)
			covb_cas(&d->segment->owners[o].merging, &who, 0);
	}
}

static void end_contexts(struct covb_drain *d)
{
	for (uint32_t c = 0; c < d->segment->layout.contexts.nr; c++) {
		struct covbuf_context_slot *slot = &d->segment->contexts[c];
		uint64_t state = covb_load_acquire(&slot->state);

		if ((state & 0xff) == COVBUF_CONTEXT_LIVE && slot_proc(state) == d->proc)
			covb_cas_release(&slot->state, &state, (state & ~0xffull) | COVBUF_CONTEXT_ENDED);
	}
}

static void end_proc(struct covb_drain *d)
{
	struct covbuf_proc *slot = &d->segment->procs[d->proc];
	uint64_t state = covb_load_acquire(&slot->state);

	/* release: partner is the acquire of whoever takes the slot; nothing names it any more by then */
	if ((state & 0xff) == COVBUF_PROC_LIVE &&
	    covb_cas_release(&slot->state, &state, (state & ~0xffull) | COVBUF_PROC_ENDED))
		d->sum.dead_procs++;
}

/* Areas first: their owners say whether they still count. */
static int audit_proc(struct covb_drain *d)
{
	int err = reclaim(d, d->proc);

	if (!err && !d->ends)
		err = end_owners(d);
	if (err || d->ends)
		return err;
	end_merges(d);
	end_contexts(d);
	end_proc(d);
	return 0;
}

/* An audit goes through all tables. So many entries are some seconds. */
#define MAX_ENTRIES (1ull << 28)

uint32_t covb_audits_at_once(const struct covb_layout *layout)
{
	uint64_t entries = 2ull * layout->areas.nr + 4ull * layout->owners.nr + layout->contexts.nr;

	return (uint32_t)(MAX_ENTRIES / entries) + 1;
}

int covb_audit_dead(struct covb_drain *d)
{
	uint32_t left = covb_audits_at_once(&d->segment->layout);
	int err = 0;

	for (uint32_t p = 1; p < d->segment->layout.procs.nr && !err && !d->ends; p++) {
		uint64_t state = covb_load_acquire(&d->segment->procs[p].state);

		if ((state & 0xff) != COVBUF_PROC_LIVE || !covb_process_dead(d->segment, p))
			continue;
		d->proc = p;
		err = audit_proc(d);
		d->ends |= --left == 0;
	}
	return err;
}

int64_t covb_audit_process(struct covbuf_segment *segment, uint32_t proc, covbuf_batch_fn fn, void *arg,
			   struct covbuf_drained *out)
{
	struct covb_drain d;
	int err;

	if (proc == 0 || proc >= segment->layout.procs.nr || !segment->base)
		return -EINVAL;
	err = covb_drain_init(&d, segment, 0, fn, arg);
	if (err)
		return err;
	d.proc = proc;
	d.discards = !fn;
	err = covb_drain_run(&d, audit_proc);
	if (out)
		*out = d.sum;
	covb_drain_fini(&d);
	return err ? err : (int64_t)d.sum.reclaimed;
}
