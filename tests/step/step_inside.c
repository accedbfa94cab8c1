// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * A signal at every instruction, in the same process: each operation of the engine is interrupted at each
 * of its instructions by handlers that record, start and stop, and are interrupted in turn. Afterwards
 * the books must balance to the record (operations.h).
 *
 *   first level    each instruction of each operation, by each handler
 *   second level   each pair of an instruction of an append and an instruction of a handler, by a third
 *   sample         pairs at random, of all operations
 *
 * Four handlers take turns at the instructions; of pairs, all of the hot path are tried with a record and with
 * a section, and a sample of the others. --long: all handlers everywhere and in all pairs of the hot path, and
 * larger samples; an hour, or --seconds N of it. --seconds N alone: a sample of everything, then pairs at
 * random. --turns N: the first level only, N handlers at each instruction. --only TEXT: operations whose name
 * has it. --hits FILE: writes which instructions were interrupted, for coverage.py.
 *
 * x86-64 only: exits with 77 elsewhere.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "check.h"
#include "emit.h"
#include "operations.h"

#define MAX_OPERATIONS 128
#define MAX_HANDLERS 32

/* What was recorded of a body, and which of it was interrupted. */
struct body {
	struct step_trace trace;
	uint8_t *hit;
};

static struct {
	uint64_t seed, start_ns, end_ns, seconds;
	bool is_long;
	uint32_t turns;
	const char *only, *hits;
	struct body operation[MAX_OPERATIONS], handler[MAX_HANDLERS];
	uint64_t runs, interrupted[NR_LEVELS], pairs_wanted, pairs_hit;
} run = { .end_ns = UINT64_MAX };

static uint64_t now_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000000000ull + (uint64_t)now.tv_nsec;
}

static uint32_t below(uint32_t n)
{
	return n ? stamp_below(&test.random, n) : 0;
}

static bool is_over(void)
{
	return check.errors || now_ns() >= run.end_ns;
}

static bool is_wanted(uint32_t o)
{
	return !run.only || strstr(operations[o].name, run.only);
}

/* ---- one run --------------------------------------------------------------------------------- */

/* Where it is interrupted, and by what; body NULL: not. */
struct interruption {
	struct body *in;
	uint32_t at;
	const struct handler *by;
};

static void try_one(const struct operation *op, const struct interruption *first, const struct interruption *second)
{
	struct step_plan plan = {
		.body = { op->body, first->by->run, second ? second->by->run : NULL },
		.at = { &first->in->trace.at[first->at], second ? &second->in->trace.at[second->at] : NULL },
	};
	covbuf_token token;
	uint32_t levels;

	if (!operation_allows(op, first->by, second ? second->by : NULL))
		return;
	token = operation_prepare(op);
	levels = step_run(&plan);
	run.runs++;
	for (uint32_t l = 0; l < levels; l++)
		run.interrupted[l]++;
	if (levels > 0)
		first->in->hit[first->at] = 1;
	if (levels > 1)
		second->in->hit[second->at] = 1;
	if (!operation_finish(op, token))
		fprintf(stderr, "in \"%s\" at instruction %u by \"%s\"%s%s%s\n", op->name, first->at, first->by->name,
			second ? ", in which by \"" : "", second ? second->by->name : "", second ? "\"" : "");
}

/* ---- which instructions there are ------------------------------------------------------------ */

static int trace_one(const struct operation *op, struct body *body)
{
	covbuf_token token = operation_prepare(op);
	int err = step_record(&body->trace, op->body);

	if (!operation_finish(op, token))
		fprintf(stderr, "in \"%s\", which nothing interrupted\n", op->name);
	body->hit = calloc(body->trace.nr + 1, 1);
	return err || !body->hit ? -ENOMEM : 0;
}

static int trace_all(void)
{
	int err = 0;

	if (nr_operations > MAX_OPERATIONS || nr_handlers > MAX_HANDLERS)
		return -E2BIG;
	step_filter(body_is_engine);
	for (uint32_t o = 0; o < nr_operations && !err; o++)
		if (is_wanted(o))
			err = trace_one(&operations[o], &run.operation[o]);
	for (uint32_t h = 0; h < nr_handlers && !err && !run.turns; h++) {
		struct operation op = operation_of(&handlers[h]);

		err = trace_one(&op, &run.handler[h]);
	}
	return err;
}

/* ---- schedules ------------------------------------------------------------------------------- */

/* Each instruction of each operation, or each stride-th; handlers take turns. */
static void first_level(uint32_t turn, uint32_t stride)
{
	for (uint32_t o = 0; o < nr_operations && !is_over(); o++) {
		struct body *body = &run.operation[o];

		for (uint32_t at = below(stride); at < body->trace.nr && !check.errors && is_wanted(o); at += stride)
			try_one(&operations[o],
				&(struct interruption){ body, at, &handlers[(at + o + turn) % nr_handlers] }, NULL);
	}
}

/* Each instruction of an append by whoever reads its area meanwhile. */
static void read_appends(void)
{
	for (uint32_t o = 0; o < nr_operations; o++) {
		struct body *body = &run.operation[o];
		const struct covbuf_owner_options *kind = &kinds[operations[o].kind % NR_KINDS];

		for (uint32_t h = 0; h < nr_handlers && is_wanted(o) && (operations[o].flags & OP_SHORT); h++) {
			const bool reads = kind->kind == COVBUF_RING ? handlers[h].flags & HANDLER_DRAINS :
					   kind->mode == COVBUF_MODE_CMP ? handlers[h].flags & HANDLER_LOOKS : false;

			for (uint32_t at = 0; at < body->trace.nr && reads && !is_over(); at++)
				try_one(&operations[o], &(struct interruption){ body, at, &handlers[h] }, NULL);
		}
	}
}

/* Each instruction of the hot path by each of a handler. */
static void hot_pairs(uint32_t o, uint32_t h)
{
	struct body *body = &run.operation[o], *handler = &run.handler[h];

	for (uint32_t at = 0; at < body->trace.nr; at++)
		for (uint32_t in = 0; in < handler->trace.nr && body_is_hot(body->trace.at[at].address); in++) {
			if (is_over())
				return;
			try_one(&operations[o], &(struct interruption){ body, at, &handlers[h] },
				&(struct interruption){ handler, in, &handlers[0] });
		}
}

static void every_hot_pair(uint32_t nr)
{
	for (uint32_t o = 0; o < nr_operations; o++)
		for (uint32_t h = 0; h < nr && is_wanted(o); h++)
			if (operations[o].flags & OP_HOT)
				hot_pairs(o, h);
}

/* Each instruction of an operation by each of a handler, each stride-th pair. */
static void pairs_of(uint32_t o, uint32_t h, const struct handler *third, uint32_t stride)
{
	struct body *body = &run.operation[o], *handler = &run.handler[h];
	uint64_t nr = (uint64_t)body->trace.nr * handler->trace.nr;

	for (uint64_t pair = below(stride); pair < nr; pair += 1 + below(2 * stride - 1)) {
		if (is_over())
			return;
		try_one(&operations[o],
			&(struct interruption){ body, (uint32_t)(pair / handler->trace.nr), &handlers[h] },
			&(struct interruption){ handler, (uint32_t)(pair % handler->trace.nr), third });
	}
}

static void second_level(unsigned int flags, uint32_t stride)
{
	for (uint32_t o = 0; o < nr_operations; o++)
		for (uint32_t h = 0; h < nr_handlers && is_wanted(o); h++)
			if ((operations[o].flags & flags) == flags)
				pairs_of(o, h, &handlers[below(2)], stride);
}

static void at_random(void)
{
	while (!is_over()) {
		uint32_t o = below(nr_operations), h = below(nr_handlers);
		struct body *body = &run.operation[o], *handler = &run.handler[h];

		if (is_wanted(o) && body->trace.nr && handler->trace.nr)
			try_one(&operations[o],
				&(struct interruption){ body, below(body->trace.nr), &handlers[h] },
				&(struct interruption){ handler, below(handler->trace.nr),
							&handlers[below(nr_handlers)] });
	}
}

/* ---- report ---------------------------------------------------------------------------------- */

static uint32_t nr_hit(const struct body *body)
{
	uint32_t nr = 0;

	for (uint32_t at = 0; at < body->trace.nr; at++)
		nr += body->hit[at];
	return nr;
}

static void print_body(const char *what, const char *name, const struct body *body, uint64_t sum[2])
{
	uint32_t nr = nr_hit(body);

	printf("%s \"%s\": interrupted at %u of %u instructions\n", what, name, nr, body->trace.nr);
	sum[0] += nr;
	sum[1] += body->trace.nr;
}

/* Addresses are those in the file. */
static void write_hits(FILE *file, const struct body *body)
{
	extern uint8_t __executable_start[];

	for (uint32_t at = 0; at < body->trace.nr; at++)
		if (body->hit[at])
			fprintf(file, "%#lx\n", (unsigned long)(body->trace.at[at].address - __executable_start));
}

static int report(void)
{
	uint64_t sum[2] = { 0, 0 };
	FILE *file = run.hits ? fopen(run.hits, "w") : NULL;

	for (uint32_t o = 0; o < nr_operations; o++) {
		if (is_wanted(o))
			print_body("operation", operations[o].name, &run.operation[o], sum);
		if (file)
			write_hits(file, &run.operation[o]);
	}
	printf("operations: interrupted at %lu of %lu instructions\n", sum[0], sum[1]);
	printf("%lu runs in %.1f s: %lu interrupted, %lu twice\n", run.runs,
	       (double)(now_ns() - run.start_ns) / 1e9, run.interrupted[0], run.interrupted[1]);
	if (run.hits && (!file || fclose(file))) {
		fprintf(stderr, "cannot write %s: %s\n", run.hits, strerror(errno));
		return 2;
	}
	if (check.errors)
		fprintf(stderr, "%lu errors; again with --seed %lu\n", check.errors, run.seed);
	return check.errors != 0;
}

static void parse(int argc, char **argv)
{
	run.start_ns = run.seed = now_ns();
	for (int i = 1; i < argc; i++) {
		if (!strcmp(argv[i], "--long"))
			run.is_long = true;
		else if (!strcmp(argv[i], "--seed") && i + 1 < argc)
			run.seed = strtoull(argv[++i], NULL, 0);
		else if (!strcmp(argv[i], "--seconds") && i + 1 < argc)
			run.seconds = strtoull(argv[++i], NULL, 0);
		else if (!strcmp(argv[i], "--only") && i + 1 < argc)
			run.only = argv[++i];
		else if (!strcmp(argv[i], "--turns") && i + 1 < argc)
			run.turns = (uint32_t)strtoul(argv[++i], NULL, 0);
		else if (!strcmp(argv[i], "--hits") && i + 1 < argc)
			run.hits = argv[++i];
		else {
			fputs("usage: step_inside [--seed N] [--seconds N] [--turns N | --long] [--only TEXT] [--hits FILE]\n", stderr);
			exit(2);
		}
	}
	test.random = run.seed | 1;
	printf("seed %lu\n", run.seed);
	fflush(stdout);
}

int main(int argc, char **argv)
{
	int err;

	parse(argc, argv);
	err = step_init();
	if (err == -ENOTSUP) {
		puts("instructions are interrupted in plain x86-64 builds only");
		return 77;
	}
	if (!err)
		err = operations_begin();
	if (!err)
		err = trace_all();
	if (err) {
		fprintf(stderr, "cannot begin: %s\n", strerror(-err));
		return 2;
	}
	if (run.seconds)
		run.end_ns = now_ns() + run.seconds * 1000000000ull;
	if (run.seconds && !run.is_long) {
		read_appends();
		first_level(below(nr_handlers), 8);
		second_level(OP_SHORT, 800);
		at_random();
		return report();
	}
	read_appends();
	for (uint32_t turn = 0, of = run.is_long ? nr_handlers : run.turns ? run.turns : 4; turn < of; turn++)
		first_level(turn * nr_handlers / of, 1);
	if (run.turns)
		return report();
	every_hot_pair(run.is_long ? nr_handlers : 2);
	second_level(OP_SHORT, run.is_long ? 20 : 2000);
	second_level(0, run.is_long ? 200 : 50000);
	return report();
}
