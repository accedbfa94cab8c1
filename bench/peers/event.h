/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * A program for each way to learn which places were reached: one instrumented loop, the same for all, and the
 * runtime that belongs to the instrumentation, linked as one does. ../events.c starts them and asks each for
 * passes in turn.
 *
 * On descriptor 0 comes the number of passes, on descriptor 1 go their times.
 */
#ifndef COVB_BENCH_EVENT_H
#define COVB_BENCH_EVENT_H

#include <stdint.h>

#define EVENT_SITES 8
#define EVENT_ROUNDS 480 /* of a pass: two records for each place fill an area of 64 KiB (gcc makes so many) */

#define EVENT_MAX_PASSES 64

struct event_request {
	uint32_t nr_passes; /* 0: end */
};

struct event_answer {
	uint64_t nr_events;	      /* told by those that can count them; else 0 */
	char missing[128];	      /* why it cannot run; "" if it can */
	uint64_t ns[EVENT_MAX_PASSES]; /* of a pass */
};

void event_visit(uint64_t nr_rounds, uint32_t mask);

/* A runtime that needs more than to be linked has these. */
const char *event_begin(void);	/* once; why it cannot run, or NULL */
void event_prepare(void);	/* before each pass, and after */
void event_clear_up(void);
uint64_t event_count(void);	/* of the last pass */
void event_end(void);

#endif
