/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The module table: which executables and libraries a process has at which addresses, so that its
 * records can be read when it is gone.
 *
 * Each sync compares what the dynamic linker lists with the rows of this process: what is new gets a
 * row, what is missing is marked as unloaded. Rows are never reused; areas may refer to their addresses.
 * A fork child begins with its parent's rows, as they were at the fork, and only looks whether they still
 * are all that it has; as soon as they are not it gets rows of its own for everything.
 * The generation moves once a sync, before the rows appear, so that an area whose generation is that
 * of a row's load or later may hold its addresses.
 */
#define _GNU_SOURCE
#include <elf.h>
#include <errno.h>
#include <limits.h>
#include <link.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <covbuf/atomic.h>

#include "shm.h"

enum { ROW_NONE, ROW_WRITING, ROW_THERE };

struct sync {
	struct covbuf_segment *segment;
	uint32_t proc, pid;
	uint64_t images;	/* whose rows are looked at */
	uint32_t generation;	/* of this sync's changes; 0: none yet */
	uint32_t next;		/* row to look for a free one from */
	unsigned char *seen;	/* a bit per row: the image is still there */
	uint32_t lost;
	bool differs;		/* from what was inherited */
};

/* The generation of this sync's changes. */
static uint32_t raise_generation(struct sync *sync)
{
	/* release: areas that note this generation belong to a process that has what it stands for */
	if (!sync->generation)
		sync->generation = __atomic_add_fetch(&sync->segment->header->module_generation, 1, __ATOMIC_RELEASE);
	return sync->generation;
}

static void mark_seen(struct sync *sync, uint32_t i)
{
	sync->seen[i / 8] |= (unsigned char)(1u << i % 8);
}

static bool is_seen(const struct sync *sync, uint32_t i)
{
	return sync->seen[i / 8] & 1u << i % 8;
}

static bool is_ours(const struct sync *sync, uint32_t i)
{
	const struct covbuf_module *row = &sync->segment->modules[i];

	return covb_load_acquire(&row->state) == ROW_THERE && covb_load(&row->images) == sync->images &&
	       covb_load(&row->proc) == sync->proc && covb_load(&row->pid) == sync->pid && !covb_load(&row->unloaded);
}

static bool is_later(uint32_t generation, uint32_t than)
{
	return (int32_t)(generation - than) > 0;
}

/* Written by whom we inherit from, and there when we were forked. */
static bool is_inherited(const struct sync *sync, uint32_t i)
{
	const struct covbuf_module *row = &sync->segment->modules[i];
	uint32_t at = COVBUF_IMAGES_FORKED(sync->images), unloaded;

	if (covb_load_acquire(&row->state) != ROW_THERE || covb_load(&row->images) != COVBUF_IMAGES_ROWS(sync->images))
		return false;
	unloaded = covb_load(&row->unloaded);
	return !is_later(covb_load(&row->loaded), at) && (!unloaded || is_later(unloaded, at));
}

/* Whether row i is one that an image of this process may be in. */
static bool is_candidate(const struct sync *sync, uint32_t i)
{
	return COVBUF_IMAGES_FORKED(sync->images) ? is_inherited(sync, i) : is_ours(sync, i);
}

/* ---- what an image is ------------------------------------------------------------------------ */

static uint64_t round_up(uint64_t value, uint64_t to)
{
	return (value + to - 1) / to * to;
}

static void find_span(const struct dl_phdr_info *info, struct covbuf_module *out)
{
	uint64_t start = UINT64_MAX, end = 0;

	for (int i = 0; i < info->dlpi_phnum; i++) {
		const ElfW(Phdr) *phdr = &info->dlpi_phdr[i];

		if (phdr->p_type != PT_LOAD)
			continue;
		if (phdr->p_vaddr < start)
			start = phdr->p_vaddr;
		if (phdr->p_vaddr + phdr->p_memsz > end)
			end = phdr->p_vaddr + phdr->p_memsz;
	}
	out->bias = info->dlpi_addr;
	out->start = end ? start + info->dlpi_addr : 0;
	out->end = end ? end + info->dlpi_addr : 0;
}

/* Whether a loaded, readable segment holds these addresses. */
static bool is_loaded(const struct dl_phdr_info *info, uint64_t vaddr, uint64_t bytes)
{
	for (int i = 0; i < info->dlpi_phnum; i++) {
		const ElfW(Phdr) *phdr = &info->dlpi_phdr[i];

		if (phdr->p_type == PT_LOAD && (phdr->p_flags & PF_R) && vaddr >= phdr->p_vaddr &&
		    bytes <= phdr->p_memsz && vaddr - phdr->p_vaddr <= phdr->p_memsz - bytes)
			return true;
	}
	return false;
}

static bool read_build_id(const char *notes, uint64_t bytes, uint64_t align, struct covbuf_module *out)
{
	uint64_t at = 0;

	while (bytes - at >= sizeof(ElfW(Nhdr))) {
		const ElfW(Nhdr) *note = (const void *)(notes + at);
		uint64_t name = at + sizeof(*note), content = name + round_up(note->n_namesz, align);

		if (content > bytes || note->n_descsz > bytes - content)
			return false;
		if (note->n_type == NT_GNU_BUILD_ID && note->n_namesz == 4 && !memcmp(notes + name, "GNU", 4)) {
			out->build_id_bytes = note->n_descsz < sizeof(out->build_id) ? note->n_descsz : sizeof(out->build_id);
			memcpy(out->build_id, notes + content, out->build_id_bytes);
			return true;
		}
		at = content + round_up(note->n_descsz, align);
		if (at > bytes)
			return false;
	}
	return false;
}

static void find_build_id(const struct dl_phdr_info *info, struct covbuf_module *out)
{
	for (int i = 0; i < info->dlpi_phnum; i++) {
		const ElfW(Phdr) *phdr = &info->dlpi_phdr[i];

		if (phdr->p_type == PT_NOTE && is_loaded(info, phdr->p_vaddr, phdr->p_memsz) &&
		    read_build_id((const char *)(uintptr_t)(info->dlpi_addr + phdr->p_vaddr), phdr->p_memsz,
				  phdr->p_align == 8 ? 8 : 4, out))
			return;
	}
}

/* False: no file, such as the vdso. */
static bool find_path(const struct dl_phdr_info *info, bool first, struct covbuf_module *out)
{
	char path[PATH_MAX];
	const char *name = info->dlpi_name;

	if (!name || !*name) {
		ssize_t length = first ? readlink("/proc/self/exe", path, sizeof(path) - 1) : -1;

		if (length < 0)
			return first; /* without /proc the build-id still says what it is */
		path[length] = 0;
		name = path;
	} else if (!strchr(name, '/')) {
		return false;
	} else if (*name != '/' && realpath(name, path)) {
		name = path;
	}
	memcpy(out->path, name, strnlen(name, sizeof(out->path) - 1)); /* cut; the rest is zero */
	return true;
}

/* ---- rows ------------------------------------------------------------------------------------ */

static bool is_same_image(const struct covbuf_module *row, const struct covbuf_module *image)
{
	return covb_load(&row->start) == image->start && covb_load(&row->end) == image->end &&
	       covb_load(&row->bias) == image->bias && !memcmp(row->build_id, image->build_id, sizeof(image->build_id));
}

static bool find_row(struct sync *sync, const struct covbuf_module *image)
{
	for (uint32_t i = 0; i < sync->segment->layout.modules.nr; i++) {
		if (!is_seen(sync, i) && is_candidate(sync, i) && is_same_image(&sync->segment->modules[i], image)) {
			mark_seen(sync, i);
			return true;
		}
	}
	return false;
}

static void add_row(struct sync *sync, const struct covbuf_module *image)
{
	uint32_t nr = sync->segment->layout.modules.nr;

	for (uint32_t i = sync->next; i < nr; i++) {
		struct covbuf_module *row = &sync->segment->modules[i];
		uint32_t none = ROW_NONE;

		/* relaxed: nothing in a row that was never used is read */
		if (covb_load(&row->state) != ROW_NONE || !covb_cas(&row->state, &none, ROW_WRITING))
			continue;
		row->pid = sync->pid;
		row->proc = sync->proc;
		row->images = sync->images;
		row->build_id_bytes = image->build_id_bytes;
		memcpy(row->build_id, image->build_id, sizeof(row->build_id));
		row->start = image->start;
		row->end = image->end;
		row->bias = image->bias;
		memcpy(row->path, image->path, sizeof(row->path));
		row->loaded = raise_generation(sync);
		row->unloaded = 0;
		/* release: whoever sees that it is there sees the rest */
		covb_store_release(&row->state, ROW_THERE);
		sync->next = i + 1;
		mark_seen(sync, i);
		return;
	}
	sync->next = nr;
	sync->lost++;
}

struct visit {
	struct sync *sync;
	bool first;
};

static int visit_image(struct dl_phdr_info *info, size_t bytes, void *arg)
{
	struct visit *visit = arg;
	struct covbuf_module image = { 0 };
	bool first = visit->first;

	(void)bytes;
	visit->first = false;
	if (!find_path(info, first, &image))
		return 0;
	find_span(info, &image);
	find_build_id(info, &image);
	if (!image.end || find_row(visit->sync, &image))
		return 0;
	if (COVBUF_IMAGES_FORKED(visit->sync->images))
		visit->sync->differs = true;
	else
		add_row(visit->sync, &image);
	return 0;
}

static void visit_images(struct sync *sync)
{
	struct visit visit = { .sync = sync, .first = true };

	memset(sync->seen, 0, (sync->segment->layout.modules.nr + 7) / 8);
	dl_iterate_phdr(visit_image, &visit);
}

static void retract_unseen(struct sync *sync)
{
	for (uint32_t i = 0; i < sync->segment->layout.modules.nr; i++)
		if (!is_seen(sync, i) && is_ours(sync, i))
			covb_store_release(&sync->segment->modules[i].unloaded, raise_generation(sync));
}

/* Whether what was inherited is what there is. If not, this process has rows of its own from now on. */
static bool inherits_all(struct sync *sync)
{
	if (!COVBUF_IMAGES_FORKED(sync->images))
		return false;
	visit_images(sync);
	for (uint32_t i = 0; i < sync->segment->layout.modules.nr && !sync->differs; i++)
		sync->differs = !is_seen(sync, i) && is_inherited(sync, i);
	if (!sync->differs)
		return true;
	sync->images = covb_process_images(sync->segment, sync->proc);
	return false;
}

void covb_modules_inherit(struct covbuf_segment *segment, uint64_t parents_images, uint32_t generation)
{
	if (!COVBUF_IMAGES_ROWS(parents_images) || !generation)
		return;
	/* a child of one that inherits has what that one has */
	if (!COVBUF_IMAGES_FORKED(parents_images))
		parents_images |= (uint64_t)generation << 32;
	covb_store(&segment->images, parents_images);
}

int covb_modules_sync(struct covbuf_segment *segment, uint32_t proc, uint32_t *generation)
{
	struct sync sync = { .segment = segment, .proc = proc, .pid = (uint32_t)getpid() };

	if (!segment->header)
		return -EPERM;
	sync.seen = calloc(1, (segment->layout.modules.nr + 7) / 8);
	if (!sync.seen)
		return -ENOMEM;
	pthread_mutex_lock(&segment->modules_lock);
	sync.images = covb_load(&segment->images);
	if (!inherits_all(&sync)) {
		visit_images(&sync);
		retract_unseen(&sync);
		covb_store(&segment->images, sync.images);
	}
	pthread_mutex_unlock(&segment->modules_lock);
	free(sync.seen);

	if (sync.lost)
		covb_fetch_add(&segment->header->lost_modules, sync.lost);
	if (sync.generation)
		covb_announce(segment);
	*generation = covb_load_acquire(&segment->header->module_generation);
	return sync.lost ? -ENOSPC : 0;
}
