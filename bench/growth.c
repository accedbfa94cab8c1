/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * What becomes of the cost of an operation as what it works on grows?
 *
 *   grow_size     areas, 64 KiB (the smallest there is) to 128 MiB (the largest): records, a taking, a collecting
 *   grow_handles  handles enabled, 1 to a million: finding one
 *   grow_depth    frames on the stack, 1 to 64: one more, and records in it
 *   grow_owners   room for owners in the segment, 1 to 65536, which is the limit: a pass of the collector over them.
 *                 Making one looks at all that there are, so of the largest table only a quarter is made
 *   grow_areas    areas in the segment, 10 to 100000: taking one where all are free, where one is, where none is;
 *                 a pass of the collector; looking at all of them from outside
 *
 * Each point is a process with a segment of its own.
 */
#define _GNU_SOURCE
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/sysinfo.h>

#include "engine.h"
#include "libcovbuf/core/engine.h"

#define MAX_VARIANTS 128
#define NR_LOOKUPS 20000
#define NR_KEYS 65536
#define NR_PAIRS 2000
#define NR_ACTIVE 8
#define MOST_MADE 16384

static struct bench_variant variants[MAX_VARIANTS];
static uint32_t nr_variants;

/* One point after another: variants of one x stand together. */
static void add_points(const struct bench_variant *of, uint32_t nr, const double *x, uint32_t nr_x)
{
	nr_variants = 0;
	for (uint32_t i = 0; i < nr_x; i++)
		for (uint32_t k = 0; k < nr; k++) {
			variants[nr_variants] = of[k];
			variants[nr_variants++].x = x[i];
		}
}

/* With --quick without the last ones, which take long; to see whether it runs, the first. */
static uint32_t some_of(uint32_t nr_x, uint32_t nr_long)
{
	return bench_is_smoke() ? 2 : bench_is_quick() ? nr_x - nr_long : nr_x;
}

/* Memory that would be touched. NULL: it is there. */
static const char *too_much(uint64_t bytes)
{
	static char why[96];
	struct sysinfo info;

	if (sysinfo(&info) || info.freeram * info.mem_unit / 2 > bytes)
		return NULL;
	snprintf(why, sizeof(why), "needs %llu MiB of memory, twice", (unsigned long long)(bytes >> 20));
	return why;
}

static struct covbuf_owner *owner;
static covbuf_token token;

static void push(const struct bench_variant *variant)
{
	(void)variant;
	token = covbuf_push(owner);
}

static void pop(const struct bench_variant *variant)
{
	(void)variant;
	covbuf_pop(token);
}

static void collect(const struct bench_variant *variant)
{
	(void)variant;
	bench_must(covbuf_collect(owner, bench_drop, NULL), "covbuf_collect");
}

static void pop_collect(const struct bench_variant *variant)
{
	pop(variant);
	collect(variant);
}

static __attribute__((noinline, aligned(64))) uint64_t trace(uint64_t nr_records)
{
	for (uint64_t k = 0; k < nr_records; k++)
		covbuf_trace_pc(k + 1);
	return nr_records;
}

/* ---- size of areas --------------------------------------------------------------------------- */

static uint32_t area_class;
static uint32_t nr_areas;
static uint64_t *plain;

static const char *begin_size(double x)
{
	struct covbuf_owner_options options = { .name = "grow_size" };
	uint64_t handle = BENCH_HANDLE(1);
	uint64_t bytes = (uint64_t)x;
	const char *why;

	while (covbuf_class_bytes(area_class) < bytes)
		area_class++;
	nr_areas = bytes <= 1u << 20 ? 16 : 2;
	why = too_much((nr_areas + 1) * bytes);
	if (why)
		return why;
	bench_attach((nr_areas + 1) * bytes + (64u << 20), 0, 0);
	bench_must(covbuf_pool_grow(area_class, nr_areas), "covbuf_pool_grow");
	options.area_class = area_class;
	bench_must(covbuf_owner_create(&options, &owner), "covbuf_owner_create");
	bench_must(covbuf_remote_enable(owner, &handle, 1, 0), "covbuf_remote_enable");
	plain = aligned_alloc(4096, bytes);
	memset(plain, 0, bytes);
	return NULL;
}

static uint64_t pass_append(const struct bench_variant *variant, uint32_t thread)
{
	(void)variant;
	(void)thread;
	return trace(covbuf_class_words(area_class));
}

/* What the area does, without it: a store and a count. */
static __attribute__((noinline, aligned(64))) uint64_t pass_plain(const struct bench_variant *variant, uint32_t thread)
{
	uint64_t *area = plain, nr = covbuf_class_words(area_class);

	(void)variant;
	(void)thread;
	__asm__("" : "+r"(area));
	covb_store(area, 0);
	for (uint64_t k = 0; k < nr; k++) {
		uint64_t n = covb_load(area) + 1;

		covb_store(area, n);
		area[n] = k + 1;
		BENCH_BARRIER();
	}
	return nr;
}

/* What was written is zero again when it goes back: all of its resetting is in here. */
static __attribute__((noinline)) uint64_t pass_take(const struct bench_variant *variant, uint32_t thread)
{
	uint64_t *words, nr_words, ticket;

	(void)thread;
	for (uint64_t i = 0; i < variant->nr_ops; i++) {
		if (covbuf_area_take(area_class, &words, &nr_words, &ticket))
			continue;
		covb_store(&words[0], i + 1);
		covb_store(&words[0], 0);
		covbuf_area_give(ticket);
	}
	return variant->nr_ops;
}

static __attribute__((noinline)) uint64_t pass_one_record(const struct bench_variant *variant, uint32_t thread)
{
	(void)variant;
	(void)thread;
	for (uint32_t i = 0; i < nr_areas; i++) {
		covbuf_token one = covbuf_push(owner);

		covbuf_trace_pc(i + 1);
		covbuf_pop(one);
	}
	return nr_areas;
}

static void fill(const struct bench_variant *variant)
{
	push(variant);
	trace(covbuf_class_words(area_class));
	pop(variant);
}

static uint64_t sum;

static int read_batch(const struct covbuf_batch *batch, void *arg)
{
	(void)arg;
	for (uint64_t i = 0; i < batch->nr_words && batch->words[i]; i++)
		sum += batch->words[i];
	return 0;
}

static uint64_t pass_collect(const struct bench_variant *variant, uint32_t thread)
{
	(void)variant;
	(void)thread;
	bench_must(covbuf_collect(owner, read_batch, NULL), "covbuf_collect");
	return covbuf_class_words(area_class);
}

static void fill_one_record(const struct bench_variant *variant)
{
	pass_one_record(variant, 0);
}

static uint64_t pass_collect_one_record(const struct bench_variant *variant, uint32_t thread)
{
	pass_collect(variant, thread);
	return nr_areas;
}

static void grow_size(void)
{
	const struct bench_variant of[] = {
		{ .name = "store and count", .pass = pass_plain },
		{ .name = "record", .pass = pass_append, .prepare = push, .clear_up = pop_collect, .against = "store and count" },
		{ .name = "a record's collecting, area full", .pass = pass_collect, .prepare = fill },
		{ .name = "taking, one word, giving", .pass = pass_take, .nr_ops = NR_PAIRS, .target_ns = 100 },
		{ .name = "section of one record", .pass = pass_one_record, .clear_up = collect },
		{ .name = "an area's collecting, one record", .pass = pass_collect_one_record, .prepare = fill_one_record },
	};
	struct bench bench = { .name = "grow_size", .unit = "an operation", .x_unit = "bytes", .variants = variants,
			       .question = "Does the size of an area change what a record, a taking or a collecting costs?",
			       .repetitions = 100 };
	double x[COVBUF_NR_CLASSES];

	for (uint32_t i = 0; i < COVBUF_NR_CLASSES; i++)
		x[i] = (double)covbuf_class_bytes(i);
	add_points(of, BENCH_NR(of), x, some_of(COVBUF_NR_CLASSES, 4));
	/* the target is for areas up to 1 MiB */
	for (uint32_t i = 0; i < nr_variants; i++) {
		variants[i].uncounted = variants[i].x > 1 << 20;
		if (variants[i].x > 1 << 20)
			variants[i].target_ns = 0;
	}
	bench.nr_variants = nr_variants;
	bench_run_points(&bench, begin_size);
}

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

static void grow_handles(void)
{
	const double x[] = { 1, 10, 100, 1000, 10000, 100000, 1000000 };
	const struct bench_variant of[] = {
		{ .name = "one word of such a table", .pass = pass_floor, .nr_ops = NR_LOOKUPS },
		{ .name = "lookup", .pass = pass_find, .nr_ops = NR_LOOKUPS, .against = "one word of such a table" },
	};
	struct bench bench = { .name = "grow_handles", .unit = "lookup", .x_unit = "handles", .variants = variants,
			       .question = "Does finding an owner cost more as handles are added?", .repetitions = 60 };

	add_points(of, BENCH_NR(of), x, BENCH_NR(x));
	for (uint32_t i = 1; i < nr_variants; i += 2)
		variants[i].target_ns = variants[i].x == 1000 ? 4.5 : variants[i].x == 100000 ? 12 : 0;
	bench.nr_variants = nr_variants;
	bench_run_points(&bench, begin_handles);
}

/* ---- depth ----------------------------------------------------------------------------------- */

static const char *begin_depth(double x)
{
	bench_attach(64u << 20, 0, 96);
	owner = bench_remote_owner(COVBUF_MODE_PC, COVBUF_LINEAR, 0, BENCH_HANDLE(1));
	for (double depth = 1; depth < x; depth++)
		if (!covbuf_push(owner))
			return "the stack takes no more frames";
	return NULL;
}

static __attribute__((noinline)) uint64_t pass_push(const struct bench_variant *variant, uint32_t thread)
{
	(void)thread;
	for (uint64_t i = 0; i < variant->nr_ops; i++)
		covbuf_pop(covbuf_push(owner));
	return variant->nr_ops;
}

static void grow_depth(void)
{
	const double x[] = { 1, 2, 4, 8, 16, 32, 64 };
	const struct bench_variant of[] = {
		{ .name = "push, pop", .pass = pass_push, .nr_ops = NR_PAIRS },
		{ .name = "record", .pass = pass_append, .prepare = push, .clear_up = pop_collect },
	};
	struct bench bench = { .name = "grow_depth", .unit = "an operation", .x_unit = "frames", .variants = variants,
			       .question = "Does a frame or a record cost more on top of many frames?", .repetitions = 200 };

	add_points(of, BENCH_NR(of), x, BENCH_NR(x));
	bench.nr_variants = nr_variants;
	bench_run_points(&bench, begin_depth);
}

/* ---- owners ---------------------------------------------------------------------------------- */

static struct covbuf_owner *active[NR_ACTIVE];
static uint32_t nr_active;

static const char *begin_owners(double x)
{
	uint32_t nr = (uint32_t)(x < MOST_MADE ? x : MOST_MADE);
	uint64_t began;

	bench_attach(64u << 20, (uint32_t)x, 32);
	nr_active = nr < NR_ACTIVE ? nr : NR_ACTIVE;
	began = bench_now_ns();
	/* those that are active lie among the others, evenly */
	for (uint32_t i = 0; i < nr; i++) {
		struct covbuf_owner *made = bench_owner(COVBUF_MODE_PC, COVBUF_LINEAR, 0);

		if (i % (nr / nr_active) == 0 && i / (nr / nr_active) < nr_active)
			active[i / (nr / nr_active)] = made;
	}
	for (uint32_t i = 0; i < nr_variants; i++)
		if (variants[i].x == x && variants[i].against)
			bench_value(&variants[i], "ns to make one", (double)(bench_now_ns() - began) / nr);
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
	bench_must(covbuf_drain(covbuf_attached_segment(), COVBUF_DRAIN_AUDIT, bench_drop, NULL, &drained), "covbuf_drain");
	return 1;
}

static void grow_owners(void)
{
	const double x[] = { 1, 16, 256, 4096, 65536 };
	const struct bench_variant of[] = {
		{ .name = "nothing queued", .pass = pass_drain },
		{ .name = "a record for each of 8", .pass = pass_drain, .prepare = work_for_each, .against = "nothing queued" },
	};
	struct bench bench = { .name = "grow_owners", .unit = "pass of the collector", .x_unit = "owners", .variants = variants,
			       .question = "What does a pass of the collector cost where there are many owners?",
			       .repetitions = 200 };

	add_points(of, BENCH_NR(of), x, some_of(BENCH_NR(x), 1));
	bench.nr_variants = nr_variants;
	bench_run_points(&bench, begin_owners);
}

/* ---- areas ----------------------------------------------------------------------------------- */

static uint64_t *tickets;

static const char *begin_areas(double x)
{
	const char *why = too_much((uint64_t)x << 16);

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

static void grow_areas(void)
{
	const double x[] = { 10, 100, 1000, 10000, 100000 };
	const struct bench_variant of[] = {
		{ .name = "taking and giving, all free", .pass = pass_take, .nr_ops = NR_PAIRS },
		{ .name = "taking and giving, one free", .pass = pass_take, .nr_ops = NR_PAIRS, .prepare = take_all_but_one,
		  .clear_up = give_all, .against = "taking and giving, all free" },
		{ .name = "taking, none free", .pass = pass_take, .nr_ops = 8, .prepare = take_all, .clear_up = give_all },
		{ .name = "pass of the collector, one queued", .pass = pass_drain, .prepare = work_for_each },
		{ .name = "the same, and an audit", .pass = pass_drain_audit, .prepare = work_for_each,
		  .against = "pass of the collector, one queued" },
		{ .name = "looking at one of them from outside", .pass = pass_view },
	};
	struct bench bench = { .name = "grow_areas", .unit = "an operation", .x_unit = "areas", .variants = variants,
			       .question = "Does an operation cost more where there are many areas?", .repetitions = 100 };

	add_points(of, BENCH_NR(of), x, some_of(BENCH_NR(x), 1));
	for (uint32_t i = 0; i < nr_variants; i++)
		variants[i].uncounted = variants[i].x > 1000;
	bench.nr_variants = nr_variants;
	bench_run_points(&bench, begin_areas);
}

int main(int argc, char **argv)
{
	bench_init(argc, argv);
	grow_size();
	grow_handles();
	grow_depth();
	grow_owners();
	grow_areas();
	return bench_finish();
}
