/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Contexts: who has one, and what is on its stack. How the stack changes is stack.c's, or counted.c's.
 */
#include "engine.h"

/* The latest frame of a section on this context's stack, or NULL. */
COVBUF_NOINSTR struct covb_frame *covb_context_find(const struct covbuf_context *ctx, uint64_t token)
{
	struct covb_frame *frame = covb_load(&ctx->top);

	while (frame && frame->token != token)
		frame = frame->prev;
	return frame;
}

/* ---- frames without an area ------------------------------------------------------------------ */

/* In its first use; counted up at each. At 6 ns each the same comes again after 14 minutes of nothing else. */
#define VOID_TOKEN(context, frame) (1ull << 63 | (uint64_t)(context) << 43 | (uint64_t)(frame) << 37)

/* What all uses find, and leave, of it. The slot's last user may have left it in the middle of anything. */
static COVBUF_NOINSTR void set_up_void(const struct covb_context_private *priv, struct covb_frame *frame)
{
	frame->area = ~0u;
	covb_frame_prepare(frame, COVBUF_MODE_PC, COVB_KIND_VOID);
	if (!COVB_PLAT_COUNTED)
		frame->held = NULL;
	if (!frame->token)
		frame->token = VOID_TOKEN(priv->index, frame - priv->voids);
	frame->flag = 0;
}

/* A token does not end with its frame, which an area may succeed; so each is another one. */
static COVBUF_NOINSTR bool take_void(struct covb_context_private *priv, struct covb_frame *frame)
{
	/* by the first, if a handler wants it too; nor is one free that a jump out of a handler has left */
	if (COVBUF_UNLIKELY(!covb_local_take(&frame->flag)))
		return false;
	frame->token++;
	covb_store(&priv->next_void, frame + 1);
	return true;
}

/*
 * Sections nest, and keep their frame until they stop, so the next one is mostly free. NULL: it is not, or
 * they nest deeper than there are any.
 */
COVBUF_NOINSTR struct covb_frame *covb_context_next_void(struct covbuf_context *ctx)
{
	struct covb_context_private *priv = ctx->priv;
	struct covb_frame *frame = covb_load(&priv->next_void);

	return take_void(priv, frame) ? frame : NULL;
}

/* Any one that is free, or NULL. */
COVB_RARE struct covb_frame *covb_context_void(struct covbuf_context *ctx)
{
	struct covb_context_private *priv = ctx->priv;
	/*
	 * Counted: the last one is for what interrupts. Its first section has no frame of its own level under it
	 * that could count in its stead, and the interrupted level may have taken all others.
	 */
	uint32_t nr = COVB_PLAT_NR_VOID_FRAMES - (COVB_PLAT_COUNTED && !covb_plat_level(ctx));

	for (uint32_t i = 0; i < nr; i++)
		if (take_void(priv, &priv->voids[i]))
			return &priv->voids[i];
	return NULL;
}

/* ---- opening and closing --------------------------------------------------------------------- */

#define CONTEXT_STATE(generation, proc, state)                                                     \
	((uint64_t)(generation) << 24 | (uint64_t)(proc) << 8 | (uint64_t)(state))

static COVBUF_NOINSTR bool claim_slot(struct covbuf_context_slot *slot, enum covbuf_context_state from)
{
	uint64_t seen = covb_load(&slot->state);
	uint32_t proc = (uint32_t)(seen >> 8) & 0xffff;

	if ((seen & 0xff) != from)
		return false;
	/* acquire: partner is the release in covb_context_close() */
	if (!covb_cas_acquire(&slot->state, &seen,
			      CONTEXT_STATE((seen >> 24) + 1, covb_engine.proc, COVBUF_CONTEXT_LIVE)))
		return false;
	/* what its last user lost is kept with that user's process */
	for (uint32_t i = 0; i < COVBUF_NR_LOSSES; i++) {
		uint64_t lost = covb_load(&slot->lost[i]);

		if (lost && proc < covb_engine.nr_procs)
			covb_fetch_add(&covb_engine.procs[proc].lost[i], lost);
		covb_store(&slot->lost[i], 0);
	}
	return true;
}

/* A slot that was never used, else one whose thread has ended. */
static COVBUF_NOINSTR struct covbuf_context_slot *take_slot(uint32_t hint)
{
	static const enum covbuf_context_state kinds[] = { COVBUF_CONTEXT_NONE, COVBUF_CONTEXT_ENDED };

	for (uint32_t k = 0; k < 2; k++)
		for (uint32_t n = 0; n < covb_engine.nr_contexts; n++) {
			struct covbuf_context_slot *slot = &covb_engine.contexts[(hint + n) % covb_engine.nr_contexts];

			if (claim_slot(slot, kinds[k]))
				return slot;
		}
	return NULL;
}

static COVBUF_NOINSTR void leave_slot(struct covbuf_context_slot *slot, enum covbuf_context_state state)
{
	uint64_t seen = covb_load(&slot->state);

	/* release: the counters are there before the slot can be another's */
	covb_store_release(&slot->state, (seen & ~0xffull) | (uint64_t)state);
}

/* Give the context a slot. A handler may do the same in between: the first to set ctx->priv wins. */
static COVBUF_NOINSTR bool get_private(struct covbuf_context *ctx)
{
	struct covb_context_private *priv;
	struct covbuf_context_slot *slot;
	char name[16] = "";
	uint32_t pid, tid;

	covb_plat_identify(&pid, &tid, name);
	slot = take_slot(tid % covb_engine.nr_contexts);
	if (!slot) {
		covb_fetch_add(covb_engine.lost_contexts, 1);
		return false;
	}
	priv = &covb_engine.privates[slot - covb_engine.contexts];
	priv->slot = slot;
	priv->index = (uint32_t)(slot - covb_engine.contexts);
	priv->pid = pid;
	priv->tid = tid;
	for (uint32_t i = 0; i < COVB_PLAT_NR_VOID_FRAMES; i++)
		set_up_void(priv, &priv->voids[i]);
	if (!COVB_PLAT_COUNTED)
		priv->voids[COVB_PLAT_NR_VOID_FRAMES].flag = 1;
	priv->next_void = priv->voids;
	priv->merging = 0;
	priv->begun = 0;
	priv->recorded = false;
	covb_store(&slot->pid, pid);
	covb_store(&slot->tid, tid);
	for (uint32_t i = 0; i < sizeof(name); i++)
		slot->name[i] = name[i];
	covb_barrier();
	if (!covb_local_cas((uint64_t *)&ctx->priv, 0, (uint64_t)(uintptr_t)priv)) {
		leave_slot(slot, COVBUF_CONTEXT_NONE);
		return true;
	}
	ctx->hint = (uint32_t)(slot - covb_engine.contexts);
	covb_plat_close_at_exit(ctx);
	/*
	 * Full fence: partner is the one in covbuf_detach(), which gives the process slot up. Either it sees this
	 * context, or the next take of an area sees that the process is off.
	 */
	covb_mb();
	return true;
}

/* Record where the segment says that everything is recorded. A handler that comes in between begins anew: nested, no harm. */
static COVBUF_NOINSTR void begin_automatic(struct covbuf_context *ctx)
{
	struct covb_context_private *priv = ctx->priv;
	struct covbuf_owner *owner = covb_owner_adopt(covb_engine.automatic.owner);

	if (owner && covb_section_start(ctx, owner, owner->generation, 0, COVB_FRAME_LOCAL))
		priv->begun = 1;
}

/* Open a context that is unborn or shut. False: it cannot be opened. */
COVB_RARE bool covb_context_open(struct covbuf_context *ctx)
{
	const struct covb_context_private *priv = covb_load(&ctx->priv);

	if (!priv) {
		if (ctx->closed || !covb_attached() || !covb_plat_alive() || !get_private(ctx))
			return false;
		priv = covb_load(&ctx->priv);
	}
	/*
	 * Also where a jump out of a handler cut the opening short. On top of another frame it would be covered by a
	 * push that was interrupted, or taken off with that frame.
	 */
	if (covb_engine.automatic.enabled && !priv->begun && !ctx->closed && !covb_load(&ctx->top))
		begin_automatic(ctx);
	return true;
}

/* An owner that this thread enabled and did not disable can be disabled, or enabled again, by any other. */
static COVBUF_NOINSTR void leave_owner(struct covbuf_context *ctx, const struct covb_frame *frame)
{
	struct covbuf_owner *owner;

	if (!(frame->flags & COVB_FRAME_LOCAL) || (frame->flags & COVB_FRAME_FILTER))
		return;
	owner = &covb_engine.owners[frame->owner];
	if (covb_load(&owner->local_token) == frame->token)
		covb_cas(&owner->local, &ctx, NULL);
}

/* The thread ends: what it holds is handed over, and nothing is recorded any more. */
COVBUF_NOINSTR void covb_context_close(struct covbuf_context *ctx)
{
	struct covb_context_private *priv = ctx->priv;
	struct covb_frame *frame;
	uint64_t *cursor;

	ctx->closed = 1;
	covb_merge_leave(ctx, 0); /* cancelled in the middle of a merge: nobody waits for it */
	while ((frame = covb_load(&ctx->top)) != NULL) {
		frame = covb_context_pop(ctx, frame, &cursor);
		leave_owner(ctx, frame);
		if (!(frame->flags & COVB_FRAME_LOCAL))
			covb_section_abandoned(ctx, frame);
		covb_handoff(ctx, frame, cursor);
	}
	covb_context_shut(ctx);
	if (!priv)
		return;
	covb_store(&ctx->priv, (void *)NULL);
	covb_barrier();
	/* counted: nobody reads who was there, and a slot is wanted at any level, quickly */
	leave_slot(priv->slot, COVB_PLAT_COUNTED ? COVBUF_CONTEXT_NONE : COVBUF_CONTEXT_ENDED);
}
