/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Merging and stale areas, at the points where others come in between. What another thread or process
 * would do there is done to the owner's slot by hand, or by a storm of signals.
 */
#include "fixture.h"

#include <pthread.h>
#include <signal.h>
#include <time.h>
#include <unistd.h>

#include "shm/shm.h"

#define HANDLE(n) (COVBUF_SUBSYSTEM_USER | (n))

static struct covbuf_owner_slot *slot;
static struct covbuf_owner *owner;
static uint64_t handle = HANDLE(1);
static uint64_t *target;

static void set_up(uint32_t flags)
{
	uint64_t nr_words;

	attach_with(16);
	owner = make_owner(COVBUF_MODE_PC, COVBUF_LINEAR, flags);
	slot = &covbuf_attached_segment()->owners[0];
	if (flags & COVBUF_OWNER_KCOV)
		cr_assert_eq(covbuf_owner_target(owner, &target, &nr_words), 0);
	cr_assert_eq(covbuf_remote_enable(owner, &handle, 1, 0), 0);
}

static void section(uint64_t pc)
{
	covbuf_token token = covbuf_remote_start(handle);

	covbuf_trace_pc(pc);
	cr_assert_eq(covbuf_remote_stop(token), 0);
}

/* As a push that was late: it stands on the queue when the owner has been enabled anew. */
static void enable_anew_under_what_is_queued(void)
{
	uint32_t head = slot->queue;

	slot->queue = 0;
	cr_assert_eq(covbuf_disable(owner), 0);
	cr_assert_eq(covbuf_remote_enable(owner, &handle, 1, 0), 0);
	slot->queue = head;
}

Test(merge, who_finds_a_merger_leaves_its_area_to_it)
{
	set_up(COVBUF_OWNER_KCOV);
	slot->merging = 1u << 31;
	section(1);
	cr_assert_neq(slot->queue, 0);
	cr_assert_eq(target[0], 0);
	slot->merging = 0;
	section(2);
	cr_assert_eq(slot->queue, 0);
	cr_assert_eq(target[0], 2);
	cr_assert_eq(target[1], 1);
	cr_assert_eq(target[2], 2);
}

Test(merge, areas_of_an_earlier_enable_are_dropped)
{
	uint32_t before;

	set_up(COVBUF_OWNER_KCOV);
	before = free_areas();
	slot->merging = 1u << 31;
	section(1);
	slot->merging = 0;
	enable_anew_under_what_is_queued();
	section(2);
	cr_assert_eq(target[0], 1);
	cr_assert_eq(target[1], 2);
	cr_assert_eq(slot->stale, 1);
	cr_assert_eq(free_areas(), before);
}

Test(merge, areas_of_an_earlier_enable_are_not_collected)
{
	struct collected *got;

	set_up(0);
	section(1);
	enable_anew_under_what_is_queued();
	section(2);
	got = collect(owner);
	cr_assert_eq(got->nr_words, 1);
	cr_assert_eq(got->words[0], 2);
	cr_assert_eq(slot->stale, 1);
}

static volatile int returned;

static void *disable_and_wait(void *arg)
{
	int err = covbuf_disable_wait(owner);

	returned = 1;
	return (void *)(intptr_t)(arg ? 0 : err);
}

Test(merge, a_waiting_disable_waits_for_the_merger)
{
	pthread_t thread;
	void *err;

	set_up(COVBUF_OWNER_KCOV);
	slot->merging = 1u << 31 | 1; /* the only process there is, so not gone */
	pthread_create(&thread, NULL, disable_and_wait, NULL);
	usleep(100000);
	cr_assert_eq(returned, 0);
	__atomic_store_n(&slot->merging, 0, __ATOMIC_RELEASE);
	pthread_join(thread, &err);
	cr_assert_null(err);
}

static void interrupt(int sig)
{
	(void)sig;
	section(2);
}

static pthread_t interrupted;
static volatile int stop;

static void *kick(void *arg)
{
	while (!stop)
		pthread_kill(interrupted, SIGUSR1);
	return arg;
}

/* A handler that comes while the interrupted code merges leaves its area to it, and it must look again. */
Test(merge, nothing_stays_on_the_queue_when_nobody_merges)
{
	time_t end = time(NULL) + 3;
	pthread_t thread;

	set_up(COVBUF_OWNER_KCOV);
	interrupted = pthread_self();
	signal(SIGUSR1, interrupt);
	pthread_create(&thread, NULL, kick, NULL);
	while (time(NULL) < end) {
		section(1);
		cr_assert_eq(__atomic_load_n(&slot->queue, __ATOMIC_RELAXED), 0);
		__atomic_store_n(&target[0], 0, __ATOMIC_RELAXED);
	}
	stop = 1;
	pthread_join(thread, NULL);
}
