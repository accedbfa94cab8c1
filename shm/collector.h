/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * One pass of the consumer: what its parts share.
 *
 *   collector.c   the pass: queues, then rings in use, then the dead
 *   deliver.c     one finished area: visited, emptied, given back or kept
 *   ring.c        records of a ring, finished or in use
 *   audit.c       what a dead process, or the consumer before us, left behind
 *
 * All of it runs behind a guard: an access to the mapping may leave the pass at any point. So memory is
 * had before the pass begins, nothing in it takes a lock, and the caller's function, which is called
 * with the guard disarmed, is given words that cannot fault.
 */
#ifndef COVB_SHM_COLLECTOR_H
#define COVB_SHM_COLLECTOR_H

#include "area.h"
#include "guard.h"

struct covb_taken {
	uint64_t flag;		/* as we have set it */
	uint32_t area;
};

/* Memory of a pass. */
struct covb_drain_room {
	struct covb_taken *taken;
	uint8_t *queued;
	uint64_t *copy;
};

struct covb_drain {
	struct covb_drain_room room;
	bool shares_room;	/* it is the segment's */
	struct covbuf_segment *segment;
	unsigned int flags;
	uint32_t holder;	/* of what is being read: the consumer, or the slot of a process that collects its own */
	uint32_t owner;		/* one owner's queue only */
	covbuf_batch_fn fn;
	void *arg;
	struct covbuf_drained sum;
	struct covb_taken *taken; /* room for every area: the queue that is being drained, newest first */
	uint8_t *queued;	/* a byte per area: whether a queue has it; audit only */
	uint64_t *copy;		/* room for the largest area */
	bool in_place;		/* the storage cannot shrink: batches are read where they are */
	bool discards;		/* nobody is there to visit: what is given back is counted as dropped */
	bool by_hint;		/* only owners that the header says something was queued for */
	bool damaged;		/* something was found that cannot be, and was left alone or dropped */
	bool ends;		/* it has gone through more than a segment can have: the rest is the next pass's */
	uint64_t bytes;		/* of areas that were finished */
	uint32_t nr_strays;	/* links that led to areas which were not queued */
	uint32_t proc;		/* audit: whose */
	struct covb_guard guard;
};

int covb_drain_init(struct covb_drain *d, struct covbuf_segment *segment, unsigned int flags, covbuf_batch_fn fn,
		    void *arg);
void covb_drain_fini(struct covb_drain *d);
void covb_drain_room_free(struct covb_drain_room *room);

/* Run a part of a pass behind the guard. -EIO: the file is shorter than it was. */
int covb_drain_run(struct covb_drain *d, int (*body)(struct covb_drain *d));

/* Take an owner's queue and deliver all of it. Returns 0 or what fn returned: the rest is queued again then. */
int covb_drain_queue(struct covb_drain *d, uint32_t owner);

/* Move area i from a flag that was seen to the consumer. acquire: its records are there. */
bool covb_drain_claim(struct covb_drain *d, uint32_t i, uint64_t seen, uint64_t *flag);

/* deliver.c */

/* A checked copy of the entry of area i, whose flag is known. Errors: as covb_area_check(). */
int covb_drain_describe(const struct covb_drain *d, uint32_t i, uint64_t flag, struct covbuf_area *area);

/* Whether the area's section still counts for its owner. */
bool covb_drain_wanted(const struct covb_drain *d, const struct covbuf_area *area);

/* Whether the owner's finished areas stay in the segment. */
bool covb_drain_keeps(const struct covb_drain *d, uint32_t owner);

/* Call fn with nr_words words. */
int covb_drain_visit(struct covb_drain *d, const struct covbuf_area *area, const uint64_t *words, uint64_t nr_words);

/*
 * Finish area i, which is ours by that flag. left: nobody handed it over, so it is only visited if
 * there is something in it. Returns 0 or what fn returned; the area is done with either way.
 */
int covb_drain_deliver(struct covb_drain *d, uint32_t i, uint64_t flag, bool left);

/* ring.c */

/* All records of a ring that nobody writes any more, in order, to d->copy. */
void covb_ring_gather(struct covb_drain *d, const struct covbuf_area *area, const uint64_t *words,
		      struct covb_scan *out);

/* Take what there is in area i if it is a ring in use; at most one lap. */
int covb_ring_drain_live(struct covb_drain *d, uint32_t i);

/* audit.c: the parts of an audit that covbuf_drain() runs. */
int covb_audit_leftovers(struct covb_drain *d);
int covb_audit_dead(struct covb_drain *d);

#endif
