/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The books of a stress test: what each thread emitted, what was found, what was counted as lost.
 */
#ifndef COVB_STRESS_CHECK_H
#define COVB_STRESS_CHECK_H

#include <pthread.h>

#include <covbuf/covbuf.h>
#include <covbuf/segment.h>

#include "stamp.h"

#define CHECK_HANDLES 64 /* a handle's instance is below that */

/* A section that was started, as its records must be found. */
struct check_section {
	covbuf_token token;
	uint64_t handle;
};

/* One thread at one level. Written by it alone; read when it is at rest, emitted and sections also before. */
struct check_source {
	uint32_t emitted, sections;
	uint64_t *found;	/* a bit per number */
	struct check_section *section;
};

struct check {
	pthread_mutex_t lock;
	uint32_t round;
	uint32_t nr_threads;
	bool by_token;		/* what is found says which section it is of */
	struct check_source source[STAMP_THREADS][STAMP_LEVELS];
	uint32_t tid[STAMP_THREADS]; /* of the thread that runs as this one; 0: several did */
	uint64_t found, batches, errors;
	/* Oldest enable that may still be delivered, by handle's instance, and by thread for what is local. */
	uint32_t floor_handle[CHECK_HANDLES], floor_thread[STAMP_THREADS];
};

extern struct check check;

/* Say what is wrong, the first few times. */
void check_fail(const char *format, ...) __attribute__((format(printf, 1, 2)));

int check_init(uint32_t nr_threads);
void check_new_round(uint32_t round);

/* How old what is delivered may be: taken before a collector begins. */
struct check_floor {
	uint32_t handle[CHECK_HANDLES], thread[STAMP_THREADS];
};
void check_take_floor(struct check_floor *floor);

/* A covbuf_batch_fn; arg: struct check_floor. */
int check_batch(const struct covbuf_batch *batch, void *floor);

/* A KCOV owner's target, quiet since its last enable ended. Returns the number of records; the count is zeroed. */
uint64_t check_target(uint64_t *words, uint64_t nr_words, uint32_t mode);

/* Sum of a loss counter over all contexts and processes. */
uint64_t check_lost(enum covbuf_loss cause);

/* Sum over all owners of what readers dropped as stale, and of what did not fit into targets. */
uint64_t check_dropped(void);

/* All areas FREE, but for nr_held, targets included; words zero, guard words all there or all zero. Returns how many there are. */
uint32_t check_areas(uint32_t nr_held);

/* Areas that are HELD. */
uint32_t check_held(void);

#endif
