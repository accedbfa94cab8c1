/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The consumer: its lock, and how it sleeps until there is something to do.
 *
 * Whoever queues an area pays for a wake-up only if somebody sleeps. Both sides store, fence, and look
 * at what the other stored: the pusher its queue and then nr_waiting, the consumer nr_waiting and then
 * the queues, so at least one of them sees the other.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <limits.h>
#include <linux/futex.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include <covbuf/atomic.h>

#include "shm.h"

/* A process that is killed wakes nobody: how often to look for that. */
#define LOOK_FOR_DEAD_MS 200

static void wake_all(uint32_t *word)
{
	syscall(SYS_futex, word, FUTEX_WAKE, INT_MAX, NULL, NULL, 0);
}

static void sleep_while(uint32_t *word, uint32_t value, int timeout_ms)
{
	struct timespec timeout = { .tv_sec = timeout_ms / 1000, .tv_nsec = timeout_ms % 1000 * 1000000l };

	syscall(SYS_futex, word, FUTEX_WAIT, value, &timeout, NULL, 0);
}

static int64_t now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec * 1000ll + now.tv_nsec / 1000000;
}

void covb_announce(struct covbuf_segment *segment)
{
	struct covbuf_header *header = segment->header;

	/* release: whoever sees the new number sees the slot */
	__atomic_fetch_add(&header->procs_changed, 1, __ATOMIC_RELEASE);
	wake_all(&header->procs_changed);
	/* full fence: partner is the one in covbuf_segment_wait(), see above */
	covb_mb();
	if (covb_load(&header->nr_waiting)) {
		covb_fetch_add(&header->wake, 1);
		wake_all(&header->wake);
	}
}

int covbuf_segment_consume(struct covbuf_segment *segment)
{
	int err;

	if (!segment->header)
		return -EPERM;
	if (segment->consumer)
		return -EBUSY;
	err = covb_storage_lock(segment, COVBUF_LOCK_CONSUMER);
	if (err)
		return err;
	segment->consumer = true;
	covb_store(&segment->header->consumer_pid, (uint32_t)getpid());
	return 0;
}

static bool is_anything_queued(const struct covbuf_segment *segment)
{
	for (uint32_t i = 0; i < segment->layout.owners.nr; i++)
		if (covb_load(&segment->owners[i].queue))
			return true;
	return false;
}

static bool has_processes_changed(struct covbuf_segment *segment)
{
	uint32_t changed = covb_load_acquire(&segment->header->procs_changed);

	if (changed == segment->procs_seen)
		return false;
	segment->procs_seen = changed;
	return true;
}

static bool is_anybody_dead(struct covbuf_segment *segment)
{
	for (uint32_t i = 1; i < segment->layout.procs.nr; i++)
		if ((covb_load(&segment->procs[i].state) & 0xff) == COVBUF_PROC_LIVE && covb_process_dead(segment, i))
			return true;
	return false;
}

/* One sleep; true: there is something to do. */
static bool wait_once(struct covbuf_segment *segment, int timeout_ms)
{
	struct covbuf_header *header = segment->header;
	uint32_t wake = covb_load(&header->wake);
	bool found;

	covb_fetch_add(&header->nr_waiting, 1);
	/* full fence: partners are those of the pusher in handoff.c and of covb_announce() */
	covb_mb();
	found = is_anything_queued(segment) || has_processes_changed(segment);
	if (!found && timeout_ms > 0)
		sleep_while(&header->wake, wake, timeout_ms);
	covb_fetch_add(&header->nr_waiting, (uint32_t)-1);
	return found || is_anything_queued(segment) || has_processes_changed(segment);
}

int covbuf_segment_wait(struct covbuf_segment *segment, int timeout_ms)
{
	int64_t end_ms = now_ms() + timeout_ms;

	if (!segment->header)
		return -EPERM;
	for (;;) {
		int64_t left_ms = timeout_ms < 0 ? LOOK_FOR_DEAD_MS : end_ms - now_ms();
		int64_t started_ms = now_ms();

		if (left_ms > LOOK_FOR_DEAD_MS)
			left_ms = LOOK_FOR_DEAD_MS;
		if (wait_once(segment, left_ms > 0 ? (int)left_ms : 0))
			return 0;
		/* after a whole sleep only: looking costs system calls */
		if (now_ms() - started_ms >= LOOK_FOR_DEAD_MS && is_anybody_dead(segment))
			return 0;
		if (timeout_ms >= 0 && now_ms() >= end_ms)
			return is_anybody_dead(segment) ? 0 : -ETIMEDOUT;
	}
}
