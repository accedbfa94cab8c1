/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Any other processor: the operations that need be atomic only against the same thread's handlers are
 * fully atomic and order nothing. As elsewhere the compiler moves nothing across one.
 */
#ifndef COVBUF_ARCH_GENERIC_H
#define COVBUF_ARCH_GENERIC_H

COVBUF_INLINE COVBUF_NOINSTR void covb_local_inc(uint64_t *p)
{
	covb_barrier();
	__atomic_fetch_add(p, 1, __ATOMIC_RELAXED);
	covb_barrier();
}

COVBUF_INLINE COVBUF_NOINSTR void covb_local_add(uint64_t *p, uint64_t v)
{
	covb_barrier();
	__atomic_fetch_add(p, v, __ATOMIC_RELAXED);
	covb_barrier();
}

COVBUF_INLINE COVBUF_NOINSTR bool covb_local_cas(uint64_t *p, uint64_t old, uint64_t v)
{
	bool done;

	covb_barrier();
	done = __atomic_compare_exchange_n(p, &old, v, 0, __ATOMIC_RELAXED, __ATOMIC_RELAXED);
	covb_barrier();
	return done;
}

COVBUF_INLINE COVBUF_NOINSTR void covb_relax(void)
{
	covb_barrier();
}

COVBUF_INLINE COVBUF_NOINSTR void covb_prefetch_write(const void *p)
{
	__builtin_prefetch(p, 1);
}

#endif
