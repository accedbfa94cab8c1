/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * A segment made by hand in a memfd, word by word, so that a test can put into it what no engine
 * would: sixteen areas of 64 KiB, one owner that is enabled, one process that is ourselves.
 */
#ifndef TESTS_UNIT_IMAGE_H
#define TESTS_UNIT_IMAGE_H

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <covbuf/segment.h>

#define PART COVBUF_PART_BYTES
#define NR_AREAS 16u
#define SEQUENCE 5u
#define PROC 1u

struct image {
	int fd;
	char *base;
	struct covbuf_header *header;
	struct covbuf_proc *procs;
	struct covbuf_context_slot *contexts;
	struct covbuf_owner_slot *owners;
	struct covbuf_module *modules;
	struct covbuf_area *areas;
};

static inline uint64_t *image_words(const struct image *image, uint32_t i)
{
	return (uint64_t *)(image->base + 6 * PART + i * PART);
}

static inline void *image_table(struct image *image, struct covbuf_table *table, uint32_t part, uint32_t nr,
				uint32_t entry_bytes)
{
	*table = (struct covbuf_table){ .offset_bytes = part * PART, .nr = nr, .entry_bytes = entry_bytes };
	return image->base + part * PART;
}

static inline void image_fill(struct image *image)
{
	struct covbuf_header *header = image->header;

	image->procs = image_table(image, &header->procs, 1, 128, sizeof(struct covbuf_proc));
	image->contexts = image_table(image, &header->contexts, 2, 128, sizeof(struct covbuf_context_slot));
	image->owners = image_table(image, &header->owners, 3, 16, sizeof(struct covbuf_owner_slot));
	image->modules = image_table(image, &header->modules, 4, 64, sizeof(struct covbuf_module));
	image->areas = image_table(image, &header->areas, 5, NR_AREAS, sizeof(struct covbuf_area));
	header->version = COVBUF_VERSION;
	header->header_bytes = sizeof(*header);
	header->data_offset_bytes = 6 * PART;
	header->limit_bytes = header->size_bytes = (6 + NR_AREAS) * PART;
	header->nr_areas = NR_AREAS;
	for (uint32_t i = 0; i < NR_AREAS; i++) {
		image->areas[i].flag = COVBUF_FLAG(1, 0, COVBUF_AREA_FREE);
		image->areas[i].offset_bytes = (6 + i) * PART;
	}
	image->owners[0].state = COVBUF_OWNER_LIVE;
	image->owners[0].sequence = SEQUENCE;
	image->procs[PROC].state = COVBUF_PROC_LIVE;
	image->procs[PROC].pid = (uint32_t)getpid();
	header->magic = COVBUF_MAGIC;
}

/* fd: an empty file, or -1 for a sealed memfd. */
static inline void image_make(struct image *image, int fd)
{
	uint64_t bytes = (6 + NR_AREAS) * PART;

	image->fd = fd >= 0 ? fd : memfd_create("image", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	if (ftruncate(image->fd, (off_t)bytes))
		abort();
	image->base = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, image->fd, 0);
	if (image->base == MAP_FAILED)
		abort();
	image->header = (struct covbuf_header *)image->base;
	image_fill(image);
	if (fd < 0)
		fcntl(image->fd, F_ADD_SEALS, F_SEAL_SHRINK);
}

static inline struct covbuf_segment *image_open(const struct image *image, unsigned int flags)
{
	struct covbuf_segment *segment;
	struct covbuf_message why = { "" };
	char where[32];
	int err;

	snprintf(where, sizeof(where), "fd:%d", image->fd);
	err = covbuf_segment_open(where, flags, &segment, &why);
	if (err) {
		fprintf(stderr, "open: %d %s\n", err, why.text);
		abort();
	}
	return segment;
}

/* Describe area i as one of owner 0, in this state. */
static inline struct covbuf_area *image_area(struct image *image, uint32_t i, uint32_t state, uint32_t mode,
					     uint32_t kind, uint32_t nr_words)
{
	struct covbuf_area *area = &image->areas[i];

	area->mode = (uint8_t)mode;
	area->kind = (uint8_t)kind;
	area->nr_words = nr_words;
	area->owner = 1;
	area->context = 1;
	area->sequence = SEQUENCE;
	area->pid = 100;
	area->tid = 100 + i;
	area->serial = i;
	area->next = 0;
	area->position = COVBUF_RING_START;
	__atomic_store_n(&area->flag, COVBUF_FLAG(2, PROC, state), __ATOMIC_RELEASE);
	return area;
}

static inline void image_push(struct image *image, uint32_t owner, uint32_t i)
{
	image->areas[i].next = image->owners[owner].queue;
	image->owners[owner].queue = i + 1;
	image->header->queued_hints[owner % COVBUF_NR_HINTS] = COVBUF_HINT(owner, i);
}

/* A ring as a take from the pool makes it. */
static inline void image_ring(struct image *image, uint32_t i, uint32_t state, uint32_t mode, uint64_t nr_slots)
{
	uint32_t step = mode == COVBUF_MODE_CMP ? COVBUF_CMP_WORDS : 1;

	for (uint64_t k = 0; k < nr_slots; k++)
		image_words(image, i)[k * step + step - 1] = COVBUF_RING_START | k;
	image_area(image, i, state, mode, COVBUF_RING, (uint32_t)(nr_slots * step));
}

static inline uint32_t image_state(const struct image *image, uint32_t i)
{
	return COVBUF_FLAG_STATE(__atomic_load_n(&image->areas[i].flag, __ATOMIC_ACQUIRE));
}

/* As the pool wants an area: words zero, guard words not. */
static inline bool image_is_clean(const struct image *image, uint32_t i)
{
	const uint64_t *words = image_words(image, i);

	for (uint32_t k = 0; k < covbuf_class_words(0); k++) {
		if (words[k])
			return false;
	}
	for (uint32_t k = covbuf_class_words(0); k < PART / 8; k++) {
		if (words[k] != COVBUF_GUARD_VALUE)
			return false;
	}
	return image_state(image, i) == COVBUF_AREA_FREE;
}

/* xorshift64 */
static inline uint64_t image_random(uint64_t *state)
{
	*state ^= *state << 13;
	*state ^= *state >> 7;
	*state ^= *state << 17;
	return *state;
}

#endif
