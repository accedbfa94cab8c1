/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Unwinding, where an append is interrupted at a certain instruction: the steps of an append are taken
 * one by one, and what would be a handler is called in between.
 */
#include "fixture.h"

#include <pthread.h>

#include "libcovbuf/core/engine.h"

static struct covbuf_owner *enabled_owner(uint32_t mode)
{
	struct covbuf_owner *owner = make_owner(mode, COVBUF_LINEAR, 0);

	cr_assert_eq(covbuf_enable(owner), 0);
	return owner;
}

/* A handler interrupts the append that has claimed the area's last slot, jumps within itself, and goes on. */
Test(unwind, a_mark_behind_a_full_area_leaves_the_interrupted_append_its_slot)
{
	struct covbuf_context *ctx = covbuf_context();
	const uint64_t nr = covbuf_class_words(0);
	struct covbuf_owner *owner;
	struct covbuf_mark mark;
	uint64_t *slot;

	attach_with(8);
	owner = enabled_owner(COVBUF_MODE_PC);
	for (uint64_t i = 1; i < nr; i++)
		covbuf_trace_pc(i);
	slot = covb_slot_pc(ctx);
	cr_assert(covb_claim_pc(ctx, slot));
	covbuf_mark(&mark);
	cr_assert_eq(covbuf_unwind(&mark), 0);
	covbuf_trace_pc(1u << 20);
	covb_store(slot, nr);
	cr_assert_eq(covbuf_disable(owner), 0);
	cr_assert_eq(collect(owner)->nr_words, nr);
	cr_assert_eq(lost(COVBUF_LOST_FULL), 1);
}

/* Two appends are cut short and a third is done in a handler of the second: the area is not empty. */
Test(unwind, an_area_with_a_record_behind_slots_that_were_cut_short_is_delivered)
{
	struct covbuf_context *ctx = covbuf_context();
	struct covbuf_owner *owner;
	struct covbuf_mark mark;

	attach_with(8);
	owner = enabled_owner(COVBUF_MODE_CMP);
	covbuf_mark(&mark);
	covb_store(&ctx->cursor[COVBUF_MODE_CMP], covb_slot_cmp(ctx) + 2 * COVBUF_CMP_WORDS);
	covbuf_trace_cmp(1, 2, 3, 4);
	cr_assert_eq(covbuf_unwind(&mark), 0);
	cr_assert_eq(covbuf_disable(owner), 0);
	cr_assert_eq(collect(owner)->nr_words, COVBUF_CMP_WORDS);
}

static void *unwind_to_before_birth(void *arg)
{
	struct covbuf_mark mark;

	(void)arg;
	covbuf_mark(&mark);
	covbuf_trace_pc(1);
	cr_assert_eq(covbuf_unwind(&mark), 0);
	covbuf_trace_pc(2);
	return NULL;
}

/* The jump leaves a handler that interrupted the first record, when there was a context and no frame yet. */
static void *unwind_out_of_birth(void *arg)
{
	struct covbuf_mark mark;

	(void)arg;
	covbuf_mark(&mark);
	covb_engine.automatic.enabled = 0;
	cr_assert(covb_context_open(covbuf_context()));
	covb_engine.automatic.enabled = 1;
	cr_assert_eq(covbuf_unwind(&mark), 0);
	covbuf_trace_pc(3);
	return NULL;
}

/* Jumps leave handlers that interrupted the first record each time, when it had claimed and not looked yet. */
static void *unwind_out_of_claims(void *arg)
{
	struct covbuf_context *ctx = covbuf_context();
	struct covbuf_mark mark;

	(void)arg;
	covbuf_mark(&mark);
	for (uint32_t i = 0; i < 16 * COVBUF_GUARD_WORDS; i++) {
		cr_assert(!covb_claim_pc(ctx, covb_slot_pc(ctx)));
		cr_assert_eq(covbuf_unwind(&mark), 0);
	}
	covbuf_trace_pc(3);
	return NULL;
}

static int add_up(const struct covbuf_area *area, const uint64_t *record, void *arg)
{
	(void)area;
	*(uint64_t *)arg += record[0];
	return 0;
}

/* The sum of what a thread records where everything is. */
static uint64_t recorded_by(void *(*run)(void *arg))
{
	struct covbuf_segment_options options = {
		.limit_bytes = 64u << 20,
		.initial_bytes = 4u << 20,
		.automatic = { .enabled = 1, .flags = COVBUF_AUTO_KEEP },
	};
	struct covbuf_segment *segment;
	pthread_t thread;
	uint64_t sum = 0;

	cr_assert_eq(covbuf_segment_create(NULL, &options, &segment, NULL), 0);
	cr_assert_eq(covbuf_attach_segment(segment), 0);
	cr_assert_eq(pthread_create(&thread, NULL, run, NULL), 0);
	pthread_join(thread, NULL);
	for (uint32_t i = 0; i < 64; i++) {
		struct covbuf_area area;

		if (covbuf_view_area(segment, i, &area) == 0 && COVBUF_FLAG_STATE(area.flag) == COVBUF_AREA_ENDED)
			cr_assert_geq(covbuf_view_records(segment, i, &area, add_up, &sum, NULL), 0);
	}
	return sum;
}

Test(unwind, a_thread_that_unwinds_to_before_its_first_record_goes_on_recording)
{
	cr_assert_eq(recorded_by(unwind_to_before_birth), 3);
}

Test(unwind, a_thread_that_unwinds_out_of_its_first_record_goes_on_recording)
{
	cr_assert_eq(recorded_by(unwind_out_of_birth), 3);
}

Test(unwind, a_thread_that_never_gets_as_far_as_its_first_record_stays_unborn)
{
	cr_assert_eq(recorded_by(unwind_out_of_claims), 3);
}
