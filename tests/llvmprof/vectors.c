/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * vectors SECONDS: two threads, each of which makes another test vector of the same decision for the first time, at
 * about the same moment, on two processors; over and over. Prints in how many rounds one of them was lost.
 * Linked without a profile runtime: the sections are all it takes.
 */
#define _GNU_SOURCE
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define ROUNDS 300000

extern unsigned char __start___llvm_prf_bits[], __stop___llvm_prf_bits[];

static atomic_int begun, ended;

__attribute__((noinline)) static int decide(int a, int b, int c)
{
	if ((a && b) || c)
		return 1;
	return 0;
}

/* What is not under test is not instrumented either: it would have counters, and decisions of its own. */
#define APART __attribute__((noinline, no_profile_instrument_function))

APART static double now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

APART static void await(atomic_int *word, int value)
{
	for (int i = 0; atomic_load(word) != value; i++)
		if (i > 1000)
			sched_yield();
}

/* Where there is only one processor, nothing meets. */
APART static void move_to(int processor)
{
	cpu_set_t set;

	CPU_ZERO(&set);
	CPU_SET(processor, &set);
	sched_setaffinity(0, sizeof(set), &set);
}

APART static void *second(void *unused)
{
	move_to(1);
	for (int round = 1;; round++) {
		await(&begun, round);
		decide(1, 1, 0);
		atomic_store(&ended, round);
	}
	return unused;
}

APART static int nr_vectors(void)
{
	int nr = 0;

	for (unsigned char *byte = __start___llvm_prf_bits; byte < __stop___llvm_prf_bits; byte++)
		nr += __builtin_popcount(*byte);
	return nr;
}

APART int main(int argc, char **argv)
{
	double end = now() + (argc > 1 ? atof(argv[1]) : 2);
	int lost = 0, round = 0;
	pthread_t thread;

	move_to(0);
	if (pthread_create(&thread, NULL, second, NULL))
		return 2;
	while (round < ROUNDS && now() < end) {
		memset(__start___llvm_prf_bits, 0, (size_t)(__stop___llvm_prf_bits - __start___llvm_prf_bits));
		atomic_store(&begun, ++round);
		for (volatile int i = 0; i < round % 512; i++) /* how long the other is on its way */
			;
		decide(0, 0, 1);
		await(&ended, round);
		lost += nr_vectors() != 2;
	}
	printf("%d of %d rounds lost a test vector\n", lost, round);
	return lost != 0;
}
