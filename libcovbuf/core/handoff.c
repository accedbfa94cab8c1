/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Handing over: what becomes of a section's areas when it stops.
 *
 *   nothing recorded         back to the pool
 *   the owner keeps          ENDED: it is part of the recording
 *   the owner moved on       records counted as stale, back to the pool; a ring is queued
 *   else                     on the owner's queue, oldest first; no copy
 *
 * Legal at any level: no lock, no allocation; a system call only to wake a collector that sleeps.
 */
#include "engine.h"

/*
 * Whether nothing was stored. A cursor that stands at the start may be stale, if handlers appended and
 * nobody did after them, so the first words are looked at too.
 */
static COVBUF_NOINSTR bool is_empty(const struct covb_frame *frame, const uint64_t *cursor)
{
	uint64_t found = 0;

	if (frame->kind != COVBUF_LINEAR || cursor != frame->start || (frame->flags & COVB_FRAME_DIRTY))
		return false;
#pragma GCC unroll 8
	for (uint32_t i = 0; i < 8; i++)
		found |= covb_load(&frame->start[i]);
	return !found;
}

/* Full frames of the section hang latest first; turn them round. */
static COVBUF_NOINSTR struct covb_frame *oldest_first(struct covb_frame *frame)
{
	struct covb_frame *list = NULL;

	while (frame) {
		struct covb_frame *older = frame->held;

		frame->held = list;
		list = frame;
		frame = older;
	}
	return list;
}

/* One that spins finds the hint. One that has something to do clears it seldom, so mostly nothing is written. */
static COVB_LONG void wake_consumer(uint32_t owner, uint32_t area)
{
	uint64_t *hint = &covb_engine.queued_hints[owner % COVBUF_NR_HINTS];

	/*
	 * Full fence: partners are the one in the consumer's wait and the one behind its clearing of the hint; either it
	 * sees what was queued, or we see that it waits, or has cleared the hint.
	 */
	covb_mb_after_cas(); /* of the push */
	if (COVBUF_UNLIKELY(!covb_load(hint)))
		covb_store(hint, COVBUF_HINT(owner, area));
	if (COVBUF_LIKELY(!covb_load(covb_engine.nr_waiting)))
		return;
	covb_fetch_add(covb_engine.wake, 1);
	covb_plat_wake(covb_engine.wake);
}

/* Out of the frame's hands. False: the consumer took the area back, because it thinks that we are dead. */
static COVBUF_NOINSTR bool part_with(struct covb_frame *frame, enum covbuf_area_state state)
{
	struct covbuf_area *area = &covb_engine.areas[frame->area];
	uint64_t flag = covb_load(&frame->flag);

	covb_store(&frame->flag, 0);
	return covb_flag_move(area, &flag, covb_engine.proc, state);
}

/* Where the cursor stood, as far as that tells how many words are used; 0: it does not. See covb_words_used(). */
static COVBUF_NOINSTR uint64_t filled_words(const struct covb_frame *frame, const uint64_t *cursor)
{
	if (frame->kind != COVBUF_LINEAR || (frame->flags & COVB_FRAME_DIRTY) || cursor < frame->start ||
	    cursor >= frame->end + COVBUF_GUARD_WORDS)
		return 0;
	return (uint64_t)((cursor < frame->end ? cursor : frame->end) - frame->start);
}

static COVB_LONG void deliver(struct covbuf_context *ctx, struct covb_frame *frame, const uint64_t *cursor)
{
	struct covbuf_owner *owner = &covb_engine.owners[frame->owner];
	struct covbuf_area *area = &covb_engine.areas[frame->area];

	covb_prefetch_write(&owner->slot->queue);
	covb_store(&area->filled_words, filled_words(frame, cursor));
	if (frame->kind == COVBUF_RING)
		covb_store(&area->claimed, frame->index);
	if (frame->flags & COVBUF_OWNER_KEEP) {
		part_with(frame, COVBUF_AREA_ENDED);
		return;
	}
	if (covb_load(&owner->slot->sequence) != frame->sequence) {
		if (frame->kind != COVBUF_RING) {
			uint64_t flag = covb_load(&frame->flag);

			/* an observer is told before the records go; 0: taken back, see part_with() */
			if (!covb_flag_move(area, &flag, covb_engine.proc, COVBUF_AREA_READING))
				flag = 0;
			covb_store(&frame->flag, flag); /* who gives a ticket twice may look */
			if (flag)
				covb_pool_discard(ctx, frame, covb_counter(ctx, COVBUF_LOST_STALE));
			return;
		}
		/*
		 * A ring may be in the consumer's hands: whoever takes it from the queue sees to that, and
		 * drops it, because this is no sequence of an enable.
		 */
		covb_store(&area->sequence, frame->sequence - 1);
	}
	/* a queued area is nobody's but the queue's: from here on the frame may be another's */
	if (part_with(frame, COVBUF_AREA_QUEUED))
		covb_queue_push(owner->slot, covb_engine.areas, (uint32_t)(area - covb_engine.areas));
}

static COVB_RARE void deliver_chain(struct covbuf_context *ctx, struct covb_frame *latest, const uint64_t *cursor)
{
	struct covb_frame *frame, *next;

	for (frame = oldest_first(latest); frame; frame = next) {
		next = frame->held;
		if (frame->kind == COVB_KIND_VOID) {
			frame->held = NULL; /* as a free one has it */
			covb_void_give(ctx, frame);
		} else {
			deliver(ctx, frame, frame == latest ? cursor : frame->end);
		}
	}
}

/*
 * Counted areas: into the target at once, where nobody else is at it; else by the queue, to whoever is. An
 * owner has no other collector.
 */
static COVBUF_NOINSTR void deliver_counted(struct covbuf_context *ctx, struct covb_frame *frame)
{
	struct covbuf_owner *owner = &covb_engine.owners[frame->owner];
	struct covbuf_area *area = &covb_engine.areas[frame->area];
	uint64_t flag = covb_load(&frame->flag);

	if (covb_load(&owner->slot->sequence) != frame->sequence) {
		covb_pool_discard(ctx, frame, covb_counter(ctx, COVBUF_LOST_STALE));
		return;
	}
	if (COVBUF_LIKELY(covb_merge_one(ctx, owner, frame))) {
		covb_pool_give(ctx, frame);
		return;
	}
	COVB_STORE_NEW(&area->mode, frame->mode);
	covb_store(&area->sequence, frame->sequence);
	/* from here on the frame may be another's */
	covb_flag_move(area, &flag, covb_engine.proc, COVBUF_AREA_QUEUED);
	covb_queue_push(owner->slot, covb_engine.areas, (uint32_t)(area - covb_engine.areas));
	covb_merge(owner);
}

static COVBUF_NOINSTR void handoff_counted(struct covbuf_context *ctx, struct covb_frame *frame)
{
	if (frame->flags & COVB_FRAME_LOCAL)
		covb_local_stopped(frame); /* its words are the owner's target */
	else if (covb_load(&frame->start[0]))
		deliver_counted(ctx, frame);
	else
		covb_pool_give(ctx, frame);
}

static COVB_LONG int handoff_claimed(struct covbuf_context *ctx, struct covb_frame *frame, uint64_t *cursor)
{
	struct covb_context_private *priv = ctx->priv;
	struct covb_frame *held = frame->held;
	struct covbuf_owner *owner;
	uint32_t flags = frame->flags, area = frame->area;

	/* mostly all that it succeeds is the frame without an area that the section began with */
	if (held && COVBUF_LIKELY(held->kind == COVB_KIND_VOID)) {
		covb_void_give(ctx, held);
		held = frame->held = NULL;
	}
	if (!held && is_empty(frame, cursor)) {
		priv->recorded = false;
		covb_pool_give(ctx, frame);
		return 0;
	}
	/* from here on the frame may be another's */
	owner = &covb_engine.owners[frame->owner];
	if (!held)
		deliver(ctx, frame, cursor);
	else
		deliver_chain(ctx, frame, cursor);
	priv->recorded = true;
	if (flags & COVBUF_OWNER_KEEP)
		return 0;
	if (COVB_CONFIG_FLAGS(covb_load(&owner->config)) & COVBUF_OWNER_KCOV)
		covb_merge(owner);
	else
		wake_consumer(owner->index, area);
	return 0;
}

/*
 * Hand over a frame that was popped, with all that filled up before it. cursor: where its own stood. Always 0, which a
 * stop returns: so it ends in a jump to what takes long.
 */
COVBUF_NOINSTR int covb_handoff(struct covbuf_context *ctx, struct covb_frame *frame, uint64_t *cursor)
{
	if (COVBUF_LIKELY(frame->kind == COVB_KIND_VOID)) {
		covb_void_give(ctx, frame);
		return 0;
	}
	if (!COVB_PLAT_COUNTED)
		return handoff_claimed(ctx, frame, cursor);
	handoff_counted(ctx, frame);
	return 0;
}

/* Take one area off the list that head begins. *next: the rest. False: the list is damaged or at its end. */
COVBUF_NOINSTR bool covb_queue_next(uint32_t head, uint32_t *area, uint32_t *next)
{
	uint32_t nr_areas = covb_load_acquire(covb_engine.nr_areas);

	if (nr_areas > covb_engine.nr_areas_max)
		nr_areas = covb_engine.nr_areas_max;
	if (!head || head > nr_areas)
		return false;
	*area = head - 1;
	*next = covb_load(&covb_engine.areas[head - 1].next);
	return true;
}

/* Make the area that was queued ours to read. False: it is not on a queue. */
COVBUF_NOINSTR bool covb_queue_claim(uint32_t area, struct covb_frame *frame)
{
	struct covbuf_area *entry = &covb_engine.areas[area];
	uint64_t flag = covb_load(&entry->flag);
	uint32_t area_class = covb_load(&entry->area_class);

	if (COVBUF_FLAG_STATE(flag) != COVBUF_AREA_QUEUED || area_class >= COVBUF_NR_CLASSES ||
	    !covb_frame_locate(frame, entry, area_class))
		return false;
	if (!covb_flag_move(entry, &flag, covb_engine.proc, COVBUF_AREA_READING))
		return false;
	frame->flag = flag;
	frame->kind = COVB_PLAT_COUNTED ? COVBUF_COUNTED : COVBUF_LINEAR;
	frame->mode = covb_load(&entry->mode) == COVBUF_MODE_CMP ? COVBUF_MODE_CMP : COVBUF_MODE_PC;
	return true;
}

/* Throw away what is queued for an owner, counted as stale. Sleeping level. */
void covb_queue_drop(struct covbuf_owner *owner)
{
	struct covbuf_context nobody = { .hint = 0 };
	uint32_t head = covb_queue_take_all(owner->slot);
	struct covb_frame frame;
	uint32_t area;

	for (uint32_t n = 0; n < covb_engine.nr_areas_max && covb_queue_next(head, &area, &head); n++) {
		if (!covb_queue_claim(area, &frame))
			continue; /* the audit takes what a dead process had pushed and is on no queue any more */
		if (covb_ring_busy(&covb_engine.areas[area])) {
			if (covb_flag_move(&covb_engine.areas[area], &frame.flag, covb_engine.proc, COVBUF_AREA_QUEUED))
				covb_queue_push(owner->slot, covb_engine.areas, area);
			covb_fetch_add(&owner->slot->queued, (uint64_t)-1); /* it was counted before */
			continue;
		}
		covb_pool_discard(&nobody, &frame, &owner->slot->stale);
	}
}
