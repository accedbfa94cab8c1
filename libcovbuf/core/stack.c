/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The stack of frames of a context whose areas are appended to by claim and test: where records go, and
 * how that changes.
 *
 * All of it belongs to one thread and the signal handlers that interrupt it, which are strictly nested
 * and leave the stack as they found it, with one exception: an append in a handler may replace the top
 * frame by a fresh one of the same section, when its area is full or it has none yet. So whoever has looked
 * at the top, and then stores it, may do so under a frame that is not the section's latest any more. That
 * frame names its successor; it is followed wherever a frame comes to the top, or leaves it.
 *
 * The order within a switch: first the top, then the cursors. In between an append finds a cursor that
 * does not belong to the top frame, and either stores where the cursor points, which is an area that is
 * still held, or goes to the slow path, which puts the cursor into the top frame. The other order in a
 * pop would leave a cursor in an area that is about to be handed over.
 *
 * Where areas are counted, counted.c answers the same functions.
 */
#include "engine.h"

COVBUF_NOINSTR void covb_context_shut(struct covbuf_context *ctx)
{
	covb_store(&ctx->cursor[COVBUF_MODE_PC], (uint64_t *)NULL);
	covb_store(&ctx->cursor[COVBUF_MODE_CMP], (uint64_t *)NULL);
}

/*
 * While the stack changes every site counts as new and none is marked: a handler that appends in
 * between may record a site twice, and never marks it for a frame whose area lacks it.
 */
static COVBUF_NOINSTR void every_site_is_new(struct covbuf_context *ctx)
{
	covb_store(&ctx->epoch, COVBUF_EPOCH_NONE);
	covb_barrier();
}

/* The frame that stands for the section now. Nobody replaces it while it is not on top. */
static COVBUF_NOINSTR struct covb_frame *latest(struct covb_frame *frame)
{
	struct covb_frame *next;

	while (COVBUF_UNLIKELY((next = covb_load(&frame->successor)) != NULL))
		frame = next;
	return frame;
}

/*
 * Note where the frame's cursor stands, if that is where the cursor is: in the middle of a switch it is
 * elsewhere, and was noted before. Slots below the note may be claimed by appends that are interrupted
 * and have not filled them yet, so the cursor never goes back beyond it.
 */
static COVBUF_NOINSTR void note_cursor(struct covbuf_context *ctx, struct covb_frame *frame)
{
	uint64_t *cursor = covb_load(&ctx->cursor[frame->mode]);

	if (cursor >= frame->start && cursor < frame->end + COVBUF_GUARD_WORDS)
		covb_store(&frame->saved, cursor);
}

/* Where nothing is on top. False: a handler that appends has opened the context, and left what that pushes. */
static COVBUF_NOINSTR bool put_on_nothing(struct covbuf_context *ctx, struct covb_frame *frame)
{
	frame->prev = NULL;
	covb_store(&frame->saved_epoch, COVBUF_EPOCH_SHUT);
	every_site_is_new(ctx); /* a barrier, same CPU: whoever finds the frame on top may pop it */
	if (COVBUF_LIKELY(!covb_engine.automatic.enabled))
		covb_store(&ctx->top, frame);
	else if (!covb_local_cas((uint64_t *)&ctx->top, 0, (uint64_t)(uintptr_t)frame))
		return false;
	covb_barrier(); /* same CPU, again, and behind the top: a handler that found no frame has left the epoch shut */
	every_site_is_new(ctx);
	return true;
}

/* epoch: the context's while prev is on top. A handler that replaces prev by now is noticed by the pop. */
static COVBUF_NOINSTR void put_on_top(struct covbuf_context *ctx, struct covb_frame *prev, uint32_t epoch,
				      struct covb_frame *frame)
{
	frame->prev = prev;
	covb_store(&frame->saved_epoch, epoch);
	every_site_is_new(ctx);
	note_cursor(ctx, prev);
	covb_barrier(); /* same CPU: whoever finds it on top may pop it */
	covb_store(&ctx->top, frame);
}

/* Push a prepared frame, which is of this mode: what runs from here on is recorded in it. */
COVBUF_NOINSTR void covb_context_push(struct covbuf_context *ctx, struct covb_frame *frame, uint32_t mode,
				      uint32_t epoch)
{
	struct covb_frame *prev = covb_load(&ctx->top);
	uint64_t *start = frame->start;

	covb_store(&frame->saved, start);
	covb_store(&frame->epoch, epoch);
	covb_barrier(); /* same CPU: the epoch of prev, whatever a handler opens meanwhile */
	if (COVBUF_UNLIKELY(prev)) {
		put_on_top(ctx, prev, covb_load(&ctx->epoch), frame);
	} else if (COVBUF_UNLIKELY(!put_on_nothing(ctx, frame))) {
		prev = covb_load(&ctx->top);
		put_on_top(ctx, prev, prev->epoch, frame);
	}
	/* of the two cursors one is shut before the other is opened */
	covb_store(&ctx->cursor[mode ^ 1], (uint64_t *)NULL);
	covb_barrier();
	covb_store(&ctx->cursor[mode], start);
	covb_barrier();
	covb_store(&ctx->epoch, epoch);
}

/*
 * Pop the frame that the caller found on top, or what a handler has put in its place since. *cursor: where its cursor
 * stood. The frame is the latest of its section; what filled up before hangs on ->held.
 */
COVBUF_NOINSTR struct covb_frame *covb_context_pop(struct covbuf_context *ctx, struct covb_frame *frame,
						   uint64_t **cursor)
{
	const uint32_t mode = frame->mode;
	struct covb_frame *prev;

	every_site_is_new(ctx);
	prev = frame->prev;
	if (COVBUF_UNLIKELY(prev))
		prev = latest(prev);
	*cursor = covb_load(&ctx->cursor[mode]);
	covb_store(&ctx->top, prev);
	covb_barrier(); /* same CPU: from here on no handler replaces it */
	frame = latest(frame);
	if (COVBUF_LIKELY(!prev) || prev->mode != mode) {
		covb_store(&ctx->cursor[mode], (uint64_t *)NULL);
		covb_barrier();
	}
	if (COVBUF_UNLIKELY(prev))
		covb_store(&ctx->cursor[prev->mode], covb_load(&prev->saved));
	covb_barrier();
	covb_store(&ctx->epoch, covb_load(&frame->saved_epoch));
	return frame;
}

/* Which sites count as seen while the frame collects. */
COVBUF_NOINSTR uint32_t covb_section_prepare(struct covbuf_context *ctx, struct covb_frame *frame, uint32_t owner_epoch)
{
	uint32_t epoch = COVBUF_EPOCH_NONE;

	if (COVBUF_UNLIKELY(frame->mode != COVBUF_MODE_PC))
		epoch = COVBUF_EPOCH_SHUT;
	else if (frame->flags & COVBUF_OWNER_UNIQUE)
		epoch = owner_epoch;
	else if (COVBUF_UNLIKELY(frame->flags & COVBUF_OWNER_UNIQUE_CONTEXT))
		epoch = covb_seen_epoch(ctx);
	return epoch;
}

/* In a fork child: everything the context points at is the parent's. unborn: it may open again. */
COVB_RARE void covb_context_forget(struct covbuf_context *ctx, bool unborn)
{
	uint64_t *cursor = unborn ? (uint64_t *)(uintptr_t)covb_unborn_words : NULL;

	covb_context_shut(ctx);
	covb_store(&ctx->epoch, unborn ? COVBUF_EPOCH_NONE : COVBUF_EPOCH_SHUT);
	covb_store(&ctx->marks_at, (intptr_t)0);
	covb_store(&ctx->seen, (uint32_t *)NULL);
	covb_store(&ctx->nr_seen, 0);
	covb_store(&ctx->top, (struct covb_frame *)NULL);
	covb_store(&ctx->priv, (void *)NULL);
	ctx->closed = 0;
	covb_barrier();
	covb_store(&ctx->cursor[COVBUF_MODE_PC], cursor);
	covb_store(&ctx->cursor[COVBUF_MODE_CMP], cursor);
}
