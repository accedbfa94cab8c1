/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Callbacks to compare with, in a file of their own so that nothing of them is known where they are called. */
#include <stdint.h>

void bench_callback_empty(void);
void bench_callback_empty_guard(uint32_t *guard);
void bench_callback_kcov(void);

__thread struct bench_kcov {
	uint32_t mode, size;
	uint64_t *area;
} bench_kcov;

#define HOT __attribute__((noinline, aligned(64), visibility("hidden")))

HOT void bench_callback_empty(void)
{
}

HOT void bench_callback_empty_guard(uint32_t *guard)
{
	(void)guard;
}

/* KCOV's, from its description: mode, then room, then the count, then the record. */
HOT void bench_callback_kcov(void)
{
	uint64_t *area, n;

	if (__builtin_expect(__atomic_load_n(&bench_kcov.mode, __ATOMIC_RELAXED) != 2, 0))
		return;
	__atomic_signal_fence(__ATOMIC_SEQ_CST);
	area = __atomic_load_n(&bench_kcov.area, __ATOMIC_RELAXED);
	n = __atomic_load_n(area, __ATOMIC_RELAXED) + 1;
	if (__builtin_expect(n < __atomic_load_n(&bench_kcov.size, __ATOMIC_RELAXED), 1)) {
		__atomic_store_n(area, n, __ATOMIC_RELAXED);
		__atomic_signal_fence(__ATOMIC_SEQ_CST);
		area[n] = (uint64_t)(uintptr_t)__builtin_return_address(0);
	}
}
