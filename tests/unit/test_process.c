/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Process slots: who is dead and who only looks it. Each test kills, forks or executes real processes. */
#define _GNU_SOURCE
#include <criterion/criterion.h>
#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "../../libcovbuf/core/flag.h"
#include "../../shm/shm.h"

TestSuite(process, .timeout = 60);

static char directory[64], path[128];
static struct covbuf_segment *segment;

static void setup(void)
{
	struct covbuf_segment_options options = { .limit_bytes = 8 << 20, .initial_bytes = 256 << 10, .nr_procs = 8 };
	struct covbuf_message why = { "" };

	snprintf(directory, sizeof(directory), "/tmp/covbuf-process-XXXXXX");
	cr_assert(mkdtemp(directory));
	snprintf(path, sizeof(path), "%s/segment", directory);
	cr_assert(!covbuf_segment_create(path, &options, &segment, &why), "%s", why.text);
}

static void teardown(void)
{
	covbuf_segment_close(segment);
	unlink(path);
	rmdir(directory);
}

/* What a child does once it has its slot. */
enum then { STAYS, CLOSES_ALL, CLOSES_ALL_AND_ENDS_MAIN_THREAD, CLOSES_ALL_AND_UNMAPS, EXECS, FORKS_AND_STAYS, LEAVES };

static void *stay(void *arg)
{
	for (;;)
		pause();
	return arg;
}

static void fork_one_that_forgets(struct covbuf_segment *mine)
{
	int forgotten[2];
	char c;

	if (pipe(forgotten))
		_exit(1);
	if (!fork()) {
		covb_process_forget(mine);
		if (write(forgotten[1], "", 1) == 1)
			stay(NULL);
		_exit(1);
	}
	close(forgotten[1]);
	if (read(forgotten[0], &c, 1) != 1)
		_exit(1);
	close(forgotten[0]);
}

static void go_on(struct covbuf_segment *mine, uint32_t proc, enum then then, int ready)
{
	pthread_t thread;

	switch (then) {
	case CLOSES_ALL_AND_ENDS_MAIN_THREAD:
		pthread_create(&thread, NULL, stay, NULL);
		/* fallthrough */
	case CLOSES_ALL:
		syscall(SYS_close_range, 0, ready - 1, 0);
		syscall(SYS_close_range, ready + 1, ~0u, 0);
		break;
	case CLOSES_ALL_AND_UNMAPS:
		munmap(mine->base, mine->layout.limit_bytes);
		munmap(segment->base, segment->layout.limit_bytes); /* inherited */
		syscall(SYS_close_range, ready + 1, ~0u, 0);
		break;
	case FORKS_AND_STAYS:
		fork_one_that_forgets(mine);
		break;
	case LEAVES:
		covb_process_leave(mine, proc);
		break;
	default:
		break;
	}
}

/* What it executes says that it runs: what exec closes it lets go of before that, but in no order. */
static void execute_another(int ready)
{
	dup2(ready, STDOUT_FILENO);
	execlp("sh", "sh", "-c", "echo && exec sleep 100", (char *)NULL);
	_exit(1);
}

static void await_end_of_main_thread(pid_t child)
{
	char file[64], state = 0;

	snprintf(file, sizeof(file), "/proc/%d/stat", child);
	for (int i = 0; i < 5000 && state != 'Z'; i++) {
		FILE *stat = fopen(file, "r");

		cr_assert(stat && fscanf(stat, "%*d (%*[^)]) %c", &state) == 1);
		fclose(stat);
		usleep(4000);
	}
	cr_assert(state == 'Z', "its first thread does not end");
}

/* A child that opens the segment as a stranger would, joins, and tells its slot. */
static pid_t start_child(enum then then, uint32_t *proc)
{
	int ready[2];
	pid_t child;
	char c;

	cr_assert(!pipe(ready));
	child = fork();
	if (!child) {
		struct covbuf_segment *mine;
		uint32_t slot;

		setpgid(0, 0);
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		close(ready[0]);
		if (covbuf_segment_open(path, COVBUF_OPEN_ATTACH, &mine, NULL) || covb_process_join(mine, &slot))
			_exit(1);
		go_on(mine, slot, then, ready[1]);
		if (write(ready[1], &slot, sizeof(slot)) != sizeof(slot))
			_exit(1);
		if (then == EXECS)
			execute_another(ready[1]);
		if (then == CLOSES_ALL_AND_ENDS_MAIN_THREAD)
			pthread_exit(NULL);
		stay(NULL);
	}
	close(ready[1]);
	cr_assert(read(ready[0], proc, sizeof(*proc)) == sizeof(*proc));
	if (then == EXECS)
		cr_assert(read(ready[0], &c, 1) == 1, "it cannot execute another program");
	if (then == CLOSES_ALL_AND_ENDS_MAIN_THREAD)
		await_end_of_main_thread(child);
	close(ready[0]);
	return child;
}

static void kill_all_of(pid_t child)
{
	kill(-child, SIGKILL);
	kill(child, SIGKILL);
	waitpid(child, NULL, 0);
}

Test(process, slot_says_who_it_is, .init = setup, .fini = teardown)
{
	uint32_t proc, changed = segment->header->procs_changed;
	const struct covbuf_proc *slot;
	char exe[512] = "";

	cr_assert(!covb_process_join(segment, &proc));
	cr_assert(proc >= 1 && proc < segment->layout.procs.nr);
	slot = &segment->procs[proc];
	cr_expect((slot->state & 0xff) == COVBUF_PROC_LIVE && slot->pid == (uint32_t)getpid());
	cr_expect(slot->ppid == (uint32_t)getppid() && slot->start_ticks && slot->attached_ns);
	cr_assert(readlink("/proc/self/exe", exe, sizeof(exe) - 1) > 0);
	cr_expect(!strncmp(slot->path, exe, sizeof(slot->path) - 1));
	cr_expect(segment->header->procs_changed != changed);
	cr_expect(!covb_process_dead(segment, proc), "not even for itself");
	covb_process_leave(segment, proc);
	cr_expect((slot->state & 0xff) == COVBUF_PROC_ENDED);
}

Test(process, killed_one_is_dead, .init = setup, .fini = teardown)
{
	uint32_t proc;
	pid_t child = start_child(STAYS, &proc);

	cr_expect(!covb_process_dead(segment, proc));
	kill_all_of(child);
	cr_expect(covb_process_dead(segment, proc));
}

Test(process, zombie_is_dead, .init = setup, .fini = teardown)
{
	uint32_t proc;
	pid_t child = start_child(STAYS, &proc);
	siginfo_t info;

	kill(child, SIGKILL);
	cr_assert(!waitid(P_PID, (id_t)child, &info, WEXITED | WNOWAIT));
	cr_expect(covb_process_dead(segment, proc));
	waitpid(child, NULL, 0);
}

Test(process, one_that_closed_all_descriptors_lives, .init = setup, .fini = teardown)
{
	uint32_t proc;
	pid_t child = start_child(CLOSES_ALL, &proc);

	cr_expect(covb_storage_lock_free(segment, COVBUF_LOCK_PROC + proc), "the lock alone would say that it is dead");
	cr_expect(!covb_process_dead(segment, proc));
	kill_all_of(child);
	cr_expect(covb_process_dead(segment, proc));
}

Test(process, one_whose_first_thread_ended_lives, .init = setup, .fini = teardown)
{
	uint32_t proc;
	pid_t child = start_child(CLOSES_ALL_AND_ENDS_MAIN_THREAD, &proc);

	cr_expect(!covb_process_dead(segment, proc));
	kill_all_of(child);
	cr_expect(covb_process_dead(segment, proc));
}

Test(process, one_that_closed_and_unmapped_is_dead, .init = setup, .fini = teardown)
{
	uint32_t proc;
	pid_t child = start_child(CLOSES_ALL_AND_UNMAPS, &proc);

	cr_expect(covb_process_dead(segment, proc));
	kill_all_of(child);
}

Test(process, one_that_executed_another_program_is_dead, .init = setup, .fini = teardown)
{
	uint32_t proc;
	pid_t child = start_child(EXECS, &proc);

	cr_expect(!kill(child, 0));
	cr_expect(covb_process_dead(segment, proc));
	kill_all_of(child);
}

Test(process, killed_one_is_dead_although_its_fork_child_lives, .init = setup, .fini = teardown)
{
	uint32_t proc;
	pid_t child = start_child(FORKS_AND_STAYS, &proc);

	cr_expect(!covb_process_dead(segment, proc), "the child's forgetting must not release the parent's lock");
	kill(child, SIGKILL);
	waitpid(child, NULL, 0);
	cr_expect(covb_process_dead(segment, proc));
	kill(-child, SIGKILL);
}

Test(process, one_that_left_is_not_audited, .init = setup, .fini = teardown)
{
	uint32_t proc;
	pid_t child = start_child(LEAVES, &proc);

	cr_expect(!covb_process_dead(segment, proc));
	kill_all_of(child);
	cr_expect(!covb_process_dead(segment, proc));
}

/* After exec the same pid with the same start time maps the segment again. */
Test(process, old_slot_of_a_program_that_executed_itself_is_dead, .init = setup, .fini = teardown)
{
	struct covbuf_segment *again;
	uint32_t before, after;

	cr_assert(!covb_process_join(segment, &before));
	close(segment->lock_fd); /* as exec does */
	cr_expect(!covb_process_dead(segment, before), "it maps the segment still");
	cr_assert(!covbuf_segment_open(path, COVBUF_OPEN_ATTACH, &again, NULL));
	cr_assert(!covb_process_join(again, &after));
	cr_expect(before != after);
	cr_expect(covb_process_dead(segment, before));
	cr_expect(!covb_process_dead(segment, after));
	covbuf_segment_close(again);
}

Test(process, observer_sees_the_same, .init = setup, .fini = teardown)
{
	struct covbuf_segment *observer;
	uint32_t proc;
	pid_t child = start_child(STAYS, &proc);

	cr_assert(!covbuf_segment_open(path, COVBUF_OPEN_READ, &observer, NULL));
	cr_expect(!covb_process_dead(observer, proc));
	kill_all_of(child);
	cr_expect(covb_process_dead(observer, proc));
	covbuf_segment_close(observer);
}

Test(process, nothing_written_to_its_slot_makes_a_live_one_dead, .init = setup, .fini = teardown)
{
	uint32_t proc;
	pid_t child = start_child(STAYS, &proc);
	struct covbuf_proc *slot = &segment->procs[proc];
	static const uint32_t pids[] = { 0, 1, 0x7fffffff, 0x80000000u, 0xffffffffu };

	slot->flags = ~0u;
	slot->start_ticks = 1;
	for (size_t i = 0; i < sizeof(pids) / sizeof(pids[0]); i++) {
		slot->pid = pids[i];
		cr_expect(!covb_process_dead(segment, proc), "%#x", pids[i]);
	}
	kill_all_of(child);
	cr_expect(!covb_process_dead(segment, 0) && !covb_process_dead(segment, 0xffffffffu));
}

Test(process, slots_of_the_dead_are_used_again_after_an_audit, .init = setup, .fini = teardown)
{
	uint32_t proc, nr = segment->layout.procs.nr;
	uint64_t flag;

	for (uint32_t i = 1; i < nr; i++) {
		kill_all_of(start_child(STAYS, &proc));
		cr_expect(proc == i, "slots that were never used come first");
	}
	cr_assert(covb_flag_take(&segment->areas[0], 3, &flag));
	cr_expect(!covb_process_join(segment, &proc));
	cr_expect(covbuf_segment_free_areas(segment, 0) == 4, "what slot 3 held is back");
	covb_process_leave(segment, proc);
}

Test(process, a_full_table_is_an_error_that_is_counted, .init = setup, .fini = teardown)
{
	uint32_t proc, nr = segment->layout.procs.nr;
	pid_t children[16];

	for (uint32_t i = 1; i < nr; i++)
		children[i] = start_child(STAYS, &proc);
	cr_expect(covb_process_join(segment, &proc) == -ENOSPC);
	cr_expect(segment->header->lost_procs == 1);
	for (uint32_t i = 1; i < nr; i++)
		kill_all_of(children[i]);
	cr_expect(!covb_process_join(segment, &proc));
}

Test(process, many_joining_at_once_get_slots_of_their_own, .init = setup, .fini = teardown)
{
	pid_t children[7];
	uint32_t used = 0;

	for (int i = 0; i < 7; i++) {
		children[i] = fork();
		if (!children[i]) {
			struct covbuf_segment *mine;
			uint32_t slot;

			if (covbuf_segment_open(path, COVBUF_OPEN_ATTACH, &mine, NULL) || covb_process_join(mine, &slot))
				_exit(0);
			usleep(300000);
			_exit((int)slot);
		}
	}
	for (int i = 0; i < 7; i++) {
		int status;

		waitpid(children[i], &status, 0);
		cr_expect(WIFEXITED(status) && WEXITSTATUS(status) && !(used & 1u << WEXITSTATUS(status)));
		used |= 1u << WEXITSTATUS(status);
	}
}

Test(process, waiting_ends_when_one_comes_and_when_one_is_killed, .init = setup, .fini = teardown)
{
	uint32_t proc;
	pid_t child;

	cr_expect(covbuf_segment_wait(segment, 10) == -ETIMEDOUT);
	child = start_child(STAYS, &proc);
	cr_expect(covbuf_segment_wait(segment, 0) == 0);
	cr_expect(covbuf_segment_wait(segment, 10) == -ETIMEDOUT);
	kill_all_of(child);
	cr_expect(covbuf_segment_wait(segment, 10000) == 0);
}

/* In a pid namespace of its own a process has another number, here its daemon is found by that. */
Test(process, other_pid_namespaces_are_seen_from_outside, .init = setup, .fini = teardown)
{
	int ready[2], status;
	uint32_t proc;
	pid_t outer;

	/* told on one, it stays until the other is closed */
	cr_assert(!socketpair(AF_UNIX, SOCK_STREAM, 0, ready));
	outer = fork();
	if (!outer) {
		if (unshare(CLONE_NEWPID | CLONE_NEWNS))
			_exit(77);
		if (!fork()) {
			mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL);
			if (mount("proc", "/proc", "proc", 0, NULL))
				_exit(77);
			struct covbuf_segment *mine;
			uint32_t slot;

			if (covbuf_segment_open(path, COVBUF_OPEN_ATTACH, &mine, NULL) || covb_process_join(mine, &slot))
				_exit(1);
			go_on(mine, slot, CLOSES_ALL, ready[1]);
			if (write(ready[1], &slot, sizeof(slot)) != sizeof(slot))
				_exit(1);
			_exit(read(ready[1], &slot, 1) != 0);
		}
		close(ready[1]);
		close(ready[0]);
		wait(&status);
		_exit(WIFEXITED(status) ? WEXITSTATUS(status) : 0);
	}
	close(ready[1]);
	if (read(ready[0], &proc, sizeof(proc)) == sizeof(proc)) {
		cr_expect(segment->procs[proc].pid == 1);
		cr_expect(!covb_process_dead(segment, proc), "it maps the segment");
		close(ready[0]);
		waitpid(outer, &status, 0);
		cr_expect(covb_process_dead(segment, proc));
	} else {
		waitpid(outer, &status, 0);
		cr_expect(WEXITSTATUS(status) == 77, "%#x", status);
		cr_skip_test("no namespaces here");
	}
}
