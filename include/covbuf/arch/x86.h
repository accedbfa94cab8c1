/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * x86-64: an interrupt falls between two instructions, never inside one, so a read-modify-write
 * without a lock prefix is atomic against this thread's own handlers.
 */
#ifndef COVBUF_ARCH_X86_H
#define COVBUF_ARCH_X86_H

COVBUF_INLINE COVBUF_NOINSTR void covb_local_inc(uint64_t *p)
{
	__asm__ volatile("incq %0" : "+m"(*p) : : "memory", "cc");
}

COVBUF_INLINE COVBUF_NOINSTR void covb_local_add(uint64_t *p, uint64_t v)
{
	__asm__ volatile("addq %1, %0" : "+m"(*p) : "er"(v) : "memory", "cc");
}

/* Returns true and stores v where *p was old. */
COVBUF_INLINE COVBUF_NOINSTR bool covb_local_cas(uint64_t *p, uint64_t old, uint64_t v)
{
	bool done;

	__asm__ volatile("cmpxchgq %3, %1" : "=@ccz"(done), "+m"(*p), "+a"(old) : "r"(v) : "memory");
	return done;
}

/* In a fifth of the time of the compare-and-swap. */
COVBUF_INLINE COVBUF_NOINSTR bool covb_local_take(uint64_t *p)
{
	bool was_set;

	__asm__ volatile("btsq $0, %1" : "=@ccc"(was_set), "+m"(*p) : : "memory");
	return !was_set;
}
#define covb_local_take covb_local_take

/* As Linux and gcc have it. Of __atomic_thread_fence() clang makes an mfence, which takes twice as long. */
COVBUF_INLINE COVBUF_NOINSTR void covb_mb(void)
{
	__asm__ volatile("lock addl $0, -4(%%rsp)" : : : "memory", "cc");
}

COVBUF_INLINE COVBUF_NOINSTR void covb_relax(void)
{
	__asm__ volatile("pause" ::: "memory");
}

/* For a line that is read and then written: fetch it exclusive at once. __builtin_prefetch(p, 1) emits prefetcht0 without -mprfchw. */
COVBUF_INLINE COVBUF_NOINSTR void covb_prefetch_write(const void *p)
{
	__asm__ volatile("prefetchw %0" : : "m"(*(const char *)p));
}

#endif
