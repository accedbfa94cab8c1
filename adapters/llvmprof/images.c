/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The images of the process that are linked with the adapter, by their ELF note, and what is known of them.
 *
 * Nothing of an image may be looked at but inside dl_iterate_phdr(), which keeps dlclose() from unmapping it, and
 * not after its destructor has said that it is closed: its note may be gone.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <link.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include <covbuf/atomic.h>

#include "files.h"
#include "points.h"

#define NOTE_NAME "covbuf"

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static int cancel_state; /* of the thread that has it, before */

/* A thread that was cancelled with the lock would keep it. */
void covb_profile_lock(void)
{
	int before;

	pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &before);
	pthread_mutex_lock(&mutex);
	cancel_state = before;
}

void covb_profile_unlock(void)
{
	int before = cancel_state;

	pthread_mutex_unlock(&mutex);
	pthread_setcancelstate(before, &before);
}

/* What the note says: see format.h. */
struct covb_profile_desc {
	uint32_t version;
	int32_t distance; /* from here to the structure */
};

static bool is_in_image(const struct dl_phdr_info *info, const void *p, size_t nr_bytes)
{
	uintptr_t at = (uintptr_t)p - info->dlpi_addr;

	for (int i = 0; i < info->dlpi_phnum; i++) {
		const ElfW(Phdr) *phdr = &info->dlpi_phdr[i];

		if (phdr->p_type == PT_LOAD && at >= phdr->p_vaddr && at - phdr->p_vaddr <= phdr->p_memsz &&
		    nr_bytes <= phdr->p_memsz - (at - phdr->p_vaddr))
			return true;
	}
	return false;
}

static size_t padded(uint32_t nr_bytes)
{
	return ((size_t)nr_bytes + 3) & ~(size_t)3;
}

static const struct covb_profile_desc *find_desc(const struct dl_phdr_info *info, const ElfW(Phdr) *phdr)
{
	const char *p = (const char *)(info->dlpi_addr + phdr->p_vaddr), *end = p + phdr->p_memsz;

	/* notes need not be loaded */
	if (!is_in_image(info, p, phdr->p_memsz))
		return NULL;
	while ((size_t)(end - p) >= sizeof(ElfW(Nhdr))) {
		const ElfW(Nhdr) *n = (const ElfW(Nhdr) *)p;
		size_t name_bytes = padded(n->n_namesz), desc_bytes = padded(n->n_descsz);

		if (name_bytes + desc_bytes > (size_t)(end - p) - sizeof(*n))
			return NULL;
		p += sizeof(*n);
		if (n->n_type == COVBUF_PROFILE_NOTE_TYPE && n->n_namesz == sizeof(NOTE_NAME) &&
		    n->n_descsz >= sizeof(struct covb_profile_desc) && !memcmp(p, NOTE_NAME, sizeof(NOTE_NAME)))
			return (const struct covb_profile_desc *)(p + name_bytes);
		p += name_bytes + desc_bytes;
	}
	return NULL;
}

struct visit {
	covb_profile_image_fn fn;
	void *arg;
};

static int visit_image(const struct dl_phdr_info *info, const struct covb_profile_desc *desc, const struct visit *visit)
{
	struct covbuf_profile_image *image;
	uint32_t version;

	if (desc->version != COVBUF_PROFILE_VERSION)
		return -EPROTO;
	image = (struct covbuf_profile_image *)((uintptr_t)&desc->distance + (uintptr_t)(intptr_t)desc->distance);
	if (!is_in_image(info, image, sizeof(*image)))
		return -EPROTO;
	/* acquire: partner is the release in its constructor. Until then it is not there, and counts from 0 */
	version = covb_load_acquire(&image->version);
	if (version && version != COVBUF_PROFILE_VERSION)
		return -EPROTO;
	if (!version || image->mark == COVB_PROFILE_CLOSED)
		return 0;
	return visit->fn(image, visit->arg);
}

static int look(struct dl_phdr_info *info, size_t size, void *arg)
{
	const struct covb_profile_desc *desc;

	(void)size;
	for (int i = 0; i < info->dlpi_phnum; i++) {
		if (info->dlpi_phdr[i].p_type != PT_NOTE || info->dlpi_phdr[i].p_align > 4)
			continue;
		desc = find_desc(info, &info->dlpi_phdr[i]);
		if (desc)
			return visit_image(info, desc, arg);
	}
	return 0;
}

int covb_profile_images(covb_profile_image_fn fn, void *arg)
{
	struct visit visit = { fn, arg };

	return dl_iterate_phdr(look, &visit);
}

/* ---- what is known of them ------------------------------------------------------------------- */

static struct covb_profile_about *all;

struct covb_profile_about *covb_profile_about(const struct covbuf_profile_image *image)
{
	struct covb_profile_about *about;

	for (about = all; about; about = about->next)
		if (about->note.id == image->note->id)
			return about;
	about = calloc(1, sizeof(*about));
	if (!about)
		return NULL;
	about->note = *image->note;
	covb_note_process(&about->note);
	about->note.compiler[sizeof(about->note.compiler) - 1] = '\0';
	about->note.image[sizeof(about->note.image) - 1] = '\0';
	if (image->directory) {
		about->directory = strdup(image->directory);
		if (!about->directory) {
			free(about);
			return NULL;
		}
	}
	about->next = all;
	all = about;
	return about;
}

/* In a fork child: differences made before may still refer to them, but files are the parent's. */
void covb_profile_forget_all(void)
{
	for (struct covb_profile_about *about = all; about; about = about->next)
		if (about->kept)
			munmap(about->kept, about->kept_bytes);
	all = NULL;
}
