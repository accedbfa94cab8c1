// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * What the tests of the command record. Where a line begins a block, what reaches it is written at its
 * end: "always", "never", or the argument that leads there.
 */
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

int never_called(int x)
{
	return x * 3;
}

static volatile int sink;

static void step(int x)
{
	if (x & 1)
		sink += x;	/* always */
	if (x < 0)
		sink = 0;	/* never */
}

static void *work(void *arg)
{
	for (int i = 0; i < *(int *)arg; i++)
		step(i);	/* always */
	return NULL;
}

static void in_child(void)
{
	sink = 7;
}

static void in_grandchild(void)
{
	sink = 8;
}

int main(int argc, char **argv)
{
	int n = argc > 1 ? atoi(argv[1]) : 100;
	const char *what = argc > 2 ? argv[2] : "";
	int value = argc > 3 ? atoi(argv[3]) : 0;
	pthread_t threads[3];

	for (int i = 0; i < 3; i++)
		pthread_create(&threads[i], NULL, work, &n);
	for (int i = 0; i < 3; i++)
		pthread_join(threads[i], NULL);
	if (!strcmp(what, "fork") && !fork()) {
		in_child();	/* fork */
		usleep((useconds_t)value * 1000);
		exit(0);
	}
	if (!strcmp(what, "outlive") && !fork()) {
		for (int i = 0; i < 12000 && access(argv[3], F_OK); i++)
			usleep(10000);
		exit(0);
	}
	/* a server: children one after the other, and a grandchild each */
	for (int i = 0; !strcmp(what, "serve") && i < value; i++) {
		if (!fork()) {
			in_child();
			if (!fork()) {
				in_grandchild();
				exit(0);
			}
			wait(NULL);
			exit(0);
		}
		wait(NULL);
	}
	if (!strcmp(what, "sleep")) {
		puts("asleep");
		fflush(stdout);
		sleep((unsigned int)value);
	}
	if (!strcmp(what, "kill"))
		raise(value);
	return !strcmp(what, "exit") ? value : 0;
}
