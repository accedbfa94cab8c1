// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * Remote sections, as modules start and stop them.
 *
 * A stop has no argument that says which start it belongs to, as with KCOV. So a start that began nothing
 * is remembered in the frame that it would have stood on, and its stop is its own; what runs in between
 * goes on recording into that frame. A frame of another level is not touched: what runs there now has
 * none, and its stop finds none.
 */
#include <linux/export.h>
#include <linux/rcupdate.h>

#include "kmod.h"

void covbuf_remote_start(u64 handle);
void covbuf_remote_stop(void);
u64 covbuf_common_handle(void);

static void count(struct covb_task *task, enum covbuf_loss cause)
{
	if (task)
		covb_count(&task->ctx, cause);
	else
		covb_fetch_add(&covb_engine.procs[0].lost[cause], 1);
}

/* The frame that a section of this level would stand on, or NULL. */
static struct covb_frame *frame_below(const struct covb_task *task, uint32_t level)
{
	struct covb_frame *top = task ? covb_load(&task->ctx.top) : NULL;

	return top && top->level == level ? top : NULL;
}

/* Returns whether a section was started. *task: the caller's context, which may be made, or dropped again. */
static bool start(u64 handle, struct covb_task **task)
{
	struct covbuf_owner *owner;
	uint32_t generation;
	bool started = false;

	if (!handle)
		return false; /* nobody asked for it */
	owner = covb_handle_find(handle, &generation);
	if (!owner) {
		count(*task, COVBUF_LOST_UNKNOWN);
		return false;
	}
	*task = covb_task_get();
	if (*task && (covb_load(&(*task)->ctx.priv) || covb_context_open(&(*task)->ctx)))
		started = covb_section_start(&(*task)->ctx, owner, generation, handle, 0);
	else
		count(*task, COVBUF_LOST_SHUT);
	if (!started && *task)
		*task = covb_task_left(*task) ? NULL : *task;
	return started;
}

COVB_WARM void covbuf_remote_start(u64 handle)
{
	struct covb_frame *frame;
	struct covb_task *task;
	uint32_t level;

	if (!static_branch_unlikely(&covb_collecting))
		return;
	level = covb_level_now();
	if (!covb_level_collects(level)) {
		covb_cpu_inc(level);
		return;
	}
	rcu_read_lock(); /* partner: the grace period in task.c's turn_off_later() */
	task = covb_task_find_rcu();
	if (start(handle, &task)) {
		covb_cpu_inc(sections);
	} else {
		frame = frame_below(task, level);
		if (frame)
			covb_missed_start(frame);
	}
	rcu_read_unlock();
}
EXPORT_SYMBOL(covbuf_remote_start);

COVB_WARM void covbuf_remote_stop(void)
{
	struct covb_frame *frame;
	struct covb_task *task;
	uint32_t level;

	if (!static_branch_unlikely(&covb_collecting))
		return;
	level = covb_level_now();
	if (!covb_level_collects(level))
		return;
	rcu_read_lock();
	task = covb_task_find_rcu();
	frame = frame_below(task, level);
	if (frame && frame->misses) {
		covb_missed_stop(&task->ctx, frame);
	} else if (frame && !(frame->flags & COVB_FRAME_LOCAL)) {
		covb_section_stop(&task->ctx, frame->token);
		covb_task_left(task);
	}
	rcu_read_unlock();
}
EXPORT_SYMBOL(covbuf_remote_stop);

u64 notrace covbuf_common_handle(void)
{
	struct covb_task *task;

	if (!static_branch_unlikely(&covb_collecting) || covb_level_now())
		return 0;
	task = covb_task_find();
	return task ? covb_load(&task->ctx.common_handle) : 0;
}
EXPORT_SYMBOL(covbuf_common_handle);
