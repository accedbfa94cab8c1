// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * kill -9 at every instruction: each operation of the engine is done again and again by a process of its
 * own, which dies at one instruction after the other. Each time the segment is judged (judge.h): what was
 * recorded is there and whole, the books balance, the audit takes back all that the dead held, and a new
 * process works on in the same segment, with exact books. Then the same for death in a signal handler that
 * came in at an instruction of the operation.
 *
 * Of an operation with more points than --limit every n-th is tried, from an offset that the seed says.
 * --long: all of them. Points are instructions of the engine and shm in the order in which they were
 * first run, loops for their first turns; death in the C library or the kernel is death at the call.
 *
 * On x86-64 the stores of a processor become visible in order, so a process that dies leaves all that it
 * stored before and nothing that it would have stored after. On POWER they may drain in any order: which
 * orders matter is what tests/litmus decides.
 *
 * x86-64 only: exits with 77 elsewhere.
 */
#define _GNU_SOURCE
#include <stdio.h>
#include <unistd.h>

#include "driver.h"

static struct judge judges[NR_WORLDS];
static struct step_trace traces[OPERATIONS_MAX], handler_traces[HANDLERS_MAX];

struct place {
	const struct operation *op;
	const struct step_instruction *at;
	const struct handler *handler; /* that comes in there; NULL: death does */
	const struct step_instruction *at_in_handler;
};

static void run_victim(const struct place *place)
{
	struct step_plan plan = { .body = { place->op->body, driver_die }, .at = { place->at } };

	if (place->handler) {
		plan.body[1] = place->handler->body;
		plan.body[2] = driver_die;
		plan.at[1] = place->at_in_handler;
	}
	if (victim_set_up(place->op))
		_exit(CANNOT);
	if (!place->at)
		driver_record(place->op->body);
	step_run(&plan);
	_exit(SURVIVED);
}

static const char *place_name(const struct place *place)
{
	static char text[160];

	if (!place->at)
		return place->op->name;
	if (!place->handler)
		snprintf(text, sizeof(text), "%s, at +%#lx, turn %u", place->op->name, driver_offset(place->at),
			 place->at->occurrence);
	else
		snprintf(text, sizeof(text), "%s, at +%#lx, turn %u, handler \"%s\", at +%#lx, turn %u",
			 place->op->name, driver_offset(place->at), place->at->occurrence, place->handler->name,
			 driver_offset(place->at_in_handler), place->at_in_handler->occurrence);
	return text;
}

/* What the books may lack, and have too much. */
static struct judge_limits limits_of(const struct place *place, bool died)
{
	const uint32_t flags = place->op->flags, in_handler = place->handler ? place->handler->flags : 0;
	struct judge_limits limits = { .in_hand = flags & COLLECTS, .open = books_open() };

	if (!died) {
		/* a handler that merges, and does not come to its point: all of what was queued is in the target by then */
		if (flags & CLEARS && in_handler & MAY_GIVE)
			limits.open = books_begun();
		return limits;
	}
	limits.open += !!(flags & MAY_DROP);
	limits.again_areas = !!(flags & MAY_GIVE) + !!(in_handler & MAY_GIVE);
	limits.recounted = flags & LOST_BEFORE ? JUDGE_LOST_BEFORE : 0;
	return limits;
}

/* Without a point it is recorded. Returns whether it died, which it does not if it does not come to the point. */
static bool judge_one(const struct place *place)
{
	const struct operation *op = place->op;
	struct judge *judge = &judges[op->world];
	uint64_t errors = books->errors;
	struct judge_limits limits;
	bool died;
	pid_t pid;

	judge_new_round(judge, driver.rounds++);
	if (op->flags & LOST_BEFORE)
		judge_lose_before(judge);
	if (op->flags & NO_CONSUMER)
		driver_consume(judge->segment, false);
	if (driver_fork(&pid))
		run_victim(place);
	died = driver_wait(pid);
	if (op->flags & NO_CONSUMER)
		driver_consume(judge->segment, true);
	limits = limits_of(place, died);
	judge_books(judge, &limits);
	judge_pool(judge);
	if (died)
		driver_work_on(judge, op->world);
	driver.kills += died;
	driver.survived += !died;
	if (books->errors != errors)
		fprintf(stderr, "  in \"%s\"\n", place_name(place));
	return died;
}

static bool trace_one(const struct operation *op, struct step_trace *trace)
{
	const struct place place = { .op = op };

	judge_one(&place);
	if (driver_recorded(trace))
		return true;
	books_fail("\"%s\" cannot be recorded", op->name);
	return false;
}

static void every_point(uint32_t o)
{
	const struct step_trace *trace = &traces[o];
	uint32_t stride = driver_stride(trace), tried = 0, hit = 0;

	for (uint32_t at = (uint32_t)(driver.seed % stride); at < trace->nr && !books->errors; at += stride) {
		const struct place place = { .op = &operations[o], .at = &trace->at[at] };

		hit += judge_one(&place);
		tried++;
	}
	driver_expect_hits(operations[o].name, tried, hit);
	printf("%-36s %5u points, %5u tried, %5u hit\n", operations[o].name, trace->nr, tried, hit);
	fflush(stdout);
}

/* ---- death in handlers ----------------------------------------------------------------------- */

static bool trace_handlers(void)
{
	for (uint32_t h = 0; h < nr_handlers; h++) {
		const struct operation op = handler_alone(&handlers[h]);

		if (!trace_one(&op, &handler_traces[h]))
			return false;
	}
	return true;
}

/* At a point of a handler that came in at some point of some operation. */
static bool in_handler(uint32_t h, uint32_t at)
{
	struct operation op;
	struct place place;
	uint32_t o;

	do
		o = stamp_below(&driver.random, nr_operations);
	while (!traces[o].nr || operations[o].unattached || operations[o].world != ASKED);
	op = with_handlers(&operations[o]);
	place = (struct place){
		.op = &op,
		.at = &traces[o].at[stamp_below(&driver.random, traces[o].nr)],
		.handler = &handlers[h],
		.at_in_handler = &handler_traces[h].at[at],
	};
	return judge_one(&place);
}

static void handlers_at_random(uint64_t end_ns)
{
	uint32_t tried = 0, hit = 0;

	for (; driver_now_ns() < end_ns && !books->errors; tried++) {
		uint32_t h = stamp_below(&driver.random, nr_handlers);

		hit += in_handler(h, stamp_below(&driver.random, handler_traces[h].nr));
	}
	printf("%-36s %19u tried, %5u hit\n", "in handlers", tried, hit);
}

static void handlers_at_every_point(void)
{
	for (uint32_t h = 0; h < nr_handlers; h++) {
		uint32_t hit = 0, nr = handler_traces[h].nr;

		for (uint32_t at = 0; at < nr && !books->errors; at++)
			for (uint32_t try = 0; try < 4; try++) /* an operation may never come to its point */
				if (in_handler(h, at)) {
					hit++;
					break;
				}
		printf("in handler %-25s %5u points, %5u hit\n", handlers[h].name, nr, hit);
		fflush(stdout);
	}
}

int main(int argc, char **argv)
{
	int ended = driver_begin(argc, argv);

	if (ended >= 0)
		return ended;
	for (enum victim_world w = ASKED; w <= AUTOMATIC; w++)
		if (driver_begin_world(&judges[w], w, NULL))
			return CANNOT;
	for (uint32_t o = 0; o < nr_operations && !books->errors; o++)
		if (driver_wants(operations[o].name) && trace_one(&operations[o], &traces[o]))
			every_point(o);
	if (!driver.only && !books->errors && trace_handlers()) {
		if (driver.limit == UINT32_MAX)
			handlers_at_every_point();
		else
			handlers_at_random(driver_now_ns() + driver.seconds * 1000000000ull);
	}
	return driver_end();
}
