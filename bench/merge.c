/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * What does merging an area into a KCOV owner's single area cost, beside copying as many bytes?
 *
 * A pass pushes, fills the area, and pops, which merges; only the pop is timed, by the pass itself.
 * The pop also leaves the area zeroed, which memcpy() does not; "memcpy, memset" does.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "engine.h"

#define NR_SIZES 4

static const uint32_t classes[NR_SIZES] = { 0, 3, 5, 7 }; /* 64 KiB, 512 KiB, 2 MiB, 8 MiB */
static const char *const names[NR_SIZES] = { "merge64K", "merge512K", "merge2M", "merge8M" };

struct merge_size {
	struct covbuf_owner *owner;
	uint64_t *target, nr_target_words;
	uint64_t *from, *to;
	uint64_t nr_words;
};

static void fill(uint64_t nr_words)
{
	for (uint64_t k = 0; k < nr_words; k++)
		covbuf_trace_pc(k + 1);
}

static double merge_once(const struct merge_size *size)
{
	covbuf_token token;
	uint64_t begin;

	covb_store_release(&size->target[0], 0);
	token = covbuf_push(size->owner);
	fill(size->nr_words);
	begin = bench_now_ns();
	covbuf_pop(token);
	return (double)(bench_now_ns() - begin);
}

static double copy_once(const struct merge_size *size, bool zero)
{
	uint64_t begin;

	for (uint64_t k = 0; k < size->nr_words; k++)
		covb_store(&size->from[k], k + 1);
	begin = bench_now_ns();
	memcpy(size->to, size->from, size->nr_words * 8);
	if (zero)
		memset(size->from, 0, size->nr_words * 8);
	BENCH_KEEP(size->to);
	return (double)(bench_now_ns() - begin);
}

static void measure(uint32_t area_class, const char *name)
{
	struct covbuf_owner_options options = { .area_class = area_class, .flags = COVBUF_OWNER_KCOV, .name = "merge" };
	uint64_t handle = BENCH_HANDLE(area_class + 1);
	struct merge_size size = { .nr_words = covbuf_class_words(area_class) };
	struct bench_variant variants[] = {
		{ .name = "memcpy" },
		{ .name = "memcpy, memset of the source", .against = "memcpy" },
		{ .name = "merge", .against = "memcpy", .target_ratio = area_class < 7 ? 1.05 : 1.0 },
	};
	struct bench bench = { .name = name, .unit = "record", .variants = variants,
			       .question = "What does merging cost beside copying?", .nr_variants = BENCH_NR(variants),
			       .repetitions = 20 };

	if (!bench_wanted(&bench))
		return;
	bench_must(covbuf_pool_grow(area_class, 3), "covbuf_pool_grow");
	bench_must(covbuf_owner_create(&options, &size.owner), "covbuf_owner_create");
	bench_must(covbuf_remote_enable(size.owner, &handle, 1, 0), "covbuf_remote_enable");
	bench_must(covbuf_owner_target(size.owner, &size.target, &size.nr_target_words), "covbuf_owner_target");
	/* one word off, as records lie behind their count */
	size.from = (uint64_t *)aligned_alloc(4096, (size.nr_words + 512) * 8 / 4096 * 4096 + 4096);
	size.to = (uint64_t *)aligned_alloc(4096, (size.nr_words + 512) * 8 / 4096 * 4096 + 4096) + 1;
	while (bench_another(&bench)) {
		bench_sample(&variants[0], copy_once(&size, false) / (double)size.nr_words);
		bench_sample(&variants[1], copy_once(&size, true) / (double)size.nr_words);
		bench_sample(&variants[2], merge_once(&size) / (double)size.nr_words);
	}
	bench_report(&bench);
	free(size.from);
	free(size.to - 1);
	covbuf_disable(size.owner);
	covbuf_owner_put(size.owner);
}

int main(int argc, char **argv)
{
	bench_init(argc, argv);
	bench_attach(256u << 20, 0, 0);
	for (uint32_t i = 0; i < NR_SIZES; i++)
		measure(classes[i], names[i]);
	return bench_finish();
}
