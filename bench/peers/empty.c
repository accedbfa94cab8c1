/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The least that a called callback can do. */
#include <stdint.h>

void __sanitizer_cov_trace_pc(void);
void __sanitizer_cov_trace_pc_guard(uint32_t *guard);
void __sanitizer_cov_trace_pc_guard_init(uint32_t *start, uint32_t *end);

#define HOT __attribute__((noinline, aligned(64), visibility("hidden")))

HOT void __sanitizer_cov_trace_pc(void)
{
}

HOT void __sanitizer_cov_trace_pc_guard(uint32_t *guard)
{
	(void)guard;
}

HOT void __sanitizer_cov_trace_pc_guard_init(uint32_t *start, uint32_t *end)
{
	(void)start;
	(void)end;
}
