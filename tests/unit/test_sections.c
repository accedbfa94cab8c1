/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Sections and frames: nesting, restoring, misses, staleness, marks, levels. */
#include "fixture.h"

#include <pthread.h>
#include <setjmp.h>
#include <signal.h>

#include "libcovbuf/core/engine.h"

#define HANDLE(n) (COVBUF_SUBSYSTEM_USER | (n))

static struct covbuf_owner *remote_owner(uint64_t instance, uint32_t flags)
{
	struct covbuf_owner *owner = make_owner(COVBUF_MODE_PC, COVBUF_LINEAR, flags);
	uint64_t handle = HANDLE(instance);

	cr_assert_eq(covbuf_remote_enable(owner, &handle, 1, 0), 0);
	return owner;
}

Test(sections, records_inside_are_the_owners_and_outside_are_not)
{
	struct covbuf_owner *outer, *inner;
	struct collected *got;
	covbuf_token token;

	attach_with(8);
	outer = make_owner(COVBUF_MODE_PC, COVBUF_LINEAR, 0);
	inner = remote_owner(1, 0);
	cr_assert_eq(covbuf_enable(outer), 0);
	covbuf_trace_pc(1);
	token = covbuf_remote_start(HANDLE(1));
	cr_assert_neq(token, 0);
	covbuf_trace_pc(2);
	cr_assert_eq(covbuf_remote_stop(token), 0);
	covbuf_trace_pc(3);
	cr_assert_eq(covbuf_disable(outer), 0);
	got = collect(outer);
	cr_assert_eq(got->nr_words, 2);
	cr_assert_eq(got->words[0], 1);
	cr_assert_eq(got->words[1], 3);
	got = collect(inner);
	cr_assert_eq(got->nr_words, 1);
	cr_assert_eq(got->words[0], 2);
	cr_assert_eq(got->handles[0], HANDLE(1));
}

Test(sections, nest_deeply_and_restore_each_level)
{
	enum { DEPTH = 100 };
	covbuf_token tokens[DEPTH];
	struct covbuf_owner *owner;
	struct collected *got;
	uint32_t before;

	attach_with(DEPTH + 4);
	before = free_areas();
	owner = remote_owner(1, 0);
	for (int i = 0; i < DEPTH; i++) {
		tokens[i] = covbuf_remote_start(HANDLE(1));
		cr_assert_neq(tokens[i], 0);
		covbuf_trace_pc(1000 + (uint64_t)i);
	}
	for (int i = DEPTH; i-- > 0;) {
		covbuf_trace_pc(2000 + (uint64_t)i);
		cr_assert_eq(covbuf_remote_stop(tokens[i]), 0);
	}
	covbuf_trace_pc(5);
	got = collect(owner);
	cr_assert_eq(got->nr_batches, DEPTH);
	cr_assert_eq(got->nr_words, 2 * DEPTH);
	for (int i = 0; i < DEPTH; i++) {
		cr_assert_eq(got->words[2 * i], 1000u + DEPTH - 1 - (uint64_t)i);
		cr_assert_eq(got->words[2 * i + 1], 2000u + DEPTH - 1 - (uint64_t)i);
	}
	cr_assert_eq(free_areas(), before);
}

Test(sections, modes_nest_in_one_another)
{
	struct covbuf_owner *pc, *cmp;
	struct collected *got;
	uint64_t handle = HANDLE(9);
	covbuf_token token;

	attach_with(8);
	pc = make_owner(COVBUF_MODE_PC, COVBUF_LINEAR, 0);
	cmp = make_owner(COVBUF_MODE_CMP, COVBUF_LINEAR, 0);
	cr_assert_eq(covbuf_remote_enable(cmp, &handle, 1, 0), 0);
	cr_assert_eq(covbuf_enable(pc), 0);
	covbuf_trace_pc(1);
	covbuf_trace_cmp(0, 9, 9, 9);
	token = covbuf_remote_start(handle);
	covbuf_trace_pc(2);
	covbuf_trace_cmp(0, 3, 4, 5);
	cr_assert_eq(covbuf_remote_stop(token), 0);
	covbuf_trace_pc(6);
	covbuf_trace_cmp(0, 9, 9, 9);
	cr_assert_eq(covbuf_disable(pc), 0);
	got = collect(pc);
	cr_assert_eq(got->nr_words, 2);
	cr_assert_eq(got->words[1], 6);
	got = collect(cmp);
	cr_assert_eq(got->nr_words, 4);
	cr_assert_eq(got->words[3], 5);
}

Test(sections, an_unknown_handle_starts_nothing_and_its_stop_ends_nothing)
{
	struct covbuf_owner *outer;
	covbuf_token token;

	attach_with(4);
	outer = make_owner(COVBUF_MODE_PC, COVBUF_LINEAR, 0);
	cr_assert_eq(covbuf_enable(outer), 0);
	token = covbuf_remote_start(HANDLE(77));
	cr_assert_eq(token, 0);
	covbuf_trace_pc(1);
	cr_assert_eq(covbuf_remote_stop(token), 0);
	covbuf_trace_pc(2);
	cr_assert_eq(lost(COVBUF_LOST_UNKNOWN), 1);
	cr_assert_eq(covbuf_disable(outer), 0);
	cr_assert_eq(collect(outer)->nr_words, 2);
}

Test(sections, an_empty_pool_counts_what_the_section_loses_and_restores)
{
	struct covbuf_owner *outer, *inner;
	uint64_t *words, nr_words, tickets[256];
	struct collected *got;
	covbuf_token token, nested;
	int n = 0;

	attach_with(4);
	outer = make_owner(COVBUF_MODE_PC, COVBUF_LINEAR, 0);
	inner = remote_owner(1, 0);
	cr_assert_eq(covbuf_enable(outer), 0);
	while (!covbuf_area_take(0, &words, &nr_words, &tickets[n]))
		n++;
	covbuf_trace_pc(1);
	token = covbuf_remote_start(HANDLE(1));
	cr_assert_neq(token, 0);
	covbuf_trace_pc(2);
	nested = covbuf_remote_start(HANDLE(1));
	covbuf_trace_pc(3);
	covbuf_trace_pc(4);
	cr_assert_eq(covbuf_remote_stop(nested), 0);
	covbuf_trace_pc(5);
	cr_assert_eq(covbuf_remote_stop(token), 0);
	covbuf_trace_pc(6);
	cr_assert_eq(lost(COVBUF_LOST_NO_AREA), 4);
	cr_assert_eq(covbuf_disable(outer), 0);
	got = collect(outer);
	cr_assert_eq(got->nr_words, 2);
	cr_assert_eq(got->words[1], 6);
	cr_assert_eq(collect(inner)->nr_batches, 0);
	while (n-- > 0)
		cr_assert_eq(covbuf_area_give(tickets[n]), 0);
}

Test(sections, a_stop_pops_what_was_left_above_it)
{
	struct covbuf_owner *owner;
	covbuf_token outer, inner;

	attach_with(8);
	owner = remote_owner(1, 0);
	outer = covbuf_remote_start(HANDLE(1));
	covbuf_trace_pc(1);
	inner = covbuf_remote_start(HANDLE(1));
	covbuf_trace_pc(2);
	cr_assert_eq(covbuf_remote_stop(outer), 0);
	cr_assert_eq(covbuf_remote_stop(inner), -EINVAL);
	cr_assert_null(covbuf_context()->top);
	cr_assert_eq(collect(owner)->nr_words, 2);
}

Test(sections, a_section_begun_before_a_disable_never_reaches_a_later_enable)
{
	uint64_t handle = HANDLE(1);
	struct covbuf_owner *owner;
	covbuf_token token;
	uint32_t before;

	attach_with(8);
	before = free_areas();
	owner = remote_owner(1, 0);
	token = covbuf_remote_start(handle);
	covbuf_trace_pc(1);
	cr_assert_eq(covbuf_disable_wait(owner), -EDEADLK);
	cr_assert_eq(covbuf_disable(owner), 0);
	cr_assert_eq(covbuf_remote_enable(owner, &handle, 1, 0), 0);
	cr_assert_eq(covbuf_remote_stop(token), 0);
	cr_assert_eq(lost(COVBUF_LOST_STALE), 1);
	cr_assert_eq(collect(owner)->nr_batches, 0);
	cr_assert_eq(free_areas(), before);
}

Test(sections, what_was_finished_before_a_disable_is_still_there_after_it)
{
	struct covbuf_owner *owner;
	covbuf_token token;

	attach_with(8);
	owner = remote_owner(1, 0);
	token = covbuf_remote_start(HANDLE(1));
	covbuf_trace_pc(1);
	cr_assert_eq(covbuf_remote_stop(token), 0);
	cr_assert_eq(covbuf_disable(owner), 0);
	cr_assert_eq(collect(owner)->nr_words, 1);
	cr_assert_eq(covbuf_remote_start(HANDLE(1)), 0);
}

Test(sections, what_was_queued_before_a_reset_is_forgotten)
{
	struct covbuf_owner *owner;

	attach_with(8);
	owner = make_owner(COVBUF_MODE_PC, COVBUF_LINEAR, 0);
	cr_assert_eq(covbuf_enable(owner), 0);
	covbuf_trace_pc(1);
	cr_assert_eq(covbuf_reset(owner), 0);
	covbuf_trace_pc(2);
	cr_assert_eq(covbuf_disable(owner), 0);
	cr_assert_eq(collect(owner)->words[0], 2);
}

Test(sections, an_empty_section_returns_its_area_at_once)
{
	struct covbuf_owner *owner;
	uint32_t before;

	attach_with(4);
	owner = remote_owner(1, 0);
	before = free_areas();
	for (int i = 0; i < 10000; i++)
		cr_assert_eq(covbuf_remote_stop(covbuf_remote_start(HANDLE(1))), 0);
	cr_assert_eq(free_areas(), before);
	cr_assert_eq(collect(owner)->nr_batches, 0);
}

/* The frame that a section without an area began with is the next one's, which is not to hand over areas of the last. */
Test(sections, the_frame_of_one_that_took_several_areas_holds_none_of_them_afterwards)
{
	const uint64_t nr = covbuf_class_words(0) + 1;
	const struct covb_frame *frame;
	struct covbuf_owner *owner;
	covbuf_token token;

	attach_with(8);
	owner = remote_owner(1, COVBUF_OWNER_GROW);
	token = covbuf_remote_start(HANDLE(1));
	frame = covbuf_context()->top;
	cr_assert_eq(frame->kind, COVB_KIND_VOID);
	for (uint64_t i = 1; i <= nr; i++)
		covbuf_trace_pc(i);
	cr_assert_eq(covbuf_remote_stop(token), 0);
	cr_assert_null(frame->held);
	cr_assert_eq(frame->flag, 0);
	cr_assert_eq(collect(owner)->nr_words, nr);
}

Test(sections, local_and_remote_collection_by_one_thread)
{
	struct covbuf_owner *owner;
	uint64_t handle = HANDLE(1);
	covbuf_token token;

	attach_with(8);
	owner = make_owner(COVBUF_MODE_PC, COVBUF_LINEAR, 0);
	cr_assert_eq(covbuf_enable(owner), 0);
	cr_assert_eq(covbuf_remote_enable(owner, &handle, 1, 0), 0);
	cr_assert_eq(covbuf_remote_enable(owner, &handle, 1, 0), -EBUSY);
	covbuf_trace_pc(1);
	token = covbuf_remote_start(handle);
	covbuf_trace_pc(2);
	cr_assert_eq(covbuf_disable(owner), -EBUSY);
	cr_assert_eq(covbuf_remote_stop(token), 0);
	cr_assert_eq(covbuf_disable(owner), 0);
	cr_assert_eq(collect(owner)->nr_words, 2);
	cr_assert_eq(covbuf_disable(owner), -EINVAL);
}

static void *other_thread(void *arg)
{
	covbuf_token token;

	cr_assert_eq(covbuf_common_handle(), 0x42);
	token = covbuf_remote_start(covbuf_common_handle());
	covbuf_trace_pc(7);
	cr_assert_eq(covbuf_remote_stop(token), 0);
	cr_assert_eq(covbuf_disable(arg), 0);
	return NULL;
}

Test(sections, threads_inherit_the_common_handle)
{
	struct covbuf_owner *owner;
	pthread_t thread;

	attach_with(8);
	owner = make_owner(COVBUF_MODE_PC, COVBUF_LINEAR, 0);
	cr_assert_eq(covbuf_remote_enable(owner, NULL, 0, 0x42), 0);
	cr_assert_eq(pthread_create(&thread, NULL, other_thread, owner), 0);
	pthread_join(thread, NULL);
	cr_assert_eq(collect(owner)->nr_words, 1);
}

static void *leaver(void *arg)
{
	cr_assert_eq(covbuf_enable(arg), 0);
	covbuf_trace_pc(3);
	return NULL;
}

Test(sections, a_thread_that_ends_hands_over_what_it_has)
{
	struct covbuf_owner *owner;
	struct collected *got;
	pthread_t thread;
	uint32_t before;

	attach_with(8);
	before = free_areas();
	owner = make_owner(COVBUF_MODE_PC, COVBUF_LINEAR, 0);
	cr_assert_eq(pthread_create(&thread, NULL, leaver, owner), 0);
	pthread_join(thread, NULL);
	got = collect(owner);
	cr_assert_eq(got->nr_words, 1);
	cr_assert_eq(got->words[0], 3);
	cr_assert_eq(free_areas(), before);
}

static sigjmp_buf jump;
static covbuf_token handler_token;

static void jump_out(int sig)
{
	(void)sig;
	handler_token = covbuf_remote_start(HANDLE(1));
	covbuf_trace_pc(50);
	siglongjmp(jump, 1);
}

Test(sections, an_unwind_restores_what_a_longjmp_left)
{
	struct covbuf_owner *outer, *inner;
	struct covbuf_mark mark;

	attach_with(8);
	outer = make_owner(COVBUF_MODE_PC, COVBUF_LINEAR, 0);
	inner = remote_owner(1, 0);
	cr_assert_eq(covbuf_enable(outer), 0);
	signal(SIGUSR1, jump_out);
	covbuf_trace_pc(1);
	covbuf_mark(&mark);
	if (!sigsetjmp(jump, 1))
		raise(SIGUSR1);
	cr_assert_eq(covbuf_unwind(&mark), 0);
	covbuf_trace_pc(2);
	cr_assert_eq(covbuf_remote_stop(handler_token), -EINVAL);
	cr_assert_eq(covbuf_disable(outer), 0);
	cr_assert_eq(collect(outer)->nr_words, 2);
	cr_assert_eq(collect(inner)->nr_words, 1);
}

static struct covbuf_owner *level_owner;
static covbuf_token interrupted;

static void refused(int sig)
{
	covbuf_token token = covbuf_signal_enter(level_owner);

	(void)sig;
	covbuf_trace_pc(60);
	cr_expect_eq(covbuf_remote_stop(interrupted), -EBUSY);
	cr_expect_eq(covbuf_signal_leave(token), 0);
}

Test(sections, a_handler_that_says_so_records_apart_and_ends_nothing_of_what_it_interrupted)
{
	struct covbuf_owner *owner;

	attach_with(8);
	owner = remote_owner(1, 0);
	level_owner = remote_owner(2, 0);
	signal(SIGUSR1, refused);
	interrupted = covbuf_remote_start(HANDLE(1));
	covbuf_trace_pc(1);
	raise(SIGUSR1);
	covbuf_trace_pc(2);
	cr_assert_eq(covbuf_remote_stop(interrupted), 0);
	cr_assert_eq(collect(owner)->nr_words, 2);
	cr_assert_eq(collect(level_owner)->nr_words, 1);
}

Test(sections, unique_per_context_counts_sites_for_each_section)
{
	static uint32_t guards[4];
	static struct covbuf_image image = { .guards = guards, .guards_end = guards + 4 };
	struct covbuf_owner *owner;
	covbuf_token token;

	attach_with(8);
	cr_assert_eq(covbuf_image_attach(&image, COVBUF_ABI), 0);
	owner = remote_owner(1, COVBUF_OWNER_UNIQUE_CONTEXT);
	for (int round = 0; round < 3; round++) {
		token = covbuf_remote_start(HANDLE(1));
		for (int i = 0; i < 40; i++)
			covbuf_trace_pc_site(&guards[i % 4], (uint32_t)i % 4, 100 + (uint64_t)i % 4);
		cr_assert_eq(covbuf_remote_stop(token), 0);
		cr_assert_eq(collect(owner)->nr_words, 4);
	}
}

#define EPOCHS_A_LAP (COVBUF_EPOCH_LIMIT - COVBUF_EPOCH_CONTEXT)

/* How often a site is recorded that a section of the owner meets twice. */
static uint64_t records_of_two(struct covbuf_owner *owner, uint32_t *guard)
{
	covbuf_token token = covbuf_remote_start(HANDLE(1));

	covbuf_trace_pc_site(guard, 0, 100);
	covbuf_trace_pc_site(guard, 0, 100);
	cr_assert_eq(covbuf_remote_stop(token), 0);
	return collect(owner)->nr_words;
}

Test(sections, epochs_of_a_context_come_again_when_no_mark_of_theirs_is_left)
{
	static uint32_t guards[1];
	static struct covbuf_image image = { .guards = guards, .guards_end = guards + 1 };
	struct covbuf_owner *owner, *outer;
	struct covb_context_private *priv;
	uint64_t handle = HANDLE(2);
	covbuf_token token;

	attach_with(8);
	cr_assert_eq(covbuf_image_attach(&image, COVBUF_ABI), 0);
	owner = remote_owner(1, COVBUF_OWNER_UNIQUE_CONTEXT);
	outer = make_owner(COVBUF_MODE_PC, COVBUF_LINEAR, COVBUF_OWNER_UNIQUE_CONTEXT);
	cr_assert_eq(covbuf_remote_enable(outer, &handle, 1, 0), 0);
	cr_assert_eq(records_of_two(owner, guards), 1);
	priv = covbuf_context()->priv;
	priv->epochs = EPOCHS_A_LAP - 1;
	token = covbuf_remote_start(HANDLE(2)); /* the last one, with which it may go on marking */
	cr_assert_eq(covbuf_context()->epoch, COVBUF_EPOCH_LIMIT - 1);
	cr_assert_eq(records_of_two(owner, guards), 2);
	covbuf_trace_pc_site(&guards[0], 0, 100);
	cr_assert_eq(covbuf_remote_stop(token), 0);
	cr_assert_eq(collect(outer)->nr_words, 1);
	cr_assert_eq(records_of_two(owner, guards), 1);
	cr_assert_eq(priv->epochs, EPOCHS_A_LAP + 1);
	priv->epochs = 2 * EPOCHS_A_LAP - 1;
	cr_assert_eq(records_of_two(owner, guards), 1);
	cr_assert_eq(records_of_two(owner, guards), 1);
}

Test(sections, epochs_of_the_process_come_again_when_no_owner_has_them)
{
	struct covbuf_owner *first, *second, *third;

	attach_with(8);
	first = make_owner(COVBUF_MODE_PC, COVBUF_LINEAR, COVBUF_OWNER_UNIQUE);
	second = make_owner(COVBUF_MODE_PC, COVBUF_LINEAR, COVBUF_OWNER_UNIQUE);
	third = make_owner(COVBUF_MODE_PC, COVBUF_LINEAR, COVBUF_OWNER_UNIQUE);
	covb_engine.epoch = COVBUF_EPOCH_CONTEXT - 1;
	for (uint32_t epoch = 1; epoch <= 2; epoch++) {
		cr_assert_eq(covbuf_enable(first), 0);
		cr_assert_eq(covb_load(&first->epoch), epoch);
		cr_assert_eq(covbuf_disable(first), 0);
	}
	covb_engine.epoch = COVBUF_EPOCH_CONTEXT - 2;
	cr_assert_eq(covbuf_enable(first), 0);
	cr_assert_eq(covb_load(&first->epoch), COVBUF_EPOCH_CONTEXT - 1);
	cr_assert_eq(covbuf_disable(first), 0);
	covb_store(&second->epoch, 1);
	cr_assert_eq(covbuf_enable(first), 0);
	cr_assert_eq(covb_load(&first->epoch), 2);
	covb_store(&third->epoch, 3);
	covb_engine.epoch = COVBUF_EPOCH_CONTEXT - 1;
	cr_assert_eq(covbuf_disable(first), 0);
	cr_assert_eq(covbuf_enable(first), 0);
	cr_assert_eq(covb_load(&first->epoch), 4);
	cr_assert_eq(covbuf_disable(first), 0);
	cr_assert_eq(covbuf_enable(first), 0);
	cr_assert_eq(covb_load(&first->epoch), 5);
}

/* Each at the end of its range, so that the marks of one would be the other's without it. */
Test(sections, marks_of_the_process_and_of_a_context_are_told_apart)
{
	static uint32_t guards[1];
	static struct covbuf_image image = { .guards = guards, .guards_end = guards + 1 };
	struct covbuf_owner *process, *context;
	covbuf_token outer, inner;

	attach_with(8);
	cr_assert_eq(covbuf_image_attach(&image, COVBUF_ABI), 0);
	covb_engine.epoch = COVBUF_EPOCH_CONTEXT - 2;
	context = remote_owner(1, COVBUF_OWNER_UNIQUE_CONTEXT);
	cr_assert_eq(covb_engine.epoch, COVBUF_EPOCH_CONTEXT - 1);
	guards[0] = COVBUF_EPOCH_CONTEXT - 1;
	process = make_owner(COVBUF_MODE_PC, COVBUF_LINEAR, COVBUF_OWNER_UNIQUE);
	cr_assert_eq(covbuf_enable(process), 0); /* wraps, and wipes */
	cr_assert_eq(covb_engine.epoch, 1);
	cr_assert_eq(guards[0], 0);
	outer = covbuf_remote_start(HANDLE(1));
	cr_assert_eq(covbuf_context()->epoch, COVBUF_EPOCH_CONTEXT);
	covbuf_trace_pc_site(&guards[0], 0, 100);
	cr_assert_eq(guards[0], 0);
	inner = covbuf_push(process);
	covbuf_trace_pc_site(&guards[0], 0, 100);
	covbuf_trace_pc_site(&guards[0], 0, 100);
	cr_assert_eq(guards[0], 1);
	cr_assert_eq(covbuf_pop(inner), 0);
	covbuf_trace_pc_site(&guards[0], 0, 100);
	cr_assert_eq(covbuf_remote_stop(outer), 0);
	cr_assert_eq(collect(context)->nr_words, 1);
	cr_assert_eq(covbuf_disable(process), 0);
	cr_assert_eq(collect(process)->nr_words, 1);
}

/* A place that only reads marks_at is right for all sites of the image, or it is not told. */
Test(sections, marks_are_at_a_distance_where_there_is_one_for_each_site)
{
	static uint32_t early[2], guards[4];
	static struct covbuf_image first = { .guards = early, .guards_end = early + 2 };
	static struct covbuf_image own = { .guards = guards, .guards_end = guards + 4 };
	struct covb_context_private *priv;
	struct covbuf_context *ctx = covbuf_context();
	struct covbuf_owner *owner;

	attach_with(8);
	covbuf_own_image = &own;
	cr_assert_eq(covbuf_image_attach(&first, COVBUF_ABI), 0);
	owner = remote_owner(1, COVBUF_OWNER_UNIQUE_CONTEXT);
	cr_assert_eq(records_of_two(owner, early), 1); /* marks of two sites */
	cr_assert_eq(ctx->marks_at, 0);
	cr_assert_eq(covbuf_image_attach(&own, COVBUF_ABI), 0);
	cr_assert_eq(own.site_base, 2);
	priv = ctx->priv;
	covb_context_forget(ctx, true); /* as who takes the slot over finds it */
	ctx->priv = priv;
	cr_assert_eq(records_of_two(owner, early), 1);
	cr_assert_eq(ctx->nr_seen, 2);
	cr_assert_eq(ctx->marks_at, 0);
	priv->seen = NULL;
	covb_context_forget(ctx, true);
	ctx->priv = priv;
	cr_assert_eq(records_of_two(owner, early), 1);
	cr_assert_eq(ctx->nr_seen, 6);
	for (int i = 0; i < 4; i++)
		cr_assert_eq((uintptr_t)&guards[i] + (uintptr_t)ctx->marks_at, (uintptr_t)&ctx->seen[2 + i]);
	covb_context_forget(ctx, false);
	cr_assert_eq(ctx->marks_at, 0);
}
