// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * What is not death, at every instruction of the same operations: fork, the end of the thread, its
 * cancellation, and a library that is loaded, runs and is unloaded.
 *
 *   fork                 in a signal handler: the child is off, or where children are followed records in a slot,
 *                        context and areas of its own; the parent goes on, and its books balance to the record
 *   fork elsewhere       the same by another thread, which waits where the operation holds a lock
 *   thread exit          pthread_exit() in a signal handler, which unwinds
 *   cancel               pthread_cancel() of the thread itself: deferred to where the operation, or the test after
 *                        it, may be cancelled; and at once, with asynchronous cancellation
 *   dlclose elsewhere    another thread loads an instrumented library, calls it and unloads it
 *
 * What ends a thread leaves as much behind as death does, until the process ends: the area in hand. Others go
 * on: owners can be made, enabled, disabled and dropped at once. Nothing waits for ever: each process has
 * a minute.
 *
 * fork(), pthread_exit() and asynchronous cancellation in a handler that interrupted a call which sleeps
 * (SLEEPS) are outside: such calls hold a lock, as those of the C library do, and are not for handlers.
 *
 * x86-64 only: exits with 77 elsewhere. See death_engine.c for the options.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <linux/futex.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "driver.h"
#include "libcovbuf/core/engine.h"

static struct judge judges[NR_WORLDS];
static struct step_trace traces[OPERATIONS_MAX];
static uint32_t problems; /* of this process */
static bool detaches;

static void expect(bool it_is, int exit_code)
{
	if (!it_is && !problems)
		problems = (uint32_t)exit_code;
}

/* ---- children -------------------------------------------------------------------------------- */

/* The parent was attached when it wanted to fork. */
static bool follows(void)
{
	return covb_engine.automatic.enabled && (covb_engine.automatic.flags & COVBUF_AUTO_FOLLOW) &&
	       (!detaches || covb_attached());
}

static int be_off(void)
{
	struct covbuf_owner *owner;

	expect(!books_emit(CHILD, 0), 20);
	expect(!covbuf_remote_start(victim_handle(PLAIN)), 21);
	expect(covbuf_owner_create(NULL, &owner) == -ENOTCONN, 22);
	expect(covbuf_detach() == -ENOTCONN, 23);
	covbuf_trace_pc(1); /* nobody's, if it were found */
	expect(!covbuf_context()->top && !covbuf_context()->cursor[COVBUF_MODE_PC], 24);
	return (int)problems;
}

static int be_followed(bool has_owner)
{
	covbuf_token token;

	books_emit_unborn(CHILD, 0);
	books_emit_many(CHILD, 0, 3);
	expect(books->made[CHILD][0].done == 4, 30);
	expect(covb_engine.proc != 0 && covbuf_context()->top != NULL, 31);
	expect(!has_owner || covbuf_disable(victim.owner[PLAIN]) == -EPERM, 32);
	/* its parent's owner, if it is still enabled */
	token = covbuf_remote_start(victim_handle(PLAIN));
	books_emit_many(CHILD, 0, 2);
	expect(!token || !covbuf_remote_stop(token), 33);
	return (int)problems;
}

static void fork_a_child(void)
{
	const bool has_owner = victim.owner[PLAIN] && covb_attached();
	const bool attached = covb_attached();
	int status = 0;
	pid_t pid = fork();

	if (!pid) {
		alarm(driver.patience_seconds);
		problems = 0;
		_exit(!attached ? 0 : follows() ? be_followed(has_owner) : be_off());
	}
	expect(pid > 0 && waitpid(pid, &status, 0) == pid, 40);
	expect(WIFEXITED(status), 41);
	expect(!WIFEXITED(status) || !WEXITSTATUS(status), WEXITSTATUS(status));
}

/* ---- another thread -------------------------------------------------------------------------- */

static struct {
	pthread_t thread;
	uint32_t begun, done; /* futexes */
	void (*what)(void);
} elsewhere;

static void wait_until(uint32_t *word, int64_t timeout_ns)
{
	const struct timespec timeout = { .tv_sec = timeout_ns / 1000000000, .tv_nsec = timeout_ns % 1000000000 };

	while (!covb_load_acquire(word))
		if (syscall(SYS_futex, word, FUTEX_WAIT_PRIVATE, 0, timeout_ns ? &timeout : NULL, NULL, 0) &&
		    errno == ETIMEDOUT)
			return;
}

static void set(uint32_t *word)
{
	covb_store_release(word, 1);
	syscall(SYS_futex, word, FUTEX_WAKE_PRIVATE, 1, NULL, NULL, 0);
}

static void *run_elsewhere(void *arg)
{
	wait_until(&elsewhere.begun, 0);
	elsewhere.what();
	set(&elsewhere.done);
	return arg;
}

/* Let it happen now. If the operation holds a lock that it needs, it happens as soon as that is free. */
static void let_happen(void)
{
	set(&elsewhere.begun);
	wait_until(&elsewhere.done, 3000000);
}

static void load_and_unload(void)
{
	void *library = dlopen(DEATH_PLUGIN, RTLD_NOW);
	int (*work)(int) = library ? (int (*)(int))dlsym(library, "plugin_work") : NULL;

	expect(work && work(10), 50);
	expect(library && !dlclose(library), 51);
}

/* ---- the end of the thread ------------------------------------------------------------------- */

static void exit_thread(void)
{
	pthread_exit(NULL);
}

static void cancel(void)
{
	pthread_cancel(pthread_self());
}

/* ---- what is injected ------------------------------------------------------------------------ */

enum { IN_THREAD = 1, ELSEWHERE = 2, ASYNCHRONOUS = 4, LOCK_FREE_ONLY = 8, IN_FOLLOWED = 16 };

static const struct action {
	const char *name;
	step_fn what;
	uint32_t flags;
} actions[] = {
	{ "fork", fork_a_child, LOCK_FREE_ONLY },
	{ "fork, followed", fork_a_child, LOCK_FREE_ONLY | IN_FOLLOWED },
	{ "fork elsewhere", fork_a_child, ELSEWHERE },
	{ "fork elsewhere, followed", fork_a_child, ELSEWHERE | IN_FOLLOWED },
	{ "thread exit", exit_thread, IN_THREAD | LOCK_FREE_ONLY },
	{ "cancel", cancel, IN_THREAD },
	{ "cancel at once", cancel, IN_THREAD | ASYNCHRONOUS | LOCK_FREE_ONLY },
	{ "dlclose elsewhere", load_and_unload, ELSEWHERE },
};
#define NR_ACTIONS (sizeof(actions) / sizeof(actions[0]))

struct place {
	const struct operation *op;
	const struct action *action;
	const struct step_instruction *at;
};

static const struct action *injected;

static void inject(void)
{
	books->came = true;
	if (injected->flags & ELSEWHERE)
		let_happen();
	else
		injected->what();
}

static void *run_in_thread(void *arg)
{
	const struct place *place = arg;
	const struct step_plan plan = { .body = { place->op->body, inject }, .at = { place->at } };

	pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, NULL);
	if (victim_set_up(place->op))
		_exit(CANNOT);
	if (place->action->flags & ASYNCHRONOUS)
		pthread_setcanceltype(PTHREAD_CANCEL_ASYNCHRONOUS, NULL);
	pthread_setcancelstate(PTHREAD_CANCEL_ENABLE, NULL);
	step_run(&plan);
	pthread_testcancel();
	return NULL;
}

/* What the thread that ended has left does not keep others from anything. */
static void others_go_on(const struct operation *op)
{
	struct covbuf_owner *owner;
	int err = covb_attached() ? 0 : covbuf_attach(victim.where[op->world]);

	for (uint32_t k = 0; k < NR_KINDS && !(op->flags & SLEEPS); k++)
		if (victim.owner[k]) {
			int stopped = covbuf_disable_wait(victim.owner[k]);

			expect(!stopped || stopped == -EINVAL, 64); /* -EINVAL: it was already */
		}

	/* where it was detached, or half attached, that is so for good */
	if (err == -EALREADY || !covb_attached())
		return;
	expect(!err, 60);
	expect(!covbuf_owner_create(NULL, &owner), 61);
	if (problems)
		return;
	err = covbuf_enable(owner);
	expect(!err || err == -ENOSPC, 62); /* who ended may have had all areas */
	books_emit_many(SUCCESSOR, 0, 3);
	expect(err || !covbuf_disable_wait(owner), 63);
	covbuf_owner_put(owner);
}

static void run_place(struct place *place)
{
	const struct step_plan plan = { .body = { place->op->body, inject }, .at = { place->at } };
	pthread_t thread;

	injected = place->action;
	detaches = place->op->flags & DETACHES;
	if (place->action->flags & IN_THREAD) {
		if (pthread_create(&thread, NULL, run_in_thread, place) || pthread_join(thread, NULL))
			_exit(CANNOT);
		others_go_on(place->op);
		_exit((int)problems);
	}
	if (victim_set_up(place->op))
		_exit(CANNOT);
	if (place->action->flags & ELSEWHERE) {
		elsewhere.what = place->action->what;
		if (pthread_create(&elsewhere.thread, NULL, run_elsewhere, NULL))
			_exit(CANNOT);
	}
	step_run(&plan);
	if (place->action->flags & ELSEWHERE) {
		set(&elsewhere.begun);
		pthread_join(elsewhere.thread, NULL);
	}
	_exit((int)problems);
}

/* ---- the judgement --------------------------------------------------------------------------- */

/* Returns whether it came to the point. */
static bool judge_one(struct place *place)
{
	struct judge *judge = &judges[place->op->world];
	struct judge_limits limits = { .in_hand = place->op->flags & COLLECTS };
	uint64_t errors = books->errors;
	pid_t pid;

	judge_new_round(judge, driver.rounds++);
	books->foreign = place->action->what == load_and_unload;
	if (driver_fork(&pid))
		run_place(place);
	if (driver_wait(pid))
		books_fail("a process was killed");
	if (place->action->flags & IN_THREAD) {
		limits.open = books_open() + !!(place->op->flags & MAY_DROP);
		limits.again_areas = !!(place->op->flags & MAY_GIVE);
	}
	judge_books(judge, &limits);
	judge_pool(judge);
	driver.survived++;
	if (books->errors != errors)
		fprintf(stderr, "  in \"%s\" at +%#lx, turn %u: %s\n", place->op->name, driver_offset(place->at),
			place->at->occurrence, place->action->name);
	return books->came;
}

static bool may_happen(const struct operation *op, const struct action *action)
{
	if (op->flags & (NO_CONSUMER | LOST_BEFORE))
		return false;
	if ((action->flags & IN_FOLLOWED) && (op->world != ASKED || op->unattached))
		return false;
	return !((op->flags & SLEEPS) && (action->flags & LOCK_FREE_ONLY));
}

static void at_points(uint32_t o, const struct action *action)
{
	const struct step_trace *trace = &traces[o];
	struct operation op = operations[o];
	const uint32_t stride = driver_stride(trace);
	uint32_t i = (uint32_t)((driver.seed + o) % stride), tried = 0, hit = 0;

	if (action->flags & IN_FOLLOWED)
		op.world = FOLLOWED;
	for (; i < trace->nr && !books->errors; i += stride, tried++) {
		struct place place = { &op, action, &trace->at[i] };

		hit += judge_one(&place);
	}
	driver_expect_hits(op.name, tried, hit);
	printf("%-36s %-26s %5u points, %5u tried, %5u hit\n", op.name, action->name, trace->nr,
	       tried, hit);
	fflush(stdout);
}

static bool trace_one(uint32_t o)
{
	struct judge *judge = &judges[operations[o].world];
	pid_t pid;

	judge_new_round(judge, driver.rounds++);
	if (driver_fork(&pid)) {
		if (victim_set_up(&operations[o]))
			_exit(CANNOT);
		driver_record(operations[o].body);
	}
	driver_wait(pid);
	judge_drain(judge);
	if (driver_recorded(&traces[o]))
		return true;
	books_fail("\"%s\" cannot be recorded", operations[o].name);
	return false;
}

int main(int argc, char **argv)
{
	int ended;

	driver.limit = 20;
	ended = driver_begin(argc, argv);
	if (ended >= 0)
		return ended;
	for (enum victim_world w = 0; w < NR_WORLDS; w++)
		if (driver_begin_world(&judges[w], w, NULL))
			return CANNOT;
	for (uint32_t o = 0; o < nr_operations && !books->errors; o++) {
		if (!driver_wants(operations[o].name) || (operations[o].flags & NO_CONSUMER) || !trace_one(o))
			continue;
		for (uint32_t a = 0; a < NR_ACTIONS && !books->errors; a++)
			if (may_happen(&operations[o], &actions[a]))
				at_points(o, &actions[a]);
	}
	return driver_end();
}
