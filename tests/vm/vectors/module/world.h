/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* What the parts of vectors.ko say to each other. */
#ifndef VECTORS_WORLD_H
#define VECTORS_WORLD_H

#include "kmod.h"

#undef pr_fmt
#define pr_fmt(fmt) "vectors: " fmt

/* hooks.c: record in the caller's context, as a hook does; and what hooks count. Any level. */
void world_trace_pc(u64 pc);
void world_trace_cmp(u64 type, u64 arg1, u64 arg2, u64 pc);
uint64_t world_lost(enum covbuf_loss cause);

/* task.c, memory.c: contexts, and everything else, as if nothing had run yet. Sleep. */
void vectors_forget_tasks(void);
void covb_kcov_task_gone(struct covb_kcov *kcov);
void vectors_forget_engine(void);

#endif
