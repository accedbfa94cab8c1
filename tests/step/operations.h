/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * What is interrupted: each operation of the engine in a state that leads it down one of its paths, and the
 * books that must balance afterwards, to the record:
 *
 *   I1  emitted = found + lost
 *   I2  what is found was emitted, once, and is whole
 *   I3  each record is in its own section; what was on top of the stack is on top again
 *   I4  every area is free, with all its words zero; none is missing
 *   I7  nothing is delivered into a later enable; I8 nor into a target after a waiting disable
 */
#ifndef COVB_STEP_OPERATIONS_H
#define COVB_STEP_OPERATIONS_H

#include "bodies.h"

struct operation {
	const char *name;
	uint32_t kind;		/* of the section that it is done in; NR_KINDS: none */
	int room;		/* slots left in it; -1: not filled */
	step_fn body;
	step_fn before, after;	/* or NULL; not interrupted */
	unsigned int flags;
};

#define OP_SHORT 1u	/* an append: few instructions, so that every pair is tried */
#define OP_DRAINS 2u	/* is the consumer, or holds a lock of its */
#define OP_SWITCHES 4u	/* leaves another frame on top than it found */
#define OP_FORGETS 8u	/* throws away what was merged */
#define OP_HOT 16u	/* on the hot path to its end, or as far as it goes in this mode */
#define OP_FIRST 32u	/* nothing is recorded before it in the section that it is done in, which so has no area yet */

extern const struct operation operations[];
extern const uint32_t nr_operations;

/* Segment, owners and books. 0, or a negative error number. */
int operations_begin(void);

/* Around the body of an operation. finish: false: something is wrong, and was said. */
covbuf_token operation_prepare(const struct operation *op);
bool operation_finish(const struct operation *op, covbuf_token token);

/* An operation whose body is a handler. */
struct operation operation_of(const struct handler *handler);

/* Whether the handler may come in there. */
bool operation_allows(const struct operation *op, const struct handler *first, const struct handler *second);

#endif
