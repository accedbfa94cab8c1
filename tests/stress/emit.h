/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Emitting records of which it is known beforehand that the engine must keep or count them.
 *
 * A callback in a shut context, or of a mode that is not collected, is filtered and not lost. A handler
 * that falls into a switch from one mode to another, or into the first push or the last pop, may see
 * either state, so a record made there proves nothing and is not made. What is asked here stays true
 * until the append is over: only handlers come in between, and they leave the context as they found it.
 */
#ifndef COVB_STRESS_EMIT_H
#define COVB_STRESS_EMIT_H

#include "libcovbuf/core/engine.h"
#include "stamp.h"

static inline bool emit_collects(const struct covbuf_context *ctx, uint32_t mode)
{
	const struct covb_frame *top = covb_load(&ctx->top);

	return top && top->mode == mode && !(top->flags & COVB_FRAME_FILTER) && covb_load(&ctx->cursor[mode]);
}

/* Whether a unique context has this site already. */
static inline bool emit_seen(const struct covbuf_context *ctx, const uint32_t *mark, uint32_t site)
{
	uint32_t epoch = covb_load(&ctx->epoch);
	const uint32_t *seen = covb_load(&ctx->seen);

	if (covb_load(mark) == epoch)
		return true;
	return epoch >= COVBUF_EPOCH_CONTEXT && seen && site < ctx->nr_seen && covb_load(&seen[site]) == epoch;
}

/* Make one, in whichever mode is collected. False: nothing collects here. */
static inline bool emit_one(uint64_t pc)
{
	struct covbuf_context *ctx = covbuf_context();

	if (emit_collects(ctx, COVBUF_MODE_PC))
		covbuf_trace_pc(pc);
	else if (emit_collects(ctx, COVBUF_MODE_CMP))
		covbuf_trace_cmp(stamp_type(pc), stamp_arg1(pc), stamp_arg2(pc), pc);
	else
		return false;
	return true;
}

/* The same for a site, whose mark nobody else changes meanwhile. */
static inline bool emit_site(uint64_t pc, uint32_t *mark, uint32_t site)
{
	struct covbuf_context *ctx = covbuf_context();

	if (!emit_collects(ctx, COVBUF_MODE_PC) || emit_seen(ctx, mark, site))
		return false;
	covbuf_trace_pc_site(mark, site, pc);
	return true;
}

#endif
