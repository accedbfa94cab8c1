/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The books of a process that may die at any instruction: how many records it began to make, and how many
 * it had made, in memory that outlives it. Whoever judges looks up in them every record that is found.
 *
 * Records are stamped (tests/stress/stamp.h): the thread in a stamp is the process that made it, the level
 * how deep in handlers.
 */
#ifndef COVB_DEATH_BOOKS_H
#define COVB_DEATH_BOOKS_H

#include <covbuf/segment.h>

#include "tests/stress/stamp.h"

#define BOOKS_LEVELS 3
#define BOOKS_SECTIONS 64   /* likewise; the first is none */
#define BOOKS_NUMBERS 32768 /* records of one process at one level */

enum books_process { VICTIM, CHILD, SUCCESSOR, BOOKS_PROCESSES };

struct books_made {
	uint32_t begun, done;
	uint32_t section, nr_sections; /* that it is in; those there were */
	uint64_t token[BOOKS_SECTIONS];
};

/* Shared between the judge and those who make records. */
struct books {
	uint64_t errors;	/* of all processes */
	uint32_t round;
	bool came;		/* to the instruction that was meant */
	bool foreign;		/* others than those here record, too */
	uint32_t phase;		/* of an operation that tells the judge when to look */
	struct books_made made[BOOKS_PROCESSES][BOOKS_LEVELS];
	uint8_t given[BOOKS_PROCESSES][BOOKS_LEVELS][BOOKS_NUMBERS]; /* times, to one who may have died of it */
};

extern struct books *books;

/* What the judge found. */
struct books_found {
	uint8_t times[BOOKS_PROCESSES][BOOKS_LEVELS][BOOKS_NUMBERS];
	uint32_t nr_times[BOOKS_PROCESSES][BOOKS_LEVELS]; /* behind it all are 0 */
	uint64_t records;	/* different ones */
	uint64_t again;		/* beyond that */
	uint64_t first_again;	/* a record that was found twice */
	uint64_t nr_again_areas; /* areas that such were in, by section and serial */
	uint64_t again_token;
	uint32_t again_serial;
	uint64_t ring_token;	/* of the ring that was last found */
	int64_t ring_number[BOOKS_PROCESSES][BOOKS_LEVELS]; /* of the last record in it */
};

int books_init(void);
void books_new_round(uint32_t round);

/* Say what is wrong, the first few times. */
void books_fail(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* As this process, at this level: make one record in whichever mode collects. False: nothing collects. */
bool books_emit(enum books_process process, uint32_t level);
void books_emit_many(enum books_process process, uint32_t level, uint32_t n);

/* The same at a site that is recorded once, and in a context that was not born yet and will collect PCs. */
bool books_emit_site(enum books_process process, uint32_t level, uint32_t *mark);
void books_emit_unborn(enum books_process process, uint32_t level);

/* What is made from here on is in this section's areas only, until it is left for the outer one, which is returned. */
uint32_t books_enter(enum books_process process, uint32_t level, covbuf_token token);
void books_leave(enum books_process process, uint32_t level, uint32_t outer);

void books_forget(struct books_found *found);

/* Note a record that was found, as one word or four. token, serial: of the area; 0: not one section's. */
void books_note(struct books_found *found, const uint64_t *record, uint32_t mode, uint64_t token, uint32_t serial);

/* A covbuf_batch_fn; arg: struct books_found. */
int books_note_batch(const struct covbuf_batch *batch, void *found);

/* Likewise for one who may die of it: arg is not used, and what was given is kept in the books. */
int books_give_batch(const struct covbuf_batch *batch, void *arg);

/* Wait until it is that phase, and say that it is; at most for some seconds. */
void books_wait_for_phase(uint32_t phase);
void books_set_phase(uint32_t phase);

/* Count what was given, too. */
void books_add_given(struct books_found *found);

/* Begun, and begun but not made to the end. */
uint64_t books_begun(void);
uint64_t books_open(void);

#endif
