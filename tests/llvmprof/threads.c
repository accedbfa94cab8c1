/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * A program whose counts are known: it prints how often it called work(), and in each child of its own.
 *
 *	threads count THREADS CALLS		each thread calls it so often
 *	threads live THREADS			until a line is read
 *	threads fork THREADS CHILDREN CALLS	while so many threads call it, and the parent on the first processor,
 *						children do on the second: one after the other, each so often
 */
#define _GNU_SOURCE
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#define MAX_THREADS 16

static atomic_bool stopped;

/* The only function that is instrumented. */
__attribute__((noinline)) static unsigned long work(unsigned long i)
{
	if (((i & 1) && (i & 2)) || i == 77)
		return i;
	return 2 * i;
}

#pragma clang attribute push(__attribute__((no_profile_instrument_function)), apply_to = function)

static unsigned long nr_calls, sink;

/* Where there is one processor, all stay on it. */
static void move_to(int processor)
{
	cpu_set_t set;

	CPU_ZERO(&set);
	CPU_SET(processor, &set);
	sched_setaffinity(0, sizeof(set), &set);
}

static void call_work(unsigned long n)
{
	for (unsigned long i = 0; i < n; i++)
		sink += work(i);
}

struct thread {
	pthread_t id;
	int processor;
	unsigned long calls; /* 0: until it is stopped */
};

/* Says how often. */
static void *run(void *argument)
{
	const struct thread *thread = argument;
	unsigned long n = thread->calls, done = 0;

	move_to(thread->processor);
	if (n)
		call_work(done = n);
	while (!n && !stopped) {
		call_work(100);
		done += 100;
	}
	return (void *)done;
}

static void start(struct thread *threads, int n, unsigned long calls)
{
	for (int i = 0; i < n; i++) {
		threads[i].processor = i % 2;
		threads[i].calls = calls;
		if (pthread_create(&threads[i].id, NULL, run, &threads[i]))
			exit(2);
	}
}

static void join(const struct thread *threads, int n)
{
	void *calls;

	for (int i = 0; i < n; i++) {
		pthread_join(threads[i].id, &calls);
		nr_calls += (unsigned long)calls;
	}
}

static void fork_children(int n, unsigned long calls)
{
	for (int i = 0; i < n; i++) {
		pid_t child = fork();

		if (child < 0)
			exit(2);
		if (child == 0) {
			move_to(1);
			call_work(calls);
			_exit(0);
		}
		call_work(calls);
		nr_calls += calls;
		waitpid(child, NULL, 0);
	}
}

int main(int argc, char **argv)
{
	int nr_threads = argc > 2 ? atoi(argv[2]) : 0;
	struct thread threads[MAX_THREADS];

	if (argc < 3 || nr_threads > MAX_THREADS)
		return 2;
	if (strcmp(argv[1], "count") == 0 && argc == 4) {
		start(threads, nr_threads, strtoul(argv[3], NULL, 0));
	} else if (strcmp(argv[1], "live") == 0) {
		start(threads, nr_threads, 0);
		getchar();
	} else if (strcmp(argv[1], "fork") == 0 && argc == 5) {
		start(threads, nr_threads, 0);
		move_to(0);
		fork_children(atoi(argv[3]), strtoul(argv[4], NULL, 0));
	} else {
		return 2;
	}
	stopped = 1;
	join(threads, nr_threads);
	printf("%lu\n", nr_calls);
	return 0;
}

#pragma clang attribute pop
