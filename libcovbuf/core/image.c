/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Sites of unique mode: which instrumented images there are, and the marks of contexts that keep
 * their own.
 *
 * Each image has a range of site numbers, given out when it attaches and never given out again, so a
 * mark is never mistaken for another image's. What knows how an image reaches the engine is the
 * platform's; here are only the numbers and the marks.
 */
#include "engine.h"

struct covb_images covb_images;
COVBUF_HIDDEN struct covbuf_image *covbuf_own_image;

/* Under the lock. Returns the first number. */
uint32_t covb_sites_reserve(uint32_t nr_sites)
{
	uint32_t base = covb_engine.nr_sites;

	covb_store(&covb_engine.nr_sites, base + nr_sites);
	return base;
}

/* Wipe every mark that the process shares: the epoch has wrapped. */
void covb_images_sweep(void)
{
	covb_plat_rcu_read_lock();
	for (struct covb_image_entry *entry = covb_load_acquire(&covb_images.first); entry;
	     entry = covb_load_acquire(&entry->next)) {
		const struct covbuf_image *image = entry->image;

		for (uint32_t *guard = image->guards; guard && guard < image->guards_end; guard++)
			covb_store(guard, 0);
		for (uintptr_t i = 0; image->seen && i < (image->text_end - image->text_start + 3) >> 2; i++)
			covb_store(&image->seen[i], 0);
	}
	covb_plat_rcu_read_unlock();
}

/* The least that an owner has, from here on. */
static uint32_t least_in_use(uint32_t from)
{
	uint32_t least = COVBUF_EPOCH_CONTEXT;

	for (uint32_t i = 0; i < covb_engine.nr_owners; i++) {
		const struct covbuf_owner *owner = &covb_engine.owners[i];
		uint32_t epoch = covb_load(&owner->epoch);

		if (covb_load(&owner->config) && epoch >= from && epoch < least)
			least = epoch;
	}
	return least;
}

/*
 * A new epoch for unique mode. At the wrap all marks are wiped, so that none of an old epoch counts; and whose owner is
 * still there, enabled or in sections, which go on marking, is passed over. Under the lock.
 */
uint32_t covb_epoch_next(void)
{
	struct covb_engine *e = &covb_engine;

	for (;;) {
		if (++e->epoch >= COVBUF_EPOCH_CONTEXT) {
			covb_images_sweep();
			e->epoch = 1;
			e->epoch_in_use = least_in_use(1);
		}
		if (e->epoch != e->epoch_in_use)
			return e->epoch;
		e->epoch_in_use = least_in_use(e->epoch + 1);
	}
}

/* ---- unique per context ---------------------------------------------------------------------- */

#define EPOCHS_A_LAP (COVBUF_EPOCH_LIMIT - COVBUF_EPOCH_CONTEXT)

/* Where a site of the engine's own image finds its mark; 0 unless there is one for each. */
static COVBUF_NOINSTR intptr_t marks_at(const uint32_t *marks, uint32_t nr_marks)
{
	const struct covbuf_image *image = covbuf_own_image;

	/* acquire: partner is the release in covbuf_image_attach(); the rest is there when it is */
	if (!image || !covb_load_acquire(&image->tls_offset) || !image->guards)
		return 0;
	if (image->site_base + (uint64_t)(image->guards_end - image->guards) > nr_marks)
		return 0;
	return (intptr_t)(marks + image->site_base) - (intptr_t)image->guards;
}

/*
 * Give the context its marks. False: there is no memory for them. Sites that came later than the marks are recorded
 * every time: more, never less. What a handler in between has done is done again, alike.
 */
static COVB_RARE bool find_marks(struct covbuf_context *ctx)
{
	struct covb_context_private *priv = ctx->priv;

	if (!covb_load(&priv->seen)) {
		uint32_t nr_sites = covb_load(&covb_engine.nr_sites);
		uint32_t *marks = covb_plat_map_marks(nr_sites);

		if (!marks)
			return false;
		priv->nr_seen = nr_sites;
		covb_barrier(); /* same CPU: how many, before there are any */
		/* a handler that came first made as many */
		covb_local_cas((uint64_t *)&priv->seen, 0, (uint64_t)(uintptr_t)marks);
	}
	covb_store(&ctx->nr_seen, priv->nr_seen);
	covb_store(&ctx->marks_at, marks_at(covb_load(&priv->seen), priv->nr_seen));
	covb_barrier(); /* same CPU: likewise */
	covb_store(&ctx->seen, covb_load(&priv->seen));
	return true;
}

/* Whether a frame still marks sites in an epoch of the context. */
static COVB_RARE bool marks_are_in_use(const struct covbuf_context *ctx)
{
	for (const struct covb_frame *frame = covb_load(&ctx->top); frame; frame = frame->prev)
		if (frame->epoch >= COVBUF_EPOCH_CONTEXT && frame->epoch < COVBUF_EPOCH_LIMIT)
			return true;
	return false;
}

/*
 * All epochs have been given out, and are given out again once the marks are wiped. Before the first is taken: a
 * handler that comes meanwhile wipes them itself. False: a frame may mark sites with one of the old epochs after that.
 * (So may a start that took the very last one, and was interrupted by this one before its push: not looked for.)
 */
static COVB_RARE bool begin_again(struct covbuf_context *ctx)
{
	uint32_t *seen = covb_load(&ctx->seen);

	if (marks_are_in_use(ctx))
		return false;
	for (uint32_t i = 0; i < covb_load(&ctx->nr_seen); i++)
		covb_store(&seen[i], 0);
	return true;
}

/* A fresh epoch for the marks of a context. COVBUF_EPOCH_NONE: it cannot have one, and every site is recorded. */
COVB_LONG uint32_t covb_seen_epoch(struct covbuf_context *ctx)
{
	struct covb_context_private *priv = ctx->priv;
	uint64_t nr;

	if (COVBUF_UNLIKELY(!covb_load(&ctx->seen)) && !find_marks(ctx))
		return COVBUF_EPOCH_NONE;
	/* a handler in between has marked sites in an epoch of its own, which must not be ours too */
	do {
		nr = covb_load(&priv->epochs);
		if (COVBUF_UNLIKELY(nr && nr % EPOCHS_A_LAP == 0) && !begin_again(ctx))
			return COVBUF_EPOCH_NONE;
	} while (!covb_local_cas(&priv->epochs, nr, nr + 1));
	return COVBUF_EPOCH_CONTEXT + (uint32_t)(nr % EPOCHS_A_LAP);
}
