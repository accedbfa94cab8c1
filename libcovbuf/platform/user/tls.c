/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The context of each thread. Unborn from the start: the initial image of the thread-local block points
 * the cursors at words that are not zero, so a thread that nobody announced still comes to the slow
 * path with its first callback. Before the block is set up it reads as zeroes: shut.
 */
#include "user.h"

#if defined(__x86_64__)
#include "slow_x86.h"
#endif

#define UNBORN ((uint64_t *)(uintptr_t)covb_unborn_words)

COVBUF_PUBLIC __thread struct covbuf_context covbuf_tls __attribute__((tls_model("initial-exec"))) = {
	.cursor = { UNBORN, UNBORN },
	.epoch = COVBUF_EPOCH_NONE,
};

struct covb_engine covb_engine;

#if defined(__x86_64__)
#define SAME(number, value) _Static_assert((number) == (value), "slow_x86.h")
SAME(COVB_ASM_CURSOR, offsetof(struct covbuf_context, cursor));
SAME(COVB_ASM_TOP, offsetof(struct covbuf_context, top));
SAME(COVB_ASM_PRIV, offsetof(struct covbuf_context, priv));
SAME(COVB_ASM_START, offsetof(struct covb_frame, start));
SAME(COVB_ASM_END, offsetof(struct covb_frame, end));
SAME(COVB_ASM_RING, offsetof(struct covb_frame, ring));
SAME(COVB_ASM_MASK, offsetof(struct covb_frame, mask));
SAME(COVB_ASM_INDEX, offsetof(struct covb_frame, index));
SAME(COVB_ASM_ZERO, offsetof(struct covb_frame, zero));
SAME(offsetof(struct covb_frame, full), COVB_ASM_ZERO + 1); /* compared at once, as are the next two */
SAME(COVB_ASM_KIND, offsetof(struct covb_frame, kind));
SAME(COVB_ASM_KIND, COVB_ASM_ZERO + 2);
SAME(COVB_ASM_MODE, offsetof(struct covb_frame, mode));
SAME(COVB_ASM_MODE, COVB_ASM_ZERO + 3);
SAME(COVB_ASM_FLAGS, offsetof(struct covb_frame, flags));
SAME(COVB_ASM_GROW_OR_FILTER, COVBUF_OWNER_GROW | COVB_FRAME_FILTER);
SAME(COVB_ASM_GUARD_BYTES, COVBUF_GUARD_WORDS * sizeof(uint64_t));
SAME(COVB_ASM_SLOT, offsetof(struct covb_context_private, slot));
SAME(COVB_ASM_LOST_FULL, offsetof(struct covbuf_context_slot, lost[COVBUF_LOST_FULL]));
SAME(COVB_ASM_PC, COVBUF_MODE_PC);
SAME(COVB_ASM_CMP, COVBUF_MODE_CMP);
SAME(COVB_ASM_LINEAR, COVBUF_LINEAR);
SAME(COVB_ASM_RING_KIND, COVBUF_RING);
#else
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
