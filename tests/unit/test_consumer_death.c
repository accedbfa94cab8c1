/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* A consumer that was killed between taking a queue and making its areas its own. */
#include "fixture.h"

#include "shm/shm.h"

#define HANDLE(n) (COVBUF_SUBSYSTEM_USER | (n))

static struct covbuf_segment *segment;
static struct covbuf_owner *owner;

static void queue_sections(uint64_t from, uint64_t to)
{
	for (uint64_t i = from; i <= to; i++) {
		covbuf_token token = covbuf_remote_start(HANDLE(1));

		covbuf_trace_pc(i);
		cr_assert_eq(covbuf_remote_stop(token), 0);
	}
}

static void set_up(void)
{
	uint64_t handle = HANDLE(1);

	attach_with(16);
	segment = covbuf_attached_segment();
	owner = make_owner(COVBUF_MODE_PC, COVBUF_LINEAR, 0);
	cr_assert_eq(covbuf_remote_enable(owner, &handle, 1, 0), 0);
	cr_assert_eq(covbuf_segment_consume(segment), 0);
}

static void expect_in_order(uint64_t nr)
{
	struct collected *got = calloc(1, sizeof(*got));

	cr_assert_eq(covbuf_drain(segment, 0, gather, got, NULL), 0);
	cr_assert_eq(got->nr_words, nr);
	for (uint64_t i = 0; i < nr; i++)
		cr_assert_eq(got->words[i], i + 1);
	cr_assert_eq(segment->owners[0].taking, 0);
}

Test(consumer_death, after_the_queue_was_taken)
{
	uint32_t before;

	set_up();
	before = free_areas();
	queue_sections(1, 4);
	segment->owners[0].taking = segment->owners[0].queue;
	segment->owners[0].queue = 0;
	queue_sections(5, 6);
	expect_in_order(6);
	cr_assert_eq(free_areas(), before);
}

Test(consumer_death, before_the_queue_was_taken)
{
	uint32_t before;

	set_up();
	before = free_areas();
	queue_sections(1, 4);
	segment->owners[0].taking = segment->owners[0].queue;
	queue_sections(5, 6);
	expect_in_order(6);
	cr_assert_eq(free_areas(), before);
}
