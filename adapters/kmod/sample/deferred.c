// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * Work for a session that is done elsewhere: in a softirq, in a kernel thread, in a timer.
 *
 * In none of these is the program that asked for it running, so none of it would reach that program's
 * coverage. Two things see to it: sample_defer(), which runs in its task, keeps the task's common handle, and
 * each piece of work is a remote section of that handle.
 */
#include <linux/ctype.h>
#include <linux/errno.h>
#include <linux/jiffies.h>
#include <linux/kernel.h>

#include <covbuf/kmod.h>

#include "session.h"

/* ---- the work ------------------------------------------------------------------------------------ */

static noinline u32 checksum(const u8 *bytes, size_t nr_bytes)
{
	u32 a = 1, b = 0;

	while (nr_bytes--) {
		a = (a + *bytes++) % 65521;
		b = (b + a) % 65521;
	}
	return b << 16 | a;
}

static noinline u32 count_letters(const u8 *bytes, size_t nr_bytes)
{
	u32 nr = 0;

	while (nr_bytes--)
		if (isalpha(*bytes++))
			nr++;
	return nr;
}

static noinline u32 longest_run(const u8 *bytes, size_t nr_bytes)
{
	u32 run = 0, longest = 0;
	size_t i;

	for (i = 0; i < nr_bytes; i++) {
		run = i && bytes[i] == bytes[i - 1] ? run + 1 : 1;
		longest = max(longest, run);
	}
	return longest;
}

/* ---- where it is done ---------------------------------------------------------------------------- */

static void finish(struct session *session)
{
	if (atomic_dec_and_test(&session->nr_pending))
		complete(&session->done);
}

static void on_tasklet(struct tasklet_struct *tasklet)
{
	struct session *session = from_tasklet(session, tasklet, tasklet);

	covbuf_remote_start(session->handle);
	session->result.checksum = checksum(session->payload, session->nr_bytes);
	covbuf_remote_stop();
	finish(session);
}

static void on_work(struct work_struct *work)
{
	struct session *session = container_of(work, struct session, work);

	covbuf_remote_start(session->handle);
	session->result.letters = count_letters(session->payload, session->nr_bytes);
	covbuf_remote_stop();
	finish(session);
}

static void on_timer(struct timer_list *timer)
{
	struct session *session = container_of(timer, struct session, timer);

	covbuf_remote_start(session->handle);
	session->result.longest = longest_run(session->payload, session->nr_bytes);
	covbuf_remote_stop();
	finish(session);
}

/* ---- for the device ------------------------------------------------------------------------------ */

void sample_deferred_init(struct session *session)
{
	init_completion(&session->done);
	tasklet_setup(&session->tasklet, on_tasklet);
	INIT_WORK(&session->work, on_work);
	timer_setup(&session->timer, on_timer, 0);
}

int sample_defer(struct session *session, u32 where)
{
	int error;

	if (!where || where & ~SAMPLE_ANYWHERE)
		return -EINVAL;

	session->handle = covbuf_common_handle();
	session->result = (struct sample_defer){ .where = where };
	reinit_completion(&session->done);
	atomic_set(&session->nr_pending, hweight32(where));

	if (where & SAMPLE_SOFTIRQ)
		tasklet_schedule(&session->tasklet);
	if (where & SAMPLE_WORK)
		schedule_work(&session->work);
	if (where & SAMPLE_TIMER)
		mod_timer(&session->timer, jiffies + 1);

	error = wait_for_completion_killable(&session->done);
	if (error)
		sample_deferred_stop(session);
	return error;
}

void sample_deferred_stop(struct session *session)
{
	tasklet_kill(&session->tasklet);
	timer_delete_sync(&session->timer);
	cancel_work_sync(&session->work);
}
