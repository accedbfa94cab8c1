/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The append: linear areas, PC and CMP records, guard words, chains, values that are no records. */
#include "fixture.h"

#define WORDS (65536 / 8 - COVBUF_GUARD_WORDS)

Test(append, records_come_back_in_order)
{
	struct covbuf_owner *owner;
	struct collected *got;

	attach_with(4);
	owner = make_owner(COVBUF_MODE_PC, COVBUF_LINEAR, 0);
	cr_assert_eq(covbuf_enable(owner), 0);
	for (uint64_t i = 1; i <= 1000; i++)
		covbuf_trace_pc(i);
	cr_assert_eq(covbuf_disable(owner), 0);
	got = collect(owner);
	cr_assert_eq(got->nr_words, 1000);
	for (uint64_t i = 0; i < 1000; i++)
		cr_assert_eq(got->words[i], i + 1);
}

Test(append, a_full_area_keeps_what_fits_and_counts_the_rest)
{
	struct covbuf_owner *owner;
	struct collected *got;

	attach_with(4);
	owner = make_owner(COVBUF_MODE_PC, COVBUF_LINEAR, 0);
	cr_assert_eq(covbuf_enable(owner), 0);
	for (uint64_t i = 1; i <= WORDS + 123; i++)
		covbuf_trace_pc(i);
	cr_assert_eq(lost(COVBUF_LOST_FULL), 123);
	cr_assert_eq(covbuf_disable(owner), 0);
	got = collect(owner);
	cr_assert_eq(got->nr_words, WORDS);
	cr_assert_eq(got->words[WORDS - 1], WORDS);
}

Test(append, a_cmp_record_is_four_words)
{
	struct covbuf_owner *owner;
	struct collected *got;

	attach_with(4);
	owner = make_owner(COVBUF_MODE_CMP, COVBUF_LINEAR, 0);
	cr_assert_eq(covbuf_enable(owner), 0);
	covbuf_trace_cmp(COVBUF_CMP_SIZE(3) | COVBUF_CMP_CONST, 0, 7, 0x1234);
	covbuf_trace_pc(99); /* the other mode is filtered, and not counted */
	covbuf_trace_cmp(COVBUF_CMP_SIZE(0), 1, 0, 0x1238);
	cr_assert_eq(covbuf_disable(owner), 0);
	got = collect(owner);
	cr_assert_eq(got->nr_words, 8);
	cr_assert_eq(got->words[0], 7);
	cr_assert_eq(got->words[2], 7);
	cr_assert_eq(got->words[3], 0x1234);
	cr_assert_eq(got->words[7], 0x1238);
	for (int i = 0; i < COVBUF_NR_LOSSES; i++)
		cr_assert_eq(lost(i), 0);
}

Test(append, a_full_cmp_area_counts_what_it_loses)
{
	struct covbuf_owner *owner;

	attach_with(4);
	owner = make_owner(COVBUF_MODE_CMP, COVBUF_LINEAR, 0);
	cr_assert_eq(covbuf_enable(owner), 0);
	for (uint64_t i = 1; i <= WORDS / 4 + 5; i++)
		covbuf_trace_cmp(0, i, i, i);
	cr_assert_eq(lost(COVBUF_LOST_FULL), 5);
	cr_assert_eq(covbuf_disable(owner), 0);
	cr_assert_eq(collect(owner)->nr_words, WORDS / 4 * 4);
}

Test(append, a_chain_grows_until_the_pool_is_empty)
{
	struct covbuf_owner *owner;
	struct collected *got;
	uint32_t nr_areas;

	attach_with(1);
	nr_areas = free_areas();
	cr_assert_geq(nr_areas, 2);
	cr_assert_leq(nr_areas, 64);
	owner = make_owner(COVBUF_MODE_PC, COVBUF_LINEAR, COVBUF_OWNER_GROW);
	cr_assert_eq(covbuf_enable(owner), 0);
	for (uint64_t i = 1; i <= nr_areas * (uint64_t)WORDS + 77; i++)
		covbuf_trace_pc(i);
	cr_assert_eq(lost(COVBUF_LOST_NO_AREA), 77);
	cr_assert_eq(lost(COVBUF_LOST_FULL), 0);
	cr_assert_eq(covbuf_disable(owner), 0);
	got = collect(owner);
	cr_assert_eq(got->nr_batches, nr_areas);
	for (uint64_t i = 0; i < got->nr_words; i++)
		cr_assert_eq(got->words[i], i + 1);
	cr_assert_eq(free_areas(), nr_areas);
}

Test(append, a_chain_goes_on_when_the_pool_has_grown)
{
	struct covbuf_owner *owner;
	uint32_t nr_areas;

	attach_with(1);
	nr_areas = free_areas();
	owner = make_owner(COVBUF_MODE_PC, COVBUF_LINEAR, COVBUF_OWNER_GROW);
	cr_assert_eq(covbuf_enable(owner), 0);
	for (uint64_t i = 1; i <= nr_areas * (uint64_t)WORDS + 10; i++)
		covbuf_trace_pc(i);
	cr_assert_eq(lost(COVBUF_LOST_NO_AREA), 10);
	cr_assert_geq(covbuf_pool_grow(0, 1), 1);
	for (uint64_t i = 1; i <= 500; i++)
		covbuf_trace_pc(i);
	cr_assert_eq(lost(COVBUF_LOST_NO_AREA), 10);
	cr_assert_eq(covbuf_disable(owner), 0);
	cr_assert_eq(collect(owner)->nr_batches, nr_areas + 1);
}

Test(append, a_value_that_is_no_record_is_refused_and_counted)
{
	struct covbuf_owner *owner;

	attach_with(2);
	owner = make_owner(COVBUF_MODE_PC, COVBUF_LINEAR, 0);
	cr_assert_eq(covbuf_enable(owner), 0);
	cr_assert_eq(covbuf_record(0), -EINVAL);
	cr_assert_eq(covbuf_record(1ull << 63), -EINVAL);
	cr_assert_eq(covbuf_record(5), 0);
	cr_assert_eq(lost(COVBUF_LOST_INVALID), 2);
	cr_assert_eq(covbuf_disable(owner), 0);
	cr_assert_eq(collect(owner)->nr_words, 1);
}

Test(append, nothing_is_recorded_without_an_engine)
{
	covbuf_trace_pc(1);
	covbuf_trace_cmp(0, 1, 2, 3);
	cr_assert_null(covbuf_context()->cursor[0]);
	cr_assert_null(covbuf_context()->cursor[1]);
	cr_assert_eq(covbuf_remote_start(1), 0);
}

Test(append, unique_mode_records_each_site_once_an_epoch)
{
	static uint32_t guards[10];
	struct covbuf_owner *owner;

	attach_with(4);
	owner = make_owner(COVBUF_MODE_PC, COVBUF_LINEAR, COVBUF_OWNER_UNIQUE);
	for (int round = 0; round < 3; round++) {
		cr_assert_eq(covbuf_enable(owner), 0);
		for (int i = 0; i < 100; i++)
			covbuf_trace_pc_site(&guards[i % 10], (uint32_t)i % 10, 1000 + (uint64_t)i % 10);
		cr_assert_eq(covbuf_disable(owner), 0);
		cr_assert_eq(collect(owner)->nr_words, 10);
	}
}

Test(append, unique_mode_tries_again_what_was_not_stored)
{
	static uint32_t guard;
	struct covbuf_owner *owner;

	attach_with(4);
	owner = make_owner(COVBUF_MODE_PC, COVBUF_LINEAR, COVBUF_OWNER_UNIQUE);
	cr_assert_eq(covbuf_enable(owner), 0);
	for (uint64_t i = 1; i <= WORDS; i++)
		covbuf_trace_pc(i);
	covbuf_trace_pc_site(&guard, 0, 5);
	covbuf_trace_pc_site(&guard, 0, 5);
	cr_assert_eq(lost(COVBUF_LOST_FULL), 2);
	cr_assert_eq(guard, 0);
}
