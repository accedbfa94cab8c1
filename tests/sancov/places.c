/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Places that callbacks come from, and ways to end. Not instrumented itself: it calls points that are.
 * Usage: places SCENE, with COVBUF_SEGMENT set.
 */
#define _GNU_SOURCE
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>

#include "points.h"

#if defined(HAVE_ENGINE)
#include <covbuf/covbuf.h>
#endif

/* ---- before main ----------------------------------------------------------------------------- */

#if defined(EARLY)
static void implementation(void)
{
	point_3();
}

static void (*resolve(void))(void)
{
	point_1();
	return implementation;
}

void resolved(void) __attribute__((ifunc("resolve")));

static __attribute__((constructor(101))) void construct(void)
{
	point_1();
}
#endif

/* ---- scenes ---------------------------------------------------------------------------------- */

static pthread_key_t key;

static void destroy(void *arg)
{
	(void)arg;
	point_2();
}

static void *thread_with_destructor(void *arg)
{
	pthread_setspecific(key, (void *)1);
	point_1();
	return arg;
}

static void *cancelled_thread(void *arg)
{
	point_1();
	point_1();
	point_2();
	if (write(*(int *)arg, "x", 1) == 1)
		pause();
	return NULL;
}

static void run_thread(void *(*fn)(void *), void *arg, int wait_fd)
{
	pthread_t thread;
	char c;

	if (pthread_create(&thread, NULL, fn, arg))
		exit(1);
	if (wait_fd >= 0) {
		if (read(wait_fd, &c, 1) != 1)
			exit(1);
		pthread_cancel(thread);
	}
	pthread_join(thread, NULL);
}

static void fork_scene(pid_t (*make)(void))
{
	pid_t pid;

	point_1();
	pid = make();
	if (!pid) {
		point_2();
		_exit(0);
	}
	if (waitpid(pid, NULL, 0) != pid)
		exit(1);
	point_3();
}

static volatile sig_atomic_t handled, jumps;
static sigjmp_buf again;
static volatile int jump;

static void handle(int sig)
{
	(void)sig;
	point_2();
	handled++;
	if (jump && handled % 3 == 0) {
		jumps++;
		siglongjmp(again, 1);
	}
	/* another one on top of this one */
	if (handled % 5 == 0)
		raise(SIGUSR1);
}

static void handle_nested(int sig)
{
	(void)sig;
	point_3();
}

static void storm(void)
{
	struct itimerval timer = { { 0, 37 }, { 0, 37 } };
	struct itimerval off = { 0 };
	volatile unsigned int calls = 0;
#if defined(HAVE_ENGINE)
	struct covbuf_mark mark;
#endif

	/* opens the context: a handler that interrupts that is not recorded */
	calls++;
	point_1();
	signal(SIGALRM, handle);
	signal(SIGUSR1, handle_nested);
	setitimer(ITIMER_REAL, &timer, NULL);
	for (unsigned int i = 0; i < 2000; i++) {
#if defined(HAVE_ENGINE)
		covbuf_mark(&mark);
#endif
		if (sigsetjmp(again, 1)) {
#if defined(HAVE_ENGINE)
			covbuf_unwind(&mark);
#endif
			continue;
		}
		calls++;
		point_1();
	}
	setitimer(ITIMER_REAL, &off, NULL);
	printf("called %u handled %d jumps %d\n", calls, (int)handled, (int)jumps);
}

static void exec_again(char **argv)
{
	execl("/proc/self/exe", argv[0], "one", (char *)NULL);
	exit(1);
}

int main(int argc, char **argv)
{
	const char *scene = argc > 1 ? argv[1] : "one";
	int fds[2];

	if (pipe(fds))
		return 1;
	if (!strcmp(scene, "one")) {
		point_2();
#if defined(EARLY)
	} else if (!strcmp(scene, "early")) {
		point_2();
		resolved();
#endif
	} else if (!strcmp(scene, "destructor")) {
		pthread_key_create(&key, destroy);
		run_thread(thread_with_destructor, NULL, -1);
	} else if (!strcmp(scene, "cancel")) {
		run_thread(cancelled_thread, &fds[1], fds[0]);
	} else if (!strcmp(scene, "close_range")) {
		point_1();
		close_range(3, ~0u, 0);
		point_2();
		point_3();
	} else if (!strcmp(scene, "fork")) {
		fork_scene(fork);
	} else if (!strcmp(scene, "_Fork")) {
		fork_scene(_Fork);
	} else if (!strcmp(scene, "vfork")) {
		pid_t pid;

		point_1();
		pid = vfork();
		if (!pid) {
			point_2();
			_exit(0);
		}
		waitpid(pid, NULL, 0);
		point_3();
	} else if (!strcmp(scene, "storm")) {
		storm();
	} else if (!strcmp(scene, "storm_jump")) {
		jump = 1;
		storm();
	} else if (!strcmp(scene, "exec")) {
		point_1();
		exec_again(argv);
	} else {
		point_1();
		point_2();
		fflush(stdout);
		if (!strcmp(scene, "_exit"))
			_exit(0);
		if (!strcmp(scene, "_Exit"))
			_Exit(0);
		if (!strcmp(scene, "quick_exit"))
			quick_exit(0);
		if (!strcmp(scene, "abort"))
			abort();
		if (!strcmp(scene, "kill"))
			raise(SIGKILL);
		if (!strcmp(scene, "pthread_exit"))
			pthread_exit(NULL);
	}
	return 0;
}
