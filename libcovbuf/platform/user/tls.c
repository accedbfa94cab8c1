/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The context of each thread. Unborn from the start: the initial image of the thread-local block points
 * the cursors at words that are not zero, so a thread that nobody announced still comes to the slow
 * path with its first callback. Before the block is set up it reads as zeroes: shut.
 */
#include "user.h"

#define UNBORN ((uint64_t *)(uintptr_t)covb_unborn_words)

COVBUF_PUBLIC __thread struct covbuf_context covbuf_tls __attribute__((tls_model("initial-exec"))) = {
	.cursor = { UNBORN, UNBORN },
	.epoch = COVBUF_EPOCH_NONE,
};

struct covb_engine covb_engine;

#if !defined(__x86_64__)
/* No thunk: the callers expect the ordinary calling convention. */
COVBUF_NOINSTR bool covbuf_append_slow_pc(uint64_t *slot, uint64_t pc)
{
	return covb_append_slow_pc(slot, pc);
}

COVBUF_NOINSTR bool covbuf_append_slow_cmp(uint64_t *slot, uint64_t type, uint64_t arg1, uint64_t arg2, uint64_t pc)
{
	return covb_append_slow_cmp(slot, type, arg1, arg2, pc);
}
#endif
