/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The images of a process whose callbacks are ours because we were loaded first (LD_PRELOAD).
 *
 * Such an image says of itself no more than the compiler's constructors do. An image with trace-pc does
 * not even do that: it is recognised at the start by its dynamic symbols. One that is opened later
 * records every time, in unique mode too: its address may be another one's tomorrow, and marks that
 * outlive their site would hide the next one's.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <link.h>
#include <pthread.h>
#include <string.h>

#include "images.h"

#define NR_IMAGES 128

void __sanitizer_cov_trace_pc_guard_init(uint32_t *start, uint32_t *end);

/* Sites by address, of guards or of text; the table only grows, entries are filled before they count. */
static struct covbuf_image images[NR_IMAGES];
static struct covb_sancov_image counted[NR_IMAGES];
static struct covbuf_image counted_images[NR_IMAGES];
static uint32_t nr_images, nr_counted;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

COVBUF_NOINSTR struct covbuf_image *covb_image_of_text(uint64_t pc)
{
	uint32_t nr = covb_load_acquire(&nr_images);

	for (uint32_t i = 0; i < nr; i++)
		if (pc >= images[i].text_start && pc < images[i].text_end)
			return &images[i];
	return NULL;
}

COVBUF_NOINSTR struct covbuf_image *covb_image_of_guard(const uint32_t *guard)
{
	uint32_t nr = covb_load_acquire(&nr_images);

	/* the latest first: an image that is gone may have had the same addresses */
	for (uint32_t i = nr; i-- > 0;)
		if (guard >= images[i].guards && guard < images[i].guards_end)
			return &images[i];
	return NULL;
}

static COVBUF_NOINSTR struct covbuf_image *add_image(const struct covbuf_image *like)
{
	struct covbuf_image *image = NULL;

	pthread_mutex_lock(&lock);
	if (nr_images < NR_IMAGES) {
		image = &images[nr_images];
		*image = *like;
		covbuf_image_attach(image, COVBUF_ABI);
		/* release: whoever sees the number sees the image, and the numbers of its sites */
		covb_store_release(&nr_images, nr_images + 1);
	}
	pthread_mutex_unlock(&lock);
	return image;
}

/* ---- guards ---------------------------------------------------------------------------------- */

COVB_CALLBACK void __sanitizer_cov_trace_pc_guard_init(uint32_t *start, uint32_t *end)
{
	const struct covbuf_image *known = covb_image_of_guard(start);

	if (start < end && (!known || known->guards != start || known->guards_end != end))
		add_image(&(struct covbuf_image){ .guards = start, .guards_end = end });
}

/* ---- counters -------------------------------------------------------------------------------- */

/*
 * Where the object begins that an address lies in, or NULL: it is gone. Without the dynamic linker's lock, unlike
 * dladdr(): whoever holds that, in dlclose(), may wait for us.
 */
static COVBUF_NOINSTR const void *object_of(const void *address)
{
	struct dl_find_object found;

	return _dl_find_object((void *)(uintptr_t)address, &found) ? NULL : found.dlfo_map_start;
}

static COVBUF_NOINSTR void sync_image(struct covbuf_image *image)
{
	struct covb_sancov_image *owner = &counted[image - counted_images];

	/* or else it has been closed */
	if (object_of(owner->counters[COVB_COUNTERS_8BIT].pcs) == owner->object)
		covb_counters_record(owner);
}

COVBUF_NOINSTR struct covb_sancov_image *covb_image_of_data(const void *address)
{
	const void *object = object_of(address);
	struct covb_sancov_image *owner = NULL;

	pthread_mutex_lock(&lock);
	for (uint32_t i = 0; i < nr_counted && !owner; i++)
		if (counted[i].object == object)
			owner = &counted[i];
	if (!owner && object && nr_counted < NR_IMAGES) {
		owner = &counted[nr_counted];
		owner->object = object;
		owner->image = &counted_images[nr_counted++];
	}
	pthread_mutex_unlock(&lock);
	return owner;
}

COVBUF_NOINSTR void covb_counters_registered(struct covb_sancov_image *owner)
{
	owner->image->sync = sync_image;
	covbuf_image_attach(owner->image, COVBUF_ABI);
}

COVBUF_NOINSTR bool covb_has_counters(void)
{
	return nr_counted != 0;
}

static COVBUF_NOINSTR void forget_counters(void)
{
	static const pthread_mutex_t unlocked = PTHREAD_MUTEX_INITIALIZER;

	/* another thread of the parent's may have held it */
	memcpy(&lock, &unlocked, sizeof(lock));
	for (uint32_t i = 0; i < nr_counted; i++)
		if (object_of(counted[i].counters[COVB_COUNTERS_8BIT].pcs) == counted[i].object)
			covb_counters_forget(&counted[i]);
}

/* ---- text ------------------------------------------------------------------------------------ */

/* The dynamic section's pointers: relocated by most dynamic linkers, offsets with some. */
static COVBUF_NOINSTR uintptr_t pointer(uintptr_t base, const ElfW(Dyn) *entry)
{
	return entry->d_un.d_ptr < base ? base + entry->d_un.d_ptr : entry->d_un.d_ptr;
}

/* Undefined symbols come before the ones that the GNU hash covers, so they are counted without it. */
static COVBUF_NOINSTR bool wants_trace_pc(uintptr_t base, const ElfW(Dyn) *dynamic)
{
	const ElfW(Sym) *symbols = NULL;
	const char *strings = NULL;
	uint32_t nr = 0;

	for (; dynamic->d_tag != DT_NULL; dynamic++) {
		if (dynamic->d_tag == DT_SYMTAB)
			symbols = (const ElfW(Sym) *)pointer(base, dynamic);
		else if (dynamic->d_tag == DT_STRTAB)
			strings = (const char *)pointer(base, dynamic);
		else if (dynamic->d_tag == DT_GNU_HASH)
			nr = ((const uint32_t *)pointer(base, dynamic))[1];
		else if (dynamic->d_tag == DT_HASH && !nr)
			nr = ((const uint32_t *)pointer(base, dynamic))[1];
	}
	for (uint32_t i = 1; symbols && strings && i < nr; i++)
		if (symbols[i].st_shndx == SHN_UNDEF &&
		    !strcmp(strings + symbols[i].st_name, "__sanitizer_cov_trace_pc"))
			return true;
	return false;
}

static COVBUF_NOINSTR int add_text(struct dl_phdr_info *info, size_t size, void *arg)
{
	struct covbuf_image text = { .text_start = UINTPTR_MAX };
	bool wanted = false;

	(void)size;
	(void)arg;
	for (int i = 0; i < info->dlpi_phnum; i++) {
		const ElfW(Phdr) *segment = &info->dlpi_phdr[i];
		uintptr_t from = info->dlpi_addr + segment->p_vaddr;
		uintptr_t to = from + segment->p_memsz;

		if (segment->p_type == PT_DYNAMIC)
			wanted = wants_trace_pc(info->dlpi_addr, (const ElfW(Dyn) *)from);
		if (segment->p_type != PT_LOAD || !(segment->p_flags & PF_X))
			continue;
		text.text_start = from < text.text_start ? from : text.text_start;
		text.text_end = to > text.text_end ? to : text.text_end;
	}
	if (wanted && text.text_start < text.text_end)
		add_image(&text);
	return 0;
}

__attribute__((constructor(101))) static COVBUF_NOINSTR void find_images(void)
{
	dl_iterate_phdr(add_text, NULL);
	pthread_atfork(NULL, NULL, forget_counters);
}

__attribute__((destructor(101))) static COVBUF_NOINSTR void record_all(void)
{
	for (uint32_t i = 0; i < nr_counted; i++)
		if (counted_images[i].sync)
			sync_image(&counted_images[i]);
}
