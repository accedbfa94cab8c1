// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * A signal at every instruction: each operation of the engine is run once with the processor's trap flag
 * set, to see which instructions it has; then again and again with a breakpoint at one of them, whose
 * handler does what a signal handler might do, and may itself be interrupted at an instruction of its
 * own. (Stepping each time would cost a trap for each instruction.) Afterwards the books must balance to
 * the record: emitted = found + lost, each record in its own section, every area free and zero. A reader
 * sees whole records at any instruction.
 *
 *   every instruction of each operation, with each kind of handler
 *   an append's few instructions, by every instruction of a handler that starts and stops a section
 *   pairs at random, for the rest of the time
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
#include "step.h"

#define NR_AREAS 16
#define NR_LEVELS STEP_LEVELS

enum { PLAIN, GROW, UNIQUE, RING, CMP, KCOV, GROW_CMP, NR_KINDS };

static const struct covbuf_owner_options kinds[NR_KINDS] = {
	[PLAIN] = { .name = "plain" },
	[GROW] = { .flags = COVBUF_OWNER_GROW, .name = "grow" },
	[UNIQUE] = { .flags = COVBUF_OWNER_UNIQUE_CONTEXT, .name = "unique" },
	[RING] = { .kind = COVBUF_RING, .name = "ring" },
	[CMP] = { .mode = COVBUF_MODE_CMP, .name = "cmp" },
	[KCOV] = { .flags = COVBUF_OWNER_KCOV, .name = "kcov" },
	[GROW_CMP] = { .mode = COVBUF_MODE_CMP, .flags = COVBUF_OWNER_GROW, .name = "grow cmp" },
};

static struct {
	uint64_t seed, random;
	uint32_t seconds;
	struct covbuf_segment *segment;
	struct covbuf_owner *owner[NR_KINDS];
	uint64_t tickets[64];
	uint32_t marks[NR_LEVELS], section[NR_LEVELS];
	uint64_t runs, hits[NR_LEVELS];
} test = { .seconds = 6 };

/* ---- what is done, at any level -------------------------------------------------------------- */

/* What is long and need not be interrupted. */
#define UNSTEPPED(what)                                                                            \
	do {                                                                                       \
		step_pause();                                                                      \
		what;                                                                              \
		step_resume();                                                                     \
	} while (0)

static void emit(void)
{
	uint32_t level = step_level();
	struct check_source *source = &check.source[0][level];
	struct stamp stamp = {
		.level = level, .section = test.section[level], .round = check.round, .number = source->emitted,
	};

	if (emit_one(stamp_make(&stamp)))
		source->emitted++;
}

static void emit_marked(void)
{
	uint32_t level = step_level();
	struct check_source *source = &check.source[0][level];
	struct stamp stamp = {
		.level = level, .section = test.section[level], .round = check.round, .number = source->emitted,
	};

	if (emit_site(stamp_make(&stamp), &test.marks[level], level))
		source->emitted++;
}

static void emit_many(uint32_t n)
{
	while (n--)
		emit();
}

/* Leave this many slots of the area on top. */
static void fill_but(uint32_t nr_slots)
{
	struct covbuf_context *ctx = covbuf_context();
	struct covb_frame *top = ctx->top;
	uint32_t step_words = top->mode == COVBUF_MODE_CMP ? COVBUF_CMP_WORDS : 1;

	if (top->kind == COVBUF_RING)
		emit_many((uint32_t)(top->mask + 1) - nr_slots);
	else if (top->kind == COVBUF_LINEAR)
		emit_many((uint32_t)(top->end - ctx->cursor[top->mode]) / step_words - nr_slots);
}

static covbuf_token start(uint32_t kind)
{
	uint32_t level = step_level();
	struct check_source *source = &check.source[0][level];
	covbuf_token token = covbuf_push(test.owner[kind]);

	if (!token)
		return 0;
	test.section[level] = ++source->sections;
	source->section[test.section[level]] = (struct check_section){ token, 0 };
	return token;
}

static void stop(covbuf_token token, uint32_t outer)
{
	if (token && covbuf_pop(token))
		check_fail("a section cannot be stopped at level %u", step_level());
	test.section[step_level()] = outer;
}

static void section_of(uint32_t kind)
{
	uint32_t outer = test.section[step_level()];
	covbuf_token token = start(kind);

	emit();
	stop(token, outer);
	emit();
}

/* One that is full when it stops. */
static void full_section_of(uint32_t kind)
{
	uint32_t outer = test.section[step_level()];
	covbuf_token token = start(kind);

	UNSTEPPED(fill_but(0));
	emit();
	stop(token, outer);
}

static void empty_pool(uint32_t leave)
{
	uint64_t *words, nr_words;

	for (uint32_t n = 0; n < 64; n++)
		if (!test.tickets[n] && covbuf_area_take(0, &words, &nr_words, &test.tickets[n]))
			break;
	for (uint32_t n = 0; n < 64 && leave; n++)
		if (test.tickets[n]) {
			covbuf_area_give(test.tickets[n]);
			test.tickets[n] = 0;
			leave--;
		}
}

static void fill_pool(void)
{
	for (uint32_t i = 0; i < 64; i++) {
		if (test.tickets[i])
			covbuf_area_give(test.tickets[i]);
		test.tickets[i] = 0;
	}
}

/* One section whose start finds the pool empty. */
static void section_without(void)
{
	uint32_t outer = test.section[step_level()];
	covbuf_token token;

	UNSTEPPED(empty_pool(0));
	token = start(PLAIN);
	emit();
	stop(token, outer);
	UNSTEPPED(fill_pool());
}

/* A section that starts without an area and gets one. */
static void section_late(void)
{
	uint32_t outer = test.section[step_level()];
	covbuf_token inner, token;

	UNSTEPPED(empty_pool(0));
	token = start(GROW);
	inner = start(GROW);
	UNSTEPPED(fill_pool());
	emit_many(2);
	(void)inner; /* abandoned */
	stop(token, outer);
}

static void emit_four(void) { emit_many(4); }
static void section_of_plain(void) { section_of(PLAIN); }
static void section_of_grow(void) { section_of(GROW); }
static void section_of_cmp(void) { section_of(CMP); }
static void section_of_ring(void) { section_of(RING); }
static void section_of_unique(void) { section_of(UNIQUE); }
static void section_of_kcov(void) { section_of(KCOV); }
static void full_section(void) { full_section_of(PLAIN); }
static void full_ring_section(void) { full_section_of(RING); }
static void full_cmp_section(void) { full_section_of(CMP); }
static void give_areas(void) { UNSTEPPED(fill_pool()); emit(); }

static void nested_sections(void)
{
	uint32_t outer = test.section[step_level()];
	covbuf_token token = start(GROW);

	section_of(CMP);
	section_of(PLAIN);
	stop(token, outer);
}

static void abandoned_section(void)
{
	uint32_t outer = test.section[step_level()];
	covbuf_token token = start(PLAIN);

	emit();
	start(RING);
	emit();
	stop(token, outer);
}

static void apart(void)
{
	covbuf_token token = covbuf_signal_enter(NULL);

	emit();
	covbuf_signal_leave(token);
	emit();
}

static void ticket(void)
{
	uint64_t *words, nr_words, t;

	if (covbuf_area_take(0, &words, &nr_words, &t))
		return;
	for (uint32_t i = 0; i < 8; i++)
		if (words[i])
			check_fail("an area that was taken is not empty");
	if (covbuf_area_give(t) || covbuf_area_give(t) != -ESTALE)
		check_fail("an area is not given once");
}

static void marked(void)
{
	emit_marked();
	emit_marked();
}

static void unwound(void)
{
	struct covbuf_mark mark;
	uint32_t outer = test.section[step_level()];

	covbuf_mark(&mark);
	start(PLAIN);
	emit();
	test.section[step_level()] = outer;
	if (covbuf_unwind(&mark))
		check_fail("cannot unwind");
	emit();
}

/* What a reader sees at this instruction: records that are whole, or none. */
static void look(void)
{
	for (uint32_t i = 0; i < covb_load_acquire(covb_engine.nr_areas); i++) {
		const struct covbuf_area *area = &covb_engine.areas[i];
		const uint64_t *words = (const uint64_t *)(covb_engine.base + area->offset_bytes);
		struct stamp s;

		if (COVBUF_FLAG_STATE(area->flag) != COVBUF_AREA_HELD || area->mode != COVBUF_MODE_CMP ||
		    area->kind == COVBUF_COUNTED)
			continue;
		for (uint32_t k = 0; k + COVBUF_CMP_WORDS <= area->nr_words; k += COVBUF_CMP_WORDS)
			if (stamp_read(words[k + 3], &s) && !stamp_whole(&words[k], COVBUF_MODE_CMP))
				check_fail("%#lx is seen when it is not whole", words[k + 3]);
	}
}

static void drain(unsigned int flags)
{
	struct covbuf_drained drained;
	struct check_floor floor;

	check_take_floor(&floor);
	if (covbuf_drain(test.segment, flags, check_batch, &floor, &drained))
		check_fail("cannot drain");
	/*
	 * Nothing is stale or cut short here. But an append that found its ring full, and was interrupted by
	 * a consumer and appends before it put the index back, leaves a slot for the next one to fill.
	 */
	if (drained.lost >= NR_LEVELS)
		check_fail("%lu slots were claimed and never filled", drained.lost);
}

/* The consumer takes what there is in rings; then there is room for what follows. */
static void consume(void)
{
	UNSTEPPED(drain(COVBUF_DRAIN_LIVE));
	emit_many(2);
}

/* ---- operations: the state they begin in, and what is stepped -------------------------------- */

struct operation {
	const char *name;
	uint32_t kind;		/* of the section that it is done in */
	int room;		/* slots left in it; -1: not filled */
	uint32_t pool;		/* areas left in the pool; 0: all */
	step_fn body;
};

static const struct operation operations[] = {
	{ "append", PLAIN, -1, 0, emit },
	{ "append the last", PLAIN, 1, 0, emit },
	{ "append to a full area", PLAIN, 0, 0, emit },
	{ "append cmp", CMP, -1, 0, emit },
	{ "append the last cmp", CMP, 1, 0, emit },
	{ "append and grow", GROW, 0, 0, emit },
	{ "append the last and grow", GROW, 1, 0, emit },
	{ "append cmp and grow", GROW_CMP, 0, 0, emit },
	{ "append to a ring", RING, -1, 0, emit },
	{ "append to a full ring", RING, 1, 0, emit },
	{ "appends where a ring ends", RING, 1, 0, emit_four },
	{ "append once", UNIQUE, -1, 0, marked },
	{ "section", PLAIN, -1, 0, section_of_plain },
	{ "section in a full area", PLAIN, 0, 0, section_of_plain },
	{ "section of cmp", PLAIN, -1, 0, section_of_cmp },
	{ "section of a ring", GROW, 0, 0, section_of_ring },
	{ "section of a ring in one", RING, -1, 0, section_of_ring },
	{ "unique section in one", UNIQUE, -1, 0, section_of_unique },
	{ "section that is merged", KCOV, -1, 0, section_of_kcov },
	{ "last area", PLAIN, -1, 1, section_of_grow },
	{ "section without an area", PLAIN, -1, 0, section_without },
	{ "section that gets an area late", GROW, -1, 0, section_late },
	{ "abandoned section", PLAIN, 2, 0, abandoned_section },
	{ "unwind", PLAIN, -1, 0, unwound },
	{ "take and give", PLAIN, -1, 0, ticket },
	{ "signal apart", PLAIN, -1, 0, apart },
};
#define NR_OPERATIONS (sizeof(operations) / sizeof(operations[0]))

static const step_fn handlers[] = {
	emit, section_of_plain, section_of_cmp, section_of_kcov, full_section, section_without, nested_sections,
	give_areas, full_ring_section, full_cmp_section, abandoned_section, section_late, apart, ticket, unwound, marked, consume,
};
#define NR_HANDLERS (sizeof(handlers) / sizeof(handlers[0]))

/* ---- one run --------------------------------------------------------------------------------- */

static uint64_t lost_records(void)
{
	return check_lost(COVBUF_LOST_FULL) + check_lost(COVBUF_LOST_NO_AREA) + check_lost(COVBUF_LOST_STALE);
}

static void collect_all(void)
{
	uint64_t *words, nr_words;

	covbuf_owner_target(test.owner[KCOV], &words, &nr_words);
	check_target(words, nr_words, COVBUF_MODE_PC);
	drain(0);
}

struct place {
	const struct step_trace *trace;
	uint32_t at;
};

static void prepare(const struct operation *op, covbuf_token *token)
{
	check_new_round((uint32_t)test.runs++);
	memset(test.section, 0, sizeof(test.section));
	memset(test.marks, 0, sizeof(test.marks));
		*token = start(op->kind);
	if (op->room >= 0)
		fill_but((uint32_t)op->room);
	if (op->pool)
		empty_pool(op->pool);
}

static void finish(covbuf_token token)
{
	fill_pool();
	stop(token, 0);
	if (covbuf_context()->top)
		check_fail("a frame is left on the stack");
	collect_all();
}

/* The operation, with first at a place in it, and second at a place in first. Either may be NULL. */
static void run(const struct operation *op, const struct place *in_op, step_fn first, const struct place *in_first,
		step_fn second)
{
	uint32_t interrupted;
	uint64_t lost = lost_records(), dropped = check_dropped(), emitted = 0, errors = check.errors;
	covbuf_token token;

	prepare(op, &token);
	interrupted = step_run(&(struct step_plan){
		.body = { op->body, first, second },
		.at = { in_op ? &in_op->trace->at[in_op->at] : NULL, in_first ? &in_first->trace->at[in_first->at] : NULL },
	});
	for (uint32_t l = 0; l < interrupted; l++)
		test.hits[l]++;
	finish(token);
	for (uint32_t l = 0; l < NR_LEVELS; l++)
		emitted += check.source[0][l].emitted;
	lost = lost_records() - lost + check_dropped() - dropped;
	if (check.found + lost != emitted)
		check_fail("%lu emitted; %lu found, %lu lost", emitted, check.found, lost);
	if (check_areas(1) != NR_AREAS + 1) /* one is the target */
		check_fail("an area is missing");
	if (check.errors != errors)
		check_fail("in \"%s\" at instruction %u, handler's at %u", op->name, in_op ? in_op->at : 0,
			   in_first ? in_first->at : 0);
}

/* Which instructions it has. */
static void trace_operation(const struct operation *op, struct step_trace *trace)
{
	covbuf_token token;

	prepare(op, &token);
	step_record(trace, op->body);
	finish(token);
}

static struct step_trace traces[NR_OPERATIONS], handler_traces[NR_HANDLERS];

static void trace_all(void)
{
	for (uint32_t o = 0; o < NR_OPERATIONS; o++)
		trace_operation(&operations[o], &traces[o]);
	for (uint32_t h = 0; h < NR_HANDLERS; h++) {
		struct operation op = { "handler", PLAIN, -1, 0, handlers[h] };

		trace_operation(&op, &handler_traces[h]);
	}
}

static uint32_t below(uint32_t n)
{
	return stamp_below(&test.random, n);
}

static uint64_t now_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000000000ull + (uint64_t)now.tv_nsec;
}

/* Each instruction of each operation. */
static void every_instruction(void)
{
	for (uint32_t o = 0; o < NR_OPERATIONS; o++)
		for (uint32_t at = 0; at < traces[o].nr && !check.errors; at++) {
			struct place place = { &traces[o], at };

			run(&operations[o], &place, handlers[below(NR_HANDLERS)], NULL, NULL);
			if (kinds[operations[o].kind].mode == COVBUF_MODE_CMP)
				run(&operations[o], &place, look, NULL, NULL);
			if (kinds[operations[o].kind].kind == COVBUF_RING)
				run(&operations[o], &place, consume, NULL, NULL);
		}
}

/* The end of an append, where its slot is claimed and tested and not filled, by each instruction of a section. */
static void append_by_handlers(uint32_t stride)
{
	for (uint32_t o = 0; o < 4; o++)
		for (uint32_t h = 0; h < NR_HANDLERS; h++)
			for (uint32_t at = below(stride); at < handler_traces[h].nr && !check.errors; at += stride) {
				uint32_t window = traces[o].nr < 16 ? traces[o].nr : 16;
				struct place in_op = { &traces[o], traces[o].nr - 1 - below(window) };
				struct place in_first = { &handler_traces[h], at };

				run(&operations[o], &in_op, handlers[h], &in_first, emit);
			}
}

static void at_random(uint64_t end_ns)
{
	while (now_ns() < end_ns && !check.errors) {
		uint32_t o = below(NR_OPERATIONS), h = below(NR_HANDLERS);
		struct place in_op = { &traces[o], below(traces[o].nr) };
		struct place in_first = { &handler_traces[h], below(handler_traces[h].nr) };

		run(&operations[o], &in_op, handlers[h], &in_first, handlers[below(NR_HANDLERS)]);
	}
}

static void parse(int argc, char **argv)
{
	test.seed = now_ns();
	for (int i = 1; i + 1 < argc; i += 2) {
		uint64_t value = strtoull(argv[i + 1], NULL, 0);

		if (!strcmp(argv[i], "--seed"))
			test.seed = value;
		else if (!strcmp(argv[i], "--seconds"))
			test.seconds = (uint32_t)value;
		else
			exit(2);
	}
	test.random = test.seed | 1;
	printf("seed %lu\n", test.seed);
	fflush(stdout);
}

static int begin(void)
{
	struct covbuf_segment_options options = { .limit_bytes = 16u << 20, .initial_bytes = NR_AREAS * 65536,
						  .nr_contexts = 16, .nr_procs = 4, .nr_owners = 16 };
	static const uint64_t handle = COVBUF_SUBSYSTEM_USER;
	int err = covbuf_segment_create(NULL, &options, &test.segment, NULL);

	if (!err)
		err = covbuf_attach_segment(test.segment);
	if (!err)
		err = covbuf_segment_consume(test.segment);
	if (err || check_init(1))
		return -1;
	covb_sites_reserve(NR_LEVELS);
	check.by_token = true;
	for (uint32_t k = 0; k < NR_KINDS; k++) {
		uint64_t h = handle | (k + 1);

		if (k == KCOV)
			covbuf_pool_grow(0, 1);
		if (covbuf_owner_create(&kinds[k], &test.owner[k]) ||
		    covbuf_remote_enable(test.owner[k], &h, 1, 0))
			return -1;
	}
	/* long loops over words that are nobody else's */
	step_skip((const void *)(uintptr_t)covb_ring_prepare);
	step_skip((const void *)(uintptr_t)covb_pool_discard);
	return 0;
}

int main(int argc, char **argv)
{
	uint64_t start_ns = now_ns();

	parse(argc, argv);
	if (step_init()) {
		puts("instructions are interrupted in plain x86-64 builds only");
		return 77;
	}
	if (begin()) {
		fputs("cannot begin\n", stderr);
		return 2;
	}
	trace_all();
	every_instruction();
	append_by_handlers(test.seconds > 30 ? 1 : 4);
	at_random(start_ns + test.seconds * 1000000000ull);
	printf("%lu runs in %.1f s: %lu interrupted, %lu twice\n", test.runs, (double)(now_ns() - start_ns) / 1e9,
	       test.hits[0], test.hits[1]);
	if (check.errors)
		fprintf(stderr, "%lu errors; again with --seed %lu\n", check.errors, test.seed);
	return check.errors != 0;
}
