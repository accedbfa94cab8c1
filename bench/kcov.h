/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The peer that covbuf's sections are compared with: the structure of Linux's KCOV, in userspace, written from
 * its description.
 *
 * A handle is found in 16 lists under one lock; the same lock guards the list of free areas. A start takes a
 * reference, saves the task's state (a softirq's start in a place of its own) and points it to a fresh area. A
 * stop puts the state back, copies the area's records behind those that its owner has, under the owner's lock,
 * returns the area under the first lock, and drops the reference. So a pair takes three locks and counts a reference
 * up and down; in a softirq, whose area is the CPU's own, two.
 *
 * What a kernel does besides, turning interrupts off and on again, is not in it.
 */
#ifndef COVB_BENCH_KCOV_H
#define COVB_BENCH_KCOV_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

#include <covbuf/atomic.h>

#define KCOV_NR_BUCKETS 16

enum kcov_mode { KCOV_OFF = 0, KCOV_PC = 2, KCOV_CMP = 3 };

/* What a user opens. */
struct kcov {
	uint32_t refs;
	pthread_spinlock_t lock;
	uint32_t mode, sequence;
	bool remote;
	uint32_t remote_words;	/* of a section's area */
	uint64_t nr_words, *area;
	uint64_t dropped;	/* records that did not fit */
} __attribute__((aligned(128)));

/* A handle that it has asked for. */
struct kcov_remote {
	uint64_t handle;
	struct kcov *kcov;
	struct kcov_remote *next; /* with the same hash */
};

/* A thread's state, and what a softirq on it has interrupted. */
struct kcov_state {
	uint32_t mode, nr_words;
	uint64_t *area;
	struct kcov *kcov;
	uint32_t sequence;
};

struct kcov_task {
	struct kcov_state now, saved;
	bool in_softirq;
	uint64_t *softirq_area;
};

/* As near as a program's own: the linker would leave a load where it could not tell. */
extern __thread struct kcov_task kcov_task __attribute__((tls_model("local-exec")));

/* nr_areas of nr_words, none of them touched before: the caller's memory. */
void kcov_make_pool(uint64_t *memory, uint32_t nr_areas, uint32_t nr_words);
uint64_t *kcov_area_take(uint32_t nr_words);
void kcov_area_give(uint64_t *area, uint32_t nr_words);

/* May lie in shared memory, as its area may. */
void kcov_init(struct kcov *kcov, enum kcov_mode mode, uint64_t *area, uint64_t nr_words, uint32_t remote_words);

void kcov_add(struct kcov_remote *remote);
void kcov_remove(struct kcov_remote *remote);
/* The owner of a handle, with a reference; or NULL. */
struct kcov *kcov_get(uint64_t handle);
void kcov_put(struct kcov *kcov);

bool kcov_remote_start(uint64_t handle);
void kcov_remote_stop(void);
bool kcov_softirq_start(uint64_t handle);
void kcov_softirq_stop(void);

/* Appends the records of from to those of to, which has nr_words; returns how many did not fit. */
uint64_t kcov_move(enum kcov_mode mode, uint64_t *to, uint64_t nr_words, const uint64_t *from);

/* The callbacks' sequences: mode, then room, then the count, then the record. */
static inline __attribute__((always_inline)) void kcov_append_pc(uint64_t pc)
{
	uint64_t *area, n;

	if (__builtin_expect(covb_load(&kcov_task.now.mode) != KCOV_PC, 0))
		return;
	covb_barrier();
	area = covb_load(&kcov_task.now.area);
	n = covb_load(area) + 1;
	if (__builtin_expect(n < covb_load(&kcov_task.now.nr_words), 1)) {
		covb_store(area, n);
		covb_barrier();
		area[n] = pc;
	}
}

static inline __attribute__((always_inline)) void kcov_append_cmp(uint64_t type, uint64_t arg1, uint64_t arg2,
								     uint64_t pc)
{
	uint64_t *area, n, at;

	if (__builtin_expect(covb_load(&kcov_task.now.mode) != KCOV_CMP, 0))
		return;
	covb_barrier();
	area = covb_load(&kcov_task.now.area);
	n = covb_load(area);
	at = 1 + n * 4;
	if (__builtin_expect(at + 4 <= covb_load(&kcov_task.now.nr_words), 1)) {
		covb_store(area, n + 1);
		covb_barrier();
		area[at] = type;
		area[at + 1] = arg1;
		area[at + 2] = arg2;
		area[at + 3] = pc;
	}
}

#endif
