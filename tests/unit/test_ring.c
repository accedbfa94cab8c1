/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Rings: drained while they are written, by the consumer and after the stop. */
#include "fixture.h"
#include "shm/shm.h"

#include <pthread.h>

static struct covbuf_owner *ring_owner(uint32_t mode)
{
	struct covbuf_owner *owner = make_owner(mode, COVBUF_RING, 0);

	cr_assert_eq(covbuf_enable(owner), 0);
	return owner;
}

static uint64_t ring_records(uint32_t mode)
{
	return 65536 / 16 / (mode == COVBUF_MODE_CMP ? 4 : 1);
}

Test(ring, what_fits_comes_back_after_the_disable)
{
	struct covbuf_owner *owner;
	struct collected *got;

	attach_with(4);
	owner = ring_owner(COVBUF_MODE_PC);
	for (uint64_t i = 1; i <= 100; i++)
		covbuf_trace_pc(i);
	cr_assert_eq(covbuf_disable(owner), 0);
	got = collect(owner);
	cr_assert_eq(got->nr_words, 100);
	cr_assert_eq(got->words[99], 100);
}

Test(ring, a_ring_that_nobody_drains_counts_what_it_loses)
{
	struct covbuf_owner *owner;

	attach_with(4);
	owner = ring_owner(COVBUF_MODE_PC);
	for (uint64_t i = 1; i <= ring_records(0) + 33; i++)
		covbuf_trace_pc(i);
	cr_assert_eq(lost(COVBUF_LOST_FULL), 33);
	cr_assert_eq(covbuf_disable(owner), 0);
	cr_assert_eq(collect(owner)->nr_words, ring_records(0));
}

/* The only one that is in use; which of them it is depends on the thread's number. */
static struct covbuf_area *ring_in_use(struct covbuf_segment *segment)
{
	uint32_t i = 0;

	while (COVBUF_FLAG_STATE(covb_load(&segment->areas[i].flag)) != COVBUF_AREA_HELD)
		cr_assert_lt(++i, segment->layout.areas.nr);
	return &segment->areas[i];
}

/* As the consumer does, whose next pass is many slots long. */
static void free_slots(struct covbuf_segment *segment, uint64_t nr)
{
	struct covbuf_area *area = ring_in_use(segment);
	uint64_t *words = (uint64_t *)(segment->base + area->offset_bytes);

	for (; nr; nr--) {
		uint64_t k = covb_load(&area->position);

		covb_store(&words[k % ring_records(0)], k + ring_records(0));
		covb_store(&area->position, k + 1);
	}
}

Test(ring, one_that_was_full_is_written_to_again_when_some_room_is_there)
{
	struct covbuf_segment *segment;

	attach_with(1);
	segment = covbuf_attached_segment();
	ring_owner(COVBUF_MODE_PC);
	for (uint64_t i = 1; i <= ring_records(0) + 1; i++)
		covbuf_trace_pc(i);
	cr_assert_eq(lost(COVBUF_LOST_FULL), 1);
	free_slots(segment, 64);
	covbuf_trace_pc(2);
	cr_assert_eq(lost(COVBUF_LOST_FULL), 2); /* its own line's neighbours are the consumer's still */
	free_slots(segment, 1);
	for (uint64_t i = 1; i <= 65; i++)
		covbuf_trace_pc(i);
	cr_assert_eq(lost(COVBUF_LOST_FULL), 2);
	covbuf_trace_pc(3);
	cr_assert_eq(lost(COVBUF_LOST_FULL), 3);
}

/* Less room than that is used in the end: what is ahead may be waiting for a hole. */
Test(ring, one_that_was_full_is_looked_at_anew_now_and_then)
{
	uint64_t nr = 0;

	attach_with(1);
	ring_owner(COVBUF_MODE_PC);
	for (uint64_t i = 1; i <= ring_records(0) + 1; i++)
		covbuf_trace_pc(i);
	free_slots(covbuf_attached_segment(), 10);
	for (; nr < 1000 && lost(COVBUF_LOST_FULL) == nr + 1; nr++)
		covbuf_trace_pc(1);
	cr_assert_gt(nr, 200);
	cr_assert_lt(nr, 300);
}

static void drain(struct collected *to)
{
	struct covbuf_segment *segment = covbuf_attached_segment();

	cr_assert_eq(covbuf_drain(segment, COVBUF_DRAIN_LIVE, gather, to, NULL), 0);
}

static void laps_of(uint32_t mode)
{
	struct collected *got = calloc(1, sizeof(*got));
	uint64_t step = mode == COVBUF_MODE_CMP ? 4 : 1, next = 1, n = ring_records(mode) * 3 / 4;
	struct covbuf_owner *owner;

	attach_with(4);
	cr_assert_eq(covbuf_segment_consume(covbuf_attached_segment()), 0);
	owner = ring_owner(mode);
	for (int lap = 0; lap < 20; lap++) {
		for (uint64_t i = 0; i < n; i++, next++)
			if (mode == COVBUF_MODE_CMP)
				covbuf_trace_cmp(6, next, next + 1, next);
			else
				covbuf_trace_pc(next);
		got->nr_words = 0;
		drain(got);
		cr_assert_eq(got->nr_words, n * step);
		for (uint64_t i = 0; i < n; i++) {
			cr_assert_eq(got->words[i * step + step - 1], next - n + i);
			if (step == 4)
				cr_assert_eq(got->words[i * 4 + 2], next - n + i + 1);
		}
	}
	for (int i = 0; i < COVBUF_NR_LOSSES; i++)
		cr_assert_eq(lost(i), 0);
	cr_assert_eq(covbuf_disable(owner), 0);
}

Test(ring, pc_records_go_round)
{
	laps_of(COVBUF_MODE_PC);
}

Test(ring, cmp_records_go_round)
{
	laps_of(COVBUF_MODE_CMP);
}

static volatile int done;

static void *write_ring(void *arg)
{
	struct covbuf_owner *owner = arg;

	cr_assert_eq(covbuf_enable(owner), 0);
	for (uint64_t i = 1; i <= 3000000; i++)
		covbuf_trace_pc(i);
	done = 1;
	return (void *)(uintptr_t)lost(COVBUF_LOST_FULL);
}

struct order {
	uint64_t last, got, disorder;
};

static int check_order(const struct covbuf_batch *batch, void *arg)
{
	struct order *order = arg;

	for (uint64_t i = 0; i < batch->nr_words; i++) {
		if (!batch->words[i] || (batch->words[i] & COVBUF_NOT_A_RECORD))
			continue;
		order->disorder += batch->words[i] <= order->last;
		order->last = batch->words[i];
		order->got++;
	}
	return 0;
}

Test(ring, a_consumer_beside_its_writer_gets_each_record_once_and_in_order)
{
	struct covbuf_segment *segment;
	struct order order = { 0 };
	pthread_t thread;
	void *lost_full;

	attach_with(4);
	segment = covbuf_attached_segment();
	cr_assert_eq(covbuf_segment_consume(segment), 0);
	pthread_create(&thread, NULL, write_ring, make_owner(COVBUF_MODE_PC, COVBUF_RING, 0));
	while (!done)
		cr_assert_eq(covbuf_drain(segment, COVBUF_DRAIN_LIVE, check_order, &order, NULL), 0);
	pthread_join(thread, &lost_full);
	cr_assert_eq(covbuf_drain(segment, COVBUF_DRAIN_LIVE, check_order, &order, NULL), 0);
	cr_assert_eq(order.disorder, 0);
	cr_assert_eq(order.got + (uintptr_t)lost_full, 3000000);
}
