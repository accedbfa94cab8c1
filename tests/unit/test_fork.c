/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Children: off, followed, raw clones, vfork; and other processes that attach. */
#define _GNU_SOURCE
#include "fixture.h"

#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "kernel.h"

static int wait_for(pid_t pid)
{
	int status;

	cr_assert_eq(waitpid(pid, &status, 0), pid);
	return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

Test(children, a_fork_child_is_off)
{
	struct covbuf_owner *owner;
	struct collected *got;
	pid_t pid;

	attach_with(4);
	owner = make_owner(0, 0, 0);
	cr_assert_eq(covbuf_enable(owner), 0);
	covbuf_trace_pc(1);
	pid = fork();
	if (!pid) {
		covbuf_trace_pc(666);
		_exit(covbuf_remote_start(1) || covbuf_context()->top);
	}
	cr_assert_eq(wait_for(pid), 0);
	covbuf_trace_pc(2);
	cr_assert_eq(covbuf_disable(owner), 0);
	got = collect(owner);
	cr_assert_eq(got->nr_words, 2);
	cr_assert_eq(got->words[1], 2);
}

/* It runs none of our handlers, so it may write to the rest of one area, and no further. */
Test(children, a_raw_clone_stops_at_the_next_slow_path)
{
	struct covbuf_owner *owner;
	pid_t pid;

	need_wipe_on_fork();
	attach_with(8);
	owner = make_owner(0, 0, COVBUF_OWNER_GROW);
	cr_assert_eq(covbuf_enable(owner), 0);
	covbuf_trace_pc(1);
	pid = (pid_t)syscall(SYS_clone, SIGCHLD, 0, 0, 0, 0);
	if (!pid) {
		for (int i = 0; i < 100000; i++)
			covbuf_trace_pc(666);
		syscall(SYS_exit, covbuf_context()->top || covbuf_context()->cursor[0]);
	}
	cr_assert_eq(wait_for(pid), 0);
	cr_assert_eq(covbuf_disable(owner), 0);
	cr_assert_eq(collect(owner)->nr_batches, 1);
}

Test(children, a_vfork_child_is_its_parent)
{
	struct covbuf_owner *owner;
	pid_t pid;

	attach_with(4);
	owner = make_owner(0, 0, 0);
	cr_assert_eq(covbuf_enable(owner), 0);
	covbuf_trace_pc(1);
	pid = vfork();
	if (!pid) {
		covbuf_trace_pc(2);
		_exit(0);
	}
	wait_for(pid);
	covbuf_trace_pc(3);
	cr_assert_eq(covbuf_disable(owner), 0);
	cr_assert_eq(collect(owner)->nr_words, 3);
}

/* A segment as the command makes it: everything is recorded. */
static struct covbuf_segment *make_automatic(uint32_t flags)
{
	struct covbuf_segment_options options = {
		.limit_bytes = 64u << 20,
		.initial_bytes = 4u << 20,
		.automatic = { .enabled = 1, .flags = flags },
	};
	struct covbuf_segment *segment = NULL;
	struct covbuf_message why;

	cr_assert_eq(covbuf_segment_create(NULL, &options, &segment, &why), 0, "%s", why.text);
	return segment;
}

struct sum {
	uint64_t records, pids;
	uint32_t pid[16];
};

static int add_up(const struct covbuf_area *area, const uint64_t *record, void *arg)
{
	struct sum *sum = arg;
	uint32_t i;

	sum->records += record[0];
	for (i = 0; i < sum->pids && sum->pid[i] != area->pid; i++)
		;
	if (i == sum->pids && i < 16)
		sum->pid[sum->pids++] = area->pid;
	return 0;
}

static uint32_t segment_areas(struct covbuf_segment *segment)
{
	struct covbuf_header header;

	cr_assert_eq(covbuf_view_header(segment, &header), 0);
	return header.nr_areas;
}

static struct sum look(struct covbuf_segment *segment)
{
	struct sum sum = { 0 };
	struct covbuf_area area;

	for (uint32_t i = 0; i < segment_areas(segment); i++)
		if (!covbuf_view_area(segment, i, &area) && COVBUF_FLAG_STATE(area.flag) != COVBUF_AREA_FREE)
			covbuf_view_records(segment, i, &area, add_up, &sum, NULL);
	return sum;
}

Test(children, followed_children_have_areas_of_their_own)
{
	struct covbuf_segment *segment = make_automatic(COVBUF_AUTO_FOLLOW | COVBUF_AUTO_KEEP | COVBUF_AUTO_GROW);
	struct sum sum;

	cr_assert_eq(covbuf_attach_segment(segment), 0);
	covbuf_trace_pc(1);
	for (uint64_t i = 0; i < 3; i++) {
		pid_t pid = fork();

		if (!pid) {
			covbuf_trace_pc(10);
			if (i == 1 && !fork())
				covbuf_trace_pc(1000);
			_exit(0);
		}
		wait_for(pid);
	}
	covbuf_trace_pc(1);
	sum = look(segment);
	for (int i = 0; i < 6000 && sum.pids < 5; i++) { /* the grandchild has no one to wait for it */
		usleep(10000);
		sum = look(segment);
	}
	cr_assert_eq(sum.records, 1032);
	cr_assert_eq(sum.pids, 5);
}

Test(children, what_a_killed_process_recorded_is_there_and_its_areas_come_back)
{
	struct covbuf_segment *segment = make_automatic(COVBUF_AUTO_GROW);
	struct collected *got = calloc(1, sizeof(*got));
	static bool seen[10001]; /* areas come in any order */
	struct covbuf_drained drained;
	uint32_t before = covbuf_segment_free_areas(segment, 0);
	pid_t pid = fork();

	if (!pid) {
		if (covbuf_attach_segment(segment))
			_exit(1);
		for (uint64_t i = 1; i <= 10000; i++)
			covbuf_trace_pc(i);
		kill(getpid(), SIGKILL);
	}
	cr_assert_eq(wait_for(pid), 128 + SIGKILL);
	cr_assert_lt(covbuf_segment_free_areas(segment, 0), before);
	cr_assert_eq(covbuf_segment_consume(segment), 0);
	cr_assert_eq(covbuf_drain(segment, COVBUF_DRAIN_AUDIT, gather, got, &drained), 0);
	cr_assert_eq(got->nr_words, 10000);
	for (uint64_t i = 0; i < 10000; i++) {
		uint64_t n = got->words[i];

		cr_assert(n && n <= 10000 && !seen[n]);
		seen[n] = true;
	}
	cr_assert_eq(drained.dead_procs, 1);
	cr_assert_eq(covbuf_segment_free_areas(segment, 0), before);
}

static uint32_t guards[2];

Test(children, a_followed_child_finds_every_site_new)
{
	struct covbuf_segment *segment =
		make_automatic(COVBUF_AUTO_FOLLOW | COVBUF_AUTO_KEEP | COVBUF_AUTO_GROW | COVBUF_AUTO_UNIQUE);
	struct sum sum;
	pid_t pid;

	cr_assert_eq(covbuf_attach_segment(segment), 0);
	for (uint32_t i = 0; i < 10; i++)
		covbuf_trace_pc_site(&guards[i % 2], i % 2, 1);
	pid = fork();
	if (!pid) {
		for (uint32_t i = 0; i < 10; i++)
			covbuf_trace_pc_site(&guards[i % 2], i % 2, 100);
		_exit(0);
	}
	wait_for(pid);
	sum = look(segment);
	cr_assert_eq(sum.records, 202);
}

Test(children, a_detached_process_records_nothing_and_holds_nothing)
{
	struct covbuf_segment *segment = make_automatic(COVBUF_AUTO_GROW);
	struct covbuf_proc proc;
	uint32_t before = covbuf_segment_free_areas(segment, 0);

	cr_assert_eq(covbuf_attach_segment(segment), 0);
	covbuf_trace_pc(1);
	cr_assert_eq(covbuf_detach(), 0);
	covbuf_trace_pc(2);
	cr_assert_eq(covbuf_remote_start(1), 0);
	cr_assert_eq(covbuf_detach(), -ENOTCONN);
	cr_assert_eq(covbuf_view_proc(segment, 1, &proc), 0);
	cr_assert_eq(proc.state & 0xff, COVBUF_PROC_ENDED);
	cr_assert_eq(covbuf_segment_consume(segment), 0);
	cr_assert_eq(covbuf_drain(segment, 0, NULL, NULL, NULL), 0);
	cr_assert_eq(covbuf_segment_free_areas(segment, 0), before);
}

static int count_records(const struct covbuf_batch *batch, void *arg)
{
	for (uint64_t i = 0; i < batch->nr_words; i++)
		*(uint64_t *)arg += batch->words[i] && batch->pid != (uint32_t)getpid() ? batch->words[i] : 0;
	return 0;
}

Test(children, a_followed_child_inherits_the_common_handle_and_works_for_its_parents_owner)
{
	struct covbuf_segment *segment = make_automatic(COVBUF_AUTO_FOLLOW | COVBUF_AUTO_KEEP | COVBUF_AUTO_GROW);
	struct covbuf_owner *owner;
	uint64_t sum = 0;
	pid_t pid;

	cr_assert_eq(covbuf_attach_segment(segment), 0);
	owner = make_owner(COVBUF_MODE_PC, COVBUF_LINEAR, 0);
	cr_assert_eq(covbuf_remote_enable(owner, NULL, 0, 0x42), 0);
	pid = fork();
	if (!pid) {
		covbuf_token token = covbuf_remote_start(covbuf_common_handle());

		covbuf_trace_pc(7);
		_exit(!token || covbuf_remote_stop(token));
	}
	cr_assert_eq(wait_for(pid), 0);
	cr_assert_eq(covbuf_collect(owner, count_records, &sum), 1);
	cr_assert_eq(sum, 7);
	cr_assert_eq(covbuf_disable(owner), 0);
}

static void *record_some(void *arg)
{
	for (uint64_t i = 1; i <= 100; i++)
		covbuf_trace_pc(i);
	return arg;
}

Test(children, every_thread_of_an_automatic_recording_has_a_context)
{
	struct covbuf_segment *segment = make_automatic(COVBUF_AUTO_KEEP | COVBUF_AUTO_GROW);
	pthread_t threads[20];
	struct sum sum;

	cr_assert_eq(covbuf_attach_segment(segment), 0);
	for (int i = 0; i < 20; i++)
		pthread_create(&threads[i], NULL, record_some, NULL);
	for (int i = 0; i < 20; i++)
		pthread_join(threads[i], NULL);
	sum = look(segment);
	cr_assert_eq(sum.records, 20 * 5050);
}
