/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Owners and handles: life, errors, how many, merging into KCOV's layout. */
#include "fixture.h"

#include <pthread.h>
#include <unistd.h>

#define HANDLE(n) (COVBUF_SUBSYSTEM_USER | (n))

Test(owner, refuses_options_that_make_no_sense)
{
	struct covbuf_owner *owner;
	struct covbuf_owner_options bad[] = {
		{ .mode = 2 },
		{ .kind = COVBUF_COUNTED },
		{ .area_class = COVBUF_NR_CLASSES },
		{ .flags = 1u << 30 },
		{ .kind = COVBUF_RING, .flags = COVBUF_OWNER_GROW },
		{ .target_words = 100 },
		{ .reserved = { 1 } },
		{ .flags = COVBUF_OWNER_KCOV | COVBUF_OWNER_KEEP },
	};

	cr_assert_eq(covbuf_owner_create(NULL, &owner), -ENOTCONN);
	attach_with(2);
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		cr_expect_eq(covbuf_owner_create(&bad[i], &owner), -EINVAL, "%zu", i);
}

Test(owner, there_are_as_many_as_slots_and_a_dropped_one_can_be_made_again)
{
	struct covbuf_owner *owners[2000];
	int n = 0, err;

	attach_with(2);
	while (n < 2000 && !(err = covbuf_owner_create(NULL, &owners[n])))
		n++;
	cr_assert_eq(err, -ENOSPC);
	cr_assert_geq(n, 200);
	covbuf_owner_put(owners[n / 2]);
	for (int i = 0; i < 60000 && covbuf_owner_create(NULL, &owners[n / 2]); i++)
		usleep(1000); /* a grace period */
	cr_assert_eq(covbuf_enable(owners[n / 2]), 0);
	covbuf_trace_pc(1);
	cr_assert_eq(covbuf_disable(owners[n / 2]), 0);
	cr_assert_eq(collect(owners[n / 2])->nr_words, 1);
}

Test(owner, the_last_put_disables_and_returns_all)
{
	struct covbuf_owner *owner;
	uint64_t handle = HANDLE(1);
	covbuf_token token;
	uint32_t before;

	attach_with(8);
	before = free_areas();
	owner = make_owner(COVBUF_MODE_PC, COVBUF_LINEAR, 0);
	cr_assert_eq(covbuf_remote_enable(owner, &handle, 1, 0), 0);
	token = covbuf_remote_start(handle);
	covbuf_trace_pc(1);
	cr_assert_eq(covbuf_remote_stop(token), 0);
	token = covbuf_remote_start(handle);
	covbuf_trace_pc(2);
	covbuf_owner_put(covbuf_owner_get(owner));
	covbuf_owner_put(owner);
	cr_assert_eq(covbuf_remote_stop(token), 0);
	cr_assert_eq(lost(COVBUF_LOST_STALE), 1);
	cr_assert_eq(covbuf_remote_start(handle), 0);
	cr_assert_eq(free_areas(), before);
}

Test(owner, handles_are_checked_and_taken_all_or_none)
{
	struct covbuf_owner *a, *b;
	uint64_t many[COVBUF_REMOTE_MAX_HANDLES + 1];
	uint64_t taken = HANDLE(100), malformed[] = { 0, 5, HANDLE(1) | 1ull << 40 };

	attach_with(8);
	a = make_owner(0, 0, 0);
	b = make_owner(0, 0, 0);
	for (uint32_t i = 0; i <= COVBUF_REMOTE_MAX_HANDLES; i++)
		many[i] = HANDLE(i + 1);
	for (int i = 0; i < 3; i++)
		cr_expect_eq(covbuf_remote_enable(a, &malformed[i], 1, 0), -EINVAL);
	cr_assert_eq(covbuf_remote_enable(a, NULL, 0, HANDLE(1)), -EINVAL);
	cr_assert_eq(covbuf_remote_enable(a, NULL, 0, 0), -EINVAL);
	cr_assert_eq(covbuf_remote_enable(a, many, COVBUF_REMOTE_MAX_HANDLES + 1, 0), -EINVAL);
	cr_assert_eq(covbuf_remote_enable(b, &taken, 1, 0), 0);
	cr_assert_eq(covbuf_remote_enable(a, many, COVBUF_REMOTE_MAX_HANDLES, 7), -EEXIST);
	cr_assert_eq(covbuf_remote_start(HANDLE(1)), 0);
	cr_assert_eq(covbuf_disable(b), 0);
	cr_assert_eq(covbuf_remote_enable(a, many, COVBUF_REMOTE_MAX_HANDLES, 7), 0);
	cr_assert_eq(covbuf_common_handle(), 7);
	for (uint32_t i = 0; i < COVBUF_REMOTE_MAX_HANDLES; i++) {
		covbuf_token token = covbuf_remote_start(many[i]);

		cr_assert_neq(token, 0);
		cr_assert_eq(covbuf_remote_stop(token), 0);
	}
	cr_assert_neq(covbuf_remote_start(7), 0);
	covbuf_owner_put(a);
	cr_assert_eq(covbuf_common_handle(), 0);
}

Test(owner, handles_come_and_go_without_the_table_filling_up)
{
	struct covbuf_owner *owner;

	attach_with(4);
	owner = make_owner(0, 0, 0);
	for (uint64_t i = 1; i < 20000; i++) {
		uint64_t handle = HANDLE(i);
		covbuf_token token;

		cr_assert_eq(covbuf_remote_enable(owner, &handle, 1, 0), 0);
		token = covbuf_remote_start(handle);
		cr_assert_neq(token, 0);
		cr_assert_eq(covbuf_remote_stop(token), 0);
		cr_assert_eq(covbuf_disable(owner), 0);
		cr_assert_eq(covbuf_remote_start(handle), 0);
	}
}

static void *enable_elsewhere(void *arg)
{
	cr_expect_eq(covbuf_enable(arg), -EBUSY);
	cr_expect_eq(covbuf_disable(arg), -EINVAL);
	return NULL;
}

Test(owner, a_local_enable_belongs_to_its_thread)
{
	struct covbuf_owner *owner;
	pthread_t thread;

	attach_with(8);
	owner = make_owner(0, 0, 0);
	cr_assert_eq(covbuf_enable(owner), 0);
	cr_assert_eq(covbuf_enable(owner), -EBUSY);
	pthread_create(&thread, NULL, enable_elsewhere, owner);
	pthread_join(thread, NULL);
	cr_assert_eq(covbuf_disable(owner), 0);
}

Test(owner, kcov_owners_merge_what_sections_finish)
{
	struct covbuf_owner_options options = { .flags = COVBUF_OWNER_KCOV, .target_words = 16 };
	struct covbuf_owner *owner;
	uint64_t *words, nr_words, handle = HANDLE(1);
	uint32_t before;

	attach_with(8);
	before = free_areas();
	cr_assert_eq(covbuf_owner_create(&options, &owner), 0);
	cr_assert_eq(covbuf_owner_target(owner, &words, &nr_words), 0);
	cr_assert_eq(nr_words, 16);
	cr_assert_eq(covbuf_remote_enable(owner, &handle, 1, 0), 0);
	for (uint64_t round = 0; round < 5; round++) {
		covbuf_token token = covbuf_remote_start(handle);

		for (uint64_t i = 0; i < 4; i++)
			covbuf_trace_pc(round * 10 + i + 1);
		cr_assert_eq(covbuf_remote_stop(token), 0);
	}
	cr_assert_eq(words[0], 15);
	for (uint64_t i = 0; i < 15; i++)
		cr_assert_eq(words[1 + i], i / 4 * 10 + i % 4 + 1);
	words[0] = 0; /* a client may do so at any time */
	covbuf_remote_stop((covbuf_remote_start(handle), 0));
	cr_assert_eq(covbuf_disable_wait(owner), -EDEADLK);
	while (covbuf_context()->top)
		covbuf_unwind(&(struct covbuf_mark){ 0 });
	cr_assert_eq(covbuf_disable_wait(owner), 0);
	covbuf_owner_put(owner);
	cr_assert_eq(free_areas(), before);
}

Test(owner, a_client_that_stores_nonsense_to_word_0_loses_only_its_own)
{
	struct covbuf_owner_options options = { .flags = COVBUF_OWNER_KCOV, .target_words = 16 };
	struct covbuf_owner *owner;
	uint64_t *words, nr_words;

	attach_with(8);
	cr_assert_eq(covbuf_owner_create(&options, &owner), 0);
	cr_assert_eq(covbuf_owner_target(owner, &words, &nr_words), 0);
	words[0] = ~0ull;
	cr_assert_eq(covbuf_enable(owner), 0);
	covbuf_trace_pc(1);
	cr_assert_eq(covbuf_disable_wait(owner), 0);
	cr_assert_eq(words[0], 15);
	cr_assert_eq(words[15], 0);
	cr_assert_eq(words[16], 0);
}

Test(owner, kcov_cmp_records_are_counted_as_records)
{
	struct covbuf_owner_options options = { .mode = COVBUF_MODE_CMP, .flags = COVBUF_OWNER_KCOV, .target_words = 64 };
	struct covbuf_owner *owner;
	uint64_t *words, nr_words;

	attach_with(8);
	cr_assert_eq(covbuf_owner_create(&options, &owner), 0);
	cr_assert_eq(covbuf_owner_target(owner, &words, &nr_words), 0);
	cr_assert_eq(covbuf_enable(owner), 0);
	covbuf_trace_cmp(6, 1, 2, 3);
	covbuf_trace_cmp(6, 4, 5, 7);
	cr_assert_eq(covbuf_disable_wait(owner), 0);
	cr_assert_eq(words[0], 2);
	cr_assert_eq(words[1], 6);
	cr_assert_eq(words[8], 7);
}
