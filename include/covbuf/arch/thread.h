/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * What lies at an offset from the thread pointer: thread-local objects of other images. gcc has no
 * __builtin_thread_pointer() for POWER, where the ABI keeps it in r13.
 */
#ifndef COVBUF_ARCH_THREAD_H
#define COVBUF_ARCH_THREAD_H

#include <covbuf/types.h>

COVBUF_INLINE COVBUF_NOINSTR void *covb_at_thread(intptr_t offset)
{
#if defined(__powerpc64__)
	void *p;

	__asm__("add %0, 13, %1" : "=r"(p) : "r"(offset));
	return p;
#else
	return (char *)__builtin_thread_pointer() + offset;
#endif
}

#endif
