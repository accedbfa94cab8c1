/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * In a kernel: its own primitives under the engine's names. See <covbuf/atomic.h> for what each promises.
 */
#ifndef COVBUF_ARCH_KERNEL_H
#define COVBUF_ARCH_KERNEL_H

#include <linux/atomic.h>
#include <linux/compiler.h>
#include <linux/prefetch.h>

#define covb_load(p) READ_ONCE(*(p))
#define covb_load_acquire(p) smp_load_acquire(p)
#define covb_store(p, v) WRITE_ONCE(*(p), (v))
#define covb_store_release(p, v) smp_store_release((p), (v))
#define covb_xchg_acquire(p, v) xchg_acquire((p), (v))

#define covb_fetch_add_of(p, v, order)                                                             \
	__builtin_choose_expr(sizeof(*(p)) == 8,                                                   \
			      atomic64_fetch_add##order((s64)(v), (atomic64_t *)(p)),              \
			      atomic_fetch_add##order((int)(v), (atomic_t *)(p)))
#define covb_fetch_add(p, v) covb_fetch_add_of((p), (v), _relaxed)
#define covb_fetch_add_acq_rel(p, v) covb_fetch_add_of((p), (v), )

#define covb_cas(p, old, v) try_cmpxchg_relaxed((p), (old), (v))
#define covb_cas_acquire(p, old, v) try_cmpxchg_acquire((p), (old), (v))
#define covb_cas_release(p, old, v) try_cmpxchg_release((p), (old), (v))

/*
 * Acquire and release, and acquire where it fails. The kernel has none such that is less than a full fence on either side: two hwsync
 * on POWER, where a lwsync before and an isync behind are enough.
 */
#if defined(CONFIG_PPC64)
#define covb_cas_acq_rel(p, old, v)                                                                \
	({                                                                                         \
		bool done_;                                                                        \
                                                                                                   \
		__atomic_release_fence();                                                          \
		done_ = try_cmpxchg_acquire((p), (old), (v));                                      \
		if (!done_)                                                                        \
			__atomic_acquire_fence();                                                  \
		done_;                                                                             \
	})
#else
#define covb_cas_acq_rel(p, old, v) try_cmpxchg((p), (old), (v))
#endif

#define covb_wmb() smp_wmb()
#define covb_rmb() smp_rmb()
#define covb_mb() smp_mb()
#define covb_mb_after_cas() smp_mb__after_atomic()
#define covb_barrier() barrier()
#define covb_prefetch_write(p) prefetchw(p)

COVBUF_INLINE COVBUF_NOINSTR bool covb_local_cas(uint64_t *p, uint64_t old, uint64_t v)
{
	return cmpxchg_local(p, old, v) == old;
}

#if defined(CONFIG_X86_64)
COVBUF_INLINE COVBUF_NOINSTR void covb_local_inc(uint64_t *p)
{
	asm volatile("incq %0" : "+m"(*p) : : "memory", "cc");
}
#else
COVBUF_INLINE COVBUF_NOINSTR void covb_local_inc(uint64_t *p)
{
	atomic64_inc((atomic64_t *)p);
}
#endif

#endif
