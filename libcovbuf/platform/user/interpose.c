/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * For shared objects: the C library's functions under their own names, in front of the next ones.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>

#include <covbuf/atomic.h>

#include "wrap.h"

COVBUF_PUBLIC int pthread_create(pthread_t *thread, const pthread_attr_t *attr, void *(*fn)(void *), void *arg)
{
	static covb_create_fn next;

	if (!covb_load_acquire(&next))
		covb_store_release(&next, (covb_create_fn)dlsym(RTLD_NEXT, "pthread_create"));
	return next ? covb_create_thread(next, thread, attr, fn, arg) : EAGAIN;
}

COVBUF_PUBLIC pid_t _Fork(void)
{
	static pid_t (*next)(void);

	if (!covb_load_acquire(&next))
		covb_store_release(&next, (pid_t(*)(void))dlsym(RTLD_NEXT, "_Fork"));
	if (!next) {
		errno = ENOSYS;
		return -1;
	}
	return covb_fork_raw(next);
}
