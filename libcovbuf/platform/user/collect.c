/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Collecting in the process that records: what shm/ does for a consumer, for one owner.
 */
#include <errno.h>

#include "user.h"

int covbuf_collect(struct covbuf_owner *owner, covbuf_batch_fn fn, void *arg)
{
	if (!covb_attached())
		return -ENOTCONN;
	if (owner->target)
		return -EINVAL; /* what it collects is in its target */
	return covb_collect_owner(covb_segment, owner->index, covb_engine.proc, fn, arg);
}

int covbuf_wait(int timeout_ms)
{
	return covb_attached() ? covbuf_segment_wait(covb_segment, timeout_ms) : -ENOTCONN;
}
