/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The inline counters of all images of the process. Part of the engine's libraries, which know the
 * images; the counters themselves are each image's own (counters.c).
 */
#include <covbuf/sancov.h>

#include "../../libcovbuf/core/engine.h"

void covbuf_counters_sync(void)
{
	/* shut, or collecting comparisons: the counters keep what they have */
	if (!covb_load(&covbuf_context()->cursor[COVBUF_MODE_PC]))
		return;
	covb_plat_rcu_read_lock();
	/* acquire: pairs with the release that put the entry on the list */
	for (const struct covb_image_entry *entry = covb_load_acquire(&covb_images.first); entry;
	     entry = covb_load_acquire(&entry->next)) {
		if (entry->image->sync)
			entry->image->sync(entry->image);
	}
	covb_plat_rcu_read_unlock();
}
