// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* Tasks: threads, fork, exec, exit, SIGKILL; and a file that is closed while a task is traced. */
#define _GNU_SOURCE
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>
#include "abi.h"

static void run_one(void *data)
{
	run_function(1, 5);
}

static void a_child_is_off(void)
{
	struct cov cov = enabled(64 * PAGE_WORDS, KCOV_TRACE_PC);

	cov.area[0] = 0;
	in_child(run_one, NULL);
	run_function(0, 2);
	works(ioctl(cov.fd, KCOV_DISABLE, 0));
	expect_calls(&cov, 0, 2);
}

static void a_thread_is_off(void)
{
	struct cov cov = enabled(64 * PAGE_WORDS, KCOV_TRACE_PC);

	cov.area[0] = 0;
	in_thread(run_one, NULL);
	run_function(0, 2);
	works(ioctl(cov.fd, KCOV_DISABLE, 0));
	expect_calls(&cov, 0, 2);
}

static void trace_own(void *data)
{
	struct cov cov = enabled(64 * PAGE_WORDS, KCOV_TRACE_PC);

	cov.area[0] = 0;
	run_function(1, 3);
	works(ioctl(cov.fd, KCOV_DISABLE, 0));
	expect_calls(&cov, 1, 3);
}

static void a_child_has_its_own(void)
{
	struct cov cov = enabled(64 * PAGE_WORDS, KCOV_TRACE_PC);

	cov.area[0] = 0;
	in_child(trace_own, NULL);
	in_thread(trace_own, NULL);
	run_function(0, 2);
	works(ioctl(cov.fd, KCOV_DISABLE, 0));
	expect_calls(&cov, 0, 2);
}

static void trace_and_disable(void *data)
{
	struct cov *cov = data;

	works(ioctl(cov->fd, KCOV_ENABLE, KCOV_TRACE_PC));
	run_function(2, 4);
	works(ioctl(cov->fd, KCOV_DISABLE, 0));
}

static void a_child_uses_the_parents(void)
{
	struct cov cov = map_words(64 * PAGE_WORDS);

	in_child(trace_and_disable, &cov);
	run_function(0, 2);
	expect_calls(&cov, 2, 4);
}

struct pair {
	unsigned int function;
	pthread_barrier_t *start;
};

static void *trace_beside(void *data)
{
	struct pair *pair = data;
	struct cov cov = map_words(64 * PAGE_WORDS);

	for (int round = 0; round < 20; round++) {
		pthread_barrier_wait(pair->start);
		works(ioctl(cov.fd, KCOV_ENABLE, KCOV_TRACE_PC));
		cov.area[0] = 0;
		run_function(pair->function, 100);
		works(ioctl(cov.fd, KCOV_DISABLE, 0));
		expect_calls(&cov, pair->function, 100);
	}
	return NULL;
}

static void two_threads_two_fds(void)
{
	pthread_barrier_t start;
	struct pair pairs[] = { { 4, &start }, { 5, &start } };
	pthread_t ids[2];

	pthread_barrier_init(&start, NULL, 2);
	for (int i = 0; i < 2; i++)
		expect(!pthread_create(&ids[i], NULL, trace_beside, &pairs[i]), "no thread");
	for (int i = 0; i < 2; i++)
		pthread_join(ids[i], NULL);
}

static void trace_then_exec(void *data)
{
	struct cov *cov = data;

	works(ioctl(cov->fd, KCOV_ENABLE, KCOV_TRACE_PC));
	cov->area[0] = 0;
	exec_run(2, 4); /* the file closes on exec, the map goes */
}

static void exec_goes_on(void)
{
	struct cov cov = map_words(1ul << 20);

	in_child(trace_then_exec, &cov);
	expect_calls(&cov, 2, 4);
	works(ioctl(cov.fd, KCOV_ENABLE, KCOV_TRACE_PC));
}

static void enable_and_exit(void *data)
{
	struct cov *cov = data;

	works(ioctl(cov->fd, KCOV_ENABLE, KCOV_TRACE_PC));
	cov->area[0] = 0;
	run_function(1, 1);
}

static void exit_disables(void)
{
	struct cov cov = map_words(64 * PAGE_WORDS);

	for (int round = 0; round < 10; round++) {
		in_child(enable_and_exit, &cov);
		expect_calls(&cov, 1, 1);
		fails(EINVAL, ioctl(cov.fd, KCOV_DISABLE, 0));
	}
	works(ioctl(cov.fd, KCOV_ENABLE, KCOV_TRACE_PC));
	works(ioctl(cov.fd, KCOV_DISABLE, 0));
}

/* A joined thread may still be on its way out of the kernel: it is off all the same. */
static void thread_exit_disables(void)
{
	struct cov cov = map_words(64 * PAGE_WORDS);

	for (int round = 0; round < 100; round++) {
		in_thread(enable_and_exit, &cov);
		works(ioctl(cov.fd, KCOV_ENABLE, KCOV_TRACE_PC));
		works(ioctl(cov.fd, KCOV_DISABLE, 0));
	}
}

struct victim {
	struct cov cov;
	uint32_t *runs;
};

static void trace_until_killed(void *data)
{
	struct victim *victim = data;

	works(ioctl(victim->cov.fd, KCOV_ENABLE, KCOV_TRACE_PC));
	post(victim->runs, 1);
	for (;;) {
		victim->cov.area[0] = 0;
		run_function(1, 100);
	}
}

static void sigkill_disables(void)
{
	struct victim victim = { map_words(64 * PAGE_WORDS), shared_words() };

	for (int round = 0; round < 5; round++) {
		pid_t child = start_child(trace_until_killed, &victim);
		int status;

		await(victim.runs, 1);
		fails(EINVAL, ioctl(victim.cov.fd, KCOV_ENABLE, KCOV_TRACE_PC));
		works(kill(child, SIGKILL));
		status = reap(child);
		expect(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL, "status %x", status);
		post(victim.runs, 0);
		works(ioctl(victim.cov.fd, KCOV_ENABLE, KCOV_TRACE_PC));
		works(ioctl(victim.cov.fd, KCOV_DISABLE, 0));
	}
}

/* The map still shows what is recorded; and the task stays busy until it ends. */
static void close_goes_on(void)
{
	struct cov cov = enabled(64 * PAGE_WORDS, KCOV_TRACE_PC);
	int other = open_words(PAGE_WORDS);

	works(close(cov.fd));
	cov.area[0] = 0;
	run_function(0, 3);
	expect_calls(&cov, 0, 3);
	fails(EBUSY, ioctl(other, KCOV_ENABLE, KCOV_TRACE_PC));
}

/* Nobody can see the area any more, but the kernel goes on to write it. */
static void close_and_unmap_goes_on(void)
{
	struct cov cov = enabled(64 * PAGE_WORDS, KCOV_TRACE_PC);
	int other = open_words(PAGE_WORDS);

	works(close(cov.fd));
	works(munmap((void *)cov.area, cov.words * 8));
	run_function(0, 1000);
	fails(EBUSY, ioctl(other, KCOV_ENABLE, KCOV_TRACE_PC));
	run_function(0, 1000);
}

static void enable_and_close(void *data)
{
	struct cov cov = enabled(64 * PAGE_WORDS, KCOV_TRACE_PC);

	works(close(cov.fd));
	works(munmap((void *)cov.area, cov.words * 8));
}

static void close_and_unmap_then_exit(void)
{
	for (int round = 0; round < 20; round++) {
		in_child(enable_and_close, NULL);
		in_thread(enable_and_close, NULL);
	}
}

const struct check task_checks[] = {
	{ "task/a_child_is_off", a_child_is_off },
	{ "task/a_thread_is_off", a_thread_is_off },
	{ "task/a_child_has_its_own", a_child_has_its_own },
	{ "task/a_child_uses_the_parents", a_child_uses_the_parents },
	{ "task/two_threads_two_fds", two_threads_two_fds },
	{ "task/exec_goes_on", exec_goes_on },
	{ "task/exit_disables", exit_disables },
	{ "task/thread_exit_disables", thread_exit_disables },
	{ "task/sigkill_disables", sigkill_disables },
	{ "task/close_goes_on", close_goes_on },
	{ "task/close_and_unmap_goes_on", close_and_unmap_goes_on },
	{ "task/close_and_unmap_then_exit", close_and_unmap_then_exit },
	{ }
};
