/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Where a thread-local object of another image is, told as a number that is the same in all threads and never
 * 0. On x86 that is its distance from the thread pointer: objects lie below it. On POWER the thread pointer
 * (r13, for which gcc has no builtin) points into them, 28 KiB behind the first: the distance may be 0, but is
 * a multiple of 16.
 */
#ifndef COVBUF_ARCH_THREAD_H
#define COVBUF_ARCH_THREAD_H

#include <covbuf/types.h>

#define COVB_THREAD_BIAS_BYTES 8 /* POWER; the compiler makes it part of each access's displacement */

/* The empty asm: as in covbuf_context(). */
COVBUF_INLINE COVBUF_NOINSTR void *covb_at_thread(intptr_t offset)
{
	char *p;

#if defined(__powerpc64__)
	__asm__("add %0, 13, %1" : "=r"(p) : "r"(offset));
	return p - COVB_THREAD_BIAS_BYTES;
#else
	p = (char *)__builtin_thread_pointer() + offset;
	__asm__("" : "+r"(p));
	return p;
#endif
}

COVBUF_INLINE intptr_t covb_thread_offset(const void *p)
{
	return (const char *)p - (const char *)covb_at_thread(0);
}

#endif
