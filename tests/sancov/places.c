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

/* However slow a machine is, what calls and handlers record fits into one area. */
#define NR_CALLS 2000 /* or more, until handlers have run */
#define MOST_CALLS 4000
#define MOST_HANDLED 2000

static volatile sig_atomic_t handled, jumps; /* jumps: that cut a call short, so that it may be recorded or not */
static sigjmp_buf again;
static volatile int jump, may_return, calling; /* may_return: there is a place to jump to */

/* A handler that interrupts an unwind to before the first record is not recorded, so there is none. */
static void block(int how, int sig)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, sig);
	pthread_sigmask(how, &set, NULL);
}

static void set_timer(suseconds_t period_us)
{
	const struct itimerval timer = { { 0, period_us }, { 0, period_us } };

	setitimer(ITIMER_REAL, &timer, NULL);
}

static void handle(int sig)
{
	(void)sig;
	point_2();
	if (++handled == MOST_HANDLED)
		set_timer(0);
	if (jump && may_return && handled % 3 == 0) {
		jumps += calling;
		calling = 0;
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
	volatile unsigned int calls = 0;
#if defined(HAVE_ENGINE)
	struct covbuf_mark mark;
#endif

	signal(SIGALRM, handle);
	signal(SIGUSR1, handle_nested);
	set_timer(37);
	for (unsigned int i = 0; i < NR_CALLS || (!handled && i < MOST_CALLS); i++) {
#if defined(HAVE_ENGINE)
		covbuf_mark(&mark);
		if (!mark.token)
			block(SIG_BLOCK, SIGALRM);
#endif
		if (sigsetjmp(again, 1)) {
#if defined(HAVE_ENGINE)
			covbuf_unwind(&mark);
			block(SIG_UNBLOCK, SIGALRM);
#endif
			continue;
		}
		may_return = 1;
#if defined(HAVE_ENGINE)
		if (!mark.token)
			block(SIG_UNBLOCK, SIGALRM);
#endif
		calling = 1;
		point_1();
		calls++;
		calling = 0;
	}
	set_timer(0);
	printf("called %u handled %d jumps %d\n", calls + (unsigned int)jumps, (int)handled, (int)jumps);
}

/* ---- the first callback of a thread, interrupted --------------------------------------------- */

#define NR_OPENINGS 400 /* at most: until handlers have run often enough */
#define ENOUGH_HANDLED 300
#define MAX_HANDLED 2000 /* in one opening, however slow: they all fit into the thread's area */

static unsigned int opened_calls, opened_handled, opened_jumps;
static __thread sigjmp_buf before_opening;
static __thread volatile int may_jump, in_call;
static pthread_barrier_t begin, end;
static volatile int stop_killing;

static void handle_opening(int sig)
{
	(void)sig;
	__atomic_fetch_add(&opened_handled, 1, __ATOMIC_RELAXED);
	point_2();
	if (jump && may_jump) {
		may_jump = 0;
		__atomic_fetch_add(&opened_jumps, in_call, __ATOMIC_RELAXED);
		siglongjmp(before_opening, 1);
	}
}

static void *open_context(void *arg)
{
#if defined(HAVE_ENGINE)
	struct covbuf_mark mark;

	covbuf_mark(&mark);
#endif
	pthread_barrier_wait(&begin);
	block(SIG_BLOCK, SIGUSR2);
	if (sigsetjmp(before_opening, 1)) {
#if defined(HAVE_ENGINE)
		covbuf_unwind(&mark);
#endif
	} else {
		may_jump = 1;
	}
	block(SIG_UNBLOCK, SIGUSR2);
	in_call = 1;
	point_1();
	__atomic_fetch_add(&opened_calls, 1, __ATOMIC_RELAXED);
	in_call = 0;
	may_jump = 0;
	/* no more: a thread that ends records until its context is closed */
	block(SIG_BLOCK, SIGUSR2);
	pthread_barrier_wait(&end);
	return arg;
}

static void *kill_often(void *arg)
{
	unsigned int before = __atomic_load_n(&opened_handled, __ATOMIC_RELAXED);

	pthread_barrier_wait(&begin); /* it runs before there is anything to interrupt */
	while (!stop_killing && __atomic_load_n(&opened_handled, __ATOMIC_RELAXED) - before < MAX_HANDLED)
		pthread_kill(*(pthread_t *)arg, SIGUSR2);
	return NULL;
}

static void interrupt_openings(void)
{
	pthread_t thread, killer;

	signal(SIGUSR2, handle_opening);
	pthread_barrier_init(&begin, NULL, 3);
	pthread_barrier_init(&end, NULL, 2);
	for (unsigned int i = 0; i < NR_OPENINGS && opened_handled < ENOUGH_HANDLED; i++) {
		stop_killing = 0;
		if (pthread_create(&thread, NULL, open_context, NULL))
			exit(1);
		if (pthread_create(&killer, NULL, kill_often, &thread))
			exit(1);
		pthread_barrier_wait(&begin);
		pthread_barrier_wait(&end);
		stop_killing = 1;
		pthread_join(killer, NULL);
		pthread_join(thread, NULL);
	}
	printf("called %u handled %u jumps %u\n", opened_calls + opened_jumps, opened_handled, opened_jumps);
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
	} else if (!strcmp(scene, "opening")) {
		interrupt_openings();
	} else if (!strcmp(scene, "opening_jump")) {
		jump = 1;
		interrupt_openings();
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
