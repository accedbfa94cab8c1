/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The consumer: its lock, and how it sleeps until there is something to do.
 *
 * Whoever queues an area pays for a wake-up only if somebody sleeps. Both sides store, fence, and look
 * at what the other stored: the pusher its queue and then nr_waiting, the consumer nr_waiting and then
 * the queues, so at least one of them sees the other.
 *
 * Each look is made behind a guard, since the file may be cut; nobody sleeps behind one.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <limits.h>
#include <linux/futex.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include <covbuf/atomic.h>

#include "guard.h"
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

/* What body says, or -EIO: the file is shorter than it was. */
static int guarded(struct covbuf_segment *segment, bool (*body)(struct covbuf_segment *segment, uint32_t *wake),
		   uint32_t *wake)
{
	struct covb_guard guard;
	int answer, cancel_state;

	if (segment->sealed)
		return body(segment, wake);
	/* a thread that was cancelled would leave its guard behind */
	pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &cancel_state);
	answer = covb_guard_push(&guard, segment->base, segment->layout.limit_bytes);
	if (!answer && sigsetjmp(guard.env, 0)) {
		covb_guard_pop(&guard);
		answer = -EIO;
	} else if (!answer) {
		covb_guard_arm(&guard);
		answer = body(segment, wake);
		covb_guard_pop(&guard);
	}
	pthread_setcancelstate(cancel_state, &cancel_state);
	return answer;
}

static bool write_pid(struct covbuf_segment *segment, uint32_t *wake)
{
	(void)wake;
	covb_store(&segment->header->consumer_pid, (uint32_t)getpid());
	return false;
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
	err = guarded(segment, write_pid, NULL);
	if (err) {
		covb_storage_unlock(segment, COVBUF_LOCK_CONSUMER);
		return err;
	}
	if (!segment->places)
		segment->places = calloc(segment->layout.areas.nr, sizeof(*segment->places));
	segment->consumer = true;
	return 0;
}

/* Whoever pushed may not have come to the hint: the next pass looks, as we do, at all owners. */
static bool is_anything_queued(struct covbuf_segment *segment)
{
	for (uint32_t i = 0; i < segment->layout.owners.nr; i++) {
		if (!covb_load(&segment->owners[i].queue))
			continue;
		covb_store(&segment->passes_by_hint, 0);
		return true;
	}
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

static bool is_anybody_dead(struct covbuf_segment *segment, uint32_t *wake)
{
	(void)wake;
	for (uint32_t i = 1; i < segment->layout.procs.nr; i++)
		if ((covb_load(&segment->procs[i].state) & 0xff) == COVBUF_PROC_LIVE && covb_process_dead(segment, i))
			return true;
	return false;
}

static bool begin_to_wait(struct covbuf_segment *segment, uint32_t *wake)
{
	*wake = covb_load(&segment->header->wake);
	covb_fetch_add(&segment->header->nr_waiting, 1);
	/* full fence: partners are those of the pusher in handoff.c and of covb_announce() */
	covb_mb();
	return is_anything_queued(segment) || has_processes_changed(segment);
}

static bool end_to_wait(struct covbuf_segment *segment, uint32_t *wake)
{
	(void)wake;
	covb_fetch_add(&segment->header->nr_waiting, (uint32_t)-1);
	return is_anything_queued(segment) || has_processes_changed(segment);
}

/* One sleep; 1: there is something to do. */
static int wait_once(struct covbuf_segment *segment, int timeout_ms)
{
	uint32_t wake = 0;
	int found = guarded(segment, begin_to_wait, &wake), again;

	if (!found && timeout_ms > 0)
		sleep_while(&segment->header->wake, wake, timeout_ms);
	again = found < 0 ? found : guarded(segment, end_to_wait, &wake);
	return found > 0 && again >= 0 ? found : again;
}

/* What a waiter returns that found this. */
static int result(int found)
{
	return found < 0 ? found : 0;
}

int covbuf_segment_wait(struct covbuf_segment *segment, int timeout_ms)
{
	int64_t end_ms = now_ms() + timeout_ms;
	int found;

	if (!segment->header)
		return -EPERM;
	for (;;) {
		int64_t left_ms = timeout_ms < 0 ? LOOK_FOR_DEAD_MS : end_ms - now_ms();
		int64_t started_ms = now_ms();
		bool late;

		if (left_ms > LOOK_FOR_DEAD_MS)
			left_ms = LOOK_FOR_DEAD_MS;
		found = wait_once(segment, left_ms > 0 ? (int)left_ms : 0);
		if (found)
			return result(found);
		late = timeout_ms >= 0 && now_ms() >= end_ms;
		/* after a whole sleep only: looking costs system calls */
		if (late || now_ms() - started_ms >= LOOK_FOR_DEAD_MS)
			found = guarded(segment, is_anybody_dead, NULL);
		if (found || late)
			return found ? result(found) : -ETIMEDOUT;
	}
}
