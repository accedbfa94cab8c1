/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The engine's cases (tests/vectors), in userspace: each in a process of its own, and those that do not
 * sleep once more in a signal handler.
 */
#include <criterion/criterion.h>
#include <signal.h>
#include <string.h>
#include <urcu.h>

#include <covbuf/covbuf.h>

static void world_failed(const char *file, int line, const char *text, uint64_t is, uint64_t wanted)
{
	const char *base = strrchr(file, '/');

	cr_expect_fail("%s:%d: %s: it is %#llx, not %#llx", base ? base + 1 : file, line, text,
		       (unsigned long long)is, (unsigned long long)wanted);
}

static struct covbuf_context *world_context(void)
{
	return covbuf_context();
}

static void world_trace_pc(uint64_t pc)
{
	covbuf_trace_pc(pc);
}

static void world_trace_cmp(uint64_t type, uint64_t arg1, uint64_t arg2, uint64_t pc)
{
	covbuf_trace_cmp(type, arg1, arg2, pc);
}

/* Everything is counted in the engine's tables. */
static uint64_t world_lost(enum covbuf_loss cause)
{
	(void)cause;
	return 0;
}

static void world_grace(void)
{
	rcu_barrier();
}

static void world_above(void (*fn)(void))
{
	covbuf_context()->level++;
	fn();
	covbuf_context()->level--;
}

#include "tests/vectors/cases.h"

static void (*in_handler)(void);

static void handle_signal(int sig)
{
	(void)sig;
	world_above(in_handler);
}

static void raise_signal(void)
{
	signal(SIGUSR1, handle_signal);
	raise(SIGUSR1);
}

static void run(void (*fn)(void))
{
	cr_assert_eq(covbuf_attach_new(64u << 20), 0);
	cr_assert_geq(covbuf_pool_grow(0, NR_AREAS), NR_AREAS);
	if (vectors_begin())
		fn();
	vectors_end();
}

static void run_in_handler(void (*fn)(void))
{
	in_handler = fn;
	run(raise_signal);
}

#define IN_THREAD(name) Test(vectors, name) { run(name); }
#define IN_HANDLER(name) Test(vectors_in_handler, name) { run_in_handler(name); }

COVB_CASES_ANYWHERE(IN_THREAD)
COVB_CASES_SLEEPING(IN_THREAD)
COVB_CASES_ANYWHERE(IN_HANDLER)
