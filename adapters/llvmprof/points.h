/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Between the parts of <covbuf/profile.h>: which images there are (images.c), their counters as they were (counts.h),
 * what they have gained since (part.c), baselines and differences (profile.c), and their files (save.c).
 */
#ifndef COVB_LLVMPROF_POINTS_H
#define COVB_LLVMPROF_POINTS_H

#include <covbuf/profile.h>

#include "format.h"

/* mark of an image whose destructor has told us: nothing of it may be looked at */
#define COVB_PROFILE_CLOSED UINT64_MAX

/*
 * An image as long as the process is: loads of it come and go, differences of it stay. By id; once made, only kept
 * changes, with the lock.
 */
struct covb_profile_about {
	struct covb_profile_about *next;
	struct covbuf_profile_note note;
	char *directory;	/* of its files; NULL: none */
	uint64_t *kept;		/* the bitmaps of its bN file, mapped; NULL: none yet */
	uint64_t kept_bytes;
};

/*
 * Counters as they were. Almost all of them have 31 bits, and reading half as much is what makes differences fast.
 */
struct covb_profile_counts {
	int32_t *narrow;	/* -1: it is in wide */
	uint64_t *wide;		/* takes room where it is written */
	uint64_t nr;
};

/* A part of a difference. */
struct covb_profile_part {
	struct covbuf_profile_part is;
	struct covb_profile_part *next;
	const struct covb_profile_about *about;
	struct covbuf_profile_counter *counters;
	struct covbuf_profile_bits *bits;
	uint64_t max_counters, max_bits;
};

/* Parts in the order in which they were found. */
struct covb_profile_parts {
	struct covb_profile_part *first, **end;
};

struct covbuf_profile_difference {
	struct covb_profile_parts parts;
	const struct covb_profile_about *any; /* an image of the process; NULL: there was none */
};

/* images.c: one lock for all of it, with cancellation off; another thread of a fork child may have held it. */
void covb_profile_lock(void);
void covb_profile_unlock(void);
/* With the lock; fn gets each image that is open, and non-zero ends it and is returned. */
typedef int (*covb_profile_image_fn)(struct covbuf_profile_image *image, void *arg);
int covb_profile_images(covb_profile_image_fn fn, void *arg);
/* What is known of an image that is open. NULL: no memory. */
struct covb_profile_about *covb_profile_about(const struct covbuf_profile_image *image);
void covb_profile_forget_all(void);

/* counts.c. All are 0 at first. Errors: -ENOMEM. */
int covb_profile_counts_init(struct covb_profile_counts *counts, uint64_t nr);
void covb_profile_counts_fini(struct covb_profile_counts *counts);
void covb_profile_counts_copy(struct covb_profile_counts *counts, const uint64_t *from);

/* part.c: 0, or -ENOMEM, and then what it took so far is in the part, and old says so. */
int covb_profile_take_counters(struct covb_profile_part *part, const uint64_t *now, struct covb_profile_counts *old);
/* clear: the bits go to kept, if there is one, and are then cleared in the image. */
int covb_profile_take_bits(struct covb_profile_part *part, unsigned char *now, uint64_t *old, uint64_t *kept,
			   bool clear);
void covb_profile_copy_bits(uint64_t *to, const unsigned char *from, uint64_t nr_bytes);
bool covb_profile_part_is_empty(const struct covb_profile_part *part);
void covb_profile_part_destroy(struct covb_profile_part *part);

/* save.c. With the lock: makes the file for the bits that are to be cleared. */
int covb_profile_keep(struct covb_profile_about *about, struct covbuf_message *why);

#endif
