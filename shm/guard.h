/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Access to a mapped file that somebody may cut short meanwhile: instead of ending in SIGBUS, the code
 * that made the access is left for where the guard was set up.
 *
 *	covb_guard_push(&guard, base, bytes);
 *	if (sigsetjmp(guard.env, 0)) { covb_guard_pop(&guard); return -EIO; }
 *	covb_guard_arm(&guard);
 *	...
 *	covb_guard_pop(&guard);
 *
 * What lies between must be able to be left at any access, so no lock is taken there and nobody
 * else's code is called, unless the guard is disarmed meanwhile. Nests. Not in signal handlers.
 */
#ifndef COVB_SHM_GUARD_H
#define COVB_SHM_GUARD_H

#include <setjmp.h>
#include <stdbool.h>
#include <stddef.h>

struct covb_guard {
	sigjmp_buf env;
	const char *base;
	size_t bytes;
	volatile bool armed;
	struct covb_guard *outer;
};

/*
 * The handler is installed while any thread of the process has a guard, and hands on what is not its
 * own to whoever had SIGBUS before.
 */
int covb_guard_push(struct covb_guard *guard, const void *base, size_t bytes);
void covb_guard_pop(struct covb_guard *guard);

/* In a fork child: other threads' guards are not there. Async signal safe. */
void covb_guard_forget(void);

/* From now on a fault in the range jumps to guard->env. */
static inline void covb_guard_arm(struct covb_guard *guard)
{
	guard->armed = true;
}

static inline void covb_guard_disarm(struct covb_guard *guard)
{
	guard->armed = false;
}

#endif
