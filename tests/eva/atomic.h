/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Atomic operations as the analyser is to see them: each load of shared memory gives any value, and two
 * loads of the same word know nothing of each other, since a peer may have written in between. A volatile
 * access means just that to Eva. Whether a compare-and-swap succeeds is anybody's guess too; so is what
 * it found.
 */
#ifndef TESTS_EVA_ATOMIC_H
#define TESTS_EVA_ATOMIC_H

extern volatile int any;

#define COVB_EVA_SHARED(p) (*(volatile __typeof__(*(p)) *)(p))

#define covb_load(p) COVB_EVA_SHARED(p)
#define covb_load_acquire(p) COVB_EVA_SHARED(p)
#define covb_store(p, v) ((void)(COVB_EVA_SHARED(p) = (v)))
#define covb_store_release(p, v) covb_store(p, v)
#define covb_fetch_add(p, v) ((void)(v), COVB_EVA_SHARED(p) = any, COVB_EVA_SHARED(p))
#define covb_xchg_acquire(p, v) (COVB_EVA_SHARED(p) = (v), COVB_EVA_SHARED(p))
#define COVB_EVA_CAS(p, old, v)                                                                    \
	(any ? (COVB_EVA_SHARED(p) = (v), 1) : (*(old) = COVB_EVA_SHARED(p), 0))
#define covb_cas(p, old, v) COVB_EVA_CAS(p, old, v)
#define covb_cas_acquire(p, old, v) COVB_EVA_CAS(p, old, v)
#define covb_cas_release(p, old, v) COVB_EVA_CAS(p, old, v)
#define covb_cas_acq_rel(p, old, v) COVB_EVA_CAS(p, old, v)
#define covb_wmb() ((void)0)
#define covb_rmb() ((void)0)
#define covb_mb() ((void)0)
#define covb_mb_after_cas() ((void)0)
#define covb_barrier() ((void)0)
#define covb_prefetch_write(p) ((void)(p))
#define covb_relax() ((void)0)

#endif
