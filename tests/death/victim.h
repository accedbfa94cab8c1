/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * A process that attaches to a segment, brings itself into a state, and does one operation in it.
 */
#ifndef COVB_DEATH_VICTIM_H
#define COVB_DEATH_VICTIM_H

#include <covbuf/covbuf.h>

#include "books.h"
#include "tests/step/step.h"

#define OPERATIONS_MAX 100
#define HANDLERS_MAX 16
#define NR_PROCS 5 /* slots in each segment; the first is never used */

enum victim_kind { PLAIN, GROW, UNIQUE, RING, CMP, KCOV, GROW_CMP, CMP_RING, KEEP, NR_KINDS };

/* In which segment: where sections are asked for, where everything is recorded, where fork children are, too. */
enum victim_world { ASKED, AUTOMATIC, FOLLOWED, NR_WORLDS };

#define MAY_DROP (1u << 0)  /* records are thrown away and counted one by one: one may be in between */
#define MAY_GIVE (1u << 1)  /* the area in hand may be given again */
#define COLLECTS (1u << 2)  /* what a collector in it was given counts */
#define NO_CONSUMER (1u << 3) /* nobody consumes meanwhile */
#define SLEEPS (1u << 4)    /* takes locks: not for signal handlers */
#define DETACHES (1u << 5)  /* a fork that waits for it is one of a process that is off */
#define LOST_BEFORE (1u << 6) /* whoever had the slots before has lost records */
#define CLEARS (1u << 7)    /* what is in the target is thrown away, as its user wants it, and not counted */

struct operation {
	const char *name;
	uint32_t kinds;		/* of the owners that it needs, a bit each */
	void (*set_up)(const struct operation *op); /* NULL: no more than attached, and owners enabled remotely */
	step_fn body;
	uint32_t kind;		/* of the section that it is done in */
	int room;		/* slots left in that; -1: not filled */
	enum victim_world world;
	uint32_t flags;
	bool unattached;	/* the body attaches */
};

extern const struct operation operations[];
extern const uint32_t nr_operations;

/* What signal handlers do. */
struct handler {
	const char *name;
	step_fn body;
	uint32_t flags;
};
extern const struct handler handlers[];
extern const uint32_t nr_handlers;

/* A handler by itself, in a section: what it goes through. And an operation with what handlers need besides. */
struct operation handler_alone(const struct handler *handler);
struct operation with_handlers(const struct operation *op);

struct victim {
	char where[NR_WORLDS][32]; /* the segments */
	int pid;
	struct covbuf_owner *owner[NR_KINDS];
	covbuf_token token;
	uint64_t tickets[64];
	uint32_t marks[BOOKS_LEVELS];
	enum books_process who;
};

extern struct victim victim;

/* Bring this process into the state that the operation begins in. Negative: it cannot. */
int victim_set_up(const struct operation *op);

/* What a new process does in a segment that others died in: some of everything. Returns how many things went wrong. */
int successor_work(enum victim_world world);

uint64_t victim_handle(uint32_t kind);

#endif
