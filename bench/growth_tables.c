/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * What becomes of the cost of an operation as a table fills?
 *
 *   grow_handles  handles enabled, 1 to a million: finding one
 *   grow_owners   owners in the segment, 1 to 65536, which is the limit: making one, a pass of the collector over them
 *   grow_areas    areas in the segment, 10 to 100000: taking one where all are free, where one is, where none is;
 *                 a pass of the collector; looking at all of them from outside
 */
#include <stdlib.h>
#include <string.h>

#include "growth.h"
#include "libcovbuf/core/engine.h"

#define NR_KEYS 65536
#define NR_ACTIVE 8

static struct covbuf_owner *owner;

/* ---- handles --------------------------------------------------------------------------------- */

static uint64_t keys[NR_KEYS];
static uint64_t *floor_words, floor_mask;

static uint64_t handle_of(uint32_t i)
{
	return BENCH_HANDLE(i * 3 + 1);
}

static const char *begin_handles(double x)
{
	uint32_t nr = (uint32_t)x, nr_there = 0;
	uint64_t random = 88172645463325252ull;
	uint64_t handles[COVBUF_REMOTE_MAX_HANDLES];

	bench_attach(64u << 20, nr / COVBUF_REMOTE_MAX_HANDLES + 2, 4);
	while (nr_there < nr) {
		uint32_t n = 0;

		owner = bench_owner(COVBUF_MODE_PC, COVBUF_LINEAR, 0);
		while (n < COVBUF_REMOTE_MAX_HANDLES && nr_there < nr)
			handles[n++] = handle_of(nr_there++);
		bench_must(covbuf_remote_enable(owner, handles, n, 0), "covbuf_remote_enable");
	}
	for (uint32_t i = 0; i < NR_KEYS; i++) {
		random ^= random << 13;
		random ^= random >> 7;
		random ^= random << 17;
		keys[i] = handle_of((uint32_t)(random % nr));
	}
	/* 16 bytes for each handle, of which half is used, and a power of two */
	for (floor_mask = 63; floor_mask + 1 < 4ull * nr;)
		floor_mask = floor_mask * 2 + 1;
	floor_words = aligned_alloc(4096, (floor_mask + 1) * 8 < 4096 ? 4096 : (floor_mask + 1) * 8);
	memset(floor_words, 1, (floor_mask + 1) * 8);
	return NULL;
}

static __attribute__((noinline, aligned(64))) uint64_t pass_find(const struct bench_variant *variant, uint32_t thread)
{
	static uint32_t k;

	(void)thread;
	for (uint64_t i = 0; i < variant->nr_ops; i++) {
		uint32_t generation;
		struct covbuf_owner *found = covb_handle_find(keys[k++ % NR_KEYS], &generation);

		BENCH_KEEP(found);
	}
	return variant->nr_ops;
}

static __attribute__((noinline, aligned(64))) uint64_t pass_floor(const struct bench_variant *variant, uint32_t thread)
{
	static uint32_t k;

	(void)thread;
	for (uint64_t i = 0; i < variant->nr_ops; i++) {
		uint64_t word = floor_words[keys[k++ % NR_KEYS] * 0x9e3779b97f4a7c15ull >> 20 & floor_mask];

		BENCH_KEEP(word);
	}
	return variant->nr_ops;
}

static double target_for(double nr_handles)
{
	return nr_handles == 1000 ? 4.5 : nr_handles == 100000 ? 12 : 0;
}

void grow_handles(void)
{
	const double x[] = { 1, 10, 100, 1000, 10000, 100000, 1000000 };
	const struct bench_variant of[] = {
		{ .name = "one word of such a table", .pass = pass_floor, .nr_ops = NR_LOOKUPS },
		{ .name = "lookup", .pass = pass_find, .nr_ops = NR_LOOKUPS, .against = "one word of such a table" },
	};
	struct bench bench = { .name = "grow_handles", .unit = "lookup", .x_unit = "handles",
			       .question = "Does finding an owner cost more as handles are added?",
			       .variants = growth_variants, .repetitions = 60 };

	growth_add(of, BENCH_NR(of), x, BENCH_NR(x));
	for (uint32_t i = 1; i < growth_nr_variants; i += 2)
		growth_variants[i].target_ns = target_for(growth_variants[i].x);
	bench.nr_variants = growth_nr_variants;
	bench_run_points(&bench, begin_handles);
}

/* ---- owners ---------------------------------------------------------------------------------- */

static struct covbuf_owner *active[NR_ACTIVE];
static uint32_t nr_active;

static const char *begin_owners(double x)
{
	uint32_t nr = (uint32_t)x;
	uint64_t began;

	bench_attach(64u << 20, nr, 32);
	nr_active = nr < NR_ACTIVE ? nr : NR_ACTIVE;
	began = bench_now_ns();
	/* those that are active lie among the others, evenly */
	for (uint32_t i = 0; i < nr; i++) {
		struct covbuf_owner *made = bench_owner(COVBUF_MODE_PC, COVBUF_LINEAR, 0);

		if (i % (nr / nr_active) == 0 && i / (nr / nr_active) < nr_active)
			active[i / (nr / nr_active)] = made;
	}
	for (uint32_t i = 0; i < growth_nr_variants; i++)
		if (growth_variants[i].x == x && growth_variants[i].against)
			bench_value(&growth_variants[i], "ns to make one", (double)(bench_now_ns() - began) / nr);
	for (uint32_t i = 0; i < nr_active; i++) {
		uint64_t handle = BENCH_HANDLE(i + 1);

		bench_must(covbuf_remote_enable(active[i], &handle, 1, 0), "covbuf_remote_enable");
	}
	bench_must(covbuf_segment_consume(covbuf_attached_segment()), "covbuf_segment_consume");
	return NULL;
}

static void work_for_each(const struct bench_variant *variant)
{
	(void)variant;
	for (uint32_t i = 0; i < nr_active; i++) {
		covbuf_token one = covbuf_push(active[i]);

		covbuf_trace_pc(i + 1);
		covbuf_pop(one);
	}
}

static uint64_t pass_drain(const struct bench_variant *variant, uint32_t thread)
{
	struct covbuf_drained drained;

	(void)variant;
	(void)thread;
	bench_must(covbuf_drain(covbuf_attached_segment(), 0, bench_drop, NULL, &drained), "covbuf_drain");
	return 1;
}

static uint64_t pass_drain_audit(const struct bench_variant *variant, uint32_t thread)
{
	struct covbuf_drained drained;

	(void)variant;
	(void)thread;
	bench_must(covbuf_drain(covbuf_attached_segment(), COVBUF_DRAIN_AUDIT, bench_drop, NULL, &drained),
		   "covbuf_drain");
	return 1;
}

void grow_owners(void)
{
	const double x[] = { 1, 16, 256, 4096, 65536 };
	const struct bench_variant of[] = {
		{ .name = "nothing queued", .pass = pass_drain },
		{ .name = "a record for each of 8", .pass = pass_drain, .prepare = work_for_each,
		  .against = "nothing queued" },
	};
	struct bench bench = { .name = "grow_owners", .unit = "pass of the collector", .x_unit = "owners",
			       .question = "What does a pass of the collector cost where there are many owners?",
			       .variants = growth_variants, .repetitions = 200 };

	growth_add(of, BENCH_NR(of), x, growth_some(BENCH_NR(x), 1));
	bench.nr_variants = growth_nr_variants;
	bench_run_points(&bench, begin_owners);
}

/* ---- areas ----------------------------------------------------------------------------------- */

static const uint32_t smallest; /* class */
static uint32_t nr_areas;
static uint64_t *tickets;

static const char *begin_areas(double x)
{
	const char *why = growth_too_much((uint64_t)x << 16);

	if (why)
		return why;
	nr_areas = (uint32_t)x;
	bench_attach(((uint64_t)nr_areas << 16) + (64u << 20), 0, 0);
	/* the segment came with some */
	if (covbuf_segment_free_areas(covbuf_attached_segment(), 0) < nr_areas)
		bench_must(covbuf_pool_grow(0, nr_areas - covbuf_segment_free_areas(covbuf_attached_segment(), 0)),
			   "covbuf_pool_grow");
	nr_areas = covbuf_segment_free_areas(covbuf_attached_segment(), 0);
	tickets = calloc(nr_areas, sizeof(*tickets));
	owner = bench_remote_owner(COVBUF_MODE_PC, COVBUF_LINEAR, 0, BENCH_HANDLE(1));
	active[0] = owner;
	nr_active = 1;
	bench_must(covbuf_segment_consume(covbuf_attached_segment()), "covbuf_segment_consume");
	return NULL;
}

static void take_until(uint32_t nr)
{
	uint64_t *words, nr_words;

	for (uint32_t i = 0; i < nr; i++)
		bench_must(covbuf_area_take(0, &words, &nr_words, &tickets[i]), "covbuf_area_take");
}

static void take_all_but_one(const struct bench_variant *variant)
{
	(void)variant;
	take_until(nr_areas - 1);
}

static void take_all(const struct bench_variant *variant)
{
	(void)variant;
	take_until(nr_areas);
}

static void give_all(const struct bench_variant *variant)
{
	(void)variant;
	for (uint32_t i = 0; i < nr_areas; i++) {
		if (tickets[i])
			covbuf_area_give(tickets[i]);
		tickets[i] = 0;
	}
}

static uint64_t pass_view(const struct bench_variant *variant, uint32_t thread)
{
	struct covbuf_area area;

	(void)variant;
	(void)thread;
	for (uint32_t i = 0; i < nr_areas; i++)
		covbuf_view_area(covbuf_attached_segment(), i, &area);
	return nr_areas;
}

void grow_areas(void)
{
	const double x[] = { 10, 100, 1000, 10000, 100000 };
	const struct bench_variant of[] = {
		{ .name = "taking and giving, all free", .pass = growth_pass_take, .arg = &smallest,
		  .nr_ops = NR_PAIRS },
		{ .name = "taking and giving, one free", .pass = growth_pass_take, .arg = &smallest,
		  .nr_ops = NR_PAIRS, .prepare = take_all_but_one, .clear_up = give_all,
		  .against = "taking and giving, all free" },
		{ .name = "taking, none free", .pass = growth_pass_take, .arg = &smallest, .nr_ops = 8,
		  .prepare = take_all, .clear_up = give_all },
		{ .name = "pass of the collector, one queued", .pass = pass_drain, .prepare = work_for_each },
		{ .name = "the same, and an audit", .pass = pass_drain_audit, .prepare = work_for_each,
		  .against = "pass of the collector, one queued" },
		{ .name = "looking at one of them from outside", .pass = pass_view },
	};
	struct bench bench = { .name = "grow_areas", .unit = "an operation", .x_unit = "areas",
			       .question = "Does an operation cost more where there are many areas?",
			       .variants = growth_variants, .repetitions = 100 };

	growth_add(of, BENCH_NR(of), x, growth_some(BENCH_NR(x), 1));
	for (uint32_t i = 0; i < growth_nr_variants; i++)
		growth_variants[i].uncounted = growth_variants[i].x > 1000;
	bench.nr_variants = growth_nr_variants;
	bench_run_points(&bench, begin_areas);
}
