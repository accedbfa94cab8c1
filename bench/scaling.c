/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * What happens to each operation as more cores do it: the same time for each, or waiting for one another?
 *
 * From one thread to all cores. Beside each stands KCOV's structure, which has a spinlock where libcovbuf has none, and
 * for the records the one buffer that all share, which is the first thing that comes to mind. scaling_collect.c has
 * the process that collects from all.
 */
#include <errno.h>
#include <string.h>
#include <sys/mman.h>

#include "scaling.h"

#define NR_SECTIONS 8	/* of a pass that records */
#define NR_PAIRS 20000
#define AREAS_PER_CORE 64
#define KCOV_OWNER_AREAS 32

uint32_t scaling_nr_cores;
uint32_t scaling_points[MAX_POINTS], scaling_nr_points;
struct covbuf_owner *scaling_owners[BENCH_MAX_THREADS];
struct kcov *scaling_kcovs;
static uint64_t *plain; /* of each thread, as many areas as it fills in a pass */

uint32_t scaling_add(struct bench_variant *variants, const struct bench_variant *of, uint32_t nr)
{
	uint32_t n = 0;

	for (uint32_t i = 0; i < nr; i++)
		for (uint32_t p = 0; p < scaling_nr_points; p++) {
			variants[n] = of[i];
			variants[n].x = scaling_points[p];
			variants[n].nr_threads = scaling_points[p];
			variants[n++].by_median = true; /* one thread, too, to be compared */
		}
	return n;
}

static void run(struct bench bench, const struct bench_variant *of, uint32_t nr)
{
	struct bench_variant variants[4 * MAX_POINTS];

	bench.x_unit = "threads";
	bench.variants = variants;
	bench.nr_variants = scaling_add(variants, of, nr);
	bench_run(&bench);
}

/* ---- records --------------------------------------------------------------------------------- */

/* Each its own areas, zeroed where they will be filled. */
static void collect_own(const struct bench_variant *variant, uint32_t thread)
{
	(void)variant;
	bench_must(covbuf_collect(scaling_owners[thread], bench_drop, NULL), "covbuf_collect");
}

static __attribute__((noinline)) uint64_t pass_append(const struct bench_variant *variant, uint32_t thread)
{
	(void)variant;
	for (uint32_t i = 0; i < NR_SECTIONS; i++) {
		covbuf_token token = covbuf_push(scaling_owners[thread]);

		for (uint32_t k = 0; k < NR_RECORDS; k++)
			covbuf_trace_pc(k + 1);
		covbuf_pop(token);
	}
	return NR_SECTIONS * NR_RECORDS;
}

static __attribute__((noinline)) uint64_t pass_append_kcov(const struct bench_variant *variant, uint32_t thread)
{
	(void)variant;
	for (uint32_t i = 0; i < NR_SECTIONS; i++) {
		uint64_t *area = plain + (thread * NR_SECTIONS + i) * AREA_WORDS;

		area[0] = 0;
		kcov_task.now = (struct kcov_state){ .mode = KCOV_PC, .nr_words = AREA_WORDS, .area = area };
		for (uint32_t k = 0; k < NR_RECORDS; k++) {
			kcov_append_pc(k + 1);
			BENCH_BARRIER();
		}
		kcov_task.now.mode = KCOV_OFF;
	}
	return NR_SECTIONS * NR_RECORDS;
}

/* One count for all. */
static __attribute__((noinline)) uint64_t pass_append_shared(const struct bench_variant *variant, uint32_t thread)
{
	(void)variant;
	(void)thread;
	for (uint32_t k = 0; k < NR_RECORDS; k++) {
		uint64_t n = __atomic_fetch_add(&plain[0], 1, __ATOMIC_RELAXED);

		covb_store(&plain[1 + n % (AREA_WORDS - 1)], k + 1);
	}
	return NR_RECORDS;
}

static void scale_append(void)
{
	const struct bench_variant of[] = {
		{ .name = "areas of their own", .pass = pass_append, .prepare_thread = collect_own },
		{ .name = "KCOV's sequence, areas of their own", .pass = pass_append_kcov,
		  .against = "areas of their own" },
		{ .name = "one buffer, lock xadd", .pass = pass_append_shared, .against = "areas of their own" },
	};

	run((struct bench){ .name = "scale_append", .unit = "record, per thread", .repetitions = 100,
			    .question = "Does a record cost more when other cores record too?" }, of, BENCH_NR(of));
}

/* ---- sections -------------------------------------------------------------------------------- */

static const bool shared = true;

static uint32_t number_of(const struct bench_variant *variant, uint32_t thread)
{
	return variant->arg == &shared ? 0 : thread;
}

static __attribute__((noinline)) uint64_t pass_section(const struct bench_variant *variant, uint32_t thread)
{
	uint64_t handle = BENCH_HANDLE(number_of(variant, thread) + 1);

	for (uint64_t i = 0; i < variant->nr_ops; i++)
		covbuf_remote_stop(covbuf_remote_start(handle));
	return variant->nr_ops;
}

static __attribute__((noinline)) uint64_t pass_section_kcov(const struct bench_variant *variant, uint32_t thread)
{
	uint64_t handle = number_of(variant, thread) + 1;

	for (uint64_t i = 0; i < variant->nr_ops; i++)
		if (kcov_remote_start(handle))
			kcov_remote_stop();
	return variant->nr_ops;
}

static void scale_section(void)
{
	const struct bench_variant of[] = {
		{ .name = "own handles", .pass = pass_section, .nr_ops = NR_PAIRS },
		{ .name = "own handles, KCOV's structure", .pass = pass_section_kcov, .nr_ops = NR_PAIRS,
		  .against = "own handles" },
		{ .name = "one handle", .pass = pass_section, .arg = &shared, .nr_ops = NR_PAIRS },
		{ .name = "one handle, KCOV's structure", .pass = pass_section_kcov, .arg = &shared, .nr_ops = NR_PAIRS,
		  .against = "one handle" },
	};

	run((struct bench){ .name = "scale_section", .unit = "start, stop, per thread", .repetitions = 40,
			    .question = "Does a section cost more when other cores have sections too?" },
	    of, BENCH_NR(of));
}

/* ---- pool ------------------------------------------------------------------------------------ */

static __attribute__((noinline)) uint64_t pass_pool(const struct bench_variant *variant, uint32_t thread)
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

static __attribute__((noinline)) uint64_t pass_pool_kcov(const struct bench_variant *variant, uint32_t thread)
{
	(void)thread;
	for (uint64_t i = 0; i < variant->nr_ops; i++) {
		uint64_t *area = kcov_area_take(AREA_WORDS);

		BENCH_KEEP(area);
		if (area)
			kcov_area_give(area, AREA_WORDS);
	}
	return variant->nr_ops;
}

static void scale_pool(void)
{
	const struct bench_variant of[] = {
		{ .name = "take, give", .pass = pass_pool, .nr_ops = NR_PAIRS },
		{ .name = "list under a spinlock (KCOV)", .pass = pass_pool_kcov, .nr_ops = NR_PAIRS,
		  .against = "take, give" },
	};

	run((struct bench){ .name = "scale_pool", .unit = "pair, per thread", .repetitions = 40,
			    .question = "Does an area cost more when other cores take areas too?" }, of, BENCH_NR(of));
}

void *scaling_memory(uint64_t bytes)
{
	void *memory = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	bench_must(memory == MAP_FAILED ? -errno : 0, "mmap");
	memset(memory, 0, bytes);
	return memory;
}

/* Handles from 1. */
static void make_kcovs(uint32_t nr_areas)
{
	static struct kcov_remote remotes[BENCH_MAX_THREADS];
	uint64_t nr_words = (uint64_t)KCOV_OWNER_AREAS * AREA_WORDS;
	uint64_t *areas = scaling_memory(scaling_nr_cores * nr_words * 8);

	scaling_kcovs = scaling_memory(scaling_nr_cores * sizeof(*scaling_kcovs));
	kcov_make_pool(scaling_memory((uint64_t)nr_areas * AREA_WORDS * 8), nr_areas, AREA_WORDS);
	for (uint32_t i = 0; i < scaling_nr_cores; i++) {
		kcov_init(&scaling_kcovs[i], KCOV_PC, areas + i * nr_words, nr_words, AREA_WORDS);
		remotes[i] = (struct kcov_remote){ .handle = i + 1, .kcov = &scaling_kcovs[i] };
		kcov_add(&remotes[i]);
	}
}

int main(int argc, char **argv)
{
	uint32_t nr_areas;

	bench_init(argc, argv);
	scaling_nr_cores = bench_nr_cores();
	scaling_nr_points = bench_thread_counts(scaling_points);
	nr_areas = scaling_nr_cores * AREAS_PER_CORE;
	bench_attach((uint64_t)(nr_areas + 64) << 16, 0, nr_areas);
	make_kcovs(nr_areas);
	plain = scaling_memory((uint64_t)scaling_nr_cores * NR_SECTIONS * AREA_WORDS * 8);
	for (uint32_t i = 0; i < scaling_nr_cores; i++)
		scaling_owners[i] = bench_remote_owner(COVBUF_MODE_PC, COVBUF_LINEAR, 0, BENCH_HANDLE(i + 1));
	scale_append();
	scale_section();
	scale_pool();
	scale_collect();
	return bench_finish();
}
