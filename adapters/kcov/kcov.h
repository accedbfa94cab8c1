/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * A client of a KCOV device: the kernel's own, or covbuf.ko's two. One device is one area of words that is
 * mapped here and written by the kernel: word 0 counts records, which follow from word 1 on.
 *
 * Who enables it is whose coverage it gets: the calling task with covb_kcov_enable(), which may execute
 * another program meanwhile; or the work that is done on behalf of handles, anywhere in the kernel, with
 * covb_kcov_enable_remote(). One task may do both at a time on two devices only with the newest KCOV, so a
 * client that wants both lets a child do the one and its parent the other, which all of them allow.
 */
#ifndef COVBUF_KCOV_H
#define COVBUF_KCOV_H

#include <stdbool.h>
#include <stdint.h>

#include <covbuf/segment.h>

#define COVB_KCOV_COVBUF "/dev/covbuf"
#define COVB_KCOV_DEBUGFS "/sys/kernel/debug/kcov"
#define COVB_KCOV_MAX_HANDLES 256 /* as the kernel allows in one call; the common handle is not among them */

struct covb_kcov {
	const char *path;
	int fd;
	uint64_t *area;		/* NULL until covb_kcov_init() */
	uint64_t nr_words;
	uint32_t mode;		/* enum covbuf_mode, once enabled */
};

/**
 * covb_kcov_open() - open a device
 * @path: NULL: /dev/covbuf, or else /sys/kernel/debug/kcov
 *
 * Errors: what open() gives; @why says in a sentence what is missing and how to get it.
 */
int covb_kcov_open(struct covb_kcov *kcov, const char *path, struct covbuf_message *why);

/**
 * covb_kcov_init() - make the area and map it
 * @nr_words: at least 2; rounded up to whole pages
 *
 * Errors: -EINVAL, -ENOMEM, and what ioctl() and mmap() give.
 */
int covb_kcov_init(struct covb_kcov *kcov, uint64_t nr_words, struct covbuf_message *why);

/**
 * covb_kcov_enable() - trace the calling task from now on, until it disables, or ends
 *
 * Says nothing, because it is for a child between fork and exec: covb_kcov_explain_enable() does, later.
 * Context: async-signal-safe. Errors: -EBUSY, -ENOTSUP: not this mode; -EINVAL.
 */
int covb_kcov_enable(struct covb_kcov *kcov, uint32_t mode);
void covb_kcov_explain_enable(const struct covb_kcov *kcov, uint32_t mode, int err, struct covbuf_message *why);

/**
 * covb_kcov_enable_remote() - collect what is done on behalf of handles
 * @handles: (subsystem << 56) | instance, @nr of them
 * @common: 0, or the handle that the calling task and those that it starts from now on carry
 *
 * Errors: -EEXIST: one is taken; -EBUSY: the task has enabled another device, and the kernel allows one;
 * -EINVAL; -ENOTSUP; -ENOMEM.
 */
int covb_kcov_enable_remote(struct covb_kcov *kcov, uint32_t mode, const uint64_t *handles, uint32_t nr, uint64_t common,
			    struct covbuf_message *why);

/* covb_kcov_disable() - by the task that enabled it. After it, nothing is written to the area. */
int covb_kcov_disable(struct covb_kcov *kcov);

/* covb_kcov_count() - records in the area, no more than have room; those are whole. Ordering: acquire. */
uint64_t covb_kcov_count(const struct covb_kcov *kcov);

/* covb_kcov_room() - records that the area has room for. */
uint64_t covb_kcov_room(const struct covb_kcov *kcov);

/* covb_kcov_close() - unmap and close; what a task has enabled stays so until it ends. Once is enough, and twice no harm. */
void covb_kcov_close(struct covb_kcov *kcov);

#endif
