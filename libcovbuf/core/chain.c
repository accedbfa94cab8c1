/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Chains: how a section's area is followed by another when it is full.
 *
 * The fresh frame takes the full one's place on the stack and holds it. The full area is neither
 * zeroed nor used again before the section stops, because an append that was interrupted may still own
 * a slot of it. So is a frame without an area that is replaced when there is one: who was interrupted
 * still reads it.
 *
 * Where the pool was empty the frame remembers how many areas the maker had made by then, and tries
 * again when there are more, or now and then: areas come back to the pool, too.
 */
#include "engine.h"

#define RETRY_EVERY 1024

static COVBUF_NOINSTR bool worth_trying(struct covb_frame *full)
{
	/* acquire: partner is the release in publish() of shm/grow.c; what was made is in the pool by then */
	uint32_t grown = covb_load_acquire(&covb_engine.classes[full->area_class].grown);

	if (full->grown_seen == grown + 1 && ++full->refusals % RETRY_EVERY)
		return false;
	full->grown_seen = grown + 1;
	return true;
}

static COVBUF_NOINSTR void succeed(struct covb_frame *next, struct covb_frame *full)
{
	next->prev = full->prev;
	next->unique = full->unique;
	next->saved_unique = full->saved_unique;
	next->token = full->token;
	next->sequence = full->sequence;
	next->handle = full->handle;
	next->owner = full->owner;
	next->level = full->level;
	next->flags = full->flags;
	next->held = full;
	next->serial = full->kind == COVB_KIND_VOID ? 0 : full->serial + 1;
	next->grown_seen = 0;
	next->refusals = 0;
	covb_frame_prepare(next, full->mode, full->kind == COVB_KIND_VOID ? full->wanted_kind : full->kind);
	next->saved = next->start;
}

/*
 * Put a fresh frame in the place of a full one, which is on top. NULL: there is none, and nothing has
 * changed. Also returns when a nested handler has done it: the caller looks at the top again.
 */
COVBUF_NOINSTR struct covb_frame *covb_chain_grow(struct covbuf_context *ctx, struct covb_frame *full)
{
	struct covb_frame *next;

	if (!worth_trying(full))
		return NULL;
	next = covb_pool_take(ctx, full->area_class);
	if (!next)
		return NULL;
	succeed(next, full);
	covb_area_describe(ctx, next);
	covb_barrier();
	if (!covb_local_cas((uint64_t *)&ctx->top, (uint64_t)(uintptr_t)full, (uint64_t)(uintptr_t)next)) {
		covb_pool_discard(ctx, next, NULL); /* a ring's words are not zero */
		return covb_load(&ctx->top);
	}
	covb_store(&ctx->cursor[next->mode], next->start);
	return next;
}
