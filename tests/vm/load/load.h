/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* What the workers of the load test share. */
#ifndef LOAD_H
#define LOAD_H

#include <signal.h>
#include <sys/prctl.h>

#include "../sections/kit.h"

/* Whose records a function's are: */
#define NR_TRACERS 8
#define NR_STEADY 6   /* handles that are enabled all the time */
#define NR_SHIFTING 3 /* that come and go, in epochs that sections know */
#define NR_MORTAL 3   /* whose owners are killed */
#define FN_OWN(i) (i)
#define FN_PROBE(i) (8 + (i))
#define FN_STEADY(i) (16 + (i))
#define FN_SHIFTING(i) (24 + 3 * (i)) /* and the two that follow: of an even and an odd epoch */
#define FN_MORTAL(i) (36 + (i))
#define FN_EXEC 47
#define FN_NOWHERE 48 /* at levels or in places that nobody collects */

#define HANDLE_STEADY(i) (KCOV_SUBSYSTEM_USB | (0x100 + (i)))
#define HANDLE_SHIFTING(i) (KCOV_SUBSYSTEM_USB | (0x200 + (i)))
#define HANDLE_MORTAL(i) (KCOV_SUBSYSTEM_USB | (0x300 + (i)))
#define HANDLE_UNKNOWN (KCOV_SUBSYSTEM_USB | 0xbad)

#define ACCOUNT_STEADY(i) (1 + (i))
#define PHASE_SHIFTING(i) (1 + (i))

struct shared {
	int stop;
	bool shifting; /* in this round handles come and go, and modules are switched */
	struct places places;
	uint64_t nr_scripts, nr_records, nr_enables, nr_execs, nr_kills, nr_reloads;
	int failed;
	char why[256]; /* of the first that failed */
};

extern struct shared *shared;
extern uint64_t seed;
extern int sections;

uint32_t draw(uint32_t below);
__attribute__((noreturn, format(printf, 1, 2))) void fail(const char *format, ...);

static inline void die_with_parent(void)
{
	prctl(PR_SET_PDEATHSIG, SIGKILL);
}

static inline bool going_on(void)
{
	return !__atomic_load_n(&shared->stop, __ATOMIC_RELAXED);
}

static inline void tally(uint64_t *what, uint64_t n)
{
	__atomic_fetch_add(what, n, __ATOMIC_RELAXED);
}

/*
 * script.c: a random script. Outside its sections it calls the function, for the account; *own: how many such calls
 * there are.
 */
#define SCRIPT_OPS 160
uint32_t script_make(struct sections_op ops[SCRIPT_OPS], uint32_t fn, uint32_t account, uint64_t *own);
void script_run(int device, struct sections_op *ops, uint32_t nr_ops);

/* workers.c: what each process does until it is told to stop, or killed */
void trace(uint32_t i);
void work(uint32_t i);
void shift(uint32_t i);
void own_mortal(uint32_t i);
void churn(uint32_t i);
int churn_after_exec(int fd);
void pass_by(uint32_t i);
void reload(uint32_t i);

#endif
