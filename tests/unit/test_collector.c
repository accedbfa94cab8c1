// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * Draining segments that were made by hand: finished areas, rings in use, the dead, and everything that
 * a hostile peer can put in the consumer's way.
 */
#define _GNU_SOURCE
#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <sys/wait.h>
#include <time.h>

#include "image.h"
#include "shm/collector.h"

#define LINEAR_WORDS (covbuf_class_words(0))

static struct image image;
static struct covbuf_segment *segment;
static struct covbuf_drained drained;

static void make(void)
{
	image_make(&image, -1);
	segment = image_open(&image, COVBUF_OPEN_CONSUME);
}

TestSuite(collector, .init = make, .timeout = 60);

/* What fn was given, batch after batch. */
static struct {
	struct covbuf_batch batch[64];
	uint64_t words[4096];
	uint32_t nr_batches, nr_words;
	uint32_t stop_at;	/* batch + 1 that ends the drain */
} got;

static int gather(const struct covbuf_batch *batch, void *arg)
{
	(void)arg;
	if (got.nr_batches == 64)
		return 0;
	got.batch[got.nr_batches++] = *batch;
	for (uint64_t i = 0; i < batch->nr_words; i++) {
		if (batch->words[i] && !(batch->words[i] >> 63) && got.nr_words < 4096)
			got.words[got.nr_words++] = batch->words[i];
	}
	return got.stop_at == got.nr_batches ? 42 : 0;
}

static int drain(unsigned int flags)
{
	memset(got.batch, 0, sizeof(got.batch));
	got.nr_batches = got.nr_words = 0;
	return covbuf_drain(segment, flags, gather, NULL, &drained);
}

/* Area i holds these three records, and is on the queue of owner 0. */
static void queue_three(uint32_t i, uint64_t first)
{
	memcpy(image_words(&image, i), (uint64_t[]){ first, first + 1, first + 2 }, 24);
	image_area(&image, i, COVBUF_AREA_QUEUED, COVBUF_MODE_PC, COVBUF_LINEAR, LINEAR_WORDS);
	image_push(&image, 0, i);
}

/* ---- queues ---------------------------------------------------------------------------------- */

Test(collector, finished_areas_come_oldest_first_and_go_back_clean)
{
	queue_three(4, 100);
	queue_three(2, 200);
	queue_three(7, 300);
	cr_assert_eq(drain(0), 0);
	cr_assert_eq(got.nr_batches, 3);
	cr_assert_arr_eq(got.words, ((uint64_t[]){ 100, 101, 102, 200, 201, 202, 300, 301, 302 }), 72);
	cr_assert_eq(got.batch[1].tid, 102);
	cr_assert_eq(got.batch[1].owner, 0);
	cr_assert_eq(got.batch[1].nr_words, 3);
	cr_assert(image_is_clean(&image, 4) && image_is_clean(&image, 2) && image_is_clean(&image, 7));
	cr_assert_eq(drained.areas, 3);
	cr_assert_eq(drained.records, 9);
	cr_assert_eq(drained.lost, 0);
	cr_assert_eq(drain(0), 0);
	cr_assert_eq(got.nr_batches, 0);
}

/* Who pushed was killed before the hint. */
static void queue_without_a_hint(uint32_t i)
{
	queue_three(i, 100);
	memset(image.header->queued_hints, 0, sizeof(image.header->queued_hints));
}

Test(collector, what_nothing_hints_at_is_found_all_the_same)
{
	uint32_t passes = 0;

	cr_assert_eq(drain(0), 0);
	queue_without_a_hint(4);
	do
		cr_assert_eq(drain(0), 0);
	while (!got.nr_batches && ++passes < 300);
	cr_assert(passes > 0 && passes < 300);
	queue_without_a_hint(5);
	cr_assert_eq(covbuf_segment_wait(segment, 0), 0);
	cr_assert_eq(drain(0), 0);
	cr_assert_eq(got.nr_batches, 1);
	queue_without_a_hint(6);
	cr_assert_eq(drain(COVBUF_DRAIN_AUDIT), 0);
	cr_assert_eq(got.nr_batches, 1);
}

Test(collector, a_hint_at_one_owner_is_one_at_others_and_may_lie)
{
	cr_assert_eq(drain(0), 0);
	queue_without_a_hint(4);
	image.header->queued_hints[0] = COVBUF_HINT(3 * COVBUF_NR_HINTS, 0xffffffff);
	cr_assert_eq(drain(0), 0);
	cr_assert_eq(got.nr_batches, 1);
	cr_assert_eq(image.header->queued_hints[0], 0);
	image.header->queued_hints[0] = ~0ull;
	cr_assert_eq(drain(0), 0);
	cr_assert_eq(got.nr_batches, 0);
}

Test(collector, holes_are_lost_records)
{
	queue_three(4, 100);
	image_words(&image, 4)[1] = 0;
	cr_assert_eq(drain(0), 0);
	cr_assert_eq(drained.records, 2);
	cr_assert_eq(drained.lost, 1);
}

Test(collector, records_of_an_earlier_enable_are_stale)
{
	queue_three(4, 100);
	image.areas[4].sequence = SEQUENCE - 2;
	queue_three(5, 200);
	image.owners[0].sequence = SEQUENCE + 1; /* just disabled */
	cr_assert_eq(drain(0), 0);
	cr_assert_eq(got.nr_batches, 1);
	cr_assert_eq(got.words[0], 200);
	cr_assert_eq(image.owners[0].stale, 3);
	cr_assert_eq(drained.lost, 3);
	cr_assert(image_is_clean(&image, 4));
}

Test(collector, kept_areas_stay_as_they_are)
{
	image.owners[0].flags = COVBUF_OWNER_KEEP;
	queue_three(4, 100);
	cr_assert_eq(drain(0), 0);
	cr_assert_eq(got.nr_batches, 1);
	cr_assert_eq(image_state(&image, 4), COVBUF_AREA_ENDED);
	cr_assert_eq(image_words(&image, 4)[2], 102);
}

Test(collector, what_was_not_visited_stays_queued)
{
	queue_three(1, 100);
	queue_three(2, 200);
	queue_three(3, 300);
	got.stop_at = 1;
	cr_assert_eq(drain(0), 42);
	cr_assert_eq(image_state(&image, 2), COVBUF_AREA_QUEUED);
	got.stop_at = 0;
	cr_assert_eq(drain(0), 0);
	cr_assert_arr_eq(got.words, ((uint64_t[]){ 200, 201, 202, 300, 301, 302 }), 48);
}

Test(collector, only_the_consumer_drains)
{
	struct covbuf_segment *other = image_open(&image, COVBUF_OPEN_READ);

	cr_assert_eq(covbuf_drain(other, 0, gather, NULL, &drained), -EPERM);
}

Test(collector, counted_batch_has_no_count)
{
	uint64_t *words = image_words(&image, 4);

	memcpy(words, (uint64_t[]){ 2, 10, 20, 30 }, 32);
	image_area(&image, 4, COVBUF_AREA_QUEUED, COVBUF_MODE_PC, COVBUF_COUNTED, 64);
	image_push(&image, 0, 4);
	cr_assert_eq(drain(0), 0);
	cr_assert_eq(got.nr_words, 2);
	cr_assert_eq(got.words[0], 10);
	cr_assert(image_is_clean(&image, 4));
}

/* ---- queues that cannot be ------------------------------------------------------------------- */

Test(collector, circle_in_a_queue_ends)
{
	queue_three(1, 100);
	queue_three(2, 200);
	image.areas[1].next = 2 + 1;
	cr_assert_eq(drain(0), -EPROTO);
	cr_assert_eq(got.nr_batches, 2, "each area once");
	cr_assert(image_is_clean(&image, 1) && image_is_clean(&image, 2));
}

Test(collector, queue_that_leads_out_of_the_directory_ends)
{
	queue_three(1, 100);
	image.areas[1].next = NR_AREAS + 1;
	image.owners[3].queue = ~0u;
	cr_assert_eq(drain(0), -EPROTO);
	cr_assert_eq(got.nr_batches, 1);
}

Test(collector, area_that_is_not_queued_is_left_alone)
{
	queue_three(1, 100);
	queue_three(2, 200);
	image.areas[2].flag = COVBUF_FLAG(2, PROC, COVBUF_AREA_HELD);
	cr_assert_eq(drain(0), -EPROTO);
	cr_assert_eq(got.nr_batches, 1);
	cr_assert_eq(got.words[0], 100);
	cr_assert_eq(image_state(&image, 2), COVBUF_AREA_HELD);
	cr_assert_eq(image_words(&image, 2)[0], 200);
}

Test(collector, impossible_description_is_dropped)
{
	queue_three(1, 100);
	image.areas[1].nr_words = ~0u;
	queue_three(2, 200);
	image.areas[2].offset_bytes = 6 * PART + 8;
	queue_three(3, 300);
	image.areas[3].area_class = ~0u;
	queue_three(4, 400);
	image.areas[4].owner = ~0u;
	queue_three(5, 500);
	cr_assert_eq(drain(0), -EPROTO);
	cr_assert_eq(got.nr_batches, 1);
	cr_assert_eq(got.words[0], 500);
	cr_assert(image_is_clean(&image, 1));
	cr_assert_eq(image_state(&image, 2), COVBUF_AREA_READING, "where it is, nobody knows");
}

/* ---- rings ----------------------------------------------------------------------------------- */

static void put(uint32_t i, uint64_t k, uint64_t nr_slots, uint64_t value)
{
	image_words(&image, i)[k & (nr_slots - 1)] = value;
}

Test(collector, ring_in_use_is_taken_up_to_the_first_gap)
{
	uint64_t start = COVBUF_RING_START;

	image_ring(&image, 4, COVBUF_AREA_HELD, COVBUF_MODE_PC, 8);
	put(4, 0, 8, 10);
	put(4, 1, 8, 11);
	put(4, 3, 8, 13);
	cr_assert_eq(drain(COVBUF_DRAIN_LIVE), 0);
	cr_assert_eq(got.nr_words, 2);
	cr_assert_eq(image.areas[4].position, start + 2);
	cr_assert_eq(image_words(&image, 4)[0], start + 8, "free for the next lap");
	cr_assert_eq(image_words(&image, 4)[3], 13);
	put(4, 2, 8, 12);
	cr_assert_eq(drain(COVBUF_DRAIN_LIVE), 0);
	cr_assert_arr_eq(got.words, ((uint64_t[]){ 12, 13 }), 16);
	cr_assert_eq(image_state(&image, 4), COVBUF_AREA_HELD);
}

/* It had said that the slot is free, and not yet where the next consumer begins. */
Test(collector, ring_goes_on_behind_the_slot_that_a_dead_consumer_freed)
{
	image_ring(&image, 4, COVBUF_AREA_HELD, COVBUF_MODE_PC, 8);
	put(4, 0, 8, COVBUF_RING_START + 8);
	put(4, 1, 8, 11);
	cr_assert_eq(drain(COVBUF_DRAIN_LIVE), 0);
	cr_assert_eq(got.nr_words, 1);
	cr_assert_eq(got.words[0], 11);
	cr_assert_eq(image.areas[4].position, COVBUF_RING_START + 2);
}

Test(collector, finished_ring_comes_in_order_with_its_holes)
{
	image_ring(&image, 4, COVBUF_AREA_QUEUED, COVBUF_MODE_PC, 8);
	image.areas[4].position = COVBUF_RING_START + 6;
	image.areas[4].claimed = COVBUF_RING_START + 13;
	for (uint64_t k = 0; k < 6; k++)
		put(4, k, 8, COVBUF_RING_START + k + 8);
	put(4, 6, 8, 16);
	put(4, 7, 8, 17);
	put(4, 9, 8, 19);
	put(4, 10, 8, 20);
	image_push(&image, 0, 4);
	cr_assert_eq(drain(0), 0);
	cr_assert_arr_eq(got.words, ((uint64_t[]){ 16, 17, 19, 20 }), 32);
	cr_assert_eq(drained.lost, 3, "8, 11 and 12 were claimed");
	cr_assert(image_is_clean(&image, 4));
}

Test(collector, cmp_ring_is_taken_by_its_pcs)
{
	uint64_t *words = image_words(&image, 4);

	image_ring(&image, 4, COVBUF_AREA_HELD, COVBUF_MODE_CMP, 4);
	memcpy(words, (uint64_t[]){ 1, 2, 3, 4 }, 32);
	memcpy(words + 4, (uint64_t[]){ 5, 6, 7 }, 24); /* no pc yet */
	cr_assert_eq(drain(COVBUF_DRAIN_LIVE), 0);
	cr_assert_arr_eq(got.words, ((uint64_t[]){ 1, 2, 3, 4 }), 32);
	cr_assert_eq(got.nr_words, 4);
	cr_assert_eq(words[3], COVBUF_RING_START + 4);
}

Test(collector, ring_of_a_recording_is_not_taken)
{
	image_ring(&image, 4, COVBUF_AREA_HELD, COVBUF_MODE_PC, 8);
	put(4, 0, 8, 10);
	image.owners[0].flags = COVBUF_OWNER_KEEP;
	cr_assert_eq(drain(COVBUF_DRAIN_LIVE), 0);
	cr_assert_eq(got.nr_batches, 0);
	cr_assert_eq(image.areas[4].position, COVBUF_RING_START);
}

Test(collector, ring_with_an_impossible_position_is_left_alone)
{
	image_ring(&image, 4, COVBUF_AREA_HELD, COVBUF_MODE_PC, 8);
	put(4, 0, 8, 10);
	image.areas[4].position = 0;
	cr_assert_eq(drain(COVBUF_DRAIN_LIVE), -EPROTO);
	cr_assert_eq(got.nr_batches, 0);
	cr_assert_eq(image_words(&image, 4)[0], 10);
}

#define STREAM_SLOTS 1024ull
#define STREAM 2000000ull /* records; fewer where the three have to take turns on one processor */
#define STREAM_LEAST (20 * STREAM_SLOTS)
#define STREAM_SECONDS 5

static uint64_t streamed; /* how many there were, once that is known */

/* DESIGN's append for rings, without handlers: waits where that would lose. */
static void *stream(void *arg)
{
	uint64_t *words = image_words(&image, 4), n;
	time_t end = time(NULL) + STREAM_SECONDS;

	(void)arg;
	for (n = 0; n < STREAM && (n < STREAM_LEAST || n % STREAM_SLOTS || time(NULL) < end); n++) {
		uint64_t k = COVBUF_RING_START + n, *slot = &words[k & (STREAM_SLOTS - 1)];

		for (uint32_t looks = 0; __atomic_load_n(slot, __ATOMIC_RELAXED) != k; looks++)
			if (looks > 1000)
				sched_yield();
		__atomic_store_n(slot, n + 1, __ATOMIC_RELAXED);
	}
	__atomic_store_n(&streamed, n, __ATOMIC_RELEASE);
	return NULL;
}

static int expect_next(const struct covbuf_batch *batch, void *arg)
{
	uint64_t *next = arg;

	for (uint64_t i = 0; i < batch->nr_words; i++) {
		if (batch->words[i] != ++*next)
			return -EBADMSG;
	}
	return 0;
}

/* All of it. */
static void drain_stream(void)
{
	uint64_t next = 0, before = 0, all = 0;

	while (!all || next < all) {
		all = __atomic_load_n(&streamed, __ATOMIC_ACQUIRE);
		cr_assert_eq(covbuf_drain(segment, COVBUF_DRAIN_LIVE, expect_next, &next, NULL), 0);
		if (next == before)
			sched_yield();
		before = next;
	}
	cr_assert_eq(next, all);
}

Test(collector, stream_through_a_ring_is_complete_and_in_order)
{
	pthread_t writer;

	image_ring(&image, 4, COVBUF_AREA_HELD, COVBUF_MODE_PC, STREAM_SLOTS);
	pthread_create(&writer, NULL, stream, NULL);
	drain_stream();
	pthread_join(writer, NULL);
}

/* An observer beside producer and consumer sees records of the stream only, in order. */
static int rising(const struct covbuf_area *area, const uint64_t *record, void *arg)
{
	uint64_t *last = arg;

	(void)area;
	if (*record <= *last || *record > STREAM)
		return -EBADMSG;
	*last = *record;
	return 0;
}

static void *observe(void *arg)
{
	struct covbuf_segment *observer = image_open(&image, COVBUF_OPEN_READ);
	int64_t seen = 0;

	while (!__atomic_load_n((bool *)arg, __ATOMIC_RELAXED)) {
		struct covbuf_area area;
		uint64_t last = 0, all[STREAM_SLOTS];
		int64_t records = covbuf_view_area(observer, 4, &area);

		if (!records)
			records = covbuf_view_words(observer, 4, &area, 0, STREAM_SLOTS, all);
		for (uint64_t n = 0; records > 0 && n < STREAM_SLOTS; n++) {
			const uint64_t *record = &all[(area.position + n) & (STREAM_SLOTS - 1)];

			/* slot and record must agree */
			if (*record && ((*record - 1 - (area.position + n)) & (STREAM_SLOTS - 1)))
				return (void *)1;
			seen += *record != 0;
		}
		if (!records || records == -EAGAIN)
			continue;
		if (records < 0 || covbuf_view_records(observer, 4, &area, rising, &last, NULL) == -ENOMEM)
			return (void *)2;
	}
	fprintf(stderr, "observer saw %ld records\n", (long)seen);
	return NULL;
}

Test(collector, observer_beside_a_stream_sees_whole_records)
{
	pthread_t writer, observer;
	bool stop = false;
	void *bad;

	image_ring(&image, 4, COVBUF_AREA_HELD, COVBUF_MODE_PC, STREAM_SLOTS);
	pthread_create(&observer, NULL, observe, &stop);
	pthread_create(&writer, NULL, stream, NULL);
	drain_stream();
	__atomic_store_n(&stop, true, __ATOMIC_RELAXED);
	pthread_join(writer, NULL);
	pthread_join(observer, &bad);
	cr_assert_null(bad);
}

/* ---- the dead -------------------------------------------------------------------------------- */

/* Process slot 2, of a process that is no more. */
static void bury(void)
{
	pid_t child = fork();
	int status;

	if (!child)
		_exit(0);
	waitpid(child, &status, 0);
	image.procs[2].pid = (uint32_t)child;
	image.procs[2].start_ticks = 1;
	image.procs[2].state = COVBUF_PROC_LIVE | 7 << 8;
}

static void held_by(uint32_t i, uint32_t holder, uint32_t state)
{
	image.areas[i].flag = COVBUF_FLAG(9, holder, state);
}

Test(collector, dead_process_gives_back_what_it_held)
{
	bury();
	queue_three(1, 100); /* on a queue: stays there, comes with it */
	held_by(1, 2, COVBUF_AREA_QUEUED);
	queue_three(3, 300);
	image.owners[0].queue = 1 + 1;
	held_by(3, 2, COVBUF_AREA_QUEUED); /* died before the push */
	queue_three(4, 400);
	image.owners[0].queue = 1 + 1;
	held_by(4, 2, COVBUF_AREA_HELD);
	queue_three(5, 500);
	image.owners[0].queue = 1 + 1;
	held_by(5, PROC, COVBUF_AREA_HELD); /* of the living */
	queue_three(6, 600);
	image.owners[0].queue = 1 + 1;
	held_by(6, 2, COVBUF_AREA_HELD);
	memset(image_words(&image, 6), 0, 24); /* nothing in it */
	image.contexts[3].state = COVBUF_CONTEXT_LIVE | 2 << 8 | 11ull << 24;
	image.contexts[4].state = COVBUF_CONTEXT_LIVE | PROC << 8;
	cr_assert_eq(drain(COVBUF_DRAIN_AUDIT), 0);
	cr_assert_eq(got.nr_batches, 3);
	cr_assert_arr_eq(got.words, ((uint64_t[]){ 100, 101, 102, 300, 301, 302, 400, 401, 402 }), 72);
	cr_assert(image_is_clean(&image, 1) && image_is_clean(&image, 3) && image_is_clean(&image, 4));
	cr_assert(image_is_clean(&image, 6));
	cr_assert_eq(image_state(&image, 5), COVBUF_AREA_HELD);
	cr_assert_eq(drained.dead_procs, 1);
	cr_assert_eq(drained.reclaimed, 3);
	cr_assert_eq(image.procs[2].state, (COVBUF_PROC_ENDED | 7 << 8));
	cr_assert_eq(image.contexts[3].state, (COVBUF_CONTEXT_ENDED | 2 << 8 | 11ull << 24));
	cr_assert_eq(image.contexts[4].state & 0xff, COVBUF_CONTEXT_LIVE);
	cr_assert_eq(image.procs[PROC].state, COVBUF_PROC_LIVE);
}

Test(collector, what_the_dead_had_queued_stays_queued)
{
	bury();
	queue_three(1, 100);
	queue_three(2, 200);
	held_by(1, 2, COVBUF_AREA_QUEUED);
	held_by(2, 2, COVBUF_AREA_QUEUED);
	cr_assert_eq(covb_audit_process(segment, 2, gather, NULL, &drained), 0);
	cr_assert_eq(image_state(&image, 1), COVBUF_AREA_QUEUED);
	cr_assert_eq(image_state(&image, 2), COVBUF_AREA_QUEUED);
	cr_assert_eq(image.owners[0].queue, 2 + 1);
}

Test(collector, recording_of_the_dead_is_kept)
{
	bury();
	image.owners[0].flags = COVBUF_OWNER_KEEP;
	queue_three(4, 400);
	image.owners[0].queue = 0;
	held_by(4, 2, COVBUF_AREA_HELD);
	cr_assert_eq(drain(COVBUF_DRAIN_AUDIT), 0);
	cr_assert_eq(image_state(&image, 4), COVBUF_AREA_ENDED);
	cr_assert_eq(COVBUF_FLAG_GENERATION(image.areas[4].flag), 9);
	cr_assert_eq(image_words(&image, 4)[1], 401);
}

Test(collector, owner_of_the_dead_is_disabled_for_good)
{
	bury();
	image.owners[2].state = COVBUF_OWNER_LIVE | 2 << 8 | 4ull << 24;
	image.owners[2].sequence = SEQUENCE;
	queue_three(4, 400);
	image.owners[0].queue = 0;
	image.areas[4].owner = 2 + 1;
	image_push(&image, 2, 4);
	cr_assert_eq(drain(COVBUF_DRAIN_AUDIT), 0);
	cr_assert_eq(got.nr_words, 3, "what was finished counts");
	cr_assert_eq(image.owners[2].state, (COVBUF_OWNER_NONE | 2 << 8 | 4ull << 24));
	queue_three(5, 500);
	image.owners[0].queue = 0;
	image.areas[5].owner = 2 + 1;
	image_push(&image, 2, 5);
	cr_assert_eq(drain(COVBUF_DRAIN_AUDIT), 0);
	cr_assert_eq(got.nr_words, 0, "what comes later does not");
	cr_assert_eq(image.owners[2].stale, 3);
	cr_assert_eq(image.owners[0].state, COVBUF_OWNER_LIVE);
}

/* It died between the words of the description: an area that was linear is a ring, but has no ring's number of words. */
static void half_described(uint32_t i)
{
	image_area(&image, i, COVBUF_AREA_HELD, COVBUF_MODE_PC, COVBUF_RING, LINEAR_WORDS);
	image_words(&image, i)[7] = COVBUF_RING_START | 7;
	held_by(i, 2, COVBUF_AREA_HELD);
}

Test(collector, area_that_the_dead_had_half_described_is_no_damage)
{
	bury();
	half_described(4);
	cr_assert_eq(drain(COVBUF_DRAIN_AUDIT), 0);
	cr_assert_eq(got.nr_batches, 0);
	cr_assert(image_is_clean(&image, 4));
	cr_assert_eq(drained.reclaimed, 1);
}

Test(collector, area_of_the_dead_that_is_nowhere_is_damage)
{
	bury();
	half_described(4);
	image.areas[4].offset_bytes = 6 * PART + 8;
	cr_assert_eq(drain(COVBUF_DRAIN_AUDIT), -EPROTO);
	cr_assert_eq(image_state(&image, 4), COVBUF_AREA_READING);
}

Test(collector, areas_of_a_dead_consumer_are_delivered_again)
{
	queue_three(4, 400);
	image.owners[0].queue = 0;
	held_by(4, COVB_HOLDER_CONSUMER, COVBUF_AREA_READING);
	cr_assert_eq(drain(COVBUF_DRAIN_AUDIT), 0);
	cr_assert_eq(got.nr_words, 3);
	cr_assert(image_is_clean(&image, 4));
}

/* ---- storage that goes away ------------------------------------------------------------------ */

static volatile sig_atomic_t foreign;
static char *foreign_page;

static void on_foreign(int signal_number)
{
	(void)signal_number;
	foreign++;
	mmap(foreign_page, 4096, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
}

static void make_cut(void)
{
	char path[] = "/tmp/covbuf-collector-XXXXXX";
	int fd = mkstemp(path);

	unlink(path);
	image_make(&image, fd);
	segment = image_open(&image, COVBUF_OPEN_CONSUME);
}

static int cut_and_read(const struct covbuf_batch *batch, void *arg)
{
	uint64_t sum = 0;

	if (ftruncate(image.fd, 6 * PART))
		abort();
	for (uint64_t i = 0; i < batch->nr_words; i++)
		sum += batch->words[i];
	*(uint64_t *)arg = sum;
	return 0;
}

Test(cut, file_that_is_cut_under_the_consumer_is_an_error, .init = make_cut)
{
	uint64_t sum = 0;

	queue_three(4, 100);
	cr_assert_eq(covbuf_drain(segment, 0, cut_and_read, &sum, &drained), -EIO);
	cr_assert_eq(sum, 303, "what fn reads cannot go away");
	cr_assert_eq(covbuf_drain(segment, COVBUF_DRAIN_AUDIT | COVBUF_DRAIN_LIVE, gather, NULL, &drained), -EIO);
	cr_assert_eq(ftruncate(image.fd, 0), 0);
	cr_assert_eq(covbuf_drain(segment, COVBUF_DRAIN_AUDIT | COVBUF_DRAIN_LIVE, gather, NULL, &drained), -EIO);
	cr_assert_eq(covb_audit_process(segment, 2, NULL, NULL, NULL), -EIO);
}

static int fault_elsewhere(const struct covbuf_batch *batch, void *arg)
{
	(void)batch;
	(void)arg;
	return *(volatile char *)foreign_page;
}

Test(cut, foreign_bus_error_goes_to_who_had_the_signal, .init = make_cut)
{
	struct sigaction before = { .sa_handler = on_foreign }, after;
	int fd = memfd_create("short", 0);

	foreign_page = mmap(NULL, 4096, PROT_READ, MAP_SHARED, fd, 0);
	sigaction(SIGBUS, &before, NULL);
	queue_three(4, 100);
	cr_assert_eq(covbuf_drain(segment, 0, fault_elsewhere, NULL, &drained), 0);
	cr_assert_eq(foreign, 1);
	sigaction(SIGBUS, NULL, &after);
	cr_assert_eq((void *)after.sa_handler, (void *)on_foreign, "and is left as it was");
}

/* ---- hostile --------------------------------------------------------------------------------- */

static bool stop;

/* Something good now and then, or nothing would get past the first checks. */
static void repair(uint64_t r)
{
	uint32_t i = r % NR_AREAS;

	__atomic_store_n(&image.header->nr_areas, NR_AREAS, __ATOMIC_RELAXED);
	__atomic_store_n(&image.header->size_bytes, (6 + NR_AREAS) * PART, __ATOMIC_RELAXED);
	image.owners[0].sequence = SEQUENCE;
	image.owners[0].flags = r >> 8 & COVBUF_OWNER_KEEP;
	image.areas[i].offset_bytes = (6 + i) * PART;
	image.areas[i].area_class = 0;
	image_area(&image, i, r >> 16 & 1 ? COVBUF_AREA_QUEUED : COVBUF_AREA_HELD, r >> 17 & 1, (r >> 18) % 3, 4096);
	__atomic_store_n(&image.areas[i].next, (r >> 20) % (NR_AREAS + 2), __ATOMIC_RELAXED);
	__atomic_store_n(&image.owners[0].queue, i + 1, __ATOMIC_RELEASE);
}

static void *scribble(void *arg)
{
	static const uint64_t edges[] = { 0, 1, 2, 3, 4, 5, 12, 4096, 0xffff, 0xffffffff, ~0ull, 1ull << 63, 6 * PART,
					  0x7fffffffffffffff, (1ull << 32) + 1, 0x0002000000000003 };
	uint64_t seed = *(uint64_t *)arg;

	while (!__atomic_load_n(&stop, __ATOMIC_RELAXED)) {
		uint64_t r = image_random(&seed);
		struct covbuf_area *area = &image.areas[r % NR_AREAS];
		uint64_t *words = (uint64_t *)area;

		switch (r >> 60 & 15) {
		case 0:
			__atomic_store_n(&words[r >> 8 & 31], edges[r >> 40 & 15], __ATOMIC_RELAXED);
			break;
		case 1:
			__atomic_store_n(&area->flag, COVBUF_FLAG(r >> 32 & 1, r >> 20 & 1 ? 2 : COVB_HOLDER_CONSUMER, r >> 8 & 15),
					 __ATOMIC_RELAXED);
			break;
		case 2:
			__atomic_store_n(&image.owners[r >> 8 & 15].queue, (r >> 16) % (NR_AREAS + 2), __ATOMIC_RELAXED);
			break;
		case 3:
			__atomic_store_n(&area->next, (r >> 16) % (NR_AREAS + 2), __ATOMIC_RELAXED);
			break;
		case 4:
			__atomic_store_n(&area->offset_bytes, (r >> 16) % (8 + NR_AREAS) * PART, __ATOMIC_RELAXED);
			__atomic_store_n(&area->kind, r >> 8 & 3, __ATOMIC_RELAXED);
			__atomic_store_n(&area->nr_words, 1u << (r >> 12 & 15), __ATOMIC_RELAXED);
			__atomic_store_n(&area->owner, r >> 24 & 1, __ATOMIC_RELAXED);
			break;
		case 5:
			__atomic_store_n((uint64_t *)image.owners + (r >> 8) % 512, edges[r >> 40 & 15], __ATOMIC_RELAXED);
			break;
		case 6:
			__atomic_store_n(&image_words(&image, r % NR_AREAS)[r >> 8 & 8191], edges[r >> 40 & 15],
					 __ATOMIC_RELAXED);
			break;
		case 7:
			__atomic_store_n(&image.header->nr_areas, edges[r >> 48 & 15], __ATOMIC_RELAXED);
			__atomic_store_n(&image.procs[2].state, r >> 50 & 1, __ATOMIC_RELAXED);
			__atomic_store_n(&image.header->size_bytes,
					 r >> 52 & 1 ? edges[r >> 44 & 15] : (6 + NR_AREAS) * PART, __ATOMIC_RELAXED);
			break;
		default:
			repair(r);
		}
	}
	return NULL;
}

static int touch_all(const struct covbuf_batch *batch, void *arg)
{
	for (uint64_t i = 0; i < batch->nr_words; i++)
		*(uint64_t *)arg += batch->words[i];
	return *(uint64_t *)arg % 16 == 0;
}

Test(collector, hostile_writer_gives_bounded_work_and_no_fault)
{
	uint64_t seed = (uint64_t)time(NULL) | 1, sum = 0, passes = 0, areas = 0;
	pthread_t writer;
	time_t end = time(NULL) + 3, late = end + 40; /* on a busy machine the writer comes later */

	fprintf(stderr, "seed %lu\n", (unsigned long)seed);
	bury();
	image.procs[2].pid = 0; /* dead without a look at /proc */
	pthread_create(&writer, NULL, scribble, &seed);
	while (time(NULL) < end || (areas <= 100 && time(NULL) < late)) {
		covbuf_drain(segment, COVBUF_DRAIN_LIVE | COVBUF_DRAIN_AUDIT, touch_all, &sum, &drained);
		areas += drained.areas;
		passes++;
		if (!drained.areas)
			sched_yield();
	}
	stop = true;
	pthread_join(writer, NULL);
	fprintf(stderr, "%lu passes, %lu areas\n", (unsigned long)passes, (unsigned long)areas);
	cr_assert_gt(areas, 100);
}

/* ---- with the engine ------------------------------------------------------------------------- */

static struct covbuf_segment *create(uint32_t kind)
{
	struct covbuf_segment_options options = {
		.automatic = { .enabled = 1, .kind = kind, .flags = COVBUF_AUTO_GROW },
	};
	struct covbuf_message why = { "" };
	struct covbuf_segment *made;

	cr_assert_eq(covbuf_segment_create(NULL, &options, &made, &why), 0, "%s", why.text);
	cr_assert_eq(covbuf_segment_consume(made), 0);
	return made;
}

/* A child that attaches, records 1..n, and is killed. */
static void record_and_die(struct covbuf_segment *made, uint64_t n)
{
	char where[32];
	int status;
	pid_t child;

	snprintf(where, sizeof(where), "fd:%d", covbuf_segment_descriptor(made));
	child = fork();
	if (!child) {
		if (covbuf_attach(where))
			_exit(1);
		for (uint64_t i = 1; i <= n; i++)
			covbuf_record(i);
		raise(SIGKILL);
	}
	waitpid(child, &status, 0);
	cr_assert(WIFSIGNALED(status));
}

static void comes_back_whole(uint32_t kind, uint64_t n)
{
	struct covbuf_segment *made = create(kind);
	uint32_t nr_free = covbuf_segment_free_areas(made, 0);
	uint64_t next = 0;

	for (int round = 0; round < 3; round++) {
		next = 0;
		record_and_die(made, n);
		cr_assert_eq(covbuf_drain(made, COVBUF_DRAIN_AUDIT | COVBUF_DRAIN_LIVE, expect_next, &next, &drained), 0);
		cr_assert_eq(next, n);
		cr_assert_eq(drained.dead_procs, 1);
		cr_assert_eq(covbuf_segment_free_areas(made, 0), nr_free);
	}
}

Test(engine, records_of_a_killed_process_come_back, .timeout = 60)
{
	comes_back_whole(COVBUF_LINEAR, 5000);
}

Test(engine, ring_of_a_killed_process_comes_back, .timeout = 60)
{
	comes_back_whole(COVBUF_RING, 3000);
}
