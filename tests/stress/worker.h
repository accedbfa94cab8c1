/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The threads of stress_engine that record, and the handlers that interrupt them.
 */
#ifndef COVB_STRESS_WORKER_H
#define COVB_STRESS_WORKER_H

#include <setjmp.h>
#include <signal.h>

#include "check.h"

/* ThreadSanitizer runs handlers where it likes to, and does not follow a jump out of one. */
#if defined(__SANITIZE_THREAD__)
#define STRESS_JUMPS 0
#elif defined(__has_feature)
#if __has_feature(thread_sanitizer)
#define STRESS_JUMPS 0
#endif
#endif
#ifndef STRESS_JUMPS
#define STRESS_JUMPS 1
#endif

#define NR_OWNERS 6
#define HANDLES_PER_OWNER 2
#define UNKNOWN_INSTANCE 60 /* nobody ever enables it */
#define NR_SITES 16

/* Which handle owner o has as its k-th. One of owner 0's is a common one. */
static inline uint64_t handle_of(uint32_t o, uint32_t k)
{
	uint64_t instance = 1 + o * HANDLES_PER_OWNER + k;

	return o == 0 && k == 0 ? COVBUF_SUBSYSTEM_COMMON | instance : COVBUF_SUBSYSTEM_USER | instance;
}

/* What this thread does at one level. */
struct level_state {
	uint64_t random;
	uint32_t section, enable;	/* of what is emitted now */
	uint32_t marks[NR_SITES];
};

struct worker {
	uint32_t id;
	pthread_t thread;
	pthread_mutex_t lock;		/* between those who signal it and its end */
	bool alive, restarted;
	bool jumps;			/* handlers may leave by siglongjmp() */
	bool leaves_enabled;		/* this thread ends without a disable */
	bool left_enabled;		/* and did */
	struct covbuf_owner *local;
	uint32_t enables;
	uint32_t uncertain;		/* records that a jump cut short */
	uint32_t stop;
	volatile sig_atomic_t ready, armed; /* a jump has somewhere to go; now is a time for one */
	sigjmp_buf env;
	struct level_state at[STAMP_LEVELS];
	uint64_t nr_sections, nr_signals, nr_jumps, nr_enables, nr_refused;
};

/* Enable number of each handle, by instance. */
extern uint32_t enable_of[CHECK_HANDLES];

void worker_setup(void);	/* signal handlers */
void *worker_run(void *worker);	/* until worker->stop */

#endif
