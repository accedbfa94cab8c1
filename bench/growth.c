/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * What becomes of the cost of an operation as what it works on grows?
 *
 *   grow_size     areas, 64 KiB (the smallest there is) to 128 MiB (the largest): records, a taking, a collecting
 *   grow_depth    frames on the stack, 1 to 64: one more, and records in it
 *   growth_tables.c has what is in tables: handles, owners, areas.
 *
 * Each point is a process with a segment of its own.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/sysinfo.h>

#include "growth.h"

struct bench_variant growth_variants[GROWTH_MAX_VARIANTS];
uint32_t growth_nr_variants;

void growth_add(const struct bench_variant *of, uint32_t nr, const double *x, uint32_t nr_x)
{
	growth_nr_variants = 0;
	for (uint32_t i = 0; i < nr_x; i++)
		for (uint32_t k = 0; k < nr; k++) {
			growth_variants[growth_nr_variants] = of[k];
			growth_variants[growth_nr_variants++].x = x[i];
		}
}

uint32_t growth_some(uint32_t nr_x, uint32_t nr_long)
{
	return bench_is_smoke() ? 2 : bench_is_quick() ? nr_x - nr_long : nr_x;
}

const char *growth_too_much(uint64_t bytes)
{
	static char why[96];
	struct sysinfo info;

	if (sysinfo(&info) || info.freeram * info.mem_unit / 2 > bytes)
		return NULL;
	snprintf(why, sizeof(why), "needs %llu MiB of memory, twice", (unsigned long long)(bytes >> 20));
	return why;
}

/* What was written is zero again when it goes back: all of its resetting is in here. */
__attribute__((noinline)) uint64_t growth_pass_take(const struct bench_variant *variant, uint32_t thread)
{
	uint32_t area_class = *(const uint32_t *)variant->arg;
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
	why = growth_too_much((nr_areas + 1) * bytes);
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
		{ .name = "record", .pass = pass_append, .prepare = push, .clear_up = pop_collect,
		  .against = "store and count" },
		{ .name = "a record's collecting, area full", .pass = pass_collect, .prepare = fill },
		{ .name = "taking, one word, giving", .pass = growth_pass_take, .arg = &area_class, .nr_ops = NR_PAIRS,
		  .target_ns = 100 },
		{ .name = "section of one record", .pass = pass_one_record, .clear_up = collect },
		{ .name = "an area's collecting, one record", .pass = pass_collect_one_record,
		  .prepare = fill_one_record },
	};
	struct bench bench = { .name = "grow_size", .unit = "an operation", .x_unit = "bytes",
			       .question = "Does the size of an area change what its use costs?",
			       .variants = growth_variants, .repetitions = 100 };
	double x[COVBUF_NR_CLASSES];

	for (uint32_t i = 0; i < COVBUF_NR_CLASSES; i++)
		x[i] = (double)covbuf_class_bytes(i);
	growth_add(of, BENCH_NR(of), x, growth_some(COVBUF_NR_CLASSES, 4));
	/* the target is for areas up to 1 MiB */
	for (uint32_t i = 0; i < growth_nr_variants; i++) {
		growth_variants[i].uncounted = growth_variants[i].x > 1 << 20;
		if (growth_variants[i].x > 1 << 20)
			growth_variants[i].target_ns = 0;
	}
	bench.nr_variants = growth_nr_variants;
	bench_run_points(&bench, begin_size);
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
	struct bench bench = { .name = "grow_depth", .unit = "an operation", .x_unit = "frames",
			       .question = "Does a frame or a record cost more on top of many frames?",
			       .variants = growth_variants, .repetitions = 200 };

	growth_add(of, BENCH_NR(of), x, BENCH_NR(x));
	bench.nr_variants = growth_nr_variants;
	bench_run_points(&bench, begin_depth);
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
