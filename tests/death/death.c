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
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "judge.h"
#include "shm/shm.h"
#include "victim.h"

#define NR_AREAS 16
#define NR_CONTEXTS 8
#define POINTS_MAX 65536

static struct {
	uint64_t seed, random;
	uint32_t limit, seconds;
	const char *only;
	struct judge judge[NR_WORLDS];
	uint32_t rounds;
	uint64_t kills, survived;
	struct step_trace *recorded; /* shared: the next one to be recorded */
	struct step_trace *traces, *handler_traces;
} test = { .limit = 400, .seconds = 20 };

extern uint8_t __executable_start[];

struct place {
	const struct operation *op;
	const struct step_instruction *at;
	const struct handler *handler; /* that comes in there; NULL: death does */
	const struct step_instruction *at_in_handler;
};

static uint64_t now_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000000000ull + (uint64_t)now.tv_nsec;
}

/* ---- processes that die ---------------------------------------------------------------------- */

static void die(void)
{
	kill(getpid(), SIGKILL);
}

enum { SURVIVED = 0, CANNOT = 2 };

static void begin_child(void)
{
	alarm(30);
}

static void run_victim(const struct place *place)
{
	struct step_plan plan = { .body = { place->op->body, die }, .at = { place->at } };

	if (place->handler) {
		plan.body[1] = place->handler->body;
		plan.body[2] = die;
		plan.at[1] = place->at_in_handler;
	}
	begin_child();
	if (victim_set_up(place->op))
		_exit(CANNOT);
	step_run(&plan);
	_exit(SURVIVED);
}

static void run_recorded(const struct operation *op)
{
	struct step_trace trace = { 0 };

	begin_child();
	if (victim_set_up(op) || step_record(&trace, op->body) || trace.nr > POINTS_MAX)
		_exit(CANNOT);
	memcpy(test.recorded->at, trace.at, trace.nr * sizeof(*trace.at));
	test.recorded->nr = trace.nr;
	_exit(SURVIVED);
}

static const char *place_name(const struct place *place)
{
	static char text[160];

	if (!place->at)
		return place->op->name;
	if (!place->handler)
		snprintf(text, sizeof(text), "%s, at +%#tx, turn %u", place->op->name,
			 place->at->address - __executable_start, place->at->occurrence);
	else
		snprintf(text, sizeof(text), "%s, at +%#tx, turn %u, handler \"%s\", at +%#tx, turn %u", place->op->name,
			 place->at->address - __executable_start, place->at->occurrence, place->handler->name,
			 place->at_in_handler->address - __executable_start, place->at_in_handler->occurrence);
	return text;
}

/* Returns whether it was killed. */
static bool wait_for(pid_t pid)
{
	int status;

	if (waitpid(pid, &status, 0) != pid)
		books_fail("a process cannot be waited for");
	else if (WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL)
		return true;
	else if (WIFSIGNALED(status))
		books_fail("a process died of signal %d%s", WTERMSIG(status), WTERMSIG(status) == SIGALRM ? ": it hangs" : "");
	else if (WEXITSTATUS(status))
		books_fail("a process failed: %d", WEXITSTATUS(status));
	return false;
}

/* ---- the judgement --------------------------------------------------------------------------- */

static void consume(struct covbuf_segment *segment, bool yes)
{
	if (yes) {
		if (covbuf_segment_consume(segment))
			books_fail("there is another consumer");
		return;
	}
	covb_storage_unlock(segment, COVBUF_LOCK_CONSUMER);
	segment->consumer = false;
}

static void work_on(struct judge *judge, enum victim_world world)
{
	const struct judge_limits none = { 0 };
	int wrong;
	pid_t pid;

	judge_new_round(judge, test.rounds++);
	pid = fork();
	if (!pid) {
		begin_child();
		wrong = successor_work(world);
		_exit(wrong ? 100 + wrong : 0);
	}
	if (wait_for(pid))
		books_fail("the process that comes afterwards was killed");
	judge_books(judge, &none);
	judge_pool(judge);
}

/* Returns whether it died, which it does not if it does not come to the point. */
static bool judge_one(const struct place *place, void (*recorded)(const struct operation *op))
{
	const struct operation *op = place->op;
	const uint32_t in_handler = place->handler ? place->handler->flags : 0;
	struct judge *judge = &test.judge[op->world];
	struct judge_limits limits = { .in_hand = op->flags & COLLECTS };
	uint64_t errors = books->errors;
	bool died;
	pid_t pid;

	judge_new_round(judge, test.rounds++);
	if (op->flags & LOST_BEFORE)
		judge_lose_before(judge);
	if (op->flags & NO_CONSUMER)
		consume(judge->segment, false);
	pid = fork();
	if (!pid && recorded)
		recorded(op);
	else if (!pid)
		run_victim(place);
	died = wait_for(pid);
	if (op->flags & NO_CONSUMER)
		consume(judge->segment, true);
	limits.open = books_open() + (died && (op->flags & MAY_DROP) ? 1 : 0);
	limits.again_areas = died ? !!(op->flags & MAY_GIVE) + !!(in_handler & MAY_GIVE) : 0;
	judge_books(judge, &limits);
	judge_pool(judge);
	if (died)
		work_on(judge, op->world);
	test.kills += died;
	test.survived += !died;
	if (books->errors != errors)
		fprintf(stderr, "  in \"%s\"\n", place_name(place));
	return died;
}

/* ---- points ---------------------------------------------------------------------------------- */

static struct step_trace *shared_trace(void)
{
	struct step_trace *trace = mmap(NULL, sizeof(*trace) + POINTS_MAX * sizeof(*trace->at), PROT_READ | PROT_WRITE,
					MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	if (trace == MAP_FAILED)
		return NULL;
	trace->at = (struct step_instruction *)(trace + 1);
	return trace;
}

static bool trace_one(const struct operation *op, struct step_trace *trace)
{
	const struct place place = { .op = op };

	test.recorded->nr = 0;
	judge_one(&place, run_recorded);
	*trace = (struct step_trace){ .nr = test.recorded->nr, .room = test.recorded->nr };
	trace->at = malloc((trace->nr + 1) * sizeof(*trace->at));
	if (!trace->at || !trace->nr)
		return false;
	memcpy(trace->at, test.recorded->at, trace->nr * sizeof(*trace->at));
	return true;
}

static void every_point(uint32_t o)
{
	const struct step_trace *trace = &test.traces[o];
	uint32_t stride = trace->nr / test.limit + 1, tried = 0, hit = 0;

	for (uint32_t at = (uint32_t)(test.seed % stride); at < trace->nr && !books->errors; at += stride) {
		const struct place place = { .op = &operations[o], .at = &trace->at[at] };

		hit += judge_one(&place, NULL);
		tried++;
	}
	printf("%-36s %5u points, %5u tried, %5u hit\n", operations[o].name, trace->nr, tried, hit);
	fflush(stdout);
}

/* ---- death in handlers ----------------------------------------------------------------------- */

static bool trace_handlers(void)
{
	for (uint32_t h = 0; h < nr_handlers; h++) {
		const struct operation op = handler_alone(&handlers[h]);

		if (!trace_one(&op, &test.handler_traces[h]))
			return false;
	}
	return true;
}

/* At a point of a handler that came in at some point of some operation. */
static bool in_handler(uint32_t h, uint32_t at)
{
	uint32_t o;

	do
		o = stamp_below(&test.random, nr_operations);
	while (!test.traces[o].nr || operations[o].unattached || operations[o].world != ASKED);
	const struct operation op = with_handlers(&operations[o]);
	const struct place place = {
		.op = &op,
		.at = &test.traces[o].at[stamp_below(&test.random, test.traces[o].nr)],
		.handler = &handlers[h],
		.at_in_handler = &test.handler_traces[h].at[at],
	};

	return judge_one(&place, NULL);
}

static void handlers_at_random(uint64_t end_ns)
{
	uint32_t tried = 0, hit = 0;

	for (; now_ns() < end_ns && !books->errors; tried++) {
		uint32_t h = stamp_below(&test.random, nr_handlers);

		hit += in_handler(h, stamp_below(&test.random, test.handler_traces[h].nr));
	}
	printf("%-36s %19u tried, %5u hit\n", "in handlers", tried, hit);
}

static void handlers_at_every_point(void)
{
	for (uint32_t h = 0; h < nr_handlers; h++) {
		uint32_t hit = 0, nr = test.handler_traces[h].nr;

		for (uint32_t at = 0; at < nr && !books->errors; at++)
			hit += in_handler(h, at) || in_handler(h, at) || in_handler(h, at);
		printf("in handler %-25s %5u points, %5u hit\n", handlers[h].name, nr, hit);
	}
}

static bool is_chosen(uint32_t o)
{
	return !test.only || strstr(operations[o].name, test.only);
}

/* ---- a run ----------------------------------------------------------------------------------- */

static void parse(int argc, char **argv)
{
	test.seed = now_ns();
	for (int i = 1; i < argc; i++) {
		if (!strcmp(argv[i], "--long"))
			test.limit = UINT32_MAX;
		else if (!strcmp(argv[i], "--seed") && i + 1 < argc)
			test.seed = strtoull(argv[++i], NULL, 0);
		else if (!strcmp(argv[i], "--limit") && i + 1 < argc)
			test.limit = (uint32_t)strtoul(argv[++i], NULL, 0);
		else if (!strcmp(argv[i], "--seconds") && i + 1 < argc)
			test.seconds = (uint32_t)strtoul(argv[++i], NULL, 0);
		else if (!strcmp(argv[i], "--only") && i + 1 < argc)
			test.only = argv[++i];
		else
			exit(2);
	}
	test.random = test.seed | 1;
	printf("seed %lu\n", test.seed);
	fflush(stdout);
}

static int begin_world(enum victim_world world)
{
	/* few slots, so that they are used again and again, and none may be lost */
	struct covbuf_segment_options options = {
		.limit_bytes = 16u << 20, .initial_bytes = NR_AREAS * 65536, .nr_procs = NR_PROCS, .nr_contexts = NR_CONTEXTS,
		.nr_owners = 12, .nr_modules = 32,
	};
	struct covbuf_segment *segment;
	int err;

	if (world == AUTOMATIC)
		options.automatic = (struct covbuf_auto){ .enabled = 1, .flags = COVBUF_AUTO_GROW };
	err = covbuf_segment_create(NULL, &options, &segment, NULL);
	if (!err)
		err = covbuf_segment_consume(segment);
	if (err)
		return err;
	snprintf(victim.where[world], sizeof(victim.where[world]), "fd:%d", covbuf_segment_descriptor(segment));
	return judge_init(&test.judge[world], segment, world == AUTOMATIC);
}

/* Every slot has been used before. */
static void warm_up(void)
{
	for (enum victim_world w = 0; w < NR_WORLDS; w++)
		for (uint32_t i = 0; i < NR_CONTEXTS; i++)
			work_on(&test.judge[w], w);
}

static int begin(void)
{
	int err = step_init();

	if (err)
		return err;
	test.recorded = shared_trace();
	test.traces = calloc(nr_operations, sizeof(*test.traces));
	test.handler_traces = calloc(nr_handlers, sizeof(*test.handler_traces));
	if (!test.recorded || !test.traces || !test.handler_traces || books_init())
		return -ENOMEM;
	for (enum victim_world w = 0; w < NR_WORLDS && !err; w++)
		err = begin_world(w);
	return err;
}

int main(int argc, char **argv)
{
	uint64_t start_ns = now_ns();
	int err;

	parse(argc, argv);
	err = begin();
	if (err == -ENOTSUP) {
		puts("dying at a chosen instruction is for plain x86-64 builds");
		return 77;
	}
	if (err) {
		fprintf(stderr, "cannot begin: %s\n", strerror(-err));
		return 2;
	}
	warm_up();
	for (uint32_t o = 0; o < nr_operations && !books->errors; o++) {
		if (!is_chosen(o))
			continue;
		if (!trace_one(&operations[o], &test.traces[o]))
			books_fail("\"%s\" cannot be recorded", operations[o].name);
		else
			every_point(o);
	}
	if (!test.only && !books->errors && !trace_handlers())
		books_fail("handlers cannot be recorded");
	else if (!test.only && test.limit == UINT32_MAX)
		handlers_at_every_point();
	else if (!test.only)
		handlers_at_random(now_ns() + test.seconds * 1000000000ull);
	printf("%lu killed, %lu not, in %.1f s\n", test.kills, test.survived, (double)(now_ns() - start_ns) / 1e9);
	if (books->errors)
		fprintf(stderr, "%lu errors; again with --seed %lu\n", books->errors, test.seed);
	return books->errors != 0;
}
