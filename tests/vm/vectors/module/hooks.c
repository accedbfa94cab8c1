// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* The hooks' append, called by name: nothing here is instrumented, and the hooks themselves are not exported. */
#include <linux/export.h>

#undef EXPORT_SYMBOL
#define EXPORT_SYMBOL(name)

#include "world.h"
#include "adapters/kmod/hooks.c"

#ifdef CONFIG_RANDOMIZE_BASE
unsigned long covb_kaslr_offset;
#endif
struct covb_text covb_texts[COVB_MODULES_MAX + 1] = { [0] = { .start = 0, .bytes = ~0ul } };

void world_trace_pc(u64 pc)
{
	struct covb_task *task = covb_task_find();

	if (task)
		store_pc(task, pc);
}

void world_trace_cmp(u64 type, u64 arg1, u64 arg2, u64 pc)
{
	struct covb_task *task = covb_task_find();

	if (task)
		store_cmp(task, type, arg1, arg2, pc);
}

uint64_t world_lost(enum covbuf_loss cause)
{
	uint64_t lost = 0;
	int cpu;

	for_each_possible_cpu(cpu) {
		if (cause == COVBUF_LOST_FULL)
			lost += per_cpu(covb_cpu, cpu).full;
		else if (cause == COVBUF_LOST_NO_AREA)
			lost += per_cpu(covb_cpu, cpu).no_area;
	}
	return lost;
}
