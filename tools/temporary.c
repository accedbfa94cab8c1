// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * The one temporary file. Its name is published with signals blocked, so that a handler finds a file that is ours, or
 * none.
 */
#include "temporary.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "command.h"

static const int deadly[] = { SIGHUP, SIGINT, SIGQUIT, SIGPIPE, SIGALRM, SIGTERM, SIGXCPU };
#define NR_DEADLY (sizeof(deadly) / sizeof(deadly[0]))

static char *volatile published;

/* SA_RESETHAND: the second time it is what it would have been. */
static void die_without_it(int sig)
{
	if (published)
		unlink(published);
	raise(sig);
}

/* What is ignored, by nohup(1) for one, stays so. */
static void watch_signals(void)
{
	struct sigaction action = { .sa_handler = die_without_it, .sa_flags = SA_RESETHAND };

	for (size_t i = 0; i < NR_DEADLY; i++) {
		struct sigaction old;

		if (!sigaction(deadly[i], NULL, &old) && old.sa_handler == SIG_DFL)
			sigaction(deadly[i], &action, NULL);
	}
}

static void block_signals(sigset_t *old)
{
	sigset_t set;

	sigemptyset(&set);
	for (size_t i = 0; i < NR_DEADLY; i++)
		sigaddset(&set, deadly[i]);
	sigprocmask(SIG_BLOCK, &set, old);
}

int temporary_open(const char *beside)
{
	char *name = must_printf("%s.XXXXXX", beside);
	sigset_t old;
	int fd, err;

	watch_signals();
	block_signals(&old);
	fd = mkostemp(name, O_CLOEXEC);
	err = errno;
	if (fd >= 0)
		published = name;
	else
		free(name);
	sigprocmask(SIG_SETMASK, &old, NULL);
	errno = err;
	return fd;
}

const char *temporary_path(void)
{
	return published;
}

static void forget(void)
{
	char *name = published;

	published = NULL;
	free(name);
}

int temporary_keep(const char *target)
{
	sigset_t old;
	int failed, err;

	block_signals(&old);
	failed = rename(published, target);
	err = errno;
	if (!failed)
		forget();
	sigprocmask(SIG_SETMASK, &old, NULL);
	errno = err;
	return failed;
}

void temporary_drop(void)
{
	sigset_t old;

	block_signals(&old);
	if (published)
		unlink(published);
	forget();
	sigprocmask(SIG_SETMASK, &old, NULL);
}
