/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * What threads and children have of whoever starts them: a thread its creator's common handle, the
 * child of _Fork() a context that is shut.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <stdlib.h>

#include "user.h"
#include "wrap.h"

struct start {
	void *(*fn)(void *);
	void *arg;
	uint64_t common_handle;
};

static void *run(void *arg)
{
	struct start start = *(struct start *)arg;

	free(arg);
	covbuf_set_common_handle(start.common_handle);
	return start.fn(start.arg);
}

int covb_create_thread(covb_create_fn next, pthread_t *thread, const pthread_attr_t *attr, void *(*fn)(void *),
		       void *arg)
{
	uint64_t common_handle = covbuf_common_handle();
	struct start *start;
	int err;

	if (!common_handle)
		return next(thread, attr, fn, arg);
	start = malloc(sizeof(*start));
	if (!start)
		return EAGAIN;
	*start = (struct start){ fn, arg, common_handle };
	err = next(thread, attr, run, start);
	if (err)
		free(start);
	return err;
}

pid_t covb_fork_raw(pid_t (*next)(void))
{
	pid_t pid = next();

	if (!pid && covb_attached())
		covb_context_forget(covbuf_context(), false);
	return pid;
}
