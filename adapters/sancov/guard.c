/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * trace-pc-guard: a site has a word of its own, which is the mark of unique mode.
 *
 * What trace_pc.c says of deciding while running, and of the program counter, is true here too.
 */
#include "images.h"

void __sanitizer_cov_trace_pc_guard(uint32_t *guard);

#if defined(COVBUF_SANCOV_INLINE)

/*
 * Which block a site is. Code that was inlined is moved about like any other, so where it runs may be
 * in another block by now; the pc table has an entry for each guard, if it is of guards only, and
 * the optimiser keeps it true. 0 and 1: the block is gone.
 */
COVBUF_INLINE COVBUF_NOINSTR uint64_t guard_pc(const uint32_t *guard, uint64_t here)
{
	const struct covbuf_image *image = &covbuf_this_image;
	const struct covb_counters *table = &covb_this_sancov_image.counters[COVB_COUNTERS_8BIT];
	uintptr_t block;

	/* partner: the release of tls_offset; what the image's constructors filled in comes after the context */
	covb_rmb();
	if (COVBUF_UNLIKELY(table->pcs_end - table->pcs != 2 * (image->guards_end - image->guards)))
		return here;
	block = table->pcs[2 * (guard - image->guards)];
	return COVBUF_LIKELY(block > 1) ? block + 1 : here;
}

/*
 * Recording every time, the guard remembers what the table says: how far from here, which is negative,
 * since text comes before data, and so is no epoch. A guard that is a mark stays one.
 */
#define COVB_ANCHOR ((uint64_t)(uintptr_t)&covbuf_this_image)

COVB_COLD __attribute__((cold)) void append_guard_unmarked(struct covbuf_context *ctx, uint64_t *slot, uint64_t here,
							   uint32_t *guard)
{
	uint64_t pc = guard_pc(guard, here);
	int64_t distance = (int64_t)(pc - COVB_ANCHOR);
	uint32_t unseen = 0;

	if (!covb_load(guard) && distance < 0 && distance >= INT32_MIN)
		covb_cas(guard, &unseen, (uint32_t)distance); /* relaxed: whoever sees it has all of it */
	covb_append_pc_unmarked(ctx, slot, pc, guard);
}

#define COVB_GUARD_PC(value) (COVB_ANCHOR + (uint64_t)(int64_t)(int32_t)(value))

#endif

#if !defined(COVBUF_SANCOV_TRACE_ONLY)
#if defined(COVBUF_SANCOV_INLINE)

/* A site's first, out of line: it happens once, and there are many sites. */
COVB_COLD __attribute__((cold)) void append_guard_first(struct covbuf_context *ctx, uint64_t *slot, uint64_t here,
							uint32_t *guard, uint32_t epoch)
{
	covb_append_pc_site(ctx, slot, guard_pc(guard, here), guard, epoch);
}

#else

/* Called, the return address is in the block. */
COVBUF_INLINE COVBUF_NOINSTR uint64_t guard_pc(const uint32_t *guard, uint64_t here)
{
	(void)guard;
	return here;
}

COVBUF_INLINE COVBUF_NOINSTR void append_guard_first(struct covbuf_context *ctx, uint64_t *slot, uint64_t here,
						     uint32_t *guard, uint32_t epoch)
{
	covb_append_pc_site(ctx, slot, here, guard, epoch);
}

#endif

/* Only where a context keeps marks of its own. */
COVBUF_INLINE COVBUF_NOINSTR uint32_t guard_site(const uint32_t *guard)
{
	const struct covbuf_image *image = covb_image_of_guard(guard);

	covb_rmb(); /* as in guard_pc() */
	return image ? image->site_base + (uint32_t)(guard - image->guards) : UINT32_MAX;
}

COVB_COLD void append_guard_seen(struct covbuf_context *ctx, uint64_t *slot, uint64_t here, const uint32_t *guard,
				 uint32_t epoch)
{
	covb_append_pc_seen(ctx, slot, guard_pc(guard, here), epoch, guard_site(guard));
}

#endif

#if defined(COVBUF_SANCOV_INLINE) && defined(COVBUF_SANCOV_TRACE_ONLY)

/* Recording falls through. */
COVB_HOT void __sanitizer_cov_trace_pc_guard(uint32_t *guard)
{
	struct covbuf_context *ctx = covbuf_context();
	uint32_t value;
	uint64_t *slot;

	if (covb_context_missing(ctx))
		return;
	slot = covb_slot_pc(ctx);
	if (COVBUF_UNLIKELY(!slot))
		return;
	value = covb_load(guard);
	if (COVBUF_LIKELY((int32_t)value < 0))
		covb_append_pc_unmarked(ctx, slot, COVB_GUARD_PC(value), guard);
	else
		append_guard_unmarked(ctx, slot, COVB_CALLER(), guard);
}

#elif defined(COVBUF_SANCOV_INLINE)

/* A site's first: in the process, in the context, or that records at all. Or the caller did not look at the guard. */
COVB_COLD __attribute__((cold)) void append_guard_new(struct covbuf_context *ctx, uint64_t *slot, uint64_t here,
						      uint32_t *guard)
{
	uint32_t epoch = covb_load(&ctx->epoch), value = covb_load(guard);

	if ((int32_t)(value & epoch) < 0)
		covb_append_pc_unmarked(ctx, slot, COVB_GUARD_PC(value), guard);
	else if (epoch >= COVBUF_EPOCH_LIMIT)
		append_guard_unmarked(ctx, slot, here, guard);
	else if (epoch >= COVBUF_EPOCH_CONTEXT)
		append_guard_seen(ctx, slot, here, guard, epoch);
	else if (value != epoch)
		append_guard_first(ctx, slot, here, guard, epoch);
}

#if defined(COVBUF_SANCOV_CONTEXT)

/*
 * What is seen in the context falls through, or what nobody wants to hear of; all else is out of line. The mark is a
 * distance away from the guard, or is the guard, where the context has none of its own. It does not matter if a
 * handler opens the context, or gives it marks, between the three loads: no mark of a context is an epoch of the
 * process, and no guard one of a context.
 */
COVB_HOT void __sanitizer_cov_trace_pc_guard(uint32_t *guard)
{
	struct covbuf_context *ctx = covbuf_context();
	const uint32_t *mark = (const uint32_t *)((uintptr_t)guard + (uintptr_t)ctx->marks_at);
	uint64_t *slot;

	if (COVBUF_LIKELY(covb_load(mark) == ctx->epoch))
		return;
	slot = covb_slot_pc(ctx);
	if (COVBUF_UNLIKELY(slot != NULL))
		append_guard_new(ctx, slot, COVB_CALLER(), guard);
}

#else

/* Whether the context has marks of its own, and this site's among them holds its epoch. */
COVBUF_INLINE COVBUF_NOINSTR bool guard_seen(const struct covbuf_context *ctx, const uint32_t *guard)
{
	const uint32_t *marks = covb_load(&ctx->seen);
	uint32_t site;

	if (COVBUF_UNLIKELY(!marks))
		return false;
	site = guard_site(guard);
	return COVBUF_LIKELY(site < ctx->nr_seen && covb_load(&marks[site]) == ctx->epoch);
}

/*
 * What is seen, or nobody collects, falls through: four instructions. Recording everything is next: one test says
 * both that no site is marked and that the guard tells the program counter, since no other epoch has bit 31, and no
 * mark. The first comparison reads the epoch plainly, so that it may stay in a register: what a handler changes in
 * it, it changes back.
 */
COVB_HOT void __sanitizer_cov_trace_pc_guard(uint32_t *guard)
{
	struct covbuf_context *ctx = covbuf_context();
	uint32_t value;
	uint64_t *slot;

	if (covb_context_missing(ctx))
		return;
	value = covb_load(guard);
	if (COVBUF_LIKELY(value == ctx->epoch))
		return;
	slot = covb_slot_pc(ctx);
	if (COVBUF_UNLIKELY(!slot))
		return;
	if (COVBUF_LIKELY((int32_t)(value & covb_load(&ctx->epoch)) < 0))
		covb_append_pc_unmarked(ctx, slot, COVB_GUARD_PC(value), guard);
	else if (!guard_seen(ctx, guard))
		append_guard_new(ctx, slot, COVB_CALLER(), guard);
}

#endif

#elif defined(COVBUF_SANCOV_TRACE_ONLY)

COVB_HOT void __sanitizer_cov_trace_pc_guard(uint32_t *guard)
{
	struct covbuf_context *ctx = covbuf_context();
	uint64_t *slot;

	(void)guard;
	if (covb_context_missing(ctx))
		return;
	slot = covb_slot_pc(ctx);
	if (COVBUF_LIKELY(slot != NULL))
		covb_append_pc(ctx, slot, COVB_CALLER());
}

#else

/* A site that is not marked: out of the way of a context that is shut, which meets what others have marked. */
COVB_COLD void append_guard_new(struct covbuf_context *ctx, uint64_t *slot, uint64_t here, uint32_t *guard,
				uint32_t epoch)
{
	if (epoch < COVBUF_EPOCH_CONTEXT)
		append_guard_first(ctx, slot, here, guard, epoch);
	else if (COVBUF_UNLIKELY(epoch < COVBUF_EPOCH_LIMIT))
		append_guard_seen(ctx, slot, here, guard, epoch);
	else
		covb_append_pc_unmarked(ctx, slot, here, guard);
}

COVB_HOT void __sanitizer_cov_trace_pc_guard(uint32_t *guard)
{
	struct covbuf_context *ctx = covbuf_context();
	uint32_t epoch;
	uint64_t *slot;

	if (covb_context_missing(ctx))
		return;
	epoch = covb_load(&ctx->epoch);
	if (COVBUF_LIKELY(epoch == COVBUF_EPOCH_NONE)) { /* no guard word holds it: not even a look at this one */
		slot = covb_slot_pc(ctx);
		if (COVBUF_LIKELY(slot != NULL))
			covb_append_pc_unmarked(ctx, slot, COVB_CALLER(), guard);
		return;
	}
	slot = covb_slot_pc(ctx);
	if (covb_load(guard) == epoch)
		slot = NULL;
	__asm__("" : "+r"(slot)); /* both by one jump, that is not taken: each that is costs a quarter of the callback */
	if (COVBUF_UNLIKELY(slot != NULL))
		append_guard_new(ctx, slot, COVB_CALLER(), guard, epoch);
}

#endif
