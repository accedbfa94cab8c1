/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The rest of an append whose slot was not free.
 *
 * Why it was not free is decided from the frame on top:
 *
 *   no frame               the context is unborn (open it) or shut
 *   frame of another mode  this mode was shut meanwhile: filtered
 *   ring, void             never had linear words: the cursor pointed at the trap
 *   slot in its words      a nested append took it: claim another
 *   slot in its guard      full: grow the chain, or count the loss
 *   slot anywhere else     the frame changed between claim and test: go to where its cursor stood, not to
 *                          where it begins: an interrupted append may own a slot between the two
 *
 * Bounded by one scan of an area: every step moves the cursor over a slot that is filled.
 */
#include <covbuf/covbuf.h>

#include "engine.h"

const uint64_t covb_unborn_words[COVBUF_GUARD_WORDS + COVBUF_CMP_WORDS] = {
	[0 ... COVBUF_GUARD_WORDS + COVBUF_CMP_WORDS - 1] = COVBUF_GUARD_VALUE
};
const uint64_t covb_trap_words[COVBUF_GUARD_WORDS + COVBUF_CMP_WORDS] = {
	[0 ... COVBUF_GUARD_WORDS + COVBUF_CMP_WORDS - 1] = COVBUF_GUARD_VALUE
};

/* mode and kind are set, and the area for a frame that has one; a ring's words are made when it has been described. */
COVBUF_NOINSTR void covb_frame_prepare(struct covb_frame *frame, uint32_t mode, uint32_t kind)
{
	frame->mode = (uint8_t)mode;
	frame->kind = (uint8_t)kind;
	frame->successor = NULL;
	if (kind == COVBUF_RING)
		covb_ring_prepare(frame);
	if (kind == COVBUF_RING || kind == COVB_KIND_VOID) {
		frame->start = (uint64_t *)(uintptr_t)covb_trap_words;
		frame->end = frame->start;
	}
}

/* Store a record in a slot that was claimed. False: it is taken. */
static COVBUF_NOINSTR bool try_slot(uint64_t *slot, const uint64_t *record, uint32_t mode)
{
	if (mode == COVBUF_MODE_PC) {
		if (covb_load(slot) != 0)
			return false;
		covb_store(slot, record[0]);
		return true;
	}
	if (covb_load(&slot[3]) != 0)
		return false;
	covb_store(&slot[0], record[0]);
	covb_store(&slot[1], record[1]);
	covb_store(&slot[2], record[2]);
	/* release: partner is the reader's acquire of the pc, as in covbuf_trace_cmp() */
	covb_store_release(&slot[3], record[3]);
	return true;
}

static COVBUF_NOINSTR void count_loss(struct covbuf_context *ctx, uint8_t kind, uint8_t flags)
{
	if (flags & COVB_FRAME_FILTER)
		return;
	if (kind == COVB_KIND_VOID || (flags & COVBUF_OWNER_GROW))
		covb_count(ctx, COVBUF_LOST_NO_AREA);
	else
		covb_count(ctx, COVBUF_LOST_FULL);
}

/* A frame without an area waits for one. */
static COVBUF_NOINSTR bool may_grow(uint8_t kind, uint8_t flags)
{
	return kind == COVB_KIND_VOID ? !(flags & COVB_FRAME_FILTER) : flags & COVBUF_OWNER_GROW;
}

/*
 * No frame: open an unborn context. False: nothing collects, and the cursor says so. claimed: where the
 * cursor was left; a handler that opened the context has moved it, and then it is not shut.
 */
static COVBUF_NOINSTR bool open_or_shut(struct covbuf_context *ctx, uint32_t mode, uint64_t *claimed)
{
	uint64_t *shut = NULL;

	if (!covb_context_open(ctx) && covb_load_acquire(&covb_engine.state) == COVB_ENGINE_NONE)
		shut = (uint64_t *)(uintptr_t)covb_unborn_words; /* still unborn: there may be an engine later */
	if (covb_load(&ctx->top))
		return true;
	if (covb_local_cas((uint64_t *)&ctx->cursor[mode], (uint64_t)(uintptr_t)claimed, (uint64_t)(uintptr_t)shut) &&
	    mode == COVBUF_MODE_PC && !shut)
		covb_store(&ctx->epoch, COVBUF_EPOCH_SHUT);
	covb_barrier(); /* same CPU: shut, then looked at again */
	if (!covb_load(&ctx->top))
		return false;
	covb_store(&ctx->epoch, covb_load(&ctx->top)->epoch);
	return true;
}

static COVB_LONG bool append_slow(struct covbuf_context *ctx, uint64_t *slot, const uint64_t *record,
				       uint32_t mode)
{
	const uint32_t step = mode == COVBUF_MODE_PC ? 1 : COVBUF_CMP_WORDS;

	if (COVBUF_UNLIKELY(!covb_plat_alive()) && covb_load_acquire(&covb_engine.state) != COVB_ENGINE_NONE) {
		covb_context_forget(ctx, false);
		return false;
	}
	for (;;) {
		struct covb_frame *frame = covb_load(&ctx->top);

		if (!frame) {
			if (!open_or_shut(ctx, mode, slot + step))
				return false;
			continue;
		}
		if (frame->mode != mode) {
			covb_store(&ctx->cursor[mode], (uint64_t *)NULL);
			return false;
		}
		if (frame->kind == COVBUF_RING) {
			covb_store(&ctx->cursor[mode], frame->start);
			return covb_ring_append(ctx, frame, record);
		}
		if (frame->kind == COVB_KIND_VOID ||
		    (slot >= frame->end && slot < frame->end + COVBUF_GUARD_WORDS)) {
			/* a handler may grow in the place of a void frame, which is another's then */
			const uint8_t kind = frame->kind;
			const uint8_t flags = frame->flags;

			covb_store(&ctx->cursor[mode], frame->end);
			if (!may_grow(kind, flags) || !covb_chain_grow(ctx, frame)) {
				count_loss(ctx, kind, flags);
				return false;
			}
		} else if (slot < frame->start || slot >= frame->end) {
			covb_store(&ctx->cursor[mode], covb_load(&frame->saved));
		}
		covb_barrier();
		slot = covb_load(&ctx->cursor[mode]);
		if (!slot)
			return false;
		covb_store(&ctx->cursor[mode], slot + step);
		covb_barrier();
		if (try_slot(slot, record, mode))
			return true;
	}
}

static COVB_LONG bool append_pc_slow(struct covbuf_context *ctx, uint64_t *slot, uint64_t pc)
{
	return append_slow(ctx, slot, &pc, COVBUF_MODE_PC);
}

/* What the thunks around covbuf_append_slow_pc() and _cmp() call. */
COVBUF_HIDDEN COVB_WARM bool covb_append_slow_pc(uint64_t *slot, uint64_t pc)
{
	struct covbuf_context *ctx = covb_plat_context();
	struct covb_frame *frame;

	if (!ctx)
		return false;
	/* what happens at every record, not once in an area, is decided here; the rest, and again, in append_slow() */
	frame = covb_load(&ctx->top);
	if (COVBUF_LIKELY(covb_plat_alive() && frame && frame->mode == COVBUF_MODE_PC)) {
		if (frame->kind == COVBUF_RING) {
			covb_store(&ctx->cursor[COVBUF_MODE_PC], frame->start);
			return covb_ring_append_pc(ctx, frame, pc);
		}
		if (frame->kind == COVBUF_LINEAR && !(frame->flags & COVBUF_OWNER_GROW) && slot >= frame->end &&
		    slot < frame->end + COVBUF_GUARD_WORDS) {
			covb_store(&ctx->cursor[COVBUF_MODE_PC], frame->end);
			count_loss(ctx, COVBUF_LINEAR, frame->flags);
			return false;
		}
	}
	return append_pc_slow(ctx, slot, pc);
}

COVBUF_HIDDEN COVBUF_NOINSTR bool covb_append_slow_cmp(uint64_t *slot, uint64_t type, uint64_t arg1, uint64_t arg2,
						       uint64_t pc)
{
	const uint64_t record[COVBUF_CMP_WORDS] = { type, arg1, arg2, pc };
	struct covbuf_context *ctx = covb_plat_context();

	if (!ctx)
		return false;
	return append_slow(ctx, slot, record, COVBUF_MODE_CMP);
}

COVBUF_NOINSTR int covbuf_record(uint64_t value)
{
	if (!value || (value & COVBUF_NOT_A_RECORD)) {
		covb_count(covb_plat_context(), COVBUF_LOST_INVALID);
		return -COVB_EINVAL;
	}
	covbuf_trace_pc(value);
	return 0;
}
