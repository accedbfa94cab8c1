/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Process slots: joining a segment and leaving it.
 *
 * Whoever has a slot holds a lock on its byte, on a description that closes on exec, from before the
 * slot is LIVE. So a slot that says LIVE and whose byte is free has lost its process, or that process has
 * closed our descriptors: liveness.c tells which.
 *
 * A slot's state goes ENDED or NONE -> NONE, next generation (while it is filled in) -> LIVE -> ENDED.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include <covbuf/atomic.h>

#include "guard.h"
#include "liveness.h"
#include "shm.h"

#define STATE(s) ((uint32_t)((s) & 0xff))
#define GENERATION(s) ((s) >> 8)

static uint64_t make_state(uint64_t generation, enum covbuf_proc_state state)
{
	return generation << 8 | state;
}

static uint64_t now_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_REALTIME, &now);
	return (uint64_t)now.tv_sec * 1000000000ull + (uint64_t)now.tv_nsec;
}

/* Who we are. The state is not touched. */
static void describe(struct covbuf_proc *proc)
{
	ssize_t length = readlink("/proc/self/exe", proc->path, sizeof(proc->path) - 1);

	if (length < 0)
		length = 0;
	memset(proc->path + length, 0, sizeof(proc->path) - (size_t)length);
	proc->pid = (uint32_t)getpid();
	proc->ppid = (uint32_t)getppid();
	proc->pid_namespace = covb_pid_namespace();
	if (covb_start_ticks(proc->pid, &proc->start_ticks))
		proc->start_ticks = 0;
	proc->attached_ns = now_ns();
	proc->flags = 0;
	memset(proc->lost, 0, sizeof(proc->lost));
}

/* Take slot i if its state still is old. */
static bool take_slot(struct covbuf_segment *segment, uint32_t i, uint64_t old, int *err)
{
	struct covbuf_proc *proc = &segment->procs[i];
	uint64_t generation = GENERATION(old) + 1;

	*err = covb_storage_lock(segment, COVBUF_LOCK_PROC + i);
	if (*err)
		return false;
	/* acquire: partner is the release of the last holder's leaving, or of the audit; then the slot is ours */
	if (!covb_cas_acquire(&proc->state, &old, make_state(generation, COVBUF_PROC_NONE))) {
		covb_storage_unlock(segment, COVBUF_LOCK_PROC + i);
		return false;
	}
	describe(proc);
	/* release: whoever sees LIVE sees who it is */
	covb_store_release(&proc->state, make_state(generation, COVBUF_PROC_LIVE));
	return true;
}

/* 0: none is free. Negative: locking does not work at all. */
static int find_slot(struct covbuf_segment *segment, enum covbuf_proc_state wanted)
{
	int err;

	for (uint32_t i = 1; i < segment->layout.procs.nr; i++) {
		uint64_t state = covb_load(&segment->procs[i].state);

		if (STATE(state) != (uint32_t)wanted)
			continue;
		if (take_slot(segment, i, state, &err))
			return (int)i;
		if (err && err != -EBUSY)
			return err;
	}
	return 0;
}

/* Slots never used come first: those of processes that have ended are worth keeping for the reader. */
static int find_any_slot(struct covbuf_segment *segment)
{
	int i = find_slot(segment, COVBUF_PROC_NONE);

	return i ? i : find_slot(segment, COVBUF_PROC_ENDED);
}

/*
 * A program that executes another keeps its pid, start time, and if the new one attaches, a mapping of
 * the segment: only we can tell that the old slot's holder is gone.
 */
static void replace_own_slots(struct covbuf_segment *segment, uint32_t ours)
{
	const struct covbuf_proc *self = &segment->procs[ours];

	for (uint32_t i = 1; i < segment->layout.procs.nr; i++) {
		struct covbuf_proc *proc = &segment->procs[i];

		if (i == ours || STATE(covb_load_acquire(&proc->state)) != COVBUF_PROC_LIVE ||
		    covb_load(&proc->pid) != self->pid || covb_load(&proc->start_ticks) != self->start_ticks ||
		    covb_load(&proc->pid_namespace) != self->pid_namespace)
			continue;
		if (covb_storage_lock_free(segment, COVBUF_LOCK_PROC + i))
			covb_fetch_or(&proc->flags, COVBUF_PROC_REPLACED);
	}
}

/* Be the consumer for a moment, if there is none, to get back what dead processes held. */
static void audit_the_dead(struct covbuf_segment *segment)
{
	uint32_t left = covb_audits_at_once(&segment->layout);
	struct covbuf_drained drained = { 0 };

	if (segment->consumer || covb_storage_lock(segment, COVBUF_LOCK_CONSUMER))
		return;
	for (uint32_t i = 1; i < segment->layout.procs.nr && left; i++) {
		if (!covb_process_dead(segment, i))
			continue;
		covb_audit_process(segment, i, NULL, NULL, &drained);
		left--;
	}
	covb_storage_unlock(segment, COVBUF_LOCK_CONSUMER);
}

uint64_t covb_process_images(const struct covbuf_segment *segment, uint32_t proc)
{
	return COVBUF_IMAGES(proc, GENERATION(covb_load(&segment->procs[proc].state)), 0);
}

int covb_process_join(struct covbuf_segment *segment, uint32_t *proc)
{
	int i;

	if (!segment->header)
		return -EPERM;
	i = find_any_slot(segment);
	if (!i) {
		audit_the_dead(segment);
		i = find_any_slot(segment);
	}
	if (i <= 0) {
		covb_fetch_add(&segment->header->lost_procs, 1);
		return i ? i : -ENOSPC;
	}
	covb_store(&segment->images, covb_process_images(segment, (uint32_t)i));
	replace_own_slots(segment, (uint32_t)i);
	covb_announce(segment);
	*proc = (uint32_t)i;
	return 0;
}

void covb_process_leave(struct covbuf_segment *segment, uint32_t i)
{
	struct covbuf_proc *proc;
	uint64_t state;

	if (!segment->header || !i || i >= segment->layout.procs.nr)
		return;
	proc = &segment->procs[i];
	state = covb_load(&proc->state);
	if (STATE(state) != COVBUF_PROC_LIVE || covb_load(&proc->pid) != (uint32_t)getpid())
		return;
	/* release: partner is the acquire of take_slot(); what we did with areas is over before the slot is another's */
	covb_cas_release(&proc->state, &state, make_state(GENERATION(state), COVBUF_PROC_ENDED));
	covb_storage_unlock(segment, COVBUF_LOCK_PROC + i);
	covb_announce(segment);
}

void covb_process_forget(struct covbuf_segment *segment)
{
	static const pthread_mutex_t unlocked = PTHREAD_MUTEX_INITIALIZER;

	/* a copy of the descriptor: the lock lives as long as the parent's */
	if (covb_storage_is(segment, segment->lock_fd))
		close(segment->lock_fd);
	segment->lock_fd = -1;
	segment->consumer = false;
	/* another thread of the parent's may have held it */
	memcpy(&segment->modules_lock, &unlocked, sizeof(unlocked));
	covb_guard_forget();
}
