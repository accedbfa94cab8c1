/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Segments for fuzzing. A segment has hundreds of KiB and an input some hundred bytes: which image to
 * begin with, what to do, and a list of patches, each of which changes a word, at the start or just
 * before the library's n-th look at the segment.
 *
 * Twelve parts of 64 KiB: header, one for each table, six areas.
 */
#ifndef TESTS_FUZZ_IMAGE_H
#define TESTS_FUZZ_IMAGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <covbuf/segment.h>

#define PART COVBUF_PART_BYTES
#define NR_PROCS 8u
#define NR_CONTEXTS 8u
#define NR_OWNERS 4u
#define NR_MODULES 8u
#define NR_AREAS 6u	/* made; the directory has room for as many as the data, NR_PARTS */
#define NR_PARTS 12u
#define IMAGE_BYTES (NR_PARTS * PART)
#define NR_TEMPLATES 4u
#define SEQUENCE 5u	/* of the owners that are enabled */
#define DEAD 2u		/* a process slot whose process is gone: it has no pid */

/* What an input begins with. */
struct input_head {
	uint8_t image;	/* number of the image, modulo */
	uint8_t flags;	/* the target's */
	uint16_t ops;	/* the target's */
};

enum patch_where { IN_HEADER, IN_PROCS, IN_CONTEXTS, IN_OWNERS, IN_MODULES, IN_AREAS, IN_WORDS, HERE, REPEAT, NR_WHERE };
enum patch_how { SET, SET_LOW, SET_HIGH, ADD, XOR, MAGIC, NR_HOW };

struct patch {
	uint8_t where, how;
	uint16_t when;	/* 0: at the start; bit 15: the rest times 32 */
	uint16_t index;	/* of the entry, or area; REPEAT: how often */
	uint16_t word;	/* in it; REPEAT: words between */
	uint64_t value;	/* REPEAT: what is added each time */
};

COVBUF_STATIC_ASSERT(sizeof(struct patch) == 16, "part of the corpus");

struct image {
	int fd;		/* a memfd, of IMAGE_BYTES where a target does not cut it */
	char *base;	/* our own mapping of it */
	size_t bytes;	/* that the file has just now */
	bool sealed;	/* what F_GET_SEALS says of it */
	bool lied;	/* since image_load(): the library was told of more storage than there is */
};

extern struct image image;

/* Once. */
void image_init(void);

/* The image that an input describes. Returns its head. */
struct input_head image_load(const uint8_t *input, size_t nr_bytes);

/* The library has this segment's file mapped: see hook.h. */
void image_watch(const struct covbuf_segment *segment);

/* The same, but accesses are made where the library makes them: plain ones are allowed. */
void image_follow(const struct covbuf_segment *segment);

/* Open it; what fails here is no finding. */
struct covbuf_segment *image_open(unsigned int flags);

/* Somebody else has written to its first bytes. */
void image_changed(size_t nr_bytes);

/* Where to read what is at an address of the library's. */
const void *image_at(const void *address);

/* templates.c: what images are without patches. */
void image_make_templates(void);
const char *image_template(unsigned int number);

/* A target's: what an input does. Two seconds of processor time are a finding, and so is a minute of any. */
void fuzz_one(const uint8_t *input, size_t nr_bytes);

/* Say what is wrong, and end as a crash does. */
_Noreturn void finding(const char *format, ...) __attribute__((format(printf, 1, 2)));

#define expect(condition, ...)                                                                     \
	do {                                                                                       \
		if (!(condition))                                                                  \
			finding(__VA_ARGS__);                                                      \
	} while (0)

#endif
