/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * For programs that link libcovbuf.a with -Wl,--wrap=pthread_create,--wrap=_Fork, as its pkg-config file
 * and CMake target say.
 */
#define _GNU_SOURCE
#include <covbuf/types.h>

#include "wrap.h"

extern __typeof__(pthread_create) __real_pthread_create, __wrap_pthread_create;
extern __typeof__(_Fork) __real__Fork, __wrap__Fork;

int __wrap_pthread_create(pthread_t *thread, const pthread_attr_t *attr, void *(*fn)(void *), void *arg)
{
	return covb_create_thread(__real_pthread_create, thread, attr, fn, arg);
}

pid_t __wrap__Fork(void)
{
	return covb_fork_raw(__real__Fork);
}
