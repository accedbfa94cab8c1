// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * A signal at every instruction, from outside: step_target, a program as any other, is driven by ptrace, so
 * that it is also interrupted in the C library, in the procedure linkage table, in the vdso and inside its
 * signal handlers, and by signals that the kernel delivers.
 *
 *   sig    SIGUSR1 at each instruction of each operation; the program judges
 *   look   the same, of a sample, and an observer looks at the segment after each instruction from there on,
 *          those of the handler too: what it sees was emitted, is whole, and is there once (I2), and what it
 *          saw of an append's area is not gone again
 *   sig2   SIGUSR1 at each instruction of an append, SIGUSR2 at each of its handler: all pairs
 *
 *   step_outside [--mode MODE] [--only TEXT] [--seconds N] [--seed N] [--long] [--hits FILE] PROGRAM
 *
 * x86-64 only: exits with 77 elsewhere, and where ptrace is not allowed.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "observer.h"
#include "operations.h"
#include "tracee.h"

static struct {
	struct tracee tracee;
	const char *program, *mode, *only, *hits;
	uint64_t seed, random, start_ns, end_ns;
	uint32_t first; /* operation that it begins with */
	bool is_long;
	uint64_t runs, points, missed, pairs, looks, errors;
	struct path hit;
} run;

static uint64_t now_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000000000ull + (uint64_t)now.tv_nsec;
}

static uint32_t below(uint32_t n)
{
	return n ? stamp_below(&run.random, n) : 0;
}

static bool is_over(void)
{
	return run.errors || now_ns() >= run.end_ns;
}

static bool is_wanted(uint32_t o)
{
	return !run.only || strstr(operations[o].name, run.only);
}

/* ---- one run --------------------------------------------------------------------------------- */

static void begin(uint32_t o, uint32_t first, uint32_t second)
{
	tracee_request(&run.tracee, &(struct step_request){ .operation = o, .handler = { first, second } });
	if (tracee_continue(&run.tracee, 0) != MARK_BEGIN)
		tracee_die("the operation does not begin");
}

/* From MARK_END. Returns how many signals came in. */
static uint32_t end(const char *what, uint32_t o, uint32_t first, uint32_t at)
{
	struct step_result result;

	if (tracee_continue(&run.tracee, 0) != MARK_READY)
		tracee_die("the operation does not end");
	tracee_result(&run.tracee, &result);
	run.runs++;
	if (result.errors || run.errors) {
		fprintf(stderr, "%s: in \"%s\" at instruction %u by \"%s\"\n", what, operations[o].name, at,
			handlers[first].name);
		run.errors += result.errors;
	}
	return result.signals[0] + result.signals[1];
}

/* Which way an operation goes when nothing comes in. */
static void follow(uint32_t o, struct path *path)
{
	begin(o, 0, 0);
	tracee_follow(&run.tracee, path, NULL, NULL);
	if (tracee_continue(&run.tracee, 0) != MARK_END)
		tracee_die("the operation has no end");
	end("alone", o, 0, 0);
}

static bool allows(uint32_t o, uint32_t first)
{
	return operation_allows(&operations[o], &handlers[first], NULL);
}

/* ---- sig ------------------------------------------------------------------------------------- */

static void sig_at(uint32_t o, const struct path *path, uint32_t at, uint32_t first)
{
	if (!allows(o, first) || path->turn[at] >= TURNS_MAX)
		return;
	begin(o, first, 0);
	run.points++;
	if (!tracee_run_to(&run.tracee, path, at)) {
		run.missed++;
	} else {
		path_add(&run.hit, path->at[at] - run.tracee.base);
		if (tracee_continue(&run.tracee, SIGUSR1) != MARK_END)
			tracee_die("the operation has no end after a signal");
	}
	end("sig", o, first, at);
}

static void sig(void)
{
	const uint32_t turns = run.is_long ? 6 : 1;
	struct path path = { 0 };

	for (uint32_t n = 0; n < nr_operations && !is_over(); n++) {
		const uint32_t o = (run.first + n) % nr_operations;
		uint64_t points = run.points, missed = run.missed;

		if (!is_wanted(o))
			continue;
		follow(o, &path);
		for (uint32_t turn = 0; turn < turns; turn++)
			for (uint32_t at = 0; at < path.nr && !is_over(); at++)
				sig_at(o, &path, at, (at + o + 5 * turn) % nr_handlers);
		printf("sig \"%s\": %u instructions, %lu of %lu signals came in\n", operations[o].name, path.nr,
		       run.points - points - (run.missed - missed), run.points - points);
	}
}

/* ---- look ------------------------------------------------------------------------------------ */

static void look_at(uint32_t o, const struct path *path, uint32_t at, uint32_t first)
{
	begin(o, first, 0);
	run.points++;
	if (!tracee_run_to(&run.tracee, path, at)) {
		run.missed++;
	} else {
		bool goes_on = tracee_step(&run.tracee, SIGUSR1);

		observer_begin(&run.tracee, operations[o].flags & OP_SHORT);
		for (; goes_on && !is_over(); goes_on = tracee_step(&run.tracee, 0)) {
			run.errors += observer_look(&run.tracee);
			run.looks++;
		}
		if (tracee_continue(&run.tracee, 0) != MARK_END)
			tracee_die("the operation has no end after looks");
	}
	end("look", o, first, at);
}

/* Appends by a record, a section and one of comparisons; the rest of the operations by a section, now and then. */
static void look(void)
{
	struct path path = { 0 };

	for (uint32_t n = 0; n < nr_operations && !is_over(); n++) {
		const uint32_t o = (run.first + n) % nr_operations;
		const bool is_short = operations[o].flags & OP_SHORT;
		const uint32_t stride = (is_short ? 40 : 400) / (run.is_long ? 8 : 1);
		uint64_t points = run.points, looks = run.looks;

		if (!is_wanted(o) || (operations[o].flags & OP_DRAINS))
			continue;
		follow(o, &path);
		for (uint32_t first = 0; first < 4; first++)
			for (uint32_t at = below(stride); at < path.nr && !is_over(); at += stride)
				look_at(o, &path, at, first);
		printf("look \"%s\": %lu points, %lu looks\n", operations[o].name, run.points - points,
		       run.looks - looks);
	}
}

/* ---- sig2 ------------------------------------------------------------------------------------ */

static bool at_mark_or_back(struct tracee *t, void *arg)
{
	return tracee_pc(t) == *(uint64_t *)arg;
}

/* The handler's way, as it comes in at this instruction. False: the operation did not come there. */
static bool follow_handler(uint32_t o, const struct path *path, uint32_t at, uint32_t first, struct path *handler)
{
	bool there;

	begin(o, first, 0);
	there = tracee_run_to(&run.tracee, path, at);
	if (there) {
		uint64_t back = tracee_pc(&run.tracee);

		if (tracee_step(&run.tracee, SIGUSR1))
			tracee_follow(&run.tracee, handler, at_mark_or_back, &back);
		if (tracee_continue(&run.tracee, 0) != MARK_END)
			tracee_die("the operation has no end after a handler");
	}
	end("sig2", o, first, at);
	return there;
}

static void pair_at(uint32_t o, const struct path *path, uint32_t at, const struct path *handler, uint32_t in,
		    uint32_t first, uint32_t second)
{
	begin(o, first, second);
	run.points++;
	if (!tracee_run_to(&run.tracee, path, at)) {
		run.missed++;
	} else if (!tracee_step(&run.tracee, SIGUSR1)) {
		tracee_die("a handler is over at once");
	} else if (!tracee_run_to(&run.tracee, handler, in)) {
		run.missed++;
	} else {
		run.pairs++;
		if (tracee_continue(&run.tracee, SIGUSR2) != MARK_END)
			tracee_die("the operation has no end after two signals");
	}
	end("sig2", o, first, at);
}

static void sig2(void)
{
	const uint32_t stride = run.is_long ? 1 : 97;
	struct path path = { 0 }, handler = { 0 };

	for (uint32_t n = 0; n < nr_operations && !is_over(); n++) {
		const uint32_t o = (run.first + n) % nr_operations;
		uint64_t pairs = run.pairs;

		if (!is_wanted(o) || !(operations[o].flags & OP_HOT))
			continue;
		follow(o, &path);
		for (uint32_t first = 0; first < 2; first++)
			for (uint32_t at = 0; at < path.nr && !is_over(); at++) {
				if (!follow_handler(o, &path, at, first, &handler))
					continue;
				for (uint32_t in = below(stride); in < handler.nr && !is_over(); in += stride)
					pair_at(o, &path, at, &handler, in, first, below(2));
			}
		printf("sig2 \"%s\": %lu pairs\n", operations[o].name, run.pairs - pairs);
	}
}

/* ---- program --------------------------------------------------------------------------------- */

static void parse(int argc, char **argv)
{
	uint64_t seconds = 0;

	run.start_ns = run.seed = now_ns();
	for (int i = 1; i < argc; i++) {
		if (!strcmp(argv[i], "--long"))
			run.is_long = true;
		else if (argv[i][0] != '-')
			run.program = argv[i];
		else if (i + 1 == argc)
			break;
		else if (!strcmp(argv[i], "--mode"))
			run.mode = argv[++i];
		else if (!strcmp(argv[i], "--only"))
			run.only = argv[++i];
		else if (!strcmp(argv[i], "--hits"))
			run.hits = argv[++i];
		else if (!strcmp(argv[i], "--seed"))
			run.seed = strtoull(argv[++i], NULL, 0);
		else if (!strcmp(argv[i], "--seconds"))
			seconds = strtoull(argv[++i], NULL, 0);
		else
			tracee_die("no such option; see the head of its source");
	}
	if (!run.program)
		tracee_die("which program?");
	run.end_ns = seconds ? run.start_ns + seconds * 1000000000ull : UINT64_MAX;
	run.random = run.seed | 1;
	run.first = seconds ? below(nr_operations) : 0;
	printf("seed %lu\n", run.seed);
}

static void write_hits(void)
{
	FILE *file = fopen(run.hits, "w");

	for (uint32_t i = 0; file && i < run.hit.nr; i++)
		if (run.hit.at[i] < 1ull << 32) /* the program's own */
			fprintf(file, "%#lx\n", run.hit.at[i]);
	if (!file || fclose(file))
		tracee_die("cannot write the hits");
}

static bool mode_is(const char *mode)
{
	return !run.mode || !strcmp(run.mode, mode);
}

int main(int argc, char **argv)
{
	int err;

	parse(argc, argv);
	err = tracee_start(&run.tracee, run.program);
	if (err == -EPERM) {
		puts("ptrace is not allowed here");
		return 77;
	}
	if (err)
		tracee_die("cannot run the program");
	if (mode_is("look") && observer_open(&run.tracee))
		tracee_die("cannot observe its segment");
	if (mode_is("sig"))
		sig();
	if (mode_is("sig2"))
		sig2();
	if (mode_is("look"))
		look();
	tracee_stop(&run.tracee);
	printf("%lu runs, %lu signals, %lu of them did not come in, %lu pairs, %lu looks in %.1f s\n", run.runs,
	       run.points + run.pairs, run.missed, run.pairs, run.looks, (double)(now_ns() - run.start_ns) / 1e9);
	if (run.hits)
		write_hits();
	if (run.errors)
		fprintf(stderr, "%lu errors; again with --seed %lu\n", run.errors, run.seed);
	return run.errors != 0;
}
