// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * The program that is stepped from outside: see signals.h. It waits for requests at its marks, which trap
 * on x86 and are breakpoints elsewhere. --list prints operations and handlers, a line each; --once N...
 * does these operations once, and asks nobody; handlers are operations, too, numbered behind the others.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "check.h"
#include "operations.h"
#include "signals.h"

volatile struct step_request step_request;
volatile struct step_result step_result;

static volatile uint32_t level;

/* Numbered, so that the compiler does not take one for another. */
#if defined(__x86_64__)
#define MARK(n) __asm__ volatile("int3 # %0" ::"i"(n) : "memory")
#else
#define MARK(n) __asm__ volatile("nop # %0" ::"i"(n) : "memory")
#endif

__attribute__((noinline)) void mark_ready(void) { MARK(0); }
__attribute__((noinline)) void mark_begin(void) { MARK(1); }
__attribute__((noinline)) void mark_end(void) { MARK(2); }
__attribute__((noinline)) void mark_pause(void) { MARK(3); }
__attribute__((noinline)) void mark_resume(void) { MARK(4); }

uint32_t step_level(void)
{
	return level;
}

void step_pause(void)
{
	mark_pause();
}

void step_resume(void)
{
	mark_resume();
}

static void on_signal(int number)
{
	uint32_t l = level;
	int saved_errno = errno;

	(void)number;
	step_result.signals[l]++;
	level = l + 1;
	handlers[step_request.handler[l]].run();
	level = l;
	errno = saved_errno;
}

static void run_one(const struct operation *op)
{
	covbuf_token token = operation_prepare(op);

	for (uint32_t l = 0; l < NR_LEVELS - 1; l++)
		step_result.signals[l] = 0;
	mark_begin();
	op->body();
	mark_end();
	if (!operation_finish(op, token))
		fprintf(stderr, "in \"%s\" by \"%s\" and \"%s\"\n", op->name, handlers[step_request.handler[0]].name,
			handlers[step_request.handler[1]].name);
	step_result.runs++;
	step_result.errors = check.errors;
}

static int list(void)
{
	for (uint32_t o = 0; o < nr_operations; o++)
		printf("operation %u %u %s\n", o, operations[o].flags, operations[o].name);
	for (uint32_t h = 0; h < nr_handlers; h++)
		printf("handler %u %u %s\n", h, handlers[h].flags, handlers[h].name);
	return 0;
}

static int once(char **argv)
{
	for (; *argv; argv++) {
		uint32_t n = (uint32_t)strtoul(*argv, NULL, 0);

		if (n < nr_operations) {
			run_one(&operations[n]);
		} else if (n - nr_operations < nr_handlers) {
			struct operation op = operation_of(&handlers[n - nr_operations]);

			run_one(&op);
		}
	}
	return check.errors != 0;
}

int main(int argc, char **argv)
{
	struct sigaction action = { .sa_handler = on_signal };
	int err;

	if (argc > 1 && !strcmp(argv[1], "--list"))
		return list();
	sigaction(SIGUSR1, &action, NULL);
	sigaction(SIGUSR2, &action, NULL);
	err = operations_begin();
	if (err) {
		fprintf(stderr, "cannot begin: %s\n", strerror(-err));
		return 2;
	}
	if (argc > 1 && !strcmp(argv[1], "--once"))
		return once(argv + 2);
	step_result.fd = covbuf_segment_descriptor(test.segment);
	for (;;) {
		mark_ready();
		if (step_request.quit)
			return check.errors != 0;
		if (step_request.operation < nr_operations)
			run_one(&operations[step_request.operation]);
	}
}
