/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * What must be true of a segment after a process died in it, and what a new process makes of it.
 *
 *   an observer   sees every record whole, and what it sees is what the consumer then gets
 *   the consumer  gets each record once, in its own section's areas; what was begun was found or counted, but
 *                 for one record of each level that was cut short
 *   the audit     leaves every area free, its words zero and its guard words there, and no process, context
 *                 or owner slot taken
 */
#ifndef COVB_DEATH_JUDGE_H
#define COVB_DEATH_JUDGE_H

#include "books.h"

#define JUDGE_LOST_BEFORE 3 /* what each context slot's last user has lost; see judge_lose_before() */

struct judge {
	struct covbuf_segment *segment;	/* mapped; consumed by this process */
	struct covbuf_segment *observer;
	uint32_t nr_areas;	/* that there must be in the end */
	bool automatic;		/* owner 0 is the maker's */
	bool maker_died;	/* then an area that it was taking out of the pool is nobody's */
	bool unseen;		/* records of several words in an area that somebody emptied: not for observers */
	uint64_t lost_before;	/* counted already when the round began */
	struct books_found found, viewed;
};

/* What the operation that was cut short may do to the books; docs/design.md and docs/reading.md say the same. */
struct judge_limits {
	uint64_t open;		/* records that are neither found nor counted, at most */
	uint64_t again_areas;	/* areas whose records may be given twice, or counted and given */
	uint64_t recounted;	/* of what whoever had the slots before has lost, as counted again */
	bool in_hand;		/* a collector died: what it had been given counts */
	bool drained;		/* some was taken already, so the observer does not see it all */
};

/* An observer of a segment that is mapped. */
int judge_init(struct judge *judge, struct covbuf_segment *segment, bool automatic);

/* Nobody is there, and all that was found or counted so far is forgotten. */
void judge_new_round(struct judge *judge, uint32_t round);

/* Whoever had the context slots before has lost records. */
void judge_lose_before(struct judge *judge);

/* Look, drain, audit, and compare with the books. */
void judge_books(struct judge *judge, const struct judge_limits *limits);

/* Drain and audit beside processes that live, without a judgement. */
void judge_drain(struct judge *judge);

/* Records that were counted as lost in this round. */
uint64_t judge_counted(const struct judge *judge);

/* Every area, process, context and owner slot. */
void judge_pool(struct judge *judge);

#endif
