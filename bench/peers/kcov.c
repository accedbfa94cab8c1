/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* KCOV's sequence as the callback of gcc's or clang's trace-pc. */
#include "../kcov.h"
#include "event.h"

void __sanitizer_cov_trace_pc(void);

static uint64_t area[8192];

__attribute__((noinline, aligned(64), visibility("hidden"))) void __sanitizer_cov_trace_pc(void)
{
	kcov_append_pc((uint64_t)(uintptr_t)__builtin_return_address(0));
}

void event_prepare(void)
{
	covb_store(area, 0);
	kcov_task.now = (struct kcov_state){ .nr_words = sizeof(area) / sizeof(*area), .area = area };
	covb_store(&kcov_task.now.mode, KCOV_PC);
}

void event_clear_up(void)
{
	covb_store(&kcov_task.now.mode, KCOV_OFF);
}

uint64_t event_count(void)
{
	return covb_load(area);
}
