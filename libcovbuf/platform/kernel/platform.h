/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * A kernel, PREEMPT_RT or not: contexts are tasks' (task.h), levels are task and softirq, grace periods
 * are RCU's.
 */
#ifndef COVB_PLATFORM_KERNEL_H
#define COVB_PLATFORM_KERNEL_H

#include <linux/rcupdate.h>
#include <linux/string.h>

#include "task.h"

#define COVB_PLAT_COUNTED 1
#define COVB_PLAT_NR_VOID_FRAMES 8

struct covb_rcu_head {
	struct rcu_head head;
	void (*fn)(struct covb_rcu_head *head);
};

COVBUF_INLINE COVBUF_NOINSTR bool covb_plat_alive(void)
{
	return true;
}

COVBUF_INLINE COVBUF_NOINSTR uint32_t covb_plat_level(const struct covbuf_context *ctx)
{
	(void)ctx;
	return covb_level_now();
}

COVBUF_INLINE uint64_t covb_plat_collects(uint32_t level)
{
	return covb_collects(level);
}

COVBUF_INLINE struct covbuf_context *covb_plat_context(void)
{
	struct covb_task *task = covb_level_collects(covb_level_now()) ? covb_task_find() : NULL;

	return task ? &task->ctx : NULL;
}

COVBUF_INLINE void covb_plat_copy(uint64_t *to, const uint64_t *from, uint64_t nr_words)
{
	memcpy(to, from, nr_words * sizeof(*to));
}

#endif
