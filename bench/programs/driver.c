/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * driver MODE CPU: prepares, makes a pass to warm up, then makes one pass for each line that it reads, and
 * answers with nanoseconds, edges recorded and edges lost. Many of these run side by side, each waiting for its
 * turn, so that what disturbs one disturbs its neighbours too.
 */
#define _GNU_SOURCE
#include "driver.h"

#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define WEAK __attribute__((weak))

WEAK void recorder_start(const char *mode)
{
	(void)mode;
}
WEAK void recorder_begin(void)
{
}
WEAK void recorder_end(void)
{
}
WEAK void recorder_finish(void)
{
}
WEAK uint64_t recorder_edges(void)
{
	return 0;
}
WEAK uint64_t recorder_lost(void)
{
	return 0;
}

void driver_fail(const char *what)
{
	fprintf(stderr, "driver: %s failed\n", what);
	exit(1);
}

static uint64_t now_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

static uint64_t pass(void)
{
	uint64_t ns = 0, begin;

	for (uint32_t i = 0; i < workload_slices; i++) {
		recorder_begin();
		begin = now_ns();
		workload_slice(i);
		ns += now_ns() - begin;
		recorder_end();
	}
	begin = now_ns();
	recorder_finish();
	return ns + now_ns() - begin;
}

static void answer(uint64_t ns)
{
	uint64_t edges = recorder_edges(), lost = recorder_lost();

	printf("%llu %llu %llu\n", (unsigned long long)ns, (unsigned long long)edges, (unsigned long long)lost);
	fflush(stdout);
}

int main(int argc, char **argv)
{
	char line[16];
	cpu_set_t set;

	if (argc != 3) {
		fprintf(stderr, "usage: %s MODE CPU\n", argv[0]);
		return 2;
	}
	CPU_ZERO(&set);
	CPU_SET(atoi(argv[2]), &set);
	if (sched_setaffinity(0, sizeof(set), &set))
		driver_fail("sched_setaffinity()");
	recorder_start(argv[1]);
	workload_prepare();
	pass();
	recorder_edges(); /* what the preparation made */
	answer(pass());
	while (fgets(line, sizeof(line), stdin))
		answer(pass());
	return 0;
}
