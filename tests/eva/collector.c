// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * The consumer under Eva, over a mapping in which each load gives anything: lists and loops stay in bounds, and
 * nothing but the segment and the consumer's own room is touched.
 */
#define _GNU_SOURCE
#include <errno.h>

#include "split.h"
#include "shm/ring.c"
#include "shm/deliver.c"
#include "shm/collector.c"
#include "shm/audit.c"

#include "segment.h"

bool covb_process_dead(struct covbuf_segment *s, uint32_t i)
{
	return any;
}

static struct covb_taken taken[2 * NR_AREAS];
static uint8_t queued[NR_AREAS + 1];
static uint64_t copy[LIMIT / 8];
static struct covb_drain drain;

static void begin_pass(void)
{
	begin();
	drain = (struct covb_drain){
		.segment = &segment, .taken = taken, .queued = queued, .copy = copy, .flags = (unsigned int)any,
		.holder = any ? COVB_HOLDER_CONSUMER : 3, .in_place = any, .discards = any, .proc = 3,
	};
}

/* An area that was claimed, whatever its entry says by now. */
int eva_deliver(void)
{
	uint32_t i = (uint32_t)any_number;

	begin_pass();
	if (i >= NR_AREAS)
		return 0;
	return covb_drain_deliver(&drain, i, COVBUF_FLAG((uint32_t)any_number, drain.holder, COVBUF_AREA_READING), any);
}

/* A ring that somebody writes to. */
int eva_live(void)
{
	uint32_t i = (uint32_t)any_number;

	begin_pass();
	if (i >= NR_AREAS)
		return 0;
	return covb_ring_drain_live(&drain, i);
}

/* Lists that lead anywhere. */
int eva_queues(void)
{
	uint32_t o = (uint32_t)any_number;

	begin_pass();
	if (o >= segment.layout.owners.nr)
		return 0;
	return (int)claim_queue(&drain, &segment.owners[o]);
}

/* What was claimed, put back. */
int eva_requeue(void)
{
	uint32_t o = (uint32_t)any_number, nr = (uint32_t)any_number;

	begin_pass();
	if (o >= segment.layout.owners.nr || nr > 2 * NR_AREAS)
		return 0;
	for (uint32_t i = 0; i < 2 * NR_AREAS; i++)
		taken[i] = (struct covb_taken){ .flag = any_number, .area = (uint32_t)any_number % NR_AREAS };
	queue_again(&drain, o, nr);
	return 0;
}

/* Slots that say anything. */
int eva_audit(void)
{
	begin_pass();
	walk_queues(&drain, covb_segment_nr_areas(&segment));
	end_merges(&drain);
	end_contexts(&drain);
	end_proc(&drain);
	return 0;
}
