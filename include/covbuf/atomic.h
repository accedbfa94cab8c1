/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Atomic operations under the names the engine uses.
 *
 * Two kinds. The ordinary ones order accesses between processors; each use that is stronger than
 * relaxed names its partner. The covb_local_* ones are atomic only against what interrupts the same
 * processor (a signal handler against its own thread): one instruction on x86 without a lock prefix,
 * a reservation pair on POWER.
 *
 * A fourth world, such as a model checker, answers these names by defining COVB_ATOMIC_HEADER.
 */
#ifndef COVBUF_ATOMIC_H
#define COVBUF_ATOMIC_H

#include <covbuf/types.h>

#if defined(COVB_ATOMIC_HEADER)
#include COVB_ATOMIC_HEADER
#else

#define covb_load(p) __atomic_load_n((p), __ATOMIC_RELAXED)
#define covb_load_acquire(p) __atomic_load_n((p), __ATOMIC_ACQUIRE)
#define covb_store(p, v) __atomic_store_n((p), (v), __ATOMIC_RELAXED)
#define covb_store_release(p, v) __atomic_store_n((p), (v), __ATOMIC_RELEASE)
#define covb_xchg_acquire(p, v) __atomic_exchange_n((p), (v), __ATOMIC_ACQUIRE)
#define covb_fetch_add(p, v) __atomic_fetch_add((p), (v), __ATOMIC_RELAXED)
#define covb_fetch_add_acq_rel(p, v) __atomic_fetch_add((p), (v), __ATOMIC_ACQ_REL)
#define covb_fetch_or(p, v) __atomic_fetch_or((p), (v), __ATOMIC_RELAXED)

/* On failure *old is what was found; the failing load is relaxed. */
#define covb_cas(p, old, v)                                                                        \
	__atomic_compare_exchange_n((p), (old), (v), 0, __ATOMIC_RELAXED, __ATOMIC_RELAXED)
#define covb_cas_acquire(p, old, v)                                                                \
	__atomic_compare_exchange_n((p), (old), (v), 0, __ATOMIC_ACQUIRE, __ATOMIC_RELAXED)
#define covb_cas_release(p, old, v)                                                                \
	__atomic_compare_exchange_n((p), (old), (v), 0, __ATOMIC_RELEASE, __ATOMIC_RELAXED)
#define covb_cas_acq_rel(p, old, v)                                                                \
	__atomic_compare_exchange_n((p), (old), (v), 0, __ATOMIC_ACQ_REL, __ATOMIC_ACQUIRE)

/* Stores before it become visible before stores after it: lwsync on POWER, nothing on x86. */
#define covb_wmb() __atomic_thread_fence(__ATOMIC_RELEASE)

/* Loads before it are done before loads and stores after it: lwsync on POWER, nothing on x86. */
#define covb_rmb() __atomic_thread_fence(__ATOMIC_ACQUIRE)

/* Full fence: hwsync on POWER; on x86 a locked instruction, see there. */
#if !defined(__x86_64__)
#define covb_mb() __atomic_thread_fence(__ATOMIC_SEQ_CST)
#endif

/* The same, with nothing between it and an atomic read-modify-write but accesses of this thread's own. */
#if defined(__x86_64__)
#define covb_mb_after_cas() covb_barrier() /* a locked instruction is a full fence, where it fails too */
#else
#define covb_mb_after_cas() covb_mb()
#endif

/*
 * Same CPU only: keeps the compiler from moving accesses across it, costs nothing. Not a signal fence:
 * clang makes a hwsync of that on POWER.
 */
#define covb_barrier() __asm__ volatile("" : : : "memory")

#if defined(__x86_64__)
#include <covbuf/arch/x86.h>
#elif defined(__powerpc64__)
#include <covbuf/arch/power.h>
#else
#include <covbuf/arch/generic.h>
#endif

#endif /* COVB_ATOMIC_HEADER */

/* Same CPU only. A word that is 0 or 1: make it 1, and say whether it was 0. */
#if !defined(covb_local_take)
#define covb_local_take(p) covb_local_cas((p), 0, 1)
#endif

#endif
