// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * SIGBUS, for the length of a drain.
 *
 * A consumer has the segment mapped; a segment in a plain file may be cut short by anybody who may
 * write it, and then any access behind its end is a SIGBUS. Each thread keeps the guards that it has
 * set up in a list of its own; the handler looks for one whose range the fault lies in.
 *
 * The handler is there only while somebody has a guard: a program may install its own at any other
 * time and never meet ours. It runs with SIGBUS unblocked (SA_NODEFER), so that leaving it by a jump
 * needs no signal mask to be restored, and setting a guard up costs no system call.
 */
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <string.h>

#include "guard.h"

static __thread struct covb_guard *innermost;

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static unsigned int nr_users;
static struct sigaction previous;

static bool covers(const struct covb_guard *guard, const void *address)
{
	return guard->armed && (const char *)address >= guard->base &&
	       (size_t)((const char *)address - guard->base) < guard->bytes;
}

/* As if we were not there. */
static void hand_on(int signal_number, siginfo_t *info, void *context)
{
	struct sigaction dfl = { .sa_handler = SIG_DFL };

	if (previous.sa_flags & SA_SIGINFO) {
		previous.sa_sigaction(signal_number, info, context);
	} else if (previous.sa_handler != SIG_DFL && previous.sa_handler != SIG_IGN) {
		previous.sa_handler(signal_number);
	} else if (previous.sa_handler == SIG_DFL || info->si_code > 0) {
		/* The access is made again, and ends the process; the kernel lets no fault be ignored either. */
		sigaction(SIGBUS, &dfl, NULL);
		if (info->si_code <= 0)
			raise(SIGBUS);
	}
}

static void on_bus_error(int signal_number, siginfo_t *info, void *context)
{
	/* si_code > 0: the kernel's, so si_addr is an address. */
	for (struct covb_guard *g = info->si_code > 0 ? innermost : NULL; g; g = g->outer) {
		if (covers(g, info->si_addr))
			siglongjmp(g->env, 1);
	}
	hand_on(signal_number, info, context);
}

static int install(void)
{
	struct sigaction ours;

	memset(&ours, 0, sizeof(ours));
	ours.sa_sigaction = on_bus_error;
	ours.sa_flags = SA_SIGINFO | SA_NODEFER | SA_ONSTACK;
	sigemptyset(&ours.sa_mask);
	return sigaction(SIGBUS, &ours, &previous) ? -errno : 0;
}

/* Unless somebody else has taken the signal meanwhile, who may want to hand it on to us. */
static void uninstall(void)
{
	struct sigaction now;

	if (!sigaction(SIGBUS, NULL, &now) && (now.sa_flags & SA_SIGINFO) && now.sa_sigaction == on_bus_error)
		sigaction(SIGBUS, &previous, NULL);
}

int covb_guard_push(struct covb_guard *guard, const void *base, size_t bytes)
{
	int err = 0;

	pthread_mutex_lock(&lock);
	if (nr_users == 0)
		err = install();
	if (!err)
		nr_users++;
	pthread_mutex_unlock(&lock);
	if (err)
		return err;
	guard->base = base;
	guard->bytes = bytes;
	guard->armed = false;
	guard->outer = innermost;
	innermost = guard;
	return 0;
}

/* Only the forking thread goes on; it may be in a pass, in the function of its caller. */
void covb_guard_forget(void)
{
	static const pthread_mutex_t unlocked = PTHREAD_MUTEX_INITIALIZER;
	unsigned int ours = 0;

	memcpy(&lock, &unlocked, sizeof(lock));
	for (const struct covb_guard *g = innermost; g; g = g->outer)
		ours++;
	if (nr_users && !ours)
		uninstall();
	nr_users = ours;
}

void covb_guard_pop(struct covb_guard *guard)
{
	innermost = guard->outer;
	pthread_mutex_lock(&lock);
	if (--nr_users == 0)
		uninstall();
	pthread_mutex_unlock(&lock);
}
