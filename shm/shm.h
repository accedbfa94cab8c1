/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * A segment as this process has it, and what the parts of shm/ offer one another and the engine.
 *
 * The layout is copied out of the segment and checked once, when it is opened; from then on only the
 * copy is believed. What changes in the segment is read once into a local, checked, and used from there.
 */
#ifndef COVB_SHM_H
#define COVB_SHM_H

#include <pthread.h>

#include <covbuf/atomic.h>
#include <covbuf/segment.h>

struct covb_arena;
struct covb_drain_room;

/* Holder that is no process slot: the maker, while it takes a free area out of the pool for good. */
#define COVB_HOLDER_MAKER (COVBUF_MAX_PROCS - 1)

/* Likewise: the consumer, of an area that it reads. */
#define COVB_HOLDER_CONSUMER (COVBUF_MAX_PROCS - 2)

/* Where the tables are; checked against the storage. Offsets are those of the header, so they never change. */
struct covb_layout {
	uint64_t limit_bytes;
	struct covbuf_table procs, contexts, owners, modules, areas;
	uint64_t data_offset_bytes;
	struct covbuf_auto automatic;
};

/* What the maker remembers of an area it made. The directory says the same, but others write there. */
struct covb_made {
	uint64_t offset_bytes;	/* 0: retired */
	uint32_t area_class;
};

struct covbuf_segment {
	int fd;			/* close-on-exec */
	int lock_fd;		/* an open file description of our own, for the locks; or -1 */
	uint64_t device, inode;	/* of the file: a program may close our descriptors and reuse their numbers */
	uint32_t refs;
	unsigned int flags;	/* COVBUF_OPEN_* */
	bool maker;		/* this process made it */
	bool consumer;		/* this process holds the consumer's lock */
	bool sealed;		/* its file cannot shrink: no look at it is a SIGBUS */
	uint32_t maker_pid;	/* getpid() when it was made: a fork child is not the maker */
	struct covb_layout layout;
	uint64_t images;	/* COVBUF_IMAGES() of this process; relaxed, changes under modules_lock */
	uint32_t procs_seen;	/* header->procs_changed at the last wait */
	pthread_mutex_t modules_lock; /* this process's threads, in module.c */

	/* Maker only, under grow_lock. */
	pthread_mutex_t grow_lock;
	struct covb_arena *arena;
	struct covb_drain_room *room; /* memory of the last pass over it; see collector.c */
	uint32_t room_busy;
	uint32_t passes_by_hint; /* the consumer's, that may look at hinted owners only before one looks at all */
	uint64_t *places;	/* the consumer's: offset of each area it has read, or 0. relaxed; NULL: no memory */
	struct covb_made *made;	/* layout.areas.nr */
	uint32_t nr_made, nr_retired;
	uint64_t size_bytes;	/* of the storage */

	/* Mapped: limit_bytes, and a private guard page behind. NULL for an observer. */
	char *base;
	struct covbuf_header *header;
	struct covbuf_proc *procs;
	struct covbuf_context_slot *contexts;
	struct covbuf_owner_slot *owners;
	struct covbuf_module *modules;
	struct covbuf_area *areas;
};

/* area.c */

/* Entries of the directory in use, cut to the table. acquire: the entries are there before the number is. */
uint32_t covb_segment_nr_areas(const struct covbuf_segment *segment);

/* Words of a mapped area, or NULL where the directory says something that cannot be. *nr_words: all, guard words included. */
uint64_t *covb_segment_words(const struct covbuf_segment *segment, uint32_t area, uint64_t *nr_words);

/* segment.c: say why, if anybody wants to know; returns err. */
int covb_say(struct covbuf_message *why, int err, const char *format, ...) __attribute__((format(printf, 3, 4)));

/* layout.c */

/* Where everything goes in a new segment, and how many areas it begins with. Errors: -EINVAL. */
int covb_layout_plan(const struct covbuf_segment_options *options, struct covb_layout *layout, uint32_t *nr_initial,
		     struct covbuf_message *why);

/* Whether a header can be believed. name: for the message. Errors: -EPROTO. */
int covb_layout_check(const char *name, const struct covbuf_header *header, uint64_t storage_bytes, bool mapped,
		      struct covb_layout *layout, struct covbuf_message *why);

/* storage.c: the file behind a segment */
const char *covb_storage_advise(int err, bool making); /* of a positive number; begins with "; ", or is empty */
int covb_storage_create(const char *where, int *fd, struct covbuf_message *why);
void covb_storage_remove(const char *where);
int covb_storage_open(const char *where, bool write, int *fd, struct covbuf_message *why);
int covb_storage_seal(int fd);

/* Whether it can never be made shorter. */
bool covb_storage_is_sealed(int fd);

/* Make sure that storage for these bytes exists, extending the file. Errors: -ENOSPC, -EFBIG, ... */
int covb_storage_reserve(int fd, uint64_t offset_bytes, uint64_t bytes);

/* Whether fd still is the segment's file. Async signal safe. */
bool covb_storage_is(const struct covbuf_segment *segment, int fd);

/* Lock or unlock one byte through the segment's own description. Never waits. Errors: -EBUSY, -EBADF, -ENOENT. */
int covb_storage_lock(struct covbuf_segment *segment, uint64_t byte);
void covb_storage_unlock(struct covbuf_segment *segment, uint64_t byte);

/* Whether nobody but this segment object holds the lock; false where that cannot be found out. */
bool covb_storage_lock_free(const struct covbuf_segment *segment, uint64_t byte);

/* wait.c: a process came or went, or its modules changed: wake who waits for that. */
void covb_announce(struct covbuf_segment *segment);

/* process.c */

/* Take a process slot for the caller and lock it. *proc: its index, never 0. -ENOSPC: none free, even after an audit. */
int covb_process_join(struct covbuf_segment *segment, uint32_t *proc);

/* Leave it: the caller holds no area any more. */
void covb_process_leave(struct covbuf_segment *segment, uint32_t proc);

/* COVBUF_IMAGES() of a slot in its present use. */
uint64_t covb_process_images(const struct covbuf_segment *segment, uint32_t proc);

/* In a fork child: let go of the parent's lock without releasing it. Async signal safe. */
void covb_process_forget(struct covbuf_segment *segment);

/* liveness.c */

/* Whether the holder of a slot has gone. Never true for a slot that is held, whatever the segment says of its pid. */
bool covb_process_dead(struct covbuf_segment *segment, uint32_t proc);

/*
 * module.c: bring this process's rows of the module table up to date. *generation: module_generation
 * after it. Where the process has all that its parent had at the fork, and no more, nothing is to be done.
 */
int covb_modules_sync(struct covbuf_segment *segment, uint32_t proc, uint32_t *generation);

/* arena.c, or arena_none.c: areas' memory, in the process that made the segment. */
int covb_arena_create(struct covbuf_segment *segment, struct covb_arena **out);
void covb_arena_destroy(struct covb_arena *arena);
int covb_arena_take(struct covb_arena *arena, uint64_t bytes, uint64_t *offset_bytes);
void covb_arena_give(struct covb_arena *arena, uint64_t offset_bytes, uint64_t bytes);

/* In a fork child that has joined: have what the parent had when module_generation was this. */
void covb_modules_inherit(struct covbuf_segment *segment, uint64_t parents_images, uint32_t generation);

/* collector.c */

/*
 * Take back what process slot proc holds: called under the consumer's lock, when it is dead. Areas on
 * no queue that hold records are visited with fn; the slot is ENDED then. Returns areas taken back.
 */
int64_t covb_audit_process(struct covbuf_segment *segment, uint32_t proc, covbuf_batch_fn fn, void *arg,
			   struct covbuf_drained *out);

/* How many processes to audit before others get their turn: in large tables each takes a while. 1 or more. */
uint32_t covb_audits_at_once(const struct covb_layout *layout);

/* Zero an area's words and set its guard words, as the pool wants it. */
void covb_area_clean(const struct covbuf_segment *segment, uint32_t area);

/* Set guard words where a hole was punched. */
void covb_area_set_guard(uint64_t *words, uint64_t nr_words);

/* collect.c: visit what is queued for one owner. Returns areas finished, what fn returned, or a negative error number. */
int covb_collect_owner(struct covbuf_segment *segment, uint32_t owner, uint32_t holder, covbuf_batch_fn fn, void *arg);

#endif
