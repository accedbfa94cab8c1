/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Marks for longjmp(), and what a signal handler does to record apart from the code it interrupted.
 */
#include <covbuf/covbuf.h>

#include "engine.h"

COVBUF_NOINSTR void covbuf_mark(struct covbuf_mark *mark)
{
	struct covbuf_context *ctx = covb_plat_context();
	struct covb_frame *frame = ctx ? covb_load(&ctx->top) : NULL;

	mark->token = frame ? frame->token : 0;
	mark->mode = frame ? frame->mode : 0;
	mark->position = frame ? (uint64_t)(uintptr_t)covb_load(&ctx->cursor[frame->mode]) : 0;
	if (frame && frame->kind == COVBUF_RING)
		mark->position = covb_load(&frame->index);
	mark->level = ctx ? covb_plat_level(ctx) : 0;
	mark->merging = ctx && ctx->priv ? ((struct covb_context_private *)ctx->priv)->merging : 0;
}

/*
 * Later appends begin where the mark was and pass over what is filled, so a slot that was claimed and
 * never filled is used. The jump may have left a switch half done: the cursors and marks are set anew.
 */
static COVBUF_NOINSTR void put_back(struct covbuf_context *ctx, struct covb_frame *frame, const struct covbuf_mark *mark)
{
	uint64_t *slot = (uint64_t *)(uintptr_t)mark->position;

	if (frame->kind == COVBUF_RING) {
		if (mark->position >= COVBUF_RING_START && mark->position <= covb_load(&frame->index))
			covb_store(&frame->index, mark->position);
		slot = frame->start;
	} else if (frame->kind != COVBUF_LINEAR || slot < frame->start || slot >= frame->end + COVBUF_GUARD_WORDS) {
		slot = covb_load(&frame->saved);
	}
	/* behind the end it stays there: code that the mark's maker interrupted may own a slot before it */
	frame->flags |= COVB_FRAME_DIRTY;
	covb_store(&ctx->cursor[frame->mode ^ 1], (uint64_t *)NULL);
	covb_store(&ctx->cursor[frame->mode], slot);
	covb_store(&ctx->epoch, frame->epoch);
}

/*
 * An append finds its way from there to whatever a handler has opened since, as it does not from a cursor that is shut.
 * Each append that was cut short has moved it on, which has an end.
 */
static COVBUF_NOINSTR void put_back_unborn(struct covbuf_context *ctx)
{
	uint64_t *cursor = (uint64_t *)(uintptr_t)covb_unborn_words;

	covb_store(&ctx->cursor[COVBUF_MODE_PC], cursor);
	covb_store(&ctx->cursor[COVBUF_MODE_CMP], cursor);
}

/* No frame at the mark. Where everything is recorded what it was born with has been popped: it begins again. */
static COVBUF_NOINSTR void put_back_nothing(struct covbuf_context *ctx)
{
	struct covb_context_private *priv = ctx->priv;
	struct covb_frame *frame;

	if (COVBUF_LIKELY(!covb_engine.automatic.enabled)) {
		covb_context_shut(ctx);
		return;
	}
	priv->begun = 0;
	covb_store(&ctx->epoch, COVBUF_EPOCH_NONE);
	covb_barrier(); /* same CPU: no site is passed over once there is a cursor */
	put_back_unborn(ctx);
	covb_context_open(ctx);
	frame = covb_load(&ctx->top);
	if (frame)
		covb_store(&ctx->epoch, frame->epoch);
}

COVBUF_NOINSTR int covbuf_unwind(const struct covbuf_mark *mark)
{
	struct covbuf_context *ctx = covb_plat_context();
	struct covb_frame *frame;
	uint64_t *cursor;

	if (!ctx || !covb_plat_alive())
		return -COVB_EINVAL;
	if (mark->token && !covb_context_find(ctx, mark->token))
		return -COVB_EINVAL;
	covb_plat_set_level(mark->level);
	while ((frame = covb_load(&ctx->top)) != NULL && frame->token != mark->token) {
		frame = covb_context_pop(ctx, frame, &cursor);
		covb_section_abandoned(ctx, frame);
		covb_handoff(ctx, frame, cursor);
	}
	covb_merge_leave(ctx, mark->merging);
	if (frame)
		put_back(ctx, frame, mark);
	else if (covb_load(&ctx->priv))
		put_back_nothing(ctx);
	else if (covb_load(&ctx->cursor[COVBUF_MODE_PC]))
		put_back_unborn(ctx); /* it is that, and not shut */
	return 0;
}

/* A frame that records nothing: what a handler does for nobody. */
static COVBUF_NOINSTR covbuf_token push_nothing(struct covbuf_context *ctx)
{
	struct covb_frame *frame = covb_context_void(ctx);

	if (!frame)
		return 0;
	covb_frame_prepare(frame, COVBUF_MODE_PC, COVB_KIND_VOID);
	frame->flags = COVB_FRAME_FILTER;
	frame->level = covb_plat_level(ctx);
	covb_context_push(ctx, frame, COVBUF_MODE_PC, COVBUF_EPOCH_NONE);
	return frame->token;
}

#define TOKEN_LEVEL_ONLY (~0ull) /* no frame could be pushed, but the level was raised */

COVBUF_NOINSTR covbuf_token covbuf_signal_enter(struct covbuf_owner *owner)
{
	struct covbuf_context *ctx = covb_plat_context();
	covbuf_token token = 0;

	if (!ctx || !covb_plat_alive())
		return TOKEN_LEVEL_ONLY;
	covb_plat_set_level(covb_plat_level(ctx) + 1);
	if (owner)
		token = covbuf_push(owner);
	else if (covb_context_open(ctx))
		token = push_nothing(ctx);
	return token ? token : TOKEN_LEVEL_ONLY;
}

COVBUF_NOINSTR int covbuf_signal_leave(covbuf_token token)
{
	struct covbuf_context *ctx = covb_plat_context();
	int err = 0;

	if (!ctx || !covb_plat_alive() || !covb_plat_level(ctx))
		return -COVB_EINVAL;
	if (token != TOKEN_LEVEL_ONLY)
		err = covb_section_stop(ctx, token);
	covb_plat_set_level(covb_plat_level(ctx) - 1);
	return err;
}

COVBUF_NOINSTR int covbuf_losses(uint64_t lost[COVBUF_NR_LOSSES])
{
	struct covbuf_context *ctx = covb_plat_context();
	struct covb_context_private *priv = ctx ? covb_load(&ctx->priv) : NULL;

	if (!priv)
		return -COVB_ENOTCONN;
	for (uint32_t i = 0; i < COVBUF_NR_LOSSES; i++)
		lost[i] = covb_load(&priv->slot->lost[i]);
	return 0;
}
