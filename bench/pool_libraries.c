/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Peers out of libraries of concurrent structures: Concurrency Kit, liburcu (its functions inlined). */
#define _LGPL_SOURCE
#include <stddef.h>
#if defined(BENCH_CK)
#include <ck_ring.h>
#include <ck_stack.h>
#endif
#if defined(BENCH_URCU_CDS)
#include <urcu/urcu-memb.h>
#include <urcu/lfstack.h>
#include <urcu/wfcqueue.h>
#include <urcu/wfstack.h>
#endif

#include "pool.h"

#if defined(BENCH_CK)
#define CK(...) __VA_ARGS__, NULL
static ck_stack_t ck_stack __attribute__((aligned(128)));
static ck_ring_t ck_ring __attribute__((aligned(128)));
static ck_ring_buffer_t ck_ring_buffer[2 * POOL_NR_AREAS]; /* one of its slots is never used */

static void make_ck_stack(const struct bench_variant *variant)
{
	(void)variant;
	ck_stack_init(&ck_stack);
	for (uint32_t i = 0; i < POOL_NR_AREAS; i++)
		ck_stack_push_mpmc(&ck_stack, pool_area(i));
}

POOL_CALLED void *ck_stack_take(void)
{
	return ck_stack_pop_mpmc(&ck_stack);
}

POOL_CALLED void ck_stack_give(void *area)
{
	ck_stack_push_mpmc(&ck_stack, area);
}
POOL_PASS(ck_stack, ck_stack_take, ck_stack_give)

static void make_ck_ring(const struct bench_variant *variant)
{
	(void)variant;
	ck_ring_init(&ck_ring, 2 * POOL_NR_AREAS);
	for (uint32_t i = 0; i < POOL_NR_AREAS; i++)
		ck_ring_enqueue_mpmc(&ck_ring, ck_ring_buffer, pool_area(i));
}

POOL_CALLED void *ck_ring_take(void)
{
	void *area;

	return ck_ring_dequeue_mpmc(&ck_ring, ck_ring_buffer, &area) ? area : NULL;
}

POOL_CALLED void ck_ring_give(void *area)
{
	ck_ring_enqueue_mpmc(&ck_ring, ck_ring_buffer, area);
}
POOL_PASS(ck_ring, ck_ring_take, ck_ring_give)
#else
#define CK(...) NULL, NULL, NULL, "package libck-dev is not installed"
#endif

#if defined(BENCH_URCU_CDS)
#define CDS(...) __VA_ARGS__, NULL
static struct cds_lfs_stack lfstack __attribute__((aligned(128)));
static struct cds_wfs_stack wfstack __attribute__((aligned(128)));
static struct cds_wfcq_head queue_head __attribute__((aligned(128)));
static struct cds_wfcq_tail queue_tail __attribute__((aligned(128)));

static void make_lfstack(const struct bench_variant *variant)
{
	(void)variant;
	cds_lfs_init(&lfstack);
	for (uint32_t i = 0; i < POOL_NR_AREAS; i++)
		cds_lfs_push(&lfstack, pool_area(i));
}

POOL_CALLED void *lfstack_take(void)
{
	return cds_lfs_pop_blocking(&lfstack);
}

POOL_CALLED void lfstack_give(void *area)
{
	cds_lfs_push(&lfstack, area);
}
POOL_PASS(lfstack, lfstack_take, lfstack_give)

/* A pool that gave areas back at once, as this does, would meet ABA: a real one waits for a grace period too. */
POOL_CALLED void *lfstack_rcu_take(void)
{
	void *area;

	urcu_memb_read_lock();
	area = __cds_lfs_pop(&lfstack);
	urcu_memb_read_unlock();
	return area;
}
POOL_PASS(lfstack_read, lfstack_rcu_take, lfstack_give)

static uint64_t pass_lfstack_rcu(const struct bench_variant *variant, uint32_t thread)
{
	uint64_t nr_ops;

	urcu_memb_register_thread();
	nr_ops = pass_lfstack_read(variant, thread);
	urcu_memb_unregister_thread();
	return nr_ops;
}

static void make_wfstack(const struct bench_variant *variant)
{
	(void)variant;
	cds_wfs_init(&wfstack);
	for (uint32_t i = 0; i < POOL_NR_AREAS; i++) {
		cds_wfs_node_init(pool_area(i));
		cds_wfs_push(&wfstack, pool_area(i));
	}
}

POOL_CALLED void *wfstack_take(void)
{
	return cds_wfs_pop_blocking(&wfstack);
}

POOL_CALLED void wfstack_give(void *area)
{
	cds_wfs_node_init(area);
	cds_wfs_push(&wfstack, area);
}
POOL_PASS(wfstack, wfstack_take, wfstack_give)

static void make_queue(const struct bench_variant *variant)
{
	(void)variant;
	cds_wfcq_init(&queue_head, &queue_tail);
	for (uint32_t i = 0; i < POOL_NR_AREAS; i++) {
		cds_wfcq_node_init(pool_area(i));
		cds_wfcq_enqueue(&queue_head, &queue_tail, pool_area(i));
	}
}

POOL_CALLED void *queue_take(void)
{
	return cds_wfcq_dequeue_blocking(&queue_head, &queue_tail);
}

POOL_CALLED void queue_give(void *area)
{
	cds_wfcq_node_init(area);
	cds_wfcq_enqueue(&queue_head, &queue_tail, area);
}
POOL_PASS(queue, queue_take, queue_give)
#else
#define CDS(...) NULL, NULL, NULL, "package liburcu-dev is not installed"
#endif

const struct pool_peer pool_libraries[] = {
	{ "ck_stack, cas128", CK(pass_ck_stack, make_ck_stack, NULL), { 3.1, 21 } },
	{ "ck_ring, mpmc", CK(pass_ck_ring, make_ck_ring, NULL), { 1.3, 60 } },
	{ "liburcu lfstack, blocking pop", CDS(pass_lfstack, make_lfstack, NULL), { 3.2, 24 } },
	{ "liburcu lfstack, pop under RCU", CDS(pass_lfstack_rcu, make_lfstack, NULL), { 4.8, 18 } },
	{ "liburcu wfstack", CDS(pass_wfstack, make_wfstack, NULL), { 3.0, 12 } },
	{ "liburcu wfcqueue", CDS(pass_queue, make_queue, NULL), { 3.1, 48 } },
	{ 0 },
};
