// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * Where everything is recorded: what a thread does first, which gives it a context and a frame that stays. A handler
 * comes in at each instruction of it, and at some of them another one, in the first or soon after it. Afterwards
 *
 *   what was emitted, then and later, is found or counted as lost, each record once
 *   no area is missing
 *
 * --only TEXT: first things whose name has it. --seed N. x86-64 only: exits with 77 elsewhere.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <covbuf/covbuf.h>
#include <covbuf/segment.h>

#include "emit.h"
#include "step.h"

#define NR_AREAS 16
#define NR_RECORDS 64
#define NR_PAIRS 6000 /* of each first thing and kind */
#define NEXT 32 /* instructions */
#define HANDLE (COVBUF_SUBSYSTEM_USER | 1)

static struct {
	struct covbuf_segment *segment;
	uint32_t marks[NR_RECORDS + 1]; /* of sites; each is recorded once at most */
	bool is_attached, sure[NR_RECORDS + 1];
	uint32_t apart, nr, found[NR_RECORDS + 1];
	uint64_t random, runs, interrupted[STEP_LEVELS], errors;
} test;

/* ---- what is done first, and by handlers ------------------------------------------------------- */

/*
 * Whether the next record must be kept, or counted. Not where handlers record apart, or interrupt an unwind, nor by a
 * thread that may have been shut before there was a segment.
 */
static bool must_collect(void)
{
	return !test.apart && (test.is_attached || emit_collects(covbuf_context(), COVBUF_MODE_PC));
}

static void record(void)
{
	uint32_t i = __atomic_add_fetch(&test.nr, 1, __ATOMIC_RELAXED);

	test.sure[i] = must_collect();
	covbuf_trace_pc_site(&test.marks[i], i, i);
}

static void section(void)
{
	covbuf_token token = covbuf_remote_start(HANDLE);

	record();
	covbuf_remote_stop(token);
	record();
}

static void apart(void)
{
	test.apart++;
	covbuf_signal_leave(covbuf_signal_enter(NULL));
	test.apart--;
	record();
}

static void apart_in_section(void)
{
	covbuf_token token = covbuf_remote_start(HANDLE);

	apart();
	covbuf_remote_stop(token);
	record();
}

/* As another thread's attach would, if it came just then. */
static void attached(void)
{
	covb_store_release(&covb_engine.state, COVB_ENGINE_ATTACHED);
	record();
}

/* To before the thread's first record: what it was born with is popped, and for a moment nothing collects. */
static void unwind(void)
{
	const struct covbuf_mark mark = { 0 };

	test.apart++;
	covbuf_unwind(&mark);
	test.apart--;
}

/* As a jump leaves it, out of a handler that interrupted the opening: there is a context, and nothing on top. */
static void cut_short(void)
{
	covb_engine.automatic.enabled = 0;
	covb_context_open(covbuf_context());
	covb_engine.automatic.enabled = 1;
}

static void open_context(void)
{
	covb_context_open(covbuf_context());
}

static const struct {
	const char *name;
	step_fn run;
} handlers[] = {
	{ "record", record },
	{ "section", section },
	{ "apart", apart },
	{ "apart in a section", apart_in_section },
	{ "attached", attached },
};
#define NR_HANDLERS (sizeof(handlers) / sizeof(handlers[0]))

static const struct first_thing {
	const char *name;
	step_fn run;
	enum covb_engine_state state; /* before it */
	step_fn before;
} first_things[] = {
	{ "record", record, COVB_ENGINE_ATTACHED, NULL },
	{ "section", section, COVB_ENGINE_ATTACHED, NULL },
	{ "apart", apart, COVB_ENGINE_ATTACHED, NULL },
	{ "record, not attached", record, COVB_ENGINE_OFF, NULL },
	{ "unwind", unwind, COVB_ENGINE_ATTACHED, NULL },
	{ "unwind, the opening cut short", unwind, COVB_ENGINE_ATTACHED, cut_short },
	{ "unwind, opened", unwind, COVB_ENGINE_ATTACHED, open_context },
};

static uint32_t below(uint32_t n)
{
	return stamp_below(&test.random, n);
}

static const char *name_of(step_fn run)
{
	for (uint32_t h = 0; h < NR_HANDLERS; h++)
		if (handlers[h].run == run)
			return handlers[h].name;
	return "nothing";
}

/* As the file has it. */
static uint64_t place(const struct step_instruction *at)
{
	extern uint8_t __executable_start[];

	return (uint64_t)(at->address - __executable_start);
}

/* ---- one run ----------------------------------------------------------------------------------- */

static void be_born_again(const struct first_thing *first)
{
	covb_context_close(covbuf_context());
	covbuf_drain(test.segment, 0, NULL, NULL, NULL);
	covb_context_forget(covbuf_context(), true);
	covb_store(&covb_engine.state, first->state);
	test.is_attached = first->state == COVB_ENGINE_ATTACHED;
	if (first->before)
		first->before();
	covbuf_context()->hint = 0;
	test.nr = 0;
	memset(test.marks, 0, sizeof(test.marks));
	memset(test.found, 0, sizeof(test.found));
}

static int look(const struct covbuf_batch *batch, void *arg)
{
	(void)arg;
	for (uint64_t i = 0; i < batch->nr_words; i++)
		if (batch->words[i] && batch->words[i] <= NR_RECORDS)
			test.found[batch->words[i]]++;
	return 0;
}

static uint64_t lost(void)
{
	uint64_t sum = 0;

	for (uint32_t c = 0; c < covb_engine.nr_contexts; c++)
		sum += covb_load(&covb_engine.contexts[c].lost[COVBUF_LOST_NO_AREA]) +
		       covb_load(&covb_engine.contexts[c].lost[COVBUF_LOST_FULL]);
	for (uint32_t p = 0; p < covb_engine.nr_procs; p++)
		sum += covb_load(&covb_engine.procs[p].lost[COVBUF_LOST_NO_AREA]) +
		       covb_load(&covb_engine.procs[p].lost[COVBUF_LOST_FULL]);
	return sum;
}

/* Says what is wrong. */
static const char *judge(uint64_t lost_before)
{
	uint64_t missing = 0, perhaps = 0, now;

	record();
	covb_store(&covb_engine.state, COVB_ENGINE_ATTACHED);
	covb_context_close(covbuf_context());
	if (covbuf_drain(test.segment, COVBUF_DRAIN_LIVE, look, NULL, NULL))
		return "the drain failed";
	for (uint32_t i = 1; i <= test.nr; i++) {
		if (test.found[i] > 1)
			return "a record was found twice";
		missing += test.sure[i] && !test.found[i];
		perhaps += !test.sure[i] && !test.found[i];
	}
	now = lost() - lost_before;
	if (now > missing + perhaps)
		return "more was counted as lost than was";
	if (now < missing)
		return "a record was neither found nor counted";
	if (covbuf_segment_free_areas(test.segment, 0) != NR_AREAS)
		return "an area is missing";
	return NULL;
}

static void try_one(const struct first_thing *first, const struct step_plan *plan)
{
	uint64_t lost_before;
	const char *fault;
	uint32_t levels;

	be_born_again(first);
	lost_before = lost();
	levels = step_run(plan);
	test.runs++;
	for (uint32_t l = 0; l < levels; l++)
		test.interrupted[l]++;
	fault = judge(lost_before);
	if (!fault)
		return;
	test.errors++;
	fprintf(stderr, "FAIL: %s: first \"%s\" at %#lx by \"%s\"", fault, first->name, place(plan->at[0]),
		name_of(plan->body[1]));
	if (plan->at[1])
		fprintf(stderr, ", in it at %#lx by \"%s\"", place(plan->at[1]), name_of(plan->body[2]));
	if (plan->then)
		fprintf(stderr, ", then at %#lx by \"%s\"", place(&plan->then_at), name_of(plan->then));
	fputc('\n', stderr);
}

static step_fn any_handler(void)
{
	return handlers[below(NR_HANDLERS)].run;
}

/* A handler in another one. */
static void try_nested(const struct first_thing *first, const struct step_trace *trace, const struct step_trace *in)
{
	uint32_t h = below(NR_HANDLERS);
	const struct step_plan plan = { .body = { first->run, handlers[h].run, any_handler() },
					.at = { &trace->at[below(trace->nr)], &in[h].at[below(in[h].nr)] } };

	try_one(first, &plan);
}

/* One soon after another one. */
static void try_next(const struct first_thing *first, const struct step_trace *trace)
{
	uint32_t at = below(trace->nr), end = at + below(NEXT), then = end < trace->nr ? end : at;
	struct step_plan plan = { .body = { first->run, any_handler() }, .at = { &trace->at[at] },
				  .then = any_handler(), .then_at = { .address = trace->at[then].address } };

	for (; at < then; at++)
		plan.then_at.occurrence += trace->at[at].address == plan.then_at.address;
	try_one(first, &plan);
}

static void try_first(const struct first_thing *first, const struct step_trace *in)
{
	struct step_trace trace = { 0 };

	be_born_again(first);
	step_record(&trace, first->run);
	for (uint32_t at = 0; at < trace.nr && !test.errors; at++)
		for (uint32_t h = 0; h < NR_HANDLERS; h++)
			try_one(first, &(struct step_plan){ .body = { first->run, handlers[h].run },
							    .at = { &trace.at[at] } });
	for (uint32_t n = 0; n < NR_PAIRS && !test.errors; n++) {
		try_nested(first, &trace, in);
		try_next(first, &trace);
	}
	printf("first \"%s\": %u instructions\n", first->name, trace.nr);
	step_trace_free(&trace);
}

static int begin(void)
{
	struct covbuf_segment_options options = { .limit_bytes = 16u << 20, .initial_bytes = NR_AREAS * 65536,
						  .nr_contexts = 8, .nr_procs = 4, .nr_owners = 8,
						  .automatic = { .enabled = 1 } };
	const uint64_t handle = HANDLE;
	struct covbuf_owner *owner;
	int err = covbuf_segment_create(NULL, &options, &test.segment, NULL);

	if (!err)
		err = covbuf_attach_segment(test.segment);
	if (!err)
		err = covbuf_segment_consume(test.segment);
	if (!err)
		err = covbuf_owner_create(NULL, &owner);
	if (!err)
		err = covbuf_remote_enable(owner, &handle, 1, 0);
	return err;
}

int main(int argc, char **argv)
{
	struct step_trace in[NR_HANDLERS] = { 0 };
	struct timespec now;
	const char *only = "";
	uint64_t seed;
	int err;

	clock_gettime(CLOCK_MONOTONIC, &now);
	seed = (uint64_t)now.tv_sec * 1000000000ull + (uint64_t)now.tv_nsec;
	for (int i = 1; i + 1 < argc; i += 2) {
		if (!strcmp(argv[i], "--seed"))
			seed = strtoull(argv[i + 1], NULL, 0);
		else if (!strcmp(argv[i], "--only"))
			only = argv[i + 1];
	}
	test.random = seed | 1;
	err = step_init();
	if (err == -ENOTSUP) {
		puts("instructions are interrupted in plain x86-64 builds only");
		return 77;
	}
	if (!err)
		err = begin();
	if (err) {
		fprintf(stderr, "cannot begin: %s\n", strerror(-err));
		return 2;
	}
	printf("seed %lu\n", seed);
	for (uint32_t h = 0; h < NR_HANDLERS; h++) {
		be_born_again(&first_things[0]);
		step_record(&in[h], handlers[h].run);
	}
	for (uint32_t f = 0; f < sizeof(first_things) / sizeof(first_things[0]); f++)
		if (strstr(first_things[f].name, only))
			try_first(&first_things[f], in);
	printf("%lu runs: %lu interrupted, %lu twice\n", test.runs, test.interrupted[0], test.interrupted[1]);
	if (test.errors)
		fprintf(stderr, "%lu errors; again with --seed %lu\n", test.errors, seed);
	return test.errors != 0;
}
