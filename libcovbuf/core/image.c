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

/* A new epoch for unique mode. At the wrap all marks are wiped, so that none of an old epoch counts. */
uint32_t covb_epoch_next(void)
{
	if (++covb_engine.epoch >= COVBUF_EPOCH_LIMIT) {
		covb_images_sweep();
		covb_engine.epoch = 1;
	}
	return covb_engine.epoch;
}

/*
 * The marks of a context, and a fresh epoch for them. NULL: there is no memory for them, and every site
 * is recorded. Sites that came later than the marks are recorded every time, too: more, never less.
 */
COVB_LONG uint32_t *covb_seen_marks(struct covb_context_private *priv, uint32_t *epoch)
{
	uint32_t nr_sites = covb_load(&covb_engine.nr_sites);
	uint64_t last;

	if (COVBUF_UNLIKELY(!covb_load(&priv->seen))) {
		uint32_t *marks = covb_plat_map_marks(nr_sites);

		if (!marks)
			return NULL;
		priv->nr_seen = nr_sites;
		covb_barrier(); /* same CPU: how many, before there are any */
		/* a handler that came first made as many */
		covb_local_cas((uint64_t *)&priv->seen, 0, (uint64_t)(uintptr_t)marks);
	}
	/* a handler in between has marked sites in an epoch of its own, which must not be ours too */
	do
		last = covb_load(&priv->epochs);
	while (!covb_local_cas(&priv->epochs, last, last + 1));
	if (COVBUF_UNLIKELY(!(uint32_t)(last + 1))) {
		for (uint32_t i = 0; i < priv->nr_seen; i++)
			covb_store(&priv->seen[i], 0);
		return covb_seen_marks(priv, epoch);
	}
	*epoch = (uint32_t)(last + 1);
	return priv->seen;
}
