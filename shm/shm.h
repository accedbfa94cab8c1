/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * A segment as this process has it, and what the parts of shm/ offer one another and the engine.
 *
 * The layout is copied out of the segment and checked once, when it is opened; from then on only the
 * copy is believed. What changes in the segment is read once into a local, checked, and used from there.
 */
#ifndef COVB_SHM_H
#define COVB_SHM_H

#include <covbuf/segment.h>

struct covb_arena;

/* Where the tables are; checked against the storage. Offsets are those of the header, so they never change. */
struct covb_layout {
	uint64_t limit_bytes;
	struct covbuf_table procs, contexts, owners, modules, areas;
	uint64_t data_offset_bytes;
	struct covbuf_auto automatic;
};

struct covbuf_segment {
	int fd;			/* close-on-exec */
	int lock_fd;		/* an open file description of our own, for the locks; or -1 */
	uint32_t refs;
	unsigned int flags;	/* COVBUF_OPEN_* */
	bool maker;		/* this process made it */
	bool consumer;		/* this process holds the consumer's lock */
	uint32_t maker_pid;	/* getpid() when it was made: a fork child is not the maker */
	struct covb_layout layout;
	struct covb_arena *arena; /* maker only */

	/* Mapped: limit_bytes, and a private guard page behind. NULL for an observer. */
	char *base;
	struct covbuf_header *header;
	struct covbuf_proc *procs;
	struct covbuf_context_slot *contexts;
	struct covbuf_owner_slot *owners;
	struct covbuf_module *modules;
	struct covbuf_area *areas;
};

/* segment.c */

/* Entries of the directory in use, cut to the table. acquire: the entries are there before the number is. */
uint32_t covb_segment_nr_areas(const struct covbuf_segment *segment);

/* Words of a mapped area, or NULL where the directory says something that cannot be. *nr_words: all, guard words included. */
uint64_t *covb_segment_words(const struct covbuf_segment *segment, uint32_t area, uint64_t *nr_words);

/* Say why, if anybody wants to know; returns err. */
int covb_say(struct covbuf_message *why, int err, const char *format, ...) __attribute__((format(printf, 3, 4)));

/* process.c */

/* Take a process slot for the caller and lock it. *proc: its index, never 0. -ENOSPC: none free, even after an audit. */
int covb_process_join(struct covbuf_segment *segment, uint32_t *proc);

/* Leave it: the caller holds no area any more. */
void covb_process_leave(struct covbuf_segment *segment, uint32_t proc);

/* In a fork child: let go of the parent's lock without releasing it. Async signal safe. */
void covb_process_forget(struct covbuf_segment *segment);

/* Whether the holder of a slot has gone. Never true for a slot that is held, whatever the segment says of its pid. */
bool covb_process_dead(struct covbuf_segment *segment, uint32_t proc);

/* module.c: bring this process's rows of the module table up to date. *generation: module_generation after it. */
int covb_modules_sync(struct covbuf_segment *segment, uint32_t proc, uint32_t *generation);

/* arena.c, or arena_none.c: areas' memory, in the process that made the segment. */
int covb_arena_create(struct covbuf_segment *segment, struct covb_arena **out);
void covb_arena_destroy(struct covb_arena *arena);
int covb_arena_take(struct covb_arena *arena, uint64_t bytes, uint64_t *offset_bytes);
void covb_arena_give(struct covb_arena *arena, uint64_t offset_bytes, uint64_t bytes);

/* collector.c */

/*
 * Take back what process slot proc holds: called under the consumer's lock, when it is dead. Areas on
 * no queue that hold records are visited with fn; the slot is ENDED then. Returns areas taken back.
 */
int64_t covb_audit_process(struct covbuf_segment *segment, uint32_t proc, covbuf_batch_fn fn, void *arg,
			   struct covbuf_drained *out);

/* Zero an area's words and set its guard words, as the pool wants it. */
void covb_area_clean(const struct covbuf_segment *segment, uint32_t area);

/* Set guard words where a hole was punched. */
void covb_area_set_guard(uint64_t *words, uint64_t nr_words);

#endif
