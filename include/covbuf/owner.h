/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Owners: what a user opens, and when it collects. Part of <covbuf/covbuf.h>, whose table says who may
 * run beside whom.
 */
#ifndef COVBUF_OWNER_H
#define COVBUF_OWNER_H

#include <covbuf/context.h>

COVBUF_BEGIN_DECLS

struct covbuf_owner;

/* Names a frame that was pushed. 0 names none: stopping it does nothing. */
typedef uint64_t covbuf_token;

#define COVBUF_OWNER_GROW (1u << 0)	      /* full areas are followed by fresh ones */
#define COVBUF_OWNER_UNIQUE (1u << 1)	      /* each site once per enable, in the whole process */
#define COVBUF_OWNER_UNIQUE_CONTEXT (1u << 2) /* each site once per frame; needs memory per thread */
#define COVBUF_OWNER_KCOV (1u << 3)	      /* finished areas are merged into one, in KCOV's layout */
#define COVBUF_OWNER_KEEP (1u << 4)	      /* finished areas stay in the segment: it is a recording */

/* Zero is a good value for everything. */
struct covbuf_owner_options {
	uint32_t mode;		/* enum covbuf_mode */
	uint32_t kind;		/* COVBUF_LINEAR or COVBUF_RING */
	uint32_t area_class;	/* areas of 64 KiB << area_class */
	uint32_t flags;		/* COVBUF_OWNER_* */
	uint64_t target_words;	/* COVBUF_OWNER_KCOV: size of the merged area, count included; 0: that of one area */
	const char *name;	/* for people; up to 31 bytes are kept */
	uint64_t reserved[4];	/* 0 */
};

/**
 * covbuf_owner_create() - make an owner, with one reference
 * @options: or NULL for all zero
 *
 * Context: sleeping level. Errors: -ENOTCONN: no segment; -EINVAL: options; -ENOSPC: no owner slot, or
 * no area for the target; -ENOMEM.
 */
COVBUF_PUBLIC int covbuf_owner_create(const struct covbuf_owner_options *options, struct covbuf_owner **out);

/* covbuf_owner_get() - another reference. Context: any; the caller has one. */
COVBUF_PUBLIC struct covbuf_owner *covbuf_owner_get(struct covbuf_owner *owner);

/**
 * covbuf_owner_put() - drop a reference; the last one disables the owner and gives all it has back
 *
 * Its memory is reused after an RCU grace period. Sections of it that are still open end as stale.
 * Context: sleeping level.
 */
COVBUF_PUBLIC void covbuf_owner_put(struct covbuf_owner *owner);

/**
 * covbuf_enable() - the calling thread records for the owner
 *
 * Takes an area and pushes it. What was collecting in this thread is interrupted until the disable.
 *
 * Context: sleeping level. Waits for who still merges for the last enable, if the owner has a target.
 * Errors: -EBUSY: enabled already, here or in another thread; -ENOSPC: the pool is empty; -ESHUTDOWN:
 * this thread's context is closed; -EDEADLK: the caller is a signal handler that interrupted such a merge.
 */
COVBUF_PUBLIC int covbuf_enable(struct covbuf_owner *owner);

/**
 * covbuf_disable() - the owner collects nothing more, locally or remotely; does not wait
 *
 * Raises the sequence: sections that are open end as stale and are counted, and what was finished
 * before can still be collected. Handles are forgotten: the next remote enable names its own.
 *
 * Context: sleeping level; the thread that enabled it, if one did.
 * Errors: -EINVAL: not enabled, or locally by another thread; -EBUSY: this thread has pushed frames
 * above the owner's, or is at another signal level.
 */
COVBUF_PUBLIC int covbuf_disable(struct covbuf_owner *owner);

/**
 * covbuf_disable_wait() - disable, and return when no word of the owner's area changes any more
 *
 * Sections write to areas of their own, so what is waited for is a merge into a KCOV owner's area: one
 * copy at most.
 *
 * Context: sleeping level. Errors: as covbuf_disable(); -EDEADLK: the caller has a section of this
 * owner open, or interrupted a merge of it; nothing was done.
 */
COVBUF_PUBLIC int covbuf_disable_wait(struct covbuf_owner *owner);

/**
 * covbuf_reset() - forget what was collected in this enable; collecting goes on
 *
 * Open sections end as stale. In unique mode every site counts as new.
 * Context: sleeping level; the enabling thread if enabled locally. Errors: -EINVAL: not enabled;
 * -EBUSY, -ENOSPC.
 */
COVBUF_PUBLIC int covbuf_reset(struct covbuf_owner *owner);

/* KCOV's: subsystem in the top byte, instance below. Bytes between must be 0; subsystem 0 is common. */
#define COVBUF_SUBSYSTEM_COMMON (0x00ull << 56)
#define COVBUF_SUBSYSTEM_USER (0x80ull << 56)
#define COVBUF_SUBSYSTEM_MASK (0xffull << 56)
#define COVBUF_INSTANCE_MASK 0xffffffffull
#define COVBUF_REMOTE_MAX_HANDLES 256

COVBUF_INLINE uint64_t covbuf_remote_handle(uint64_t subsystem, uint64_t instance)
{
	if ((subsystem & ~COVBUF_SUBSYSTEM_MASK) || (instance & ~COVBUF_INSTANCE_MASK))
		return 0;
	return subsystem | instance;
}

/**
 * covbuf_remote_enable() - collect the sections that are started with any of these handles
 * @handles: not common, distinct, not 0
 * @nr_handles: up to COVBUF_REMOTE_MAX_HANDLES
 * @common_handle: of the common subsystem, or 0; also becomes the calling thread's, and is inherited by
 *                 the threads and processes that it starts
 *
 * All or nothing. May be called beside covbuf_enable(), before or after it.
 *
 * Context: sleeping level. Errors: -EINVAL: a malformed handle, or too many; -EEXIST: a handle is
 * taken; -EBUSY: remotely enabled already; -ENOMEM.
 */
COVBUF_PUBLIC int covbuf_remote_enable(struct covbuf_owner *owner, const uint64_t *handles, uint32_t nr_handles,
				       uint64_t common_handle);

/**
 * covbuf_owner_target() - the merged area of an owner with COVBUF_OWNER_KCOV
 * @words: word 0 is the number of records, which follow; the reader may store 0 there at any time
 *
 * Ordering: load word 0 with acquire: the merger stores it with release, after the records.
 * Errors: -EINVAL: another kind of owner.
 */
COVBUF_PUBLIC int covbuf_owner_target(struct covbuf_owner *owner, uint64_t **words, uint64_t *nr_words);

COVBUF_END_DECLS

#endif
