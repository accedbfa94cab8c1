/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * What a fork child may do with its parent's owners, and what an owner's past leaves behind: handles of
 * an enable that is over, tickets, a detach.
 */
#include "fixture.h"

#include <sys/wait.h>
#include <unistd.h>

#include "libcovbuf/core/engine.h"
#include "shm/shm.h"

#define HANDLE(n) (COVBUF_SUBSYSTEM_USER | (n))

static int run(int (*child)(struct covbuf_owner *owner), struct covbuf_owner *owner)
{
	int status = 0;
	pid_t pid = fork();

	if (!pid)
		_exit(child(owner));
	cr_assert_eq(waitpid(pid, &status, 0), pid);
	return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

static struct covbuf_owner *remote_owner(uint64_t instance)
{
	struct covbuf_owner *owner = make_owner(COVBUF_MODE_PC, COVBUF_LINEAR, 0);

	cr_assert_eq(covbuf_remote_enable(owner, &(uint64_t){ HANDLE(instance) }, 1, 0), 0);
	return owner;
}

static uint64_t one_section(uint64_t instance)
{
	covbuf_token token = covbuf_remote_start(HANDLE(instance));

	covbuf_trace_pc(7);
	covbuf_remote_stop(token);
	return token;
}

static void attach_automatic(uint32_t flags)
{
	struct covbuf_segment_options options = {
		.limit_bytes = 64u << 20,
		.initial_bytes = 4u << 20,
		.automatic = { .enabled = 1, .flags = flags },
	};
	struct covbuf_segment *segment;

	cr_assert_eq(covbuf_segment_create(NULL, &options, &segment, NULL), 0);
	cr_assert_eq(covbuf_attach_segment(segment), 0);
}

static int end_all_it_can(struct covbuf_owner *owner)
{
	if (covbuf_disable(owner) != -EPERM || covbuf_disable_wait(owner) != -EPERM || covbuf_reset(owner) != -EPERM)
		return 1;
	if (covbuf_enable(owner) >= 0 || covbuf_remote_enable(owner, &(uint64_t){ HANDLE(9) }, 1, 0) >= 0)
		return 2;
	covbuf_owner_put(owner);
	return 0;
}

Test(inherited, a_child_that_is_off_does_not_end_its_parents_owner)
{
	struct covbuf_owner *owner;

	attach_with(8);
	owner = remote_owner(1);
	cr_assert_eq(run(end_all_it_can, owner), 0);
	cr_assert_neq(one_section(1), 0);
	cr_assert_eq(collect(owner)->nr_words, 1);
}

Test(inherited, nor_does_one_that_is_followed)
{
	struct covbuf_owner *owner;

	attach_automatic(COVBUF_AUTO_FOLLOW);
	owner = remote_owner(1);
	cr_assert_eq(run(end_all_it_can, owner), 0);
	cr_assert_neq(one_section(1), 0);
	cr_assert_eq(collect(owner)->nr_words, 1);
}

static uint64_t sequence_at_fork;

static int work_when_told(struct covbuf_owner *owner)
{
	for (int i = 0; i < 60000; i++) {
		uint64_t now = covb_load(&owner->slot->sequence);

		if (now != sequence_at_fork && (now & 1))
			return one_section(1) != 0;
		usleep(1000);
	}
	return 2;
}

/* The child's copy of the handle table says handle 1; that owner is gone and another has its slot. */
Test(inherited, a_followed_child_does_not_take_a_new_owner_for_the_one_it_knew)
{
	struct covbuf_owner *owner, *other;
	int status;
	pid_t pid;

	attach_automatic(COVBUF_AUTO_FOLLOW);
	owner = remote_owner(1);
	sequence_at_fork = covb_load(&owner->slot->sequence);
	pid = fork();
	if (!pid)
		_exit(work_when_told(owner));
	covbuf_owner_put(owner);
	do {
		other = make_owner(COVBUF_MODE_PC, COVBUF_LINEAR, 0);
	} while (other != owner && (usleep(1000), covbuf_owner_put(other), 1));
	cr_assert_eq(covbuf_remote_enable(other, &(uint64_t){ HANDLE(2) }, 1, 0), 0);
	cr_assert_eq(waitpid(pid, &status, 0), pid);
	cr_assert(WIFEXITED(status));
	cr_assert_eq(WEXITSTATUS(status), 0);
	cr_assert_eq(collect(other)->nr_batches, 0);
}

/* A start is interrupted after it has found the owner, and goes on in a later enable with other handles. */
Test(inherited, a_start_that_found_its_owner_before_a_disable_starts_nothing_in_a_later_enable)
{
	struct covbuf_owner *owner, *found;
	uint32_t generation;

	attach_with(8);
	owner = remote_owner(1);
	found = covb_handle_find(HANDLE(1), &generation);
	cr_assert_eq(found, owner);
	cr_assert_eq(covbuf_disable(owner), 0);
	cr_assert_eq(covbuf_remote_enable(owner, &(uint64_t){ HANDLE(2) }, 1, 0), 0);
	cr_assert_eq(covb_section_start(covbuf_context(), found, generation, HANDLE(1), 0), 0);
	cr_assert_eq(lost(COVBUF_LOST_UNKNOWN), 1);
	cr_assert_neq(one_section(2), 0);
	cr_assert_eq(collect(owner)->nr_words, 1);
}

/* What the holder of a ticket writes is no record of the area's last user, also when the holder dies. */
Test(inherited, an_area_that_is_taken_for_something_else_describes_no_owner)
{
	struct covbuf_segment *segment;
	struct covbuf_owner *owner;
	uint64_t *words, nr_words, ticket;
	struct covbuf_area area;

	attach_with(8);
	segment = covbuf_attached_segment();
	owner = remote_owner(1);
	one_section(1);
	cr_assert_eq(collect(owner)->nr_words, 1);
	cr_assert_eq(covbuf_area_take(0, &words, &nr_words, &ticket), 0);
	words[0] = 99;
	for (uint32_t i = 0; !covbuf_view_area(segment, i, &area); i++)
		if (COVBUF_FLAG_STATE(area.flag) == COVBUF_AREA_HELD)
			cr_expect_eq(area.owner, 0);
	words[0] = 0;
	cr_assert_eq(covbuf_area_give(ticket), 0);
}

/* The slot of a process says whose its owners are, so it is not another's while there are any. */
Test(inherited, a_detached_process_keeps_its_slot_while_it_has_owners)
{
	struct covbuf_segment *segment;
	struct covbuf_owner *owner;
	struct covbuf_proc proc;

	attach_with(8);
	segment = covbuf_attached_segment();
	owner = remote_owner(1);
	cr_assert_eq(covbuf_detach(), 0);
	cr_assert_eq(covbuf_view_proc(segment, 1, &proc), 0);
	cr_assert_eq(proc.state & 0xff, COVBUF_PROC_LIVE);
	covbuf_owner_put(owner);
	cr_assert_eq(covb_load(&owner->slot->sequence) & 1, 0);
}

/* A process that finds no free slot has the dead ones taken back, and is no reader of what they recorded. */
Test(inherited, what_a_dead_process_recorded_is_counted_if_nobody_reads_it)
{
	struct covbuf_segment_options options = {
		.limit_bytes = 64u << 20, .initial_bytes = 4u << 20, .automatic = { .enabled = 1 },
	};
	struct covbuf_drained drained;
	struct covbuf_segment *segment;
	pid_t pid;

	cr_assert_eq(covbuf_segment_create(NULL, &options, &segment, NULL), 0);
	pid = fork();
	if (!pid) {
		if (covbuf_attach_segment(segment))
			_exit(1);
		covbuf_trace_pc(1);
		covbuf_trace_pc(2);
		_exit(0);
	}
	cr_assert_eq(waitpid(pid, NULL, 0), pid);
	cr_assert_eq(covb_audit_process(segment, 1, NULL, NULL, &drained), 1);
	cr_assert_eq(drained.records, 2);
	cr_assert_eq(segment->owners[0].stale, 2);
}
