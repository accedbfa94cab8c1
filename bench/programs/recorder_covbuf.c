/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * libcovbuf as the recorder, in one of five modes:
 *
 *   idle      attached, and nobody collects
 *   trace     every record in order: a section for each slice, whose areas are read and emptied behind it
 *   unique    each site once in the process: one section for all, of which after the first pass nothing is new
 *   context   each site once in the section, likewise
 *   counters  inline 8-bit counters, synchronised at the end of a pass
 */
#include <string.h>

#include <covbuf/covbuf.h>
#include <covbuf/sancov.h>
#include <covbuf/segment.h>

#include "driver.h"

/* Two megabytes, for slices of up to 250,000 edges; they stay in the core's own cache, as they would beside a collector. */
#define NR_AREAS 32

static struct covbuf_owner *owner;
static covbuf_token token;
static bool traced, counting;
static uint64_t nr_edges;

static void must(int err, const char *what)
{
	if (err < 0)
		driver_fail(what);
}

void recorder_start(const char *mode)
{
	struct covbuf_owner_options options = { .mode = COVBUF_MODE_PC, .flags = COVBUF_OWNER_GROW };
	uint64_t handle = covbuf_remote_handle(COVBUF_SUBSYSTEM_USER, 1);

	must(covbuf_attach_new(16u << 20), "covbuf_attach_new()");
	must(covbuf_pool_grow(0, NR_AREAS), "covbuf_pool_grow()");
	traced = !strcmp(mode, "trace");
	counting = !strcmp(mode, "counters");
	if (!strcmp(mode, "idle"))
		return;
	if (!strcmp(mode, "unique") || counting)
		options.flags |= COVBUF_OWNER_UNIQUE;
	else if (!strcmp(mode, "context"))
		options.flags |= COVBUF_OWNER_UNIQUE_CONTEXT;
	else if (!traced)
		driver_fail(mode);
	must(covbuf_owner_create(&options, &owner), "covbuf_owner_create()");
	must(covbuf_remote_enable(owner, &handle, 1, 0), "covbuf_remote_enable()");
	if (!traced)
		token = covbuf_push(owner);
}

void recorder_begin(void)
{
	if (traced)
		token = covbuf_push(owner);
}

static int count(const struct covbuf_batch *batch, void *arg)
{
	uint64_t n = 0;

	for (uint64_t i = 0; i < batch->nr_words; i++)
		n += batch->words[i] != 0 && !(batch->words[i] >> 63);
	*(uint64_t *)arg += n;
	return 0;
}

void recorder_end(void)
{
	if (!traced)
		return;
	covbuf_pop(token);
	must(covbuf_collect(owner, count, &nr_edges), "covbuf_collect()");
}

void recorder_finish(void)
{
	if (counting)
		covbuf_counters_sync();
}

uint64_t recorder_edges(void)
{
	uint64_t n = nr_edges;

	nr_edges = 0;
	return n;
}

uint64_t recorder_lost(void)
{
	uint64_t lost[COVBUF_NR_LOSSES], n = 0;

	if (covbuf_losses(lost))
		return 0;
	for (uint32_t i = 0; i < COVBUF_NR_LOSSES; i++)
		n += lost[i];
	return n;
}
