/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Callbacks to compare with, in a file of their own so that nothing of them is known where they are called. */
#include "kcov.h"

void bench_callback_empty(void);
void bench_callback_empty_guard(uint32_t *guard);
void bench_callback_kcov(void);

#define HOT __attribute__((noinline, aligned(64), visibility("hidden")))

HOT void bench_callback_empty(void)
{
}

HOT void bench_callback_empty_guard(uint32_t *guard)
{
	(void)guard;
}

HOT void bench_callback_kcov(void)
{
	kcov_append_pc((uint64_t)(uintptr_t)__builtin_return_address(0));
}
