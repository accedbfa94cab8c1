// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * What the checkers must find: each function but the sound ones breaks one rule. seeded.sh says which.
 */
#include <stdint.h>

#include <covbuf/atomic.h>

#define HOT __attribute__((noinline)) COVBUF_NOINSTR

struct area {
	uint64_t words[64];
};

extern __thread struct area *initial_exec __attribute__((tls_model("initial-exec")));
extern __thread struct area *dynamic;
extern void (*volatile pointer)(int);
void outside(int);

/* ---- check_noinstr ---------------------------------------------------------------------------- */

HOT uint64_t sound_helper(uint64_t n);
HOT uint64_t sound_helper(uint64_t n)
{
	return n * 3;
}

HOT void sound_append(uint64_t v);
HOT void sound_append(uint64_t v)
{
	struct area *area = initial_exec;
	uint64_t n;

	if (!area)
		return;
	n = covb_load(&area->words[0]);
	if (n < 63) {
		covb_store_release(&area->words[n + 1], sound_helper(v));
		covb_local_inc(&area->words[0]);
	}
}

/* The attribute is missing. */
__attribute__((noinline)) uint64_t broken_plain(struct area *area, int n);
__attribute__((noinline)) uint64_t broken_plain(struct area *area, int n)
{
	uint64_t copy[8];

	for (int i = 0; i < n; i++)
		copy[i & 7] = area->words[i];
	area->words[n + 1] += copy[n & 7];
	return area->words[n] << n;
}

/* It is on the function, but not on what that calls. */
HOT uint64_t broken_helper(struct area *area);
HOT uint64_t broken_helper(struct area *area)
{
	return broken_plain(area, 3) + 1;
}

HOT void broken_call(struct area *area);
HOT void broken_call(struct area *area)
{
	outside(1);
	covb_store(&area->words[0], 0);
}

HOT void broken_tail(void);
HOT void broken_tail(void)
{
	outside(2);
}

HOT void broken_memcpy(struct area *to, const struct area *from, uint64_t bytes);
HOT void broken_memcpy(struct area *to, const struct area *from, uint64_t bytes)
{
	__builtin_memcpy(to, from, bytes);
}

HOT void broken_pointer(void);
HOT void broken_pointer(void)
{
	pointer(1);
	pointer(2);
}

HOT void broken_pointer_tail(void);
HOT void broken_pointer_tail(void)
{
	pointer(3);
}

HOT uint64_t broken_tls(void);
HOT uint64_t broken_tls(void)
{
	return dynamic ? covb_load(&dynamic->words[0]) : 0;
}

/* ---- check_barriers --------------------------------------------------------------------------- */

HOT void broken_order(uint64_t *p);
HOT void broken_order(uint64_t *p)
{
	__atomic_store_n(p, 1, __ATOMIC_SEQ_CST);
}

HOT void broken_release(uint64_t *p);
HOT void broken_release(uint64_t *p)
{
	covb_store(p, 1);
}

HOT uint64_t broken_acquire(uint64_t *p);
HOT uint64_t broken_acquire(uint64_t *p)
{
	return covb_load(p);
}

HOT void broken_twice(uint64_t *p);
HOT void broken_twice(uint64_t *p)
{
	covb_wmb();
	covb_store_release(p, 1);
}

/* Atomic against other processors, where one's own handlers are meant. */
HOT void broken_local(uint64_t *p);
HOT void broken_local(uint64_t *p)
{
	__atomic_fetch_add(p, 1, __ATOMIC_ACQ_REL);
}

HOT void broken_fence(uint64_t *p);
HOT void broken_fence(uint64_t *p)
{
	covb_store(&p[0], 1);
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	covb_store(&p[1], 1);
}
