/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * KCOV's structure, written from its description, for benches to measure beside: handles in 16 lists and areas in one list
 * under a spinlock, a task's state saved and restored, and at the stop the records copied into the owner's area under the
 * owner's lock.
 */
#ifndef COVB_BENCH_KCOV_H
#define COVB_BENCH_KCOV_H

#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "engine.h"

#define KCOV_BUCKETS 16

struct kcov_remote {
	uint64_t handle;
	struct kcov_remote *next;
	uint32_t refs;
	pthread_spinlock_t lock;
	uint64_t *area;		/* word 0 is the number of records */
	uint64_t area_words;
	uint64_t dropped;	/* records that did not fit */
} __attribute__((aligned(128)));

struct kcov {
	struct kcov_remote *remotes, *buckets[KCOV_BUCKETS];
	uint32_t nr_remotes;
	pthread_spinlock_t lock __attribute__((aligned(128))); /* of buckets and areas */
	void *free_areas;
	uint64_t area_words;	/* of a section */
};

struct kcov_task {
	uint32_t mode, size;
	uint64_t *area;
	struct kcov_remote *remote;
	uint32_t saved_mode, saved_size;
	uint64_t *saved_area;
	struct kcov_remote *saved_remote;
};

static __thread struct kcov_task kcov_task;

/* Shared with children; touched, so that no page is missing later. */
static inline void *kcov_memory(uint64_t bytes)
{
	void *memory = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	bench_must(memory == MAP_FAILED ? -12 : 0, "mmap");
	memset(memory, 0, bytes);
	return memory;
}

static inline uint32_t kcov_bucket(uint64_t handle)
{
	return (uint32_t)(handle * 0x61c8864680b583ebull >> 60);
}

/* Handles from 1; nr_areas for sections. */
static inline struct kcov *kcov_make(uint32_t nr_remotes, uint64_t remote_words, uint32_t nr_areas, uint64_t area_words)
{
	struct kcov *kcov = kcov_memory(sizeof(*kcov));
	uint64_t *areas = kcov_memory((uint64_t)nr_areas * area_words * 8);
	uint64_t *remote_areas = kcov_memory((uint64_t)nr_remotes * remote_words * 8);

	kcov->remotes = kcov_memory(nr_remotes * sizeof(*kcov->remotes));
	kcov->nr_remotes = nr_remotes;
	kcov->area_words = area_words;
	pthread_spin_init(&kcov->lock, PTHREAD_PROCESS_SHARED);
	for (uint32_t i = 0; i < nr_areas; i++) {
		*(void **)(areas + i * area_words) = kcov->free_areas;
		kcov->free_areas = areas + i * area_words;
	}
	for (uint32_t i = 0; i < nr_remotes; i++) {
		struct kcov_remote *remote = &kcov->remotes[i];
		struct kcov_remote **bucket = &kcov->buckets[kcov_bucket(i + 1)];

		remote->handle = i + 1;
		remote->area = remote_areas + i * remote_words;
		remote->area_words = remote_words;
		pthread_spin_init(&remote->lock, PTHREAD_PROCESS_SHARED);
		remote->next = *bucket;
		*bucket = remote;
	}
	return kcov;
}

/* ---- its callback ---------------------------------------------------------------------------- */

static inline __attribute__((always_inline)) void kcov_append(uint64_t pc)
{
	uint64_t *area, n;

	if (__builtin_expect(covb_load(&kcov_task.mode) != 2, 0))
		return;
	BENCH_BARRIER();
	area = covb_load(&kcov_task.area);
	n = covb_load(area) + 1;
	if (__builtin_expect(n < covb_load(&kcov_task.size), 1)) {
		covb_store(area, n);
		BENCH_BARRIER();
		area[n] = pc;
	}
}

/* ---- its sections ---------------------------------------------------------------------------- */

static inline void *kcov_take_area(struct kcov *kcov)
{
	void *area = kcov->free_areas;

	if (area)
		kcov->free_areas = *(void **)area;
	return area;
}

static inline void kcov_give_area(struct kcov *kcov, void *area)
{
	*(void **)area = kcov->free_areas;
	kcov->free_areas = area;
}

static __attribute__((noinline, unused)) bool kcov_start(struct kcov *kcov, uint64_t handle)
{
	struct kcov_remote *remote;
	void *area = NULL;

	pthread_spin_lock(&kcov->lock);
	remote = kcov->buckets[kcov_bucket(handle)];
	while (remote && remote->handle != handle)
		remote = remote->next;
	if (remote)
		area = kcov_take_area(kcov);
	if (!area) {
		pthread_spin_unlock(&kcov->lock);
		return false;
	}
	remote->refs++;
	pthread_spin_unlock(&kcov->lock);
	kcov_task.saved_mode = kcov_task.mode;
	kcov_task.saved_size = kcov_task.size;
	kcov_task.saved_area = kcov_task.area;
	kcov_task.saved_remote = kcov_task.remote;
	kcov_task.area = area;
	kcov_task.area[0] = 0;
	kcov_task.size = (uint32_t)kcov->area_words;
	kcov_task.remote = remote;
	BENCH_BARRIER();
	covb_store(&kcov_task.mode, 2);
	return true;
}

/* Under the owner's lock. */
static inline void kcov_merge(struct kcov_remote *remote, const uint64_t *area)
{
	uint64_t nr = area[0], there = remote->area[0], room = remote->area_words - 1 - there;

	if (nr > room) {
		remote->dropped += nr - room;
		nr = room;
	}
	memcpy(remote->area + 1 + there, area + 1, nr * 8);
	remote->area[0] = there + nr;
}

static __attribute__((noinline, unused)) void kcov_stop(struct kcov *kcov)
{
	struct kcov_remote *remote = kcov_task.remote;
	uint64_t *area = kcov_task.area;

	covb_store(&kcov_task.mode, 0);
	BENCH_BARRIER();
	kcov_task.size = kcov_task.saved_size;
	kcov_task.area = kcov_task.saved_area;
	kcov_task.remote = kcov_task.saved_remote;
	covb_store(&kcov_task.mode, kcov_task.saved_mode);
	pthread_spin_lock(&remote->lock);
	kcov_merge(remote, area);
	pthread_spin_unlock(&remote->lock);
	pthread_spin_lock(&kcov->lock);
	kcov_give_area(kcov, area);
	remote->refs--;
	pthread_spin_unlock(&kcov->lock);
}

#endif
