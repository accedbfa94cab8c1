/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * trace-pc-guard: a site has a word of its own, which is the mark of unique mode.
 *
 * What trace_pc.c says of deciding while running, and of the program counter, is true here too.
 */
#include "images.h"

void __sanitizer_cov_trace_pc_guard(uint32_t *guard);

#if !defined(COVBUF_SANCOV_TRACE_ONLY)
/* Only where a context keeps marks of its own. */
COVBUF_INLINE COVBUF_NOINSTR uint32_t guard_site(const uint32_t *guard)
{
	const struct covbuf_image *image = covb_image_of_guard(guard);

	return image ? image->site_base + (uint32_t)(guard - image->guards) : UINT32_MAX;
}

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

	if (COVBUF_UNLIKELY(table->pcs_end - table->pcs != 2 * (image->guards_end - image->guards)))
		return here;
	block = table->pcs[2 * (guard - image->guards)];
	return COVBUF_LIKELY(block > 1) ? block + 1 : here;
}

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

COVB_COLD void append_guard_seen(struct covbuf_context *ctx, uint64_t *slot, uint64_t here, const uint32_t *guard)
{
	covb_append_pc_seen(ctx, slot, guard_pc(guard, here), guard_site(guard));
}
#endif

#if defined(COVBUF_SANCOV_TRACE_ONLY)

COVB_HOT void __sanitizer_cov_trace_pc_guard(uint32_t *guard)
{
	struct covbuf_context *ctx = covbuf_context();
	uint64_t *slot;

	(void)guard;
	if (covb_context_missing(ctx))
		return;
	slot = covb_slot_pc(ctx);
	if (COVBUF_UNLIKELY(slot != NULL))
		covb_append_pc(ctx, slot, COVB_CALLER());
}

#else

COVB_HOT void __sanitizer_cov_trace_pc_guard(uint32_t *guard)
{
	struct covbuf_context *ctx = covbuf_context();
	uint32_t epoch;
	uint64_t *slot;

	if (covb_context_missing(ctx))
		return;
	epoch = covb_load(&ctx->epoch);
#if !defined(COVBUF_SANCOV_INLINE)
	if (COVBUF_LIKELY(epoch == COVBUF_EPOCH_NONE)) { /* no guard word holds it: not even a look at this one */
		slot = covb_slot_pc(ctx);
		if (COVBUF_LIKELY(slot != NULL))
			covb_append_pc_unmarked(ctx, slot, COVB_CALLER(), guard);
		return;
	}
#endif
	if (COVBUF_LIKELY(covb_load(guard) == epoch))
		return;
	slot = covb_slot_pc(ctx);
	if (COVBUF_LIKELY(!slot))
		return;
	if (epoch < COVBUF_EPOCH_CONTEXT)
		append_guard_first(ctx, slot, COVB_CALLER(), guard, epoch);
	else if (COVBUF_UNLIKELY(epoch == COVBUF_EPOCH_CONTEXT))
		append_guard_seen(ctx, slot, COVB_CALLER(), guard);
	else
		covb_append_pc_unmarked(ctx, slot, COVB_CALLER(), guard);
}

#endif
