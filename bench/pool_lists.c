/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Peers that one would write oneself: a list under a lock, a stack of indices without one. */
#include <pthread.h>

#include "kcov.h"
#include "pool.h"

#define AREA_WORDS (POOL_AREA_BYTES / 8)

/* ---- KCOV's: a list in the areas, under a spinlock -------------------------------------------- */

static void make_kcov(const struct bench_variant *variant)
{
	(void)variant;
	kcov_make_pool(pool_area(0), POOL_NR_AREAS, AREA_WORDS);
}

POOL_CALLED void *kcov_take(void)
{
	return kcov_area_take(AREA_WORDS);
}

POOL_CALLED void kcov_give(void *area)
{
	kcov_area_give(area, AREA_WORDS);
}
POOL_PASS(kcov, kcov_take, kcov_give)

/* ---- a list under a mutex --------------------------------------------------------------------- */

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static void *list __attribute__((aligned(128)));

static void make_list(const struct bench_variant *variant)
{
	(void)variant;
	list = NULL;
	for (uint32_t i = 0; i < POOL_NR_AREAS; i++) {
		*(void **)pool_area(i) = list;
		list = pool_area(i);
	}
}

POOL_CALLED void *mutex_take(void)
{
	void *area;

	pthread_mutex_lock(&mutex);
	area = list;
	if (area)
		list = *(void **)area;
	pthread_mutex_unlock(&mutex);
	return area;
}

POOL_CALLED void mutex_give(void *area)
{
	pthread_mutex_lock(&mutex);
	*(void **)area = list;
	list = area;
	pthread_mutex_unlock(&mutex);
}
POOL_PASS(mutex, mutex_take, mutex_give)

/* ---- a Treiber stack of indices, with a tag against ABA ---------------------------------------- */

static uint64_t stack __attribute__((aligned(128)));
static uint32_t links[POOL_NR_AREAS + 1] __attribute__((aligned(128)));

static void make_stack(const struct bench_variant *variant)
{
	(void)variant;
	for (uint32_t i = 1; i <= POOL_NR_AREAS; i++)
		links[i] = i - 1;
	stack = POOL_NR_AREAS;
}

POOL_CALLED void *treiber_take(void)
{
	uint64_t head = __atomic_load_n(&stack, __ATOMIC_ACQUIRE), next;

	do {
		if (!(uint32_t)head)
			return NULL;
		next = ((head >> 32) + 1) << 32 | covb_load(&links[(uint32_t)head]);
	} while (!__atomic_compare_exchange_n(&stack, &head, next, 1, __ATOMIC_ACQUIRE, __ATOMIC_ACQUIRE));
	return pool_area((uint32_t)head - 1);
}

POOL_CALLED void treiber_give(void *area)
{
	uint32_t i = (uint32_t)(((char *)area - pool_areas) / POOL_AREA_BYTES) + 1;
	uint64_t head = covb_load(&stack);

	do
		covb_store(&links[i], (uint32_t)head);
	while (!__atomic_compare_exchange_n(&stack, &head, (head & ~0xffffffffull) | i, 1, __ATOMIC_RELEASE,
					    __ATOMIC_RELAXED));
}
POOL_PASS(treiber, treiber_take, treiber_give)

const struct pool_peer pool_lists[] = {
	{ "list under a spinlock (KCOV)", pass_kcov, make_kcov, NULL, NULL, { 2.9, 14 } },
	{ "list under a mutex", pass_mutex, make_list, NULL, NULL, { 3.7, 26 } },
	{ "tagged Treiber stack", pass_treiber, make_stack, NULL, NULL, { 2.1, 16 } },
	{ 0 },
};
