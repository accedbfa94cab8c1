/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Merging and stale areas, at the points where others come in between. What another thread or process
 * would do there is done to the owner's slot by hand, or by a storm of signals.
 */
#include "fixture.h"

#include <pthread.h>
#include <signal.h>
#include <sys/time.h>
#include <time.h>

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

/* What a section left on the queue with one record, its cursor behind that. Merged by the next section. */
static uint64_t *queued_with_one(uint32_t *area)
{
	uint64_t nr_words;

	slot->merging = 1u << 31;
	section(1);
	slot->merging = 0;
	*area = slot->queue - 1;
	cr_assert_eq(covbuf_attached_segment()->areas[*area].filled_words, 1);
	return covb_segment_words(covbuf_attached_segment(), *area, &nr_words);
}

static void expect_empty(const uint64_t *words)
{
	for (uint32_t i = 0; i < covbuf_class_words(0); i++)
		cr_assert_eq(words[i], 0);
}

/* As if handlers had appended after the stop had read the cursor, and a jump had cut 63 of them short in a row. */
Test(merge, what_lies_behind_the_cursor_is_found)
{
	uint64_t *words;
	uint32_t area;

	set_up(COVBUF_OWNER_KCOV);
	words = queued_with_one(&area);
	for (uint32_t i = 1; i <= 100; i++)
		words[64 * i] = i + 1;
	section(102);
	cr_assert_eq(target[0], 102);
	for (uint32_t i = 1; i <= 102; i++)
		cr_assert_eq(target[i], i);
	expect_empty(words);
}

Test(merge, a_collector_finds_what_lies_behind_the_cursor)
{
	struct collected *got;
	uint64_t nr_words, *words;
	uint32_t area;

	set_up(0);
	section(1);
	area = slot->queue - 1;
	words = covb_segment_words(covbuf_attached_segment(), area, &nr_words);
	for (uint32_t i = 1; i <= 100; i++)
		words[64 * i] = i + 1;
	got = collect(owner);
	cr_assert_eq(got->nr_words, 101);
	for (uint32_t i = 1; i <= 101; i++)
		cr_assert_eq(got->words[i - 1], i);
	expect_empty(words);
}

Test(merge, all_is_looked_at_where_no_cursor_is_known)
{
	uint64_t *words;
	uint32_t area;

	set_up(COVBUF_OWNER_KCOV);
	words = queued_with_one(&area);
	covbuf_attached_segment()->areas[area].filled_words = 0;
	words[covbuf_class_words(0) - 1] = 2;
	section(3);
	cr_assert_eq(target[0], 3);
	cr_assert_eq(target[2], 2);
	expect_empty(words);
}

/* Lines that are full, that have holes, that are empty, the last of which do not all fit. */
Test(merge, records_come_in_order_whatever_holes_there_are)
{
	uint64_t *words, room = covbuf_class_bytes(0) / 8 - 1, before, emitted;
	uint32_t area;

	set_up(COVBUF_OWNER_KCOV);
	for (uint32_t stride = 1; stride <= 33; stride += 4) {
		uint64_t lost_before = slot->merge_lost;

		words = queued_with_one(&area);
		covbuf_attached_segment()->areas[area].filled_words = covbuf_class_words(0);
		emitted = 1;
		for (uint32_t i = 1; i < covbuf_class_words(0); i++)
			words[i] = i % stride || stride == 1 ? ++emitted : 0;
		target[0] = before = room - emitted + 5; /* five are too many, and what the next section has */
		section(1);
		cr_assert_eq(target[0], room);
		for (uint64_t i = 1; i <= room - before; i++)
			cr_assert_eq(target[before + i], i);
		cr_assert_eq(slot->merge_lost - lost_before, 6);
		expect_empty(words);
	}
}

#define TICKS 5
static volatile sig_atomic_t ticks;

/*
 * The merger goes at the last tick. The first may have been waiting since the owner was disabled, as its thread was for
 * a processor: of several only one waits.
 */
static void tick(int sig)
{
	(void)sig;
	if (!(covb_load(&slot->sequence) & 1) && ++ticks == TICKS)
		covb_store_release(&slot->merging, 0);
}

Test(merge, a_waiting_disable_waits_for_the_merger)
{
	const struct itimerval often = { { 0, 2000 }, { 0, 2000 } };

	set_up(COVBUF_OWNER_KCOV);
	slot->merging = 1u << 31 | 1; /* the only process there is, so not gone */
	signal(SIGALRM, tick);
	cr_assert_eq(setitimer(ITIMER_REAL, &often, NULL), 0);
	cr_assert_eq(covbuf_disable_wait(owner), 0);
	cr_assert_geq(ticks, TICKS);
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
