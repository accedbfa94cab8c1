/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Functions of the C library that are wrapped, and what they are wrapped in: libcovbuf.so and the
 * preload object interpose them by name (interpose.c); programs that link libcovbuf.a, dynamic or
 * static, do it with -Wl,--wrap (wrap.c).
 */
#ifndef COVB_WRAP_H
#define COVB_WRAP_H

#include <pthread.h>
#include <unistd.h>

typedef int (*covb_create_fn)(pthread_t *, const pthread_attr_t *, void *(*)(void *), void *);

/* pthread_create(), after which the thread has its creator's common handle. */
int covb_create_thread(covb_create_fn next, pthread_t *thread, const pthread_attr_t *attr, void *(*fn)(void *),
		       void *arg);

/* _Fork(), which skips the atfork handlers; the child is off. Async signal safe. */
pid_t covb_fork_raw(pid_t (*next)(void));

#endif
