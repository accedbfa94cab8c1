/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* See kcov.h. */
#include <string.h>

#include "kcov.h"

/* Free areas have this in their first words. */
struct free_area {
	struct free_area *next, **link;
	uint32_t nr_words;
};

__thread struct kcov_task kcov_task;

static pthread_spinlock_t remote_lock;
static struct kcov_remote *buckets[KCOV_NR_BUCKETS];
static struct free_area *free_areas;

static __attribute__((constructor)) void init_lock(void)
{
	pthread_spin_init(&remote_lock, PTHREAD_PROCESS_PRIVATE);
}

/* ---- areas: a list, under the lock ----------------------------------------------------------- */

static void put_area_locked(uint64_t *words, uint32_t nr_words)
{
	struct free_area *area = (struct free_area *)words;

	area->nr_words = nr_words;
	area->next = free_areas;
	area->link = &free_areas;
	if (area->next)
		area->next->link = &area->next;
	free_areas = area;
}

/* The first of this size. */
static uint64_t *get_area_locked(uint32_t nr_words)
{
	for (struct free_area *area = free_areas; area; area = area->next) {
		if (area->nr_words != nr_words)
			continue;
		*area->link = area->next;
		if (area->next)
			area->next->link = area->link;
		return (uint64_t *)area;
	}
	return NULL;
}

void kcov_make_pool(uint64_t *memory, uint32_t nr_areas, uint32_t nr_words)
{
	free_areas = NULL;
	for (uint32_t i = 0; i < nr_areas; i++)
		put_area_locked(memory + (uint64_t)i * nr_words, nr_words);
}

uint64_t *kcov_area_take(uint32_t nr_words)
{
	uint64_t *area;

	pthread_spin_lock(&remote_lock);
	area = get_area_locked(nr_words);
	pthread_spin_unlock(&remote_lock);
	return area;
}

void kcov_area_give(uint64_t *area, uint32_t nr_words)
{
	pthread_spin_lock(&remote_lock);
	put_area_locked(area, nr_words);
	pthread_spin_unlock(&remote_lock);
}

/* ---- owners, handles ------------------------------------------------------------------------- */

void kcov_init(struct kcov *kcov, enum kcov_mode mode, uint64_t *area, uint64_t nr_words, uint32_t remote_words)
{
	*kcov = (struct kcov){ .refs = 1, .mode = mode, .remote = true, .remote_words = remote_words,
			       .nr_words = nr_words, .area = area };
	pthread_spin_init(&kcov->lock, PTHREAD_PROCESS_SHARED);
}

static struct kcov_remote **bucket_of(uint64_t handle)
{
	return &buckets[handle * 0x61c8864680b583ebull >> 60];
}

void kcov_add(struct kcov_remote *remote)
{
	struct kcov_remote **bucket = bucket_of(remote->handle);

	pthread_spin_lock(&remote_lock);
	remote->next = *bucket;
	*bucket = remote;
	pthread_spin_unlock(&remote_lock);
}

void kcov_remove(struct kcov_remote *remote)
{
	struct kcov_remote **link = bucket_of(remote->handle);

	pthread_spin_lock(&remote_lock);
	while (*link != remote)
		link = &(*link)->next;
	*link = remote->next;
	pthread_spin_unlock(&remote_lock);
}

static struct kcov *get_locked(uint64_t handle)
{
	struct kcov_remote *remote = *bucket_of(handle);

	while (remote && remote->handle != handle)
		remote = remote->next;
	if (!remote)
		return NULL;
	__atomic_fetch_add(&remote->kcov->refs, 1, __ATOMIC_RELAXED);
	return remote->kcov;
}

struct kcov *kcov_get(uint64_t handle)
{
	struct kcov *kcov;

	pthread_spin_lock(&remote_lock);
	kcov = get_locked(handle);
	pthread_spin_unlock(&remote_lock);
	return kcov;
}

void kcov_put(struct kcov *kcov)
{
	__atomic_fetch_sub(&kcov->refs, 1, __ATOMIC_ACQ_REL);
}

/* ---- sections -------------------------------------------------------------------------------- */

static void start(const struct kcov_state *state)
{
	kcov_task.now.kcov = state->kcov;
	kcov_task.now.nr_words = state->nr_words;
	kcov_task.now.area = state->area;
	kcov_task.now.sequence = state->sequence;
	covb_barrier();
	covb_store(&kcov_task.now.mode, state->mode);
}

static void stop(void)
{
	covb_store(&kcov_task.now.mode, KCOV_OFF);
	covb_barrier();
	kcov_task.now.kcov = NULL;
	kcov_task.now.nr_words = 0;
	kcov_task.now.area = NULL;
}

static struct kcov_state state_of(struct kcov *kcov, uint64_t *area)
{
	return (struct kcov_state){ .mode = kcov->mode, .nr_words = kcov->remote_words, .area = area, .kcov = kcov,
				    .sequence = kcov->sequence };
}

/* Behind what the owner has, unless it has been disabled since the start. */
static void merge(const struct kcov_state *done)
{
	struct kcov *kcov = done->kcov;

	pthread_spin_lock(&kcov->lock);
	if (done->sequence == kcov->sequence && kcov->remote)
		kcov->dropped += kcov_move(kcov->mode, kcov->area, kcov->nr_words, done->area);
	pthread_spin_unlock(&kcov->lock);
}

__attribute__((noinline)) bool kcov_remote_start(uint64_t handle)
{
	struct kcov_state state;
	struct kcov *kcov;
	uint64_t *area;

	if (covb_load(&kcov_task.now.mode) != KCOV_OFF)
		return false;
	pthread_spin_lock(&remote_lock);
	kcov = get_locked(handle);
	if (!kcov) {
		pthread_spin_unlock(&remote_lock);
		return false;
	}
	state = state_of(kcov, NULL);
	area = get_area_locked(state.nr_words);
	pthread_spin_unlock(&remote_lock);
	if (!area) {
		kcov_put(kcov);
		return false;
	}
	area[0] = 0;
	state.area = area;
	start(&state);
	return true;
}

__attribute__((noinline)) void kcov_remote_stop(void)
{
	struct kcov_state done = kcov_task.now;

	stop();
	merge(&done);
	kcov_area_give(done.area, done.nr_words);
	kcov_put(done.kcov);
}

/* On a task that collects, or not: its state waits in the task. */
__attribute__((noinline)) bool kcov_softirq_start(uint64_t handle)
{
	struct kcov_state state;
	struct kcov *kcov;

	if (kcov_task.in_softirq)
		return false;
	pthread_spin_lock(&remote_lock);
	kcov = get_locked(handle);
	if (!kcov) {
		pthread_spin_unlock(&remote_lock);
		return false;
	}
	state = state_of(kcov, kcov_task.softirq_area);
	pthread_spin_unlock(&remote_lock);
	state.area[0] = 0;
	if (covb_load(&kcov_task.now.mode) != KCOV_OFF) {
		kcov_task.saved = kcov_task.now;
		stop();
	}
	start(&state);
	kcov_task.in_softirq = true;
	return true;
}

__attribute__((noinline)) void kcov_softirq_stop(void)
{
	struct kcov_state done = kcov_task.now;

	stop();
	kcov_task.in_softirq = false;
	if (kcov_task.saved.kcov) {
		start(&kcov_task.saved);
		kcov_task.saved.kcov = NULL;
	}
	merge(&done);
	kcov_put(done.kcov);
}

uint64_t kcov_move(enum kcov_mode mode, uint64_t *to, uint64_t nr_words, const uint64_t *from)
{
	uint64_t words = mode == KCOV_CMP ? 4 : 1; /* of a record */
	uint64_t nr_there = covb_load(to), nr_new = covb_load(from);
	uint64_t nr_room = (nr_words - 1) / words - nr_there;
	uint64_t nr_fit = nr_new < nr_room ? nr_new : nr_room;

	memcpy(to + 1 + nr_there * words, from + 1, nr_fit * words * 8);
	covb_store(to, nr_there + nr_fit);
	return nr_new - nr_fit;
}
