/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Collecting for one owner, in the process that has the engine: the consumer's way of finishing an area,
 * without the segment's lock. Several may do it at once, beside the consumer too: a queue is taken as a
 * whole, and each gets other areas. What one of them reads is held by its process, so that it comes
 * back if the process dies.
 */
#include <errno.h>

#include "collector.h"

static int drain_one(struct covb_drain *d)
{
	return covb_load(&d->segment->owners[d->owner].queue) ? covb_drain_queue(d, d->owner) : 0;
}

int covb_collect_owner(struct covbuf_segment *segment, uint32_t owner, uint32_t holder, covbuf_batch_fn fn, void *arg)
{
	struct covb_drain d;
	int err;

	if (segment->sealed && !covb_load(&segment->owners[owner].queue))
		return 0;
	err = covb_drain_init(&d, segment, 0, fn, arg);
	if (err)
		return err;
	d.holder = holder;
	d.owner = owner;
	err = covb_drain_run(&d, drain_one);
	covb_drain_fini(&d);
	return err ? err : (int)d.sum.areas;
}
