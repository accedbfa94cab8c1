// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * A thread that records, with sections within sections, and the same again in its signal handlers, up
 * to three deep. What it starts it stops, but for what it abandons on purpose.
 *
 * At most eight frames without an area nest in a context; what is done at each level stays below that
 * together, so that COVBUF_LOST_NO_AREA counts nothing but records.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "worker.h"
#include "emit.h"

#define DEPTH_AT(level) ((level) < 2 ? 2 : 1)

uint32_t enable_of[CHECK_HANDLES];
static __thread struct worker *self;
static __thread volatile uint32_t level;

static uint32_t below(struct worker *w, uint32_t n)
{
	return stamp_below(&w->at[level].random, n);
}

/* ---- records --------------------------------------------------------------------------------- */

static bool emit(struct worker *w)
{
	struct check_source *source = &check.source[w->id][level];
	struct level_state *at = &w->at[level];
	uint32_t number = source->emitted, site = stamp_below(&at->random, NR_SITES * 4);
	struct stamp stamp = {
		.thread = w->id, .level = level, .enable = at->enable, .section = at->section,
		.round = check.round, .number = number,
	};
	bool done;

	if (number + 2 >= STAMP_NUMBERS)
		return false;
	if (site < NR_SITES)
		done = emit_site(stamp_make(&stamp), &at->marks[site], site + level * NR_SITES);
	else
		done = emit_one(stamp_make(&stamp));
	if (done)
		__atomic_store_n(&source->emitted, number + 1, __ATOMIC_RELEASE);
	return done;
}

/* Mostly a few, now and then more than an area holds. */
static void burst(struct worker *w)
{
	uint32_t n = below(w, 64) ? below(w, 40) : 10000;

	if (level)
		n = n > 1000 ? 2000 : n % 8;
	if (!level)
		w->armed = w->ready;
	covb_barrier();
	while (n-- && emit(w))
		;
	covb_barrier();
	if (!level)
		w->armed = 0;
}

/* ---- sections -------------------------------------------------------------------------------- */

static uint64_t pick_handle(struct worker *w)
{
	if (!below(w, 16))
		return COVBUF_SUBSYSTEM_USER | UNKNOWN_INSTANCE;
	return handle_of(below(w, NR_OWNERS), below(w, HANDLES_PER_OWNER));
}

/* Start a section and write down which. False: none was started, what collected goes on. */
static bool start(struct worker *w, covbuf_token *token)
{
	struct check_source *source = &check.source[w->id][level];
	struct level_state *at = &w->at[level];
	uint64_t handle = pick_handle(w);

	*token = 0;
	if (source->sections + 1 >= STAMP_SECTIONS)
		return false;
	if (!below(w, 8)) {
		handle = 0;
		*token = covbuf_push(w->local);
	} else {
		*token = covbuf_remote_start(handle);
	}
	if (!*token) {
		w->nr_refused++;
		return false;
	}
	at->section = ++source->sections;
	/* a number read late may be of a later enable than the section: that asks less of it, never more */
	at->enable = handle ? covb_load(&enable_of[handle % CHECK_HANDLES]) : w->enables;
	covb_store(&source->section[at->section].token, *token);
	covb_store(&source->section[at->section].handle, handle);
	covb_wmb(); /* before any of its records; partner is in check_batch() */
	w->nr_sections++;
	return true;
}

/*
 * A section, and some within it. An inner one that is not stopped is abandoned to the stop of an outer
 * one; from there to that stop nothing is emitted here, since it would be in the inner one's area.
 * Returns whether one was left open.
 */
static bool sections(struct worker *w, uint32_t depth, bool may_abandon)
{
	struct level_state *at = &w->at[level];
	uint32_t section = at->section, enable = at->enable;
	covbuf_token token;
	bool started = start(w, &token), open = false;

	burst(w);
	if (depth > 1 && below(w, 2))
		open = sections(w, depth - 1, started || may_abandon);
	if (!open && below(w, 2))
		burst(w);
	if (started && may_abandon && !below(w, 8))
		open = true;
	else if (started && covbuf_remote_stop(token))
		check_fail("thread %u level %u: a section cannot be stopped", w->id, level);
	else if (started)
		open = false;
	at->section = section;
	at->enable = enable;
	return open;
}

/* ---- handlers -------------------------------------------------------------------------------- */

static void interrupt(struct worker *w)
{
	covbuf_token token = 0;
	uint32_t what = below(w, 8);

	w->at[level].section = 0;
	w->at[level].enable = 0;
	if (what == 0 && level == 1)
		token = covbuf_signal_enter(NULL);
	else if (what == 1)
		token = covbuf_signal_enter(w->local);
	if (what < 6)
		burst(w);
	if (what > 2)
		sections(w, DEPTH_AT(level), false);
	if (token && covbuf_signal_leave(token))
		check_fail("thread %u level %u: a signal cannot be left", w->id, level);
}

static void on_signal(int number)
{
	struct worker *w = self;
	int saved_errno = errno;

	(void)number;
	if (!w || level + 1 >= STAMP_LEVELS)
		return;
	level++;
	w->nr_signals++;
	interrupt(w);
	level--;
	errno = saved_errno;
	if (level == 0 && w->armed && !below(w, 4)) {
		w->armed = 0;
		siglongjmp(w->env, 1);
	}
}

void worker_setup(void)
{
	struct sigaction action = { .sa_handler = on_signal, .sa_flags = SA_NODEFER | SA_RESTART };

	sigaction(SIGUSR1, &action, NULL);
	sigaction(SIGUSR2, &action, NULL);
	sigaction(SIGRTMIN, &action, NULL);
}

/* ---- the thread ------------------------------------------------------------------------------ */

static void switch_on(struct worker *w, int (*how)(struct covbuf_owner *owner), bool *enabled)
{
	w->enables++; /* nothing of it is emitted before it is on */
	*enabled = how(w->local) == 0;
	if (*enabled)
		w->at[0].enable = w->enables;
	__atomic_store_n(&check.floor_thread[w->id], w->enables, __ATOMIC_RELEASE);
	w->nr_enables++;
}

static void switch_local(struct worker *w, bool *enabled)
{
	if (!*enabled) {
		switch_on(w, covbuf_enable, enabled);
	} else if (!below(w, 4)) {
		bool on;

		switch_on(w, covbuf_reset, &on);
		if (!on && covbuf_disable(w->local))
			check_fail("thread %u: what could not be reset is not enabled", w->id);
		*enabled = on;
	} else {
		if (covbuf_disable(w->local))
			check_fail("thread %u: its own owner cannot be disabled", w->id);
		*enabled = false;
	}
}

/* Sections, and sometimes handlers that jump out of them. */
static void one_turn(struct worker *w)
{
	struct covbuf_mark mark;

	covbuf_mark(&mark);
	if (!w->jumps) {
		sections(w, DEPTH_AT(0), false);
		return;
	}
	if (!sigsetjmp(w->env, 0)) {
		w->ready = 1;
		sections(w, DEPTH_AT(0), false);
		w->ready = 0;
		return;
	}
	w->ready = 0;
	/* the record that was being made may be there or not */
	if (check.source[w->id][0].emitted + 2 < STAMP_NUMBERS) {
		check.source[w->id][0].emitted++;
		w->uncertain++;
	}
	w->nr_jumps++;
	w->at[0].section = 0;
	w->at[0].enable = w->enables;
	if (covbuf_unwind(&mark))
		check_fail("thread %u: cannot unwind", w->id);
}

void *worker_run(void *arg)
{
	struct worker *w = arg;
	bool enabled = false;

	pthread_mutex_lock(&w->lock);
	w->alive = true;
	pthread_mutex_unlock(&w->lock);
	if (!w->restarted)
		__atomic_store_n(&check.tid[w->id], (uint32_t)gettid(), __ATOMIC_RELAXED);
	w->at[0].section = 0;
	self = w;
	while (!covb_load(&w->stop)) {
		uint32_t what = below(w, 16);

		if (what == 0)
			switch_local(w, &enabled);
		else if (what < 8)
			one_turn(w);
		else if (what == 8)
			sched_yield();
		else if (enabled)
			burst(w);
	}
	pthread_mutex_lock(&w->lock);
	w->alive = false;
	pthread_mutex_unlock(&w->lock);
	w->left_enabled = enabled && w->leaves_enabled;
	if (enabled && !w->leaves_enabled && covbuf_disable(w->local))
		check_fail("thread %u: its own owner cannot be disabled at the end", w->id);
	self = NULL;
	return NULL;
}
