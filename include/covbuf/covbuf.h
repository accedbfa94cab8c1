/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * libcovbuf: owners, sections, frames, and the engine they live in.
 *
 * There is one engine in a process, attached to one segment of shared memory; every image of the
 * process shares it. An *owner* is what a user opens: it says what is to be collected, and what was
 * collected comes back to it as finished areas. Two users in one process have an owner each and do
 * not see one another's records.
 *
 *   covbuf_enable(owner)            the calling thread records for the owner, until covbuf_disable()
 *   covbuf_remote_enable(owner)     whoever runs covbuf_remote_start(handle) .. covbuf_remote_stop()
 *                                   records for the owner in between, in whichever thread
 *   covbuf_collect(owner)           what has been finished: read in place, then returned to the pool
 *
 * Who may run beside whom, on one owner ("any" includes signal handlers and other processes):
 *
 *                      enable/disable  remote_enable  start/stop  collect  put
 *   enable, disable    its thread      serialised     any         any      no
 *   remote_enable                      serialised     any         any      no
 *   start, stop                                       any         any      any: delivers nothing then
 *   collect                                                       any      no
 *
 * An owner belongs to the process that made it. In a fork child enable, disable, reset and their kin are
 * refused with -EPERM, and put only drops the child's copy of a reference. A child that is followed may start
 * sections for its parent's owners, with the handles that were enabled when it was forked.
 *
 * Errors are negative error numbers; results go through pointers, which a failure leaves alone.
 */
#ifndef COVBUF_COVBUF_H
#define COVBUF_COVBUF_H

#include <covbuf/owner.h>
#include <covbuf/trace.h>

COVBUF_BEGIN_DECLS

struct covbuf_segment;

/* ---- engine ---------------------------------------------------------------------------------- */

/**
 * covbuf_attach() - give this process's engine a segment to record into
 * @where: a name of a segment ("name:/x" in /dev/shm, "fd:N", a path), or NULL for the one that
 *         COVBUF_SEGMENT names
 *
 * The constructor of the image that holds the engine does this by itself where COVBUF_SEGMENT is set
 * (read by secure_getenv(), so never in a setuid program).
 *
 * Context: sleeping level.
 * Errors: -EALREADY: attached; -ENOENT: no such segment, or COVBUF_SEGMENT is not set; -EACCES;
 * -EPROTO: not a segment, or of another version; -ENOSPC: no process slot; -ENOMEM; what open() and
 * mmap() give.
 * Return: 0 or a negative error number.
 */
COVBUF_PUBLIC int covbuf_attach(const char *where);

/**
 * covbuf_attach_new() - make a segment for this process alone, and attach to it
 * @limit_bytes: how far its storage may grow; 0 for 256 MiB
 *
 * The segment is an anonymous memfd, sealed against shrinking; covbuf_segment_fd() lets another
 * process have it. Needs the arena, so only where libcovbuf.a or the preload object is linked.
 *
 * Context: sleeping level.
 * Errors: as covbuf_attach(); -ENOSYS in libcovbuf.so, whose arena does not exist.
 */
COVBUF_PUBLIC int covbuf_attach_new(uint64_t limit_bytes);

/**
 * covbuf_attach_segment() - record into a segment that this process has made or opened
 * @segment: from covbuf_segment_create() or covbuf_segment_open(); the engine keeps a reference
 *
 * Context, errors: as covbuf_attach().
 */
COVBUF_PUBLIC int covbuf_attach_segment(struct covbuf_segment *segment);

/**
 * covbuf_detach() - stop recording in this process, for good
 *
 * The calling thread's frames are popped and handed over; other threads' contexts are shut when they
 * next take a slow path. The mapping stays, since an interrupted append may still hold a slot.
 *
 * Context: sleeping level. Errors: -ENOTCONN.
 */
COVBUF_PUBLIC int covbuf_detach(void);

/**
 * covbuf_segment_fd() - descriptor of the attached segment
 *
 * Close-on-exec, and the engine's: dup() it to keep it or to hand it on.
 * Context: async signal handler. Errors: -ENOTCONN.
 */
COVBUF_PUBLIC int covbuf_segment_fd(void);

/**
 * covbuf_attached_segment() - the attached segment, for the interfaces of <covbuf/segment.h>
 *
 * Context: async signal handler. Return: NULL if none is attached; else valid as long as the process is.
 */
COVBUF_PUBLIC struct covbuf_segment *covbuf_attached_segment(void);

/* covbuf_version() - the library's version, such as "1.0.0". Context: any. */
COVBUF_PUBLIC const char *covbuf_version(void);

/* ---- remote ---------------------------------------------------------------------------------- */

/**
 * covbuf_remote_start() - what follows in this thread is done on behalf of a handle's owner
 * @handle: 0 starts nothing
 *
 * Nests to any depth, in any combination of handles, at any signal level, beside a local enable. Where
 * nobody has enabled the handle the records go on to what was collecting; where the pool is empty they
 * are counted as lost, until it has an area. A section takes its area with its first record, or before.
 *
 * Context: async signal handler, which stops what it has started. Lock-free; no system call but the first time in a
 * thread.
 * Ordering: taking the area acquires what its last reader released; see libcovbuf/core/pool.c.
 * Return: a token for covbuf_remote_stop(); 0: no section was started.
 */
COVBUF_PUBLIC covbuf_token covbuf_remote_start(uint64_t handle);

/**
 * covbuf_remote_stop() - end a section and hand its area to the owner
 * @token: from covbuf_remote_start() in this thread
 *
 * Frames above it were abandoned (by a longjmp, say): they are popped and handed over too.
 *
 * Context: async signal handler, but at the signal level of the start. Lock-free.
 * Ordering: releases the area to whoever collects it; see libcovbuf/core/handoff.c.
 * Errors: -EINVAL: no such frame in this thread; -EBUSY: started at another signal level.
 */
COVBUF_PUBLIC int covbuf_remote_stop(covbuf_token token);

/* covbuf_common_handle() - the calling thread's, set or inherited; 0: none. Context: async signal handler. */
COVBUF_PUBLIC uint64_t covbuf_common_handle(void);

/* covbuf_set_common_handle() - for work that carries the handle along by other means. Context: async signal handler. */
COVBUF_PUBLIC void covbuf_set_common_handle(uint64_t handle);

/* ---- frames ---------------------------------------------------------------------------------- */

/**
 * covbuf_push() - record for this owner from here on, whatever collected before
 *
 * As covbuf_remote_start(), with the owner at hand instead of a handle; the owner need only be enabled
 * in either way.
 *
 * Context: async signal handler. Lock-free. Return: a token; 0: the owner is not enabled.
 */
COVBUF_PUBLIC covbuf_token covbuf_push(struct covbuf_owner *owner);

/* covbuf_pop() - end what covbuf_push() began. Context, ordering, errors: as covbuf_remote_stop(), which it is. */
COVBUF_PUBLIC int covbuf_pop(covbuf_token token);

/* Where the stack of frames stood. */
struct covbuf_mark {
	uint64_t token;		/* of the frame on top; 0: none */
	uint64_t position;	/* its cursor */
	uint32_t level;
	uint32_t mode;
	uint32_t merging;
	uint32_t reserved;
};

/**
 * covbuf_mark() - remember where the stack of frames stands, before a setjmp()
 * covbuf_unwind() - return to it, after the longjmp()
 *
 * A longjmp() leaves frames behind, and the append that it cut short; unwind pops the frames, hands
 * them over, and puts the cursor back so that later appends fill the slot which that append claimed. The
 * record of that append is lost, and is not counted: it is the one that an interrupted program never made.
 *
 * Context: async signal handler.
 * Errors, of unwind: -EINVAL: the frame on top at the mark is gone, or the process is not attached.
 */
COVBUF_PUBLIC void covbuf_mark(struct covbuf_mark *mark);
COVBUF_PUBLIC int covbuf_unwind(const struct covbuf_mark *mark);

/**
 * covbuf_signal_enter() - the rest of this signal handler records apart from what it interrupted
 * @owner: whose; NULL: nobody's, nothing is recorded
 *
 * Not needed for exactness: a handler that does nothing records into what it interrupted. Raises the
 * signal level, so that a stop of the interrupted code's section in the handler is refused.
 *
 * Context: async signal handler. Lock-free.
 * Errors, of leave: -EINVAL: nothing was entered, or the frame is gone.
 * Return: a token for covbuf_signal_leave(), never 0.
 */
COVBUF_PUBLIC covbuf_token covbuf_signal_enter(struct covbuf_owner *owner);
COVBUF_PUBLIC int covbuf_signal_leave(covbuf_token token);

/**
 * covbuf_record() - record a value of the caller's own as a PC
 * @value: not 0, bit 63 clear
 *
 * Context: async signal handler. Errors: -EINVAL, counted as COVBUF_LOST_INVALID.
 */
COVBUF_PUBLIC int covbuf_record(uint64_t value);

/**
 * covbuf_losses() - the calling thread's loss counters
 * @lost: by enum covbuf_loss; units as there
 *
 * Counts since the thread's context was opened; a reader finds the same in the context's slot.
 * Context: async signal handler. Errors: -ENOTCONN: it has no context.
 */
COVBUF_PUBLIC int covbuf_losses(uint64_t lost[COVBUF_NR_LOSSES]);

/* ---- collecting, in the same process or another ---------------------------------------------- */

/* One finished area, read in place, valid during the call. */
struct covbuf_batch {
	const uint64_t *words;	/* 0 and values with bit 63: no record. CMP: 4 words each, no record where the 4th is 0 */
	uint64_t nr_words;
	uint32_t mode, kind;
	uint32_t owner;		/* index */
	uint32_t pid, tid;
	uint32_t serial;	/* within one section: 0, 1 ... as its area filled up and another followed */
	uint64_t handle;	/* 0: local */
	uint64_t token;		/* the same for all areas of one section */
	uint32_t context;	/* index + 1 of the context slot; 0: not known */
	uint32_t module_generation; /* of the module table, when the area was taken */
	uint64_t images;	/* COVBUF_IMAGES() of the process then: whose rows of the table are meant */
};

/* Returns 0 to go on; anything else stops and is returned. What was not visited stays queued. */
typedef int (*covbuf_batch_fn)(const struct covbuf_batch *batch, void *arg);

/**
 * covbuf_collect() - take what sections of an owner have finished
 * @fn: called for each area, oldest first
 *
 * Areas of an earlier enable are dropped and counted as stale. After the call each area is zeroed and
 * back in the pool.
 *
 * Context: sleeping level; safe beside everything, other collectors included, which get other areas.
 * Ordering: acquires what each stop released.
 * Return: number of areas visited, or what fn returned, or a negative error number.
 */
COVBUF_PUBLIC int covbuf_collect(struct covbuf_owner *owner, covbuf_batch_fn fn, void *arg);

/**
 * covbuf_wait() - sleep until something is queued for any owner of the segment
 * @timeout_ms: at most so long; negative: for ever
 *
 * Context: sleeping level. Ordering: a full fence between saying that it waits and looking at the queues;
 * partner: the one after each push (libcovbuf/core/handoff.c), so that nothing queued is slept on.
 * Errors: -ETIMEDOUT; -ENOTCONN.
 */
COVBUF_PUBLIC int covbuf_wait(int timeout_ms);

/* ---- pool ------------------------------------------------------------------------------------ */

/**
 * covbuf_area_take() - take an empty area from the pool
 * covbuf_area_give() - return it, all words zero
 * @area_class: 64 KiB << area_class
 * @ticket: names the area and this taking of it; a second give of the same ticket is refused
 *
 * What its taker writes there are no records: no reader is given any, and what a process leaves there when it dies
 * is zeroed, and not counted as lost.
 *
 * Context: any thread, async signal handler, attached process. Lock-free, bounded.
 * Ordering: give releases, take acquires: the taker sees the zeroes that the giver wrote.
 * Errors: -ENOSPC: none found (counted in the directory); -ESTALE: not the holder's any more.
 */
COVBUF_PUBLIC int covbuf_area_take(uint32_t area_class, uint64_t **words, uint64_t *nr_words, uint64_t *ticket);
COVBUF_PUBLIC int covbuf_area_give(uint64_t ticket);

/**
 * covbuf_pool_grow() - make areas, in the process that made the segment
 * Context: sleeping level. Errors: -ENOSPC: limit or directory full, or the file system; -EPERM: another
 * process made the segment, or this is a fork child of it.
 * Return: number of areas made, or a negative error number.
 */
COVBUF_PUBLIC int covbuf_pool_grow(uint32_t area_class, uint32_t nr);

/**
 * covbuf_pool_shrink() - give the memory of free areas back to the system
 *
 * Context, errors: as covbuf_pool_grow().
 * Return: number of areas retired, which may be fewer than asked for, or a negative error number.
 */
COVBUF_PUBLIC int covbuf_pool_shrink(uint32_t area_class, uint32_t nr);

COVBUF_END_DECLS

#endif
