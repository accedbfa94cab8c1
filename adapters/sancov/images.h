/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * What the callbacks know of the image that they are called from: its guards, its text, and the words
 * that say which sites have been seen.
 *
 * A callback that is linked into an image knows it at link time; the preload object serves all images
 * and looks them up. The numbers of an image's sites: first its guards, then its text, one for every
 * four bytes. A return address stands behind a call of at least five bytes on x86-64, and of four on
 * POWER, so no two of them share a number.
 */
#ifndef COVB_SANCOV_IMAGES_H
#define COVB_SANCOV_IMAGES_H

#include "callback.h"

#define COVB_TEXT_SHIFT 2

/* Bytes of an image's 8-bit counters, or of its bool flags, and where its pc table says they are. */
struct covb_counters {
	uint8_t *start, *end;
	const uintptr_t *pcs;	/* pairs: program counter, flags */
	const uintptr_t *pcs_end;
	uint32_t *marks;	/* a word per counter, as a guard */
};

enum covb_counters_kind {
	COVB_COUNTERS_8BIT = 0,
	COVB_COUNTERS_BOOL = 1,
	COVB_NR_COUNTERS = 2,
};

struct covb_sancov_image {
	struct covbuf_image *image;
	const void *object;	/* preload: where the image begins */
	struct covb_counters counters[COVB_NR_COUNTERS];
};

/* counters.c: record what the image has counted since the last time; forget it. */
COVBUF_HIDDEN void covb_counters_record(struct covb_sancov_image *owner);
COVBUF_HIDDEN void covb_counters_forget(struct covb_sancov_image *owner);

/* image.c, images_preload.c: the image has counters; whether any has. */
COVBUF_HIDDEN void covb_counters_registered(struct covb_sancov_image *owner);
COVBUF_HIDDEN bool covb_has_counters(void);

#if defined(COVBUF_SANCOV_PRELOAD)

/* images_preload.c */
COVBUF_HIDDEN struct covbuf_image *covb_image_of_text(uint64_t pc);
COVBUF_HIDDEN struct covbuf_image *covb_image_of_guard(const uint32_t *guard);
COVBUF_HIDDEN struct covb_sancov_image *covb_image_of_data(const void *address);

#else

/* image.c */
extern COVBUF_HIDDEN struct covbuf_image covbuf_this_image;
extern COVBUF_HIDDEN struct covb_sancov_image covb_this_sancov_image;
extern COVBUF_HIDDEN const char covb_text_wanted;

COVBUF_INLINE COVBUF_NOINSTR struct covbuf_image *covb_image_of_text(uint64_t pc)
{
	(void)pc;
	return &covbuf_this_image;
}

COVBUF_INLINE COVBUF_NOINSTR struct covbuf_image *covb_image_of_guard(const uint32_t *guard)
{
	(void)guard;
	return &covbuf_this_image;
}

COVBUF_INLINE COVBUF_NOINSTR struct covb_sancov_image *covb_image_of_data(const void *address)
{
	(void)address;
	return &covb_this_sancov_image;
}

#endif

#endif
