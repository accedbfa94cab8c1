/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Moving an area from one place to another: every move is one compare-and-swap of its flag, from the
 * value the mover knows, so a second give, a give after the consumer took the area back, and two
 * takers at once all end in one winner and a refusal.
 *
 *   FREE -> HELD          take, acquire: sees the zeroes of whoever gave it
 *   HELD -> FREE          give, release: an area that nothing was written to
 *   HELD -> QUEUED        stop; the push of the queue's head releases the records
 *   QUEUED -> READING     whoever took the queue; the take of the head acquired
 *   HELD -> READING       a stop that finds its records stale, before it zeroes them
 *   READING -> FREE       give, release: after zeroing all words
 *   HELD, READING -> ENDED  a recording keeps it
 *   any of a dead holder's -> READING  the consumer, acquire; only after nobody else can move it
 */
#ifndef COVB_CORE_FLAG_H
#define COVB_CORE_FLAG_H

#include <covbuf/atomic.h>
#include <covbuf/format.h>

/* Take a free area for holder. On success *flag is the new flag. */
COVBUF_INLINE COVBUF_NOINSTR bool covb_flag_take(struct covbuf_area *area, uint32_t holder, uint64_t *flag)
{
	uint64_t seen = covb_load(&area->flag);
	uint64_t mine;

	if (COVBUF_FLAG_STATE(seen) != COVBUF_AREA_FREE)
		return false;
	mine = COVBUF_FLAG(COVBUF_FLAG_GENERATION(seen) + 1, holder, COVBUF_AREA_HELD);
	/* acquire: partner is the release of covb_flag_give(); else we could see the last user's words */
	if (!covb_cas_acquire(&area->flag, &seen, mine))
		return false;
	*flag = mine;
	return true;
}

/* From the flag that the caller holds to another state and holder. False: it is not the caller's any more. */
COVBUF_INLINE COVBUF_NOINSTR bool covb_flag_move(struct covbuf_area *area, uint64_t *flag, uint32_t holder,
						 enum covbuf_area_state state)
{
	uint64_t seen = *flag;
	uint64_t next = COVBUF_FLAG(COVBUF_FLAG_GENERATION(seen), holder, state);

	/* acq_rel: partners are covb_flag_take() for what goes to FREE, the audit for what comes from the dead */
	if (!covb_cas_acq_rel(&area->flag, &seen, next))
		return false;
	*flag = next;
	/*
	 * READING before its words are zeroed: an observer that finds them gone finds that said. Partner: the
	 * fence in check_still() of shm/view_words.c. The compare-and-swap orders no stores on POWER.
	 */
	if (state == COVBUF_AREA_READING)
		covb_wmb();
	return true;
}

/* Back to the pool. The caller has seen to it that all words are zero and the guard words are not. */
COVBUF_INLINE COVBUF_NOINSTR bool covb_flag_give(struct covbuf_area *area, uint64_t flag)
{
	uint64_t seen = flag;

	/* release: partner is the acquire of covb_flag_take(); the zeroes are there before the flag says free */
	return covb_cas_release(&area->flag, &seen, COVBUF_FLAG(COVBUF_FLAG_GENERATION(flag), 0, COVBUF_AREA_FREE));
}

/*
 * Whether the consumer takes records from a ring that the caller has just made its own. It looked at the
 * flag after it had said so, and will still write to slots that it has read: the ring must not be emptied
 * meanwhile. It does not wait for anybody, but may have died; so nobody waits for it either, and the ring
 * goes back on its queue.
 */
COVBUF_INLINE COVBUF_NOINSTR bool covb_ring_busy(const struct covbuf_area *area)
{
	if (COVBUF_LIKELY(covb_load(&area->kind) != COVBUF_RING))
		return false; /* the kind stays while the area is ours */
	/* that of the flag. Partner: the fence in covb_ring_drain_live(); either it sees our flag, or we see it */
	covb_mb_after_cas();
	/* acquire: partner is the consumer's release; its last mark is there */
	return covb_load_acquire(&area->draining);
}

#endif
