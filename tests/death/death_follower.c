// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * kill -9 of a fork child that is followed, at every instruction from the fork on: while it gets a slot and a
 * context of its own, and records, and works for owners of its parent, which lives. The audit takes back
 * what the child held beside its parent; then the parent goes on: what it records for the same owners is
 * delivered and merged, and nothing waits for the dead.
 *
 * x86-64 only: exits with 77 elsewhere. See death_engine.c for the options, and for what this says about POWER.
 */
#define _GNU_SOURCE
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include "driver.h"

#define KINDS (1u << PLAIN | 1u << KCOV | 1u << CMP | 1u << RING)

enum { CHILD_ENDED = 1, AUDITED };

static pid_t parent;

static void section(enum books_process process, uint32_t kind, uint32_t nr_records)
{
	covbuf_token token = covbuf_remote_start(victim_handle(kind));

	books_emit_many(process, 0, nr_records);
	covbuf_remote_stop(token);
}

static void work_as_child(void)
{
	books_emit_unborn(CHILD, 0);
	section(CHILD, PLAIN, 2);
	section(CHILD, KCOV, 2);
	section(CHILD, CMP, 2);
	section(CHILD, RING, 2);
}

/* Its child is dead, and the audit has been. */
static int go_on(void)
{
	uint64_t *words, nr_words, before;

	if (covbuf_owner_target(victim.owner[KCOV], &words, &nr_words))
		return 10;
	before = words[0];
	section(VICTIM, KCOV, 3);
	if (words[0] < before + 3)
		return 11;
	section(VICTIM, PLAIN, 3);
	books_emit_many(VICTIM, 0, 3);
	if (covbuf_disable_wait(victim.owner[KCOV]) || covbuf_disable_wait(victim.owner[PLAIN]))
		return 12;
	return 0;
}

static void fork_and_work(void)
{
	pid_t pid = fork();
	int wrong;

	if (!pid) {
		work_as_child();
		return;
	}
	step_pause();
	wrong = waitpid(pid, NULL, 0) != pid;
	books_set_phase(CHILD_ENDED);
	books_wait_for_phase(AUDITED);
	wrong = wrong ? 1 : go_on();
	_exit(wrong);
}

static void die_as_child(void)
{
	if (getpid() == parent)
		return;
	books->came = true;
	driver_die();
}

static void be_parent(const struct step_instruction *at)
{
	const struct operation op = { .kinds = KINDS, .world = FOLLOWED };
	const struct step_plan plan = { .body = { fork_and_work, die_as_child }, .at = { at } };

	parent = getpid();
	if (victim_set_up(&op))
		_exit(CANNOT);
	books_emit_many(VICTIM, 0, 3);
	if (!at)
		driver_record(fork_and_work);
	step_run(&plan);
	_exit(SURVIVED);
}

/* Returns whether the child died. */
static bool judge_one(struct judge *judge, const struct step_instruction *at)
{
	struct judge_limits limits = { .drained = true };
	bool died;
	pid_t pid;

	judge_new_round(judge, driver.rounds++);
	if (driver_fork(&pid))
		be_parent(at);
	books_wait_for_phase(CHILD_ENDED);
	died = books->came;
	judge_drain(judge);
	books_set_phase(AUDITED);
	if (driver_wait(pid))
		books_fail("the parent was killed");
	limits.open = books_open();
	limits.again_areas = died;
	judge_books(judge, &limits);
	judge_pool(judge);
	driver.kills += died;
	driver.survived += !died;
	return died;
}

int main(int argc, char **argv)
{
	struct judge *judge = calloc(1, sizeof(*judge));
	uint32_t stride, tried = 0, hit = 0;
	struct step_trace trace;
	int ended = driver_begin(argc, argv);

	if (ended >= 0)
		return ended;
	if (!judge || driver_begin_world(judge, FOLLOWED, NULL))
		return CANNOT;
	judge_one(judge, NULL);
	if (!driver_recorded(&trace))
		return CANNOT;
	stride = driver_stride(&trace);
	for (uint32_t i = (uint32_t)(driver.seed % stride); i < trace.nr && !books->errors; i += stride, tried++) {
		hit += judge_one(judge, &trace.at[i]);
		if (books->errors)
			fprintf(stderr, "  at +%#lx, turn %u\n", driver_offset(&trace.at[i]), trace.at[i].occurrence);
	}
	driver_expect_hits("a child that is followed", tried, hit);
	printf("%-36s %5u points, %5u tried, %5u hit\n", "a child that is followed", trace.nr, tried, hit);
	return driver_end();
}
