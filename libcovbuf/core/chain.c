/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Chains: how a section's area is followed by another when it is full, and how a section that began without
 * one gets its first.
 *
 * The fresh frame takes the full one's place on the stack and holds it. The full area is neither
 * zeroed nor used again before the section stops, because an append that was interrupted may still own
 * a slot of it. So is a frame without an area: who was interrupted still reads it.
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

	/* once more at once: a scan is bounded, and the next one begins where it ended */
	if (full->grown_seen == grown + 1 && ++full->refusals > 1 && full->refusals % RETRY_EVERY)
		return false;
	full->grown_seen = grown + 1;
	return true;
}

/* Field by field, as it was stored just now: a load that takes in two stores waits for both to reach the cache. */
#define SAME(to, from, field) covb_store(&(to)->field, covb_load(&(from)->field))

static COVBUF_NOINSTR void succeed(struct covb_frame *next, struct covb_frame *full)
{
	SAME(next, full, prev);
	SAME(next, full, epoch);
	SAME(next, full, saved_epoch);
	SAME(next, full, token);
	SAME(next, full, sequence);
	SAME(next, full, handle);
	SAME(next, full, owner);
	SAME(next, full, level);
	SAME(next, full, flags);
	next->held = full;
	next->serial = full->kind == COVB_KIND_VOID ? 0 : full->serial + 1;
	next->grown_seen = 0;
	next->refusals = 0;
	covb_frame_prepare(next, full->mode, full->kind == COVB_KIND_VOID ? full->wanted_kind : full->kind);
	next->saved = next->start;
}

/*
 * Put a fresh frame in the place of one that is full, or has no area, and is on top. False: there is none, and
 * nothing has changed. Also true when a nested handler has done it: the caller looks at the top again.
 *
 * Who names the successor has decided; the top follows. Where it lags behind, because a handler came in
 * between, whoever looks at the top goes on from there, or brings it up.
 */
COVBUF_NOINSTR bool covb_chain_grow(struct covbuf_context *ctx, struct covb_frame *full)
{
	struct covb_frame *next = covb_load(&full->successor);
	bool ours = false;

	if (COVBUF_LIKELY(!next)) {
		if (!worth_trying(full))
			return false;
		next = covb_pool_take(ctx, full->area_class);
		if (!next)
			return false;
		succeed(next, full);
		covb_area_describe(ctx, next);
		covb_barrier(); /* same CPU: whoever finds it appends to it */
		ours = covb_local_cas((uint64_t *)&full->successor, 0, (uint64_t)(uintptr_t)next);
		if (COVBUF_UNLIKELY(!ours)) {
			covb_pool_discard(ctx, next, NULL); /* a ring's words are not zero */
			next = covb_load(&full->successor);
		}
	}
	if (COVBUF_LIKELY(covb_load(&ctx->top) == full))
		covb_store(&ctx->top, next);
	covb_barrier();
	if (COVBUF_LIKELY(ours))
		covb_store(&ctx->cursor[next->mode], next->start);
	return true;
}
