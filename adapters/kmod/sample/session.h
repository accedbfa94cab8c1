/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* covbuf_sample: one open file, and who does what with it. */
#ifndef COVBUF_SAMPLE_SESSION_H
#define COVBUF_SAMPLE_SESSION_H

#include <linux/completion.h>
#include <linux/interrupt.h>
#include <linux/mutex.h>
#include <linux/timer.h>
#include <linux/types.h>
#include <linux/workqueue.h>

#include "sample.h"

struct session {
	struct mutex lock; /* of all that follows; who defers holds it until the work is done */
	u8 payload[255];   /* of the last good message */
	u8 nr_bytes;
	u32 answer;

	/* The work that is done elsewhere: on whose behalf, how much of it is left, what came of it. */
	u64 handle;
	atomic_t nr_pending;
	struct completion done;
	struct sample_defer result;
	struct tasklet_struct tasklet;
	struct work_struct work;
	struct timer_list timer;
};

/* parse.c: take one message from the front. Returns its length in bytes or a negative error number. */
ssize_t sample_parse(struct session *session, const u8 *bytes, size_t nr_bytes);

/* deferred.c */
void sample_deferred_init(struct session *session);
int sample_defer(struct session *session, u32 where); /* sleeps until all is done, or the task is killed */
void sample_deferred_stop(struct session *session);   /* afterwards nothing runs or will; sleeps */

#endif
