/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The queue of an owner's finished areas: a list headed in the owner's slot, pushed one by one from
 * anywhere and taken as a whole, so there is no ABA. Links are indices into the directory; whoever
 * takes them checks each, and takes at most as many as there are areas.
 */
#ifndef COVB_CORE_QUEUE_H
#define COVB_CORE_QUEUE_H

#include <covbuf/atomic.h>
#include <covbuf/format.h>

/* What an owner's merge flag says: the merging context, so that only an unwind of its own can take the flag from it. Never 0. */
#define COVB_MERGER(context, proc) (1u << 31 | (uint32_t)(context) << 12 | (proc))
#define COVB_MERGER_PROC(m) ((m) & 0xfff)

/* Push area i. Lock-free. */
COVBUF_INLINE COVBUF_NOINSTR void covb_queue_push(struct covbuf_owner_slot *slot, struct covbuf_area *areas, uint32_t i)
{
	uint32_t head = covb_load(&slot->queue);

	do {
		covb_store(&areas[i].next, head);
		/* release: partner is the acquire of covb_queue_take_all(); records and link are there before the head is */
	} while (!covb_cas_release(&slot->queue, &head, i + 1));
	covb_fetch_add(&slot->queued, 1);
}

/* Everything that is queued, newest first; index + 1, 0: nothing. Wait-free. */
COVBUF_INLINE COVBUF_NOINSTR uint32_t covb_queue_take_all(struct covbuf_owner_slot *slot)
{
	if (!covb_load(&slot->queue))
		return 0;
	/* acquire: partner is the release of covb_queue_push() */
	return covb_xchg_acquire(&slot->queue, 0);
}

#endif
