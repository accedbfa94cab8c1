/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * What does it cost to take an area of 64 KiB from the pool and give it back, from one thread and from
 * two that do nothing else?
 *
 * All are called, none inlined (but DPDK's, once more), and none touches the area. Only the pool's own is safe
 * in a signal handler and between processes. The floors: two calls that do nothing, and the two locked
 * instructions that a pool needs at least which another processor or a signal handler may take from.
 */
#include <stdlib.h>
#include <string.h>

#include "engine.h"
#include "floors.h"
#include "pool.h"

#define NR_PAIRS 20000
#define NR_VARIANTS 48

#define OURS "covbuf_area_take(), _give()"
#define DPDK_CACHED "DPDK rte_mempool, cached"

char *pool_areas;

/* ---- floors ---------------------------------------------------------------------------------- */

POOL_CALLED void *nothing_take(void)
{
	__asm__ volatile("");
	return pool_areas;
}

POOL_CALLED void nothing_give(void *area)
{
	__asm__ volatile("" : : "r"(area));
}
POOL_PASS(nothing, nothing_take, nothing_give)

static const struct pool_peer floors[] = {
	{ "two empty calls", pass_nothing, NULL, NULL, NULL, { 0.8, 0.9 } },
	{ FLOOR_SWAPS, floor_pass_swaps, NULL, NULL, NULL, { 0 } },
	{ 0 },
};

/* ---- ours ------------------------------------------------------------------------------------ */

static __attribute__((noinline, aligned(64))) uint64_t pass_covbuf(const struct bench_variant *variant, uint32_t thread)
{
	(void)thread;
	for (uint64_t i = 0; i < variant->nr_ops; i++) {
		uint64_t *words, nr_words, ticket;

		if (covbuf_area_take(0, &words, &nr_words, &ticket))
			continue;
		BENCH_KEEP(words);
		covbuf_area_give(ticket);
	}
	return variant->nr_ops;
}

/* One thread, then two. */
static struct bench_variant *add(struct bench_variant *to, const struct pool_peer *peer)
{
	const char *missing = peer->missing;

	if (!missing && peer->set_up)
		missing = peer->set_up();
	for (uint32_t nr_threads = 1; nr_threads <= 2; nr_threads++, to++)
		*to = (struct bench_variant){
			.name = peer->name, .pass = peer->pass, .prepare = peer->prepare, .nr_ops = NR_PAIRS,
			.nr_threads = nr_threads, .missing = missing, .against = OURS,
			.reference_ratio = peer->reference[nr_threads - 1],
		};
	return to;
}

int main(int argc, char **argv)
{
	static const struct pool_peer *const peers[] = {
		floors, pool_lists, pool_libraries, pool_dpdk, pool_allocators,
	};
	struct bench_variant variants[NR_VARIANTS] = {
		{ .name = OURS, .pass = pass_covbuf, .nr_ops = NR_PAIRS, .target_ns = 5,
		  .targets = { { .ratio = 1.0, .against = DPDK_CACHED }, { .ratio = 1.1, .against = FLOOR_SWAPS } } },
		{ .name = OURS, .pass = pass_covbuf, .nr_ops = NR_PAIRS, .nr_threads = 2,
		  .targets = { { .ratio = 1.1, .against = OURS, .threads = 1 },
			       { .ratio = 1.0, .against = DPDK_CACHED } } },
	};
	struct bench_variant *end = variants + 2;
	struct bench bench = { .name = "pool", .unit = "pair, per thread", .variants = variants,
			       .question = "What does it cost to take an area and give it back?", .repetitions = 60 };

	bench_init(argc, argv);
	bench_attach(64u << 20, 0, POOL_NR_AREAS);
	pool_areas = aligned_alloc(1 << 21, POOL_NR_AREAS * POOL_AREA_BYTES);
	memset(pool_areas, 0, POOL_NR_AREAS * POOL_AREA_BYTES);
	for (uint32_t i = 0; i < BENCH_NR(peers); i++)
		for (const struct pool_peer *peer = peers[i]; peer->name; peer++)
			end = add(end, peer);
	bench.nr_variants = (uint32_t)(end - variants);
	bench_run(&bench);
	return bench_finish();
}
