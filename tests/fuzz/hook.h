/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Atomics for fuzzing (COVB_ATOMIC_HEADER): each access of the library to a segment goes through
 * covb_hook(), which may change the memory first, as another process could, and which answers where the
 * access is to be made.
 *
 * The library's own mapping of the segment is closed (PROT_NONE) as far as there is storage, and the
 * access is made in another mapping of the same file. So a read of shared memory that is not one of these
 * operations ends the program: the compiler could make two of it.
 */
#ifndef TESTS_FUZZ_HOOK_H
#define TESTS_FUZZ_HOOK_H

#include <stddef.h>
#include <stdint.h>

/* What is behind an address of the library's. load: the memory may change before. */
void *covb_hook(const volatile void *address, size_t bytes, int load);

#define COVB_LOAD_FROM(p) ((__typeof__(p))covb_hook((p), sizeof(*(p)), 1))
#define COVB_STORE_TO(p) ((__typeof__(p))covb_hook((p), sizeof(*(p)), 0))

#define covb_load(p) __atomic_load_n(COVB_LOAD_FROM(p), __ATOMIC_RELAXED)
#define covb_load_acquire(p) __atomic_load_n(COVB_LOAD_FROM(p), __ATOMIC_ACQUIRE)
#define covb_store(p, v) __atomic_store_n(COVB_STORE_TO(p), (v), __ATOMIC_RELAXED)
#define covb_store_release(p, v) __atomic_store_n(COVB_STORE_TO(p), (v), __ATOMIC_RELEASE)
#define covb_xchg_acquire(p, v) __atomic_exchange_n(COVB_LOAD_FROM(p), (v), __ATOMIC_ACQUIRE)
#define covb_xchg_acq_rel(p, v) __atomic_exchange_n(COVB_LOAD_FROM(p), (v), __ATOMIC_ACQ_REL)
#define covb_fetch_add(p, v) __atomic_fetch_add(COVB_LOAD_FROM(p), (v), __ATOMIC_RELAXED)
#define covb_fetch_add_acq_rel(p, v) __atomic_fetch_add(COVB_LOAD_FROM(p), (v), __ATOMIC_ACQ_REL)
#define covb_fetch_or(p, v) __atomic_fetch_or(COVB_LOAD_FROM(p), (v), __ATOMIC_RELAXED)

#define COVB_CAS(p, old, v, order, failure)                                                        \
	__atomic_compare_exchange_n(COVB_LOAD_FROM(p), (old), (v), 0, (order), (failure))
#define covb_cas(p, old, v) COVB_CAS(p, old, v, __ATOMIC_RELAXED, __ATOMIC_RELAXED)
#define covb_cas_acquire(p, old, v) COVB_CAS(p, old, v, __ATOMIC_ACQUIRE, __ATOMIC_RELAXED)
#define covb_cas_release(p, old, v) COVB_CAS(p, old, v, __ATOMIC_RELEASE, __ATOMIC_RELAXED)
#define covb_cas_acq_rel(p, old, v) COVB_CAS(p, old, v, __ATOMIC_ACQ_REL, __ATOMIC_ACQUIRE)

#define covb_wmb() __atomic_thread_fence(__ATOMIC_RELEASE)
#define covb_rmb() __atomic_thread_fence(__ATOMIC_ACQUIRE)
#define covb_mb() __atomic_thread_fence(__ATOMIC_SEQ_CST)
#define covb_mb_after_cas() covb_mb()
#define covb_barrier() __asm__ volatile("" : : : "memory")

COVBUF_INLINE COVBUF_NOINSTR void covb_local_inc(uint64_t *p)
{
	covb_fetch_add(p, 1);
}

COVBUF_INLINE COVBUF_NOINSTR void covb_local_add(uint64_t *p, uint64_t v)
{
	covb_fetch_add(p, v);
}

COVBUF_INLINE COVBUF_NOINSTR bool covb_local_cas(uint64_t *p, uint64_t old, uint64_t v)
{
	return covb_cas(p, &old, v);
}

COVBUF_INLINE COVBUF_NOINSTR void covb_relax(void)
{
}

COVBUF_INLINE COVBUF_NOINSTR void covb_prefetch_write(const void *p)
{
	(void)p;
}

#endif
