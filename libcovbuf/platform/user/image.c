/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Instrumented images: how each finds the engine, its range of sites, and the marks of unique mode for
 * images whose callbacks have no guard word of their own.
 */
#include <errno.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <urcu.h>

#include "user.h"

/* Its guards, then a site for every fourth byte of the text that calls without a guard. */
static uint32_t count_sites(const struct covbuf_image *image)
{
	return (uint32_t)(image->guards_end - image->guards) +
	       (uint32_t)((image->text_end - image->text_start + 3) >> 2);
}

static bool wants_marks(const struct covbuf_image *image)
{
	return covb_segment && !image->seen && image->text_end > image->text_start;
}

/*
 * Zeroed with use, which is when somebody asks for unique mode. Without them the image records every
 * time: more, not less.
 */
static void make_marks(struct covbuf_image *image)
{
	size_t bytes = ((image->text_end - image->text_start) / 4 + 1) * sizeof(uint32_t);
	void *p = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	if (p != MAP_FAILED)
		covb_store_release(&image->seen, (uint32_t *)p);
}

void covb_images_refresh(void)
{
	for (struct covb_image_entry *entry = covb_images.first; entry; entry = entry->next)
		if (wants_marks(entry->image))
			make_marks(entry->image);
}

static int attach_locked(struct covbuf_image *image)
{
	struct covb_image_entry *entry;

	if (image->engine)
		return -EALREADY;
	entry = calloc(1, sizeof(*entry));
	if (!entry)
		return -ENOMEM;
	entry->image = image;
	entry->next = covb_images.first;
	image->engine = entry;
	image->nr_sites = count_sites(image);
	image->site_base = covb_sites_reserve(image->nr_sites);
	image->slow_pc = (bool (*)(uint64_t *, uint64_t))covbuf_append_slow_pc;
	image->slow_cmp =
		(bool (*)(uint64_t *, uint64_t, uint64_t, uint64_t, uint64_t))covbuf_append_slow_cmp;
	if (wants_marks(image))
		make_marks(image);
	if (covb_attached())
		covb_engine_sync_modules();
	/* release: partner is the acquire in covb_images_sweep() */
	covb_store_release(&covb_images.first, entry);
	covb_store_release(&image->tls_offset, covb_thread_offset(covbuf_context()));
	return 0;
}

int covbuf_image_attach(struct covbuf_image *image, uint32_t abi)
{
	int err;

	if (abi != COVBUF_ABI)
		return -EPROTO;
	covb_init();
	covb_plat_lock();
	err = attach_locked(image);
	covb_plat_unlock();
	return err;
}

static void free_entry(struct covb_rcu_head *head)
{
	free((char *)head - offsetof(struct covb_image_entry, rcu));
}

void covbuf_image_detach(struct covbuf_image *image)
{
	struct covb_image_entry *entry, **link;

	covb_plat_lock();
	entry = image->engine;
	if (!entry) {
		covb_plat_unlock();
		return;
	}
	covb_store_release(&image->tls_offset, (intptr_t)0);
	for (link = &covb_images.first; *link && *link != entry; link = &(*link)->next)
		;
	if (*link)
		covb_store_release(link, entry->next);
	image->engine = NULL;
	if (image->seen)
		munmap(image->seen, ((image->text_end - image->text_start) / 4 + 1) * sizeof(uint32_t));
	image->seen = NULL;
	if (covb_attached())
		covb_engine_sync_modules();
	/*
	 * The image may be unmapped when we return, and somebody may be in its sync() function. Not in a fork child:
	 * its parent's threads were registered, and never leave. With the lock: a fork meanwhile would leave liburcu's
	 * own locks to the child, and so would a cancellation to everybody.
	 */
	if (covb_plat_alive() && !covb_engine.inherited) {
		synchronize_rcu();
		free(entry);
	} else {
		covb_plat_call_rcu(&entry->rcu, free_entry);
	}
	covb_plat_unlock();
}
