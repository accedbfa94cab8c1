/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Segments: making, opening, reading and draining them. Userspace only.
 *
 * An observer opens a segment with covbuf_segment_open(COVBUF_OPEN_READ) and uses covbuf_view_*():
 * everything is read by pread(), checked and copied out, so no content and no truncation of the file
 * harms the reader. A consumer takes the segment's lock and drains it.
 */
#ifndef COVBUF_SEGMENT_H
#define COVBUF_SEGMENT_H

#include <covbuf/covbuf.h>

COVBUF_BEGIN_DECLS

/* What went wrong and what to do about it, in a sentence without a newline. */
struct covbuf_message {
	char text[512];
};

/* Zero is a good value for everything. */
struct covbuf_segment_options {
	uint64_t limit_bytes;	/* how far the storage may grow; 0: 256 MiB */
	uint64_t initial_bytes;	/* of areas made at once; 0: 1 MiB */
	uint32_t nr_procs, nr_contexts, nr_owners, nr_modules; /* room in the tables; 0: 256, 4096, 256, 1024 */
	struct covbuf_auto automatic; /* what programs record by themselves; its owner is made too */
	uint64_t reserved[4];
};

/**
 * covbuf_segment_create() - make a segment
 * @where: NULL: a memfd, sealed against shrinking; "name:/x": in /dev/shm; else the path of a file
 *
 * Mode 0600. Fails if it exists. Its storage is reserved (fallocate), so that a full file system is an
 * error here and not a SIGBUS in a traced program. The calling process is the segment's maker: only it
 * grows the pool.
 *
 * Context: sleeping level. Errors: -EEXIST, -ENOSPC, -EINVAL, -ENOMEM, -ENOSYS: no arena in this
 * library; what open() gives. @why, if not NULL, says it in words.
 */
COVBUF_PUBLIC int covbuf_segment_create(const char *where, const struct covbuf_segment_options *options,
					struct covbuf_segment **out, struct covbuf_message *why);

#define COVBUF_OPEN_READ (1u << 0)    /* observe: not mapped, not written */
#define COVBUF_OPEN_CONSUME (1u << 1) /* map it and be its one consumer; -EBUSY if there is one */
#define COVBUF_OPEN_ATTACH (1u << 2)  /* map it for covbuf_attach_segment() */

/**
 * covbuf_segment_open() - open a segment that exists
 * @where: "fd:N" (an inherited descriptor), "name:/x", a path, or NULL for COVBUF_SEGMENT
 *
 * Context: sleeping level.
 * Errors: -ENOENT, -EACCES; -EPROTO: not a segment, of another version, or damaged; -EBUSY: has a
 * consumer; -ENOMEM.
 */
COVBUF_PUBLIC int covbuf_segment_open(const char *where, unsigned int flags, struct covbuf_segment **out,
				      struct covbuf_message *why);

/**
 * covbuf_segment_close() - drop a reference; the last one unmaps and closes
 *
 * NULL is allowed. The engine has a reference of its own. Context: sleeping level.
 */
COVBUF_PUBLIC void covbuf_segment_close(struct covbuf_segment *segment);

/* covbuf_segment_descriptor() - its descriptor, close-on-exec; the segment's own: dup() it. Context: any. */
COVBUF_PUBLIC int covbuf_segment_descriptor(const struct covbuf_segment *segment);

/**
 * covbuf_segment_trim() - cut the file to the storage in use, for a maker that has finished a recording
 *
 * Free areas are retired first. A memfd keeps its size and gives the storage back.
 * Context: sleeping level. Errors: -EPERM: not the maker; -EBADF: the descriptor is another file's by now; -EIO: its
 * file was cut.
 */
COVBUF_PUBLIC int covbuf_segment_trim(struct covbuf_segment *segment);

/* ---- observing ------------------------------------------------------------------------------- */

/*
 * Each copies one entry out, with every field checked or cut to its range; texts are terminated. Any number of
 * threads may look at one segment that was opened to be read.
 * Errors: -ENOENT: nothing there, or index beyond the table; -EAGAIN: it keeps changing; -EIO: the file
 * is shorter than it says; -EPROTO: damaged.
 */
COVBUF_PUBLIC int covbuf_view_header(struct covbuf_segment *segment, struct covbuf_header *out);
COVBUF_PUBLIC int covbuf_view_proc(struct covbuf_segment *segment, uint32_t i, struct covbuf_proc *out);
COVBUF_PUBLIC int covbuf_view_context(struct covbuf_segment *segment, uint32_t i, struct covbuf_context_slot *out);
COVBUF_PUBLIC int covbuf_view_owner(struct covbuf_segment *segment, uint32_t i, struct covbuf_owner_slot *out);
COVBUF_PUBLIC int covbuf_view_module(struct covbuf_segment *segment, uint32_t i, struct covbuf_module *out);
COVBUF_PUBLIC int covbuf_view_area(struct covbuf_segment *segment, uint32_t i, struct covbuf_area *out);

/**
 * covbuf_view_words() - copy words of an area
 * @area: as covbuf_view_area() gave it; the flag in it says which use of the area is meant
 * @from: first word
 * @nr: how many; cut at the end of the records
 *
 * A word is 0, or a record as it was stored, never half of one, also while the area is being written.
 *
 * Errors: -ESTALE: the area has been given to somebody else meanwhile, and nothing in @out counts; -EIO.
 * Return: words copied, or a negative error number.
 */
COVBUF_PUBLIC int64_t covbuf_view_words(struct covbuf_segment *segment, uint32_t i, const struct covbuf_area *area,
					uint64_t from, uint64_t nr, uint64_t *out);

/* A record of an area: one word in PC mode, four in CMP mode. Non-zero stops. */
typedef int (*covbuf_record_fn)(const struct covbuf_area *area, const uint64_t *record, void *arg);

/* Records of an area that follow each other, @nr of them. Non-zero stops. */
typedef int (*covbuf_run_fn)(const struct covbuf_area *area, const uint64_t *records, uint64_t nr, void *arg);

/**
 * covbuf_view_records() - visit the records of one area, holes and marks left out
 * covbuf_view_runs() - the same, many at a time: as many as follow each other, up to 256 KiB of them
 * @fn: NULL: they are only counted
 * @holes: if not NULL, gets the number of slots before the last record that hold none
 * Return: records visited, what @fn returned if not 0, or a negative error number.
 */
COVBUF_PUBLIC int64_t covbuf_view_records(struct covbuf_segment *segment, uint32_t i, const struct covbuf_area *area,
					  covbuf_record_fn fn, void *arg, uint64_t *holes);
COVBUF_PUBLIC int64_t covbuf_view_runs(struct covbuf_segment *segment, uint32_t i, const struct covbuf_area *area,
				       covbuf_run_fn fn, void *arg, uint64_t *holes);

/* covbuf_proc_alive() - whether the process of slot @i still runs and has the segment. Context: sleeping level; observers too. */
COVBUF_PUBLIC bool covbuf_proc_alive(struct covbuf_segment *segment, uint32_t i);

/* ---- consuming ------------------------------------------------------------------------------- */

struct covbuf_drained {
	uint64_t areas;		/* visited and returned to the pool, or kept */
	uint64_t records;
	uint64_t lost;		/* holes, stale records */
	uint64_t dead_procs;	/* found dead, audited */
	uint64_t reclaimed;	/* areas taken back from them */
};

#define COVBUF_DRAIN_LIVE (1u << 0)  /* rings that are being written, too */
#define COVBUF_DRAIN_AUDIT (1u << 1) /* look for dead processes and take back what they held */

/**
 * covbuf_drain() - one pass of the consumer over everything
 * @segment: opened with COVBUF_OPEN_CONSUME, or the maker's own after covbuf_segment_consume()
 * @fn: gets each batch; what dead processes left unfinished too. NULL: dropped, but for kept areas
 *
 * Bounded by the number of areas. Areas marked to be kept become ENDED and stay.
 * Context: sleeping level; not beside itself. Errors: -EPERM: not the consumer; -EPROTO: damaged.
 */
COVBUF_PUBLIC int covbuf_drain(struct covbuf_segment *segment, unsigned int flags, covbuf_batch_fn fn, void *arg,
			       struct covbuf_drained *out);

/**
 * covbuf_segment_consume() - become the consumer of a segment that is mapped already
 *
 * Context: sleeping level. Errors: -EBUSY: it has one; -EPERM: opened to be read; -EIO: its file was cut.
 */
COVBUF_PUBLIC int covbuf_segment_consume(struct covbuf_segment *segment);

/**
 * covbuf_segment_wait() - sleep until something was queued, or a process came or went
 * @timeout_ms: at most so long; negative: for ever
 *
 * A process that is killed wakes nobody; it is noticed within 200 ms.
 * Context: sleeping level. Ordering: as covbuf_wait(). Errors: -ETIMEDOUT; -EPERM: opened to be read; -EIO: its file
 * was cut.
 */
COVBUF_PUBLIC int covbuf_segment_wait(struct covbuf_segment *segment, int timeout_ms);

/**
 * covbuf_segment_grow() - make areas, in the process that made the segment
 * covbuf_segment_shrink() - give free areas' memory back to the system
 * @area_class: 64 KiB << area_class
 * @nr: how many
 *
 * Context: sleeping level; safe beside takers, and beside each other.
 * Ordering: an area is in order before its flag says that it is free (release; partner: the acquire of the take).
 * Errors: -ENOSPC: limit, directory or file system full, and not one was made; -EPERM: not the maker, or a fork
 * child of it; -EINVAL: class; -EIO: its file was cut.
 * Return: areas made or retired, or a negative error number.
 */
COVBUF_PUBLIC int covbuf_segment_grow(struct covbuf_segment *segment, uint32_t area_class, uint32_t nr);
COVBUF_PUBLIC int covbuf_segment_shrink(struct covbuf_segment *segment, uint32_t area_class, uint32_t nr);

/* covbuf_segment_free_areas() - free areas of a class, counted now; changes while it is looked at. Context: any thread. */
COVBUF_PUBLIC uint32_t covbuf_segment_free_areas(struct covbuf_segment *segment, uint32_t area_class);

COVBUF_END_DECLS

#endif
