/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * What the tests that kill have in common: their options, processes that are waited for, points that are
 * recorded in one process and used in others, and the process that works on afterwards.
 */
#ifndef COVB_DEATH_DRIVER_H
#define COVB_DEATH_DRIVER_H

#include "judge.h"
#include "victim.h"

#define NR_AREAS 16
#define NR_CONTEXTS 8

extern struct driver {
	uint64_t seed, random;
	uint32_t limit;		/* of points of one operation; UINT32_MAX: all */
	uint32_t seconds;
	uint32_t patience_seconds; /* that a process has */
	const char *only;	/* what has this in its name */
	uint32_t rounds;
	uint64_t kills, survived;
} driver;

enum { SURVIVED = 0, CANNOT = 2 }; /* what processes exit with */

uint64_t driver_now_ns(void);

/*
 * Parse the options and make ready to die. Returns what the test has to exit with, or -1: go on.
 * --seed N, --limit N, --long, --seconds N, --patience SECONDS, --only TEXT
 */
int driver_begin(int argc, char **argv);

/* Say how it was; returns what the test exits with. */
int driver_end(void);

/* Whether an operation of this name is to be done. */
bool driver_wants(const char *name);

/* Make a segment and its judge, who is its consumer. where: NULL: in memory. */
int driver_begin_world(struct judge *judge, enum victim_world world, const char *where);

/* Fork. In the child it returns true: it has so long, mostly a minute. */
bool driver_fork(pid_t *pid);

/* Returns whether it was killed. Whatever else is wrong with it is said. */
bool driver_wait(pid_t pid);

/* The end of who dies. */
void driver_die(void);

/* In the process whose instructions are wanted: run the body, and exit. */
void driver_record(step_fn body) __attribute__((noreturn));

/* In the judge, when that process is over: what it recorded. False: nothing. */
bool driver_recorded(struct step_trace *trace);

/* Every how many points; the first one is seed modulo that. */
uint32_t driver_stride(const struct step_trace *trace);

/* Where a process goes depends a little on what others did before it, so some never come to the instruction. */
void driver_expect_hits(const char *name, uint32_t tried, uint32_t hit);

/* Be the consumer, or leave that to others. */
void driver_consume(struct covbuf_segment *segment, bool yes);

/* A new process works on, exactly. */
void driver_work_on(struct judge *judge, enum victim_world world);

/* Where an instruction is, for people: so far behind the program's beginning. */
uint64_t driver_offset(const struct step_instruction *at);

#endif
