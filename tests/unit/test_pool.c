/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The pool: tickets, double gives, exhaustion, threads. */
#include "fixture.h"

#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <sys/wait.h>
#include <unistd.h>

Test(pool, an_area_that_was_given_twice_is_refused)
{
	uint64_t *words, nr_words, ticket, again;

	attach_with(2);
	cr_assert_eq(covbuf_area_take(0, &words, &nr_words, &ticket), 0);
	cr_assert_eq(covbuf_area_give(ticket), 0);
	cr_assert_eq(covbuf_area_give(ticket), -ESTALE);
	cr_assert_eq(covbuf_area_take(0, &words, &nr_words, &again), 0);
	cr_assert_neq(again, ticket);
	cr_assert_eq(covbuf_area_give(ticket), -ESTALE);
	cr_assert_eq(covbuf_area_give(again), 0);
}

Test(pool, every_area_can_be_taken_once)
{
	uint64_t *words, nr_words, tickets[4096];
	uint32_t all;
	uint32_t n = 0;

	attach_with(500);
	all = free_areas();
	while (!covbuf_area_take(0, &words, &nr_words, &tickets[n]))
		n++;
	cr_assert_geq(n, all - all / 8); /* the scan is bounded: it may miss some at the far end */
	for (uint32_t i = 0; i < n; i++)
		cr_assert_eq(covbuf_area_give(tickets[i]), 0);
	cr_assert_eq(free_areas(), all);
}

static void *take_and_keep(void *arg)
{
	uint64_t *words, nr_words, ticket;

	if (!covbuf_area_take(0, &words, &nr_words, &ticket))
		++*(uint32_t *)arg;
	return NULL;
}

/* Each begins to look where it never had an area, and all areas before are taken for good. */
Test(pool, a_thread_finds_what_is_free_behind_many_that_are_not)
{
	uint32_t taken = 0, all;
	pthread_t thread;

	attach_with(700);
	all = free_areas();
	for (uint32_t i = 0; i < all; i++) {
		cr_assert_eq(pthread_create(&thread, NULL, take_and_keep, &taken), 0);
		pthread_join(thread, NULL);
	}
	cr_assert_eq(taken, all);
}

Test(pool, areas_have_guard_words_behind_them)
{
	uint64_t *words, nr_words, ticket;

	attach_with(2);
	cr_assert_eq(covbuf_area_take(0, &words, &nr_words, &ticket), 0);
	cr_assert_eq(words[0], 0);
	cr_assert_eq(words[nr_words - 1], 0);
	for (uint32_t i = 0; i < COVBUF_GUARD_WORDS; i++)
		cr_assert_eq(words[nr_words + i], COVBUF_GUARD_VALUE);
}

static void *churn(void *arg)
{
	uint64_t *words, nr_words, ticket;
	uintptr_t me = (uintptr_t)arg;

	for (int i = 0; i < 200000; i++) {
		if (covbuf_area_take(0, &words, &nr_words, &ticket))
			continue;
		cr_assert_eq(words[0], 0);
		__atomic_store_n(&words[0], me, __ATOMIC_RELAXED);
		cr_assert_eq(__atomic_load_n(&words[0], __ATOMIC_RELAXED), me);
		__atomic_store_n(&words[0], 0, __ATOMIC_RELAXED);
		cr_assert_eq(covbuf_area_give(ticket), 0);
	}
	return NULL;
}

Test(pool, threads_never_share_an_area)
{
	pthread_t threads[4];
	uint32_t before;

	attach_with(2);
	before = free_areas();
	for (uintptr_t i = 0; i < 4; i++)
		pthread_create(&threads[i], NULL, churn, (void *)(i + 1));
	for (int i = 0; i < 4; i++)
		pthread_join(threads[i], NULL);
	cr_assert_eq(free_areas(), before);
}

Test(pool, classes_are_kept_apart)
{
	uint64_t *words, nr_words, ticket;

	attach_with(2);
	cr_assert_eq(covbuf_area_take(3, &words, &nr_words, &ticket), -ENOSPC);
	cr_assert_eq(covbuf_pool_grow(3, 1), 1);
	cr_assert_eq(covbuf_area_take(3, &words, &nr_words, &ticket), 0);
	cr_assert_eq(nr_words, (65536u << 3) / 8 - COVBUF_GUARD_WORDS);
	cr_assert_eq(covbuf_area_take(COVBUF_NR_CLASSES, &words, &nr_words, &ticket), -EINVAL);
}

/* Records something, so that the area which it then takes for itself says whose it was last; and dies with it. */
static void die_with_an_area(int fd)
{
	struct covbuf_owner *owner;
	uint64_t *words, nr_words, ticket;
	char where[32];

	snprintf(where, sizeof(where), "fd:%d", fd);
	if (covbuf_attach(where) || covbuf_owner_create(NULL, &owner) || covbuf_enable(owner))
		_exit(1);
	covbuf_trace_pc(1);
	if (covbuf_disable(owner) || covbuf_collect(owner, gather, calloc(1, sizeof(struct collected))) != 1 ||
	    covbuf_area_take(0, &words, &nr_words, &ticket) || words[0])
		_exit(1);
	for (uint32_t i = 0; i < 100; i++)
		words[i] = i + 1;
	kill(getpid(), SIGKILL);
}

Test(pool, what_the_dead_left_in_areas_of_their_own_are_no_records)
{
	struct covbuf_segment_options options = { .limit_bytes = 16u << 20, .initial_bytes = 1u << 20 };
	struct covbuf_segment *segment;
	struct covbuf_drained drained;
	struct collected *got = calloc(1, sizeof(*got));
	uint32_t nr_free;
	pid_t child;
	int status;

	cr_assert_eq(covbuf_segment_create(NULL, &options, &segment, NULL), 0);
	cr_assert_eq(covbuf_segment_consume(segment), 0);
	nr_free = covbuf_segment_free_areas(segment, 0);
	child = fork();
	if (!child)
		die_with_an_area(covbuf_segment_descriptor(segment));
	cr_assert_eq(waitpid(child, &status, 0), child);
	cr_assert(WIFSIGNALED(status));
	cr_assert_eq(covbuf_segment_free_areas(segment, 0), nr_free - 1);
	cr_assert_eq(covbuf_drain(segment, COVBUF_DRAIN_AUDIT, gather, got, &drained), 0);
	cr_assert_eq(drained.dead_procs, 1);
	cr_assert_eq(drained.reclaimed, 1);
	cr_assert_eq(drained.lost, 0);
	cr_assert_eq(got->nr_words, 0);
	cr_assert_eq(covbuf_segment_free_areas(segment, 0), nr_free);
	cr_assert_eq(covbuf_attach_segment(segment), 0);
	for (uint32_t i = 0; i < nr_free; i++) {
		uint64_t *words, nr_words, ticket;

		cr_assert_eq(covbuf_area_take(0, &words, &nr_words, &ticket), 0);
		for (uint32_t k = 0; k < nr_words; k++)
			cr_assert_eq(words[k], 0);
	}
}
