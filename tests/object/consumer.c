// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * What the headers inline, each as a function of its own whose instructions can be looked at: the append, as in
 * a program that calls it where it likes; the moves of areas and queues; the operations that all are made of.
 */
#include <covbuf/covbuf.h>
#include <covbuf/trace.h>

#include "libcovbuf/core/flag.h"
#include "libcovbuf/core/queue.h"

#define ALONE __attribute__((used, noinline)) static COVBUF_NOINSTR

/* ---- appending ------------------------------------------------------------------------------- */

ALONE void inlined_trace_pc(uint64_t pc)
{
	covbuf_trace_pc(pc);
}

ALONE void inlined_trace_pc_site(uint32_t *mark, uint32_t site, uint64_t pc)
{
	covbuf_trace_pc_site(mark, site, pc);
}

ALONE void inlined_trace_cmp(uint64_t type, uint64_t arg1, uint64_t arg2, uint64_t pc)
{
	covbuf_trace_cmp(type, arg1, arg2, pc);
}

/* ---- pool and queue -------------------------------------------------------------------------- */

ALONE bool inlined_flag_take(struct covbuf_area *area, uint64_t *flag)
{
	return covb_flag_take(area, 1, flag);
}

ALONE bool inlined_flag_move(struct covbuf_area *area, uint64_t *flag)
{
	return covb_flag_move(area, flag, 1, COVBUF_AREA_QUEUED);
}

ALONE bool inlined_flag_give(struct covbuf_area *area, uint64_t flag)
{
	return covb_flag_give(area, flag);
}

ALONE bool inlined_ring_busy(const struct covbuf_area *area)
{
	return covb_ring_busy(area);
}

ALONE void inlined_queue_push(struct covbuf_owner_slot *slot, struct covbuf_area *areas, uint32_t i)
{
	covb_queue_push(slot, areas, i);
}

ALONE uint32_t inlined_queue_take_all(struct covbuf_owner_slot *slot)
{
	return covb_queue_take_all(slot);
}

/* ---- atomic.h -------------------------------------------------------------------------------- */

ALONE uint64_t inlined_load(const uint64_t *p)
{
	return covb_load(p);
}

ALONE uint64_t inlined_load_acquire(const uint64_t *p)
{
	return covb_load_acquire(p);
}

ALONE void inlined_store(uint64_t *p, uint64_t v)
{
	covb_store(p, v);
}

ALONE void inlined_store_release(uint64_t *p, uint64_t v)
{
	covb_store_release(p, v);
}

ALONE uint64_t inlined_xchg_acquire(uint64_t *p, uint64_t v)
{
	return covb_xchg_acquire(p, v);
}

ALONE uint64_t inlined_fetch_add(uint64_t *p, uint64_t v)
{
	return covb_fetch_add(p, v);
}

ALONE uint64_t inlined_fetch_add_acq_rel(uint64_t *p, uint64_t v)
{
	return covb_fetch_add_acq_rel(p, v);
}

ALONE bool inlined_cas(uint64_t *p, uint64_t old, uint64_t v)
{
	return covb_cas(p, &old, v);
}

ALONE bool inlined_cas_acquire(uint64_t *p, uint64_t old, uint64_t v)
{
	return covb_cas_acquire(p, &old, v);
}

ALONE bool inlined_cas_release(uint64_t *p, uint64_t old, uint64_t v)
{
	return covb_cas_release(p, &old, v);
}

ALONE bool inlined_cas_acq_rel(uint64_t *p, uint64_t old, uint64_t v)
{
	return covb_cas_acq_rel(p, &old, v);
}

ALONE void inlined_wmb(void)
{
	covb_wmb();
}

ALONE void inlined_rmb(void)
{
	covb_rmb();
}

ALONE void inlined_mb(void)
{
	covb_mb();
}

ALONE void inlined_barrier(void)
{
	covb_barrier();
}

ALONE void inlined_local_inc(uint64_t *p)
{
	covb_local_inc(p);
}

ALONE void inlined_local_add(uint64_t *p, uint64_t v)
{
	covb_local_add(p, v);
}

ALONE bool inlined_local_cas(uint64_t *p, uint64_t old, uint64_t v)
{
	return covb_local_cas(p, old, v);
}

ALONE void inlined_relax(void)
{
	covb_relax();
}

ALONE void inlined_prefetch_write(const void *p)
{
	covb_prefetch_write(p);
}
