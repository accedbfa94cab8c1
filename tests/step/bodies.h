/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * What is done at any level, by the code that is interrupted and by the handlers that come in: records
 * are made, sections started and stopped, owners enabled and disabled. Who steps says at which level a
 * body runs: step_level(), step_pause() and step_resume() are step.c's or signals.c's.
 */
#ifndef COVB_STEP_BODIES_H
#define COVB_STEP_BODIES_H

#include <covbuf/covbuf.h>
#include <covbuf/segment.h>

#include "step.h"

#define NR_LEVELS STEP_LEVELS
#define NR_TICKETS 64
#define SECTIONS_MAX 256 /* that one level starts in a run */

/* Owners that are enabled all the time, then those whose enabling is what is interrupted. */
enum kind {
	PLAIN, GROW, UNIQUE, UNIQUE_PROCESS, RING, RING_CMP, CMP, KCOV, KCOV_CMP, GROW_CMP, NR_ENABLED,
	OWN = NR_ENABLED, OWN_CMP, OWN_UNIQUE, OWN_RING, OWN_KCOV, NR_KINDS
};

/* A section as it was started. */
struct started {
	uint32_t kind, enable;
	uint64_t sequence;	/* the owner's */
};

struct test {
	uint64_t random;
	struct covbuf_segment *segment;
	struct covbuf_owner *owner[NR_KINDS];
	uint64_t tickets[NR_TICKETS];
	uint32_t marks[NR_LEVELS], section[NR_LEVELS];
	struct started started[NR_LEVELS][SECTIONS_MAX];
	uint32_t enable[NR_KINDS], oldest[NR_KINDS]; /* number of the latest enable; oldest that may be delivered */
	uint32_t outer;		/* section that the operation is done in; 0: none */
	uint32_t nr_mergeable, nr_forgotten; /* records that a reset of OWN_KCOV may throw away; of them, before it ended */
	uint64_t reset_sequence; /* OWN_KCOV's before its reset, or ~0 */
	uint64_t seen_sequence;	/* OWN_UNIQUE's when the handlers' sites were marked as seen, or 0 */
	uint32_t nr_perhaps;	/* records made where either state may be seen: they may be filtered */
	bool may_lack_areas;	/* an enable may find the pool empty */
	uint64_t quiet_count;	/* of OWN_KCOV's target, when a waiting disable has returned; ~0: none has */
};

extern struct test test;
extern const struct covbuf_owner_options kinds[NR_KINDS];

/* What is long and need not be interrupted. */
#define UNSTEPPED(what)                                                                            \
	do {                                                                                       \
		step_pause();                                                                      \
		what;                                                                              \
		step_resume();                                                                     \
	} while (0)

uint64_t body_handle(uint32_t kind);
void body_emit(void);
void body_emit_many(uint32_t n);
covbuf_token body_start(uint32_t kind);
void body_stop(covbuf_token token, uint32_t outer);
void body_fill_but(uint32_t nr_slots);
void body_empty_pool(uint32_t leave);
void body_fill_pool(void);
void body_enable(uint32_t kind);
void body_disable(uint32_t kind);
void body_reset(uint32_t kind);
void body_remote_enable(uint32_t kind);
void body_section(uint32_t kind);
void body_section_by_handle(uint32_t kind);
void body_own_value(void);
void body_raw(void);
void body_site(uint32_t site);
void body_section_without(void);
void body_section_late(void);
void body_section_abandoned(void);
void body_apart(void);
void body_ticket(void);
void body_marked(void);
void body_unwound(void);
void body_drain(unsigned int flags);
void body_take_target(uint32_t kind);
int body_batch(const struct covbuf_batch *batch, void *floor);

/* The hot path, inlined into functions of its own; and the test's other instructions, which are not the engine's. */
#define HOT_TEXT __attribute__((noinline, section("hot_text")))
extern uint8_t __start_hot_text[], __stop_hot_text[];
void text_begin(void);
void text_end(void);

/* Whether an instruction is the engine's, or the hot path's. */
static inline bool body_is_engine(const uint8_t *address)
{
	const uintptr_t at = (uintptr_t)address;

	return at < (uintptr_t)text_begin || at >= (uintptr_t)text_end;
}

static inline bool body_is_hot(const uint8_t *address)
{
	return address >= __start_hot_text && address < __stop_hot_text;
}

struct handler {
	const char *name;
	step_fn run;
	unsigned int flags;
};

#define HANDLER_DRAINS 1u /* plays the consumer, of which there is one */
#define HANDLER_LOOKS 2u  /* plays an observer */

extern const struct handler handlers[];
extern const uint32_t nr_handlers;

#endif
