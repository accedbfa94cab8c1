/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* What benches of the engine need first: a segment, areas, an owner. */
#ifndef COVB_BENCH_ENGINE_H
#define COVB_BENCH_ENGINE_H

#include <covbuf/covbuf.h>
#include <covbuf/segment.h>

#include "bench.h"

#define BENCH_HANDLE(n) (COVBUF_SUBSYSTEM_USER | (uint64_t)(n))

static inline void bench_attach(uint64_t limit_bytes, uint32_t nr_owners, uint32_t nr_areas)
{
	struct covbuf_segment_options options = { .limit_bytes = limit_bytes, .nr_owners = nr_owners };
	struct covbuf_segment *segment;

	bench_must(covbuf_segment_create(NULL, &options, &segment, NULL), "covbuf_segment_create");
	bench_must(covbuf_attach_segment(segment), "covbuf_attach_segment");
	if (nr_areas)
		bench_must(covbuf_pool_grow(0, nr_areas), "covbuf_pool_grow");
}

static inline struct covbuf_owner *bench_owner(uint32_t mode, uint32_t kind, uint32_t flags)
{
	struct covbuf_owner_options options = { .mode = mode, .kind = kind, .flags = flags, .name = "bench" };
	struct covbuf_owner *owner;

	bench_must(covbuf_owner_create(&options, &owner), "covbuf_owner_create");
	return owner;
}

/* Enabled for sections with this handle. */
static inline struct covbuf_owner *bench_remote_owner(uint32_t mode, uint32_t kind, uint32_t flags, uint64_t handle)
{
	struct covbuf_owner *owner = bench_owner(mode, kind, flags);

	bench_must(covbuf_remote_enable(owner, &handle, 1, 0), "covbuf_remote_enable");
	return owner;
}

static inline int bench_drop(const struct covbuf_batch *batch, void *arg)
{
	(void)batch;
	(void)arg;
	return 0;
}

#endif
