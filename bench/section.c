/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * What does a remote section cost: start, records, stop, by one thread and by two, on handles of their
 * own and on a shared one?
 *
 * The peer is KCOV's structure (kcov.h): three locks and a reference, and the records copied into the owner's area. In
 * a softirq it takes two locks, and saves what it interrupts; covbuf's sections do so always. The limit does no
 * synchronisation at all. covbuf's sections hand their areas over instead of copying; "collected" includes the reading
 * and zeroing of them.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "engine.h"
#include "floors.h"
#include "kcov.h"

#define NR_HANDLES 128
#define NR_AREAS 160
#define AREA_WORDS 8192
#define OWNER_WORDS 4096
#define NR_EMPTY 20000
#define NR_FILLED 64 /* sections until they are collected */

struct section_work {
	uint32_t nr_records;
	bool shared;	/* both threads on one handle */
	bool collected;
};

static uint32_t handle_number(const struct section_work *work, uint32_t thread, uint64_t i)
{
	return work->shared ? 0 : (uint32_t)(i * 2654435761u >> 16 & (NR_HANDLES / 2 - 1)) * 2 + thread;
}

/* ---- KCOV's structure ------------------------------------------------------------------------ */

static uint64_t *areas, *owner_areas, sum;
static struct kcov kcovs[NR_HANDLES];

static void empty_kcov(const struct bench_variant *variant)
{
	(void)variant;
	for (uint32_t i = 0; i < NR_HANDLES; i++)
		covb_store(&owner_areas[(uint64_t)i * OWNER_WORDS], 0);
}

/* A softirq's area is its CPU's. */
static void prepare_softirq(const struct bench_variant *variant, uint32_t thread)
{
	(void)variant;
	kcov_task.softirq_area = areas + (uint64_t)(NR_AREAS + thread) * AREA_WORDS;
}

static void append_kcov(uint32_t nr)
{
	for (uint32_t i = 0; i < nr; i++) {
		kcov_append_pc(i + 1);
		BENCH_BARRIER();
	}
}

/* Its owners read what there is, and begin anew. */
static void collect_kcov(void)
{
	for (uint32_t i = 0; i < NR_HANDLES; i++) {
		uint64_t *area = kcovs[i].area;

		for (uint64_t k = 1; k <= covb_load(area); k++)
			sum += covb_load(&area[k]);
		covb_store(area, 0);
	}
}

static __attribute__((noinline)) uint64_t pass_kcov(const struct bench_variant *variant, uint32_t thread)
{
	const struct section_work *work = variant->arg;

	for (uint64_t i = 0; i < variant->nr_ops; i++) {
		if (!kcov_remote_start(handle_number(work, thread, i) + 1))
			continue;
		append_kcov(work->nr_records);
		kcov_remote_stop();
	}
	if (work->collected)
		collect_kcov();
	return variant->nr_ops;
}

static __attribute__((noinline)) uint64_t pass_softirq(const struct bench_variant *variant, uint32_t thread)
{
	const struct section_work *work = variant->arg;

	/* in a section of its own, which it interrupts */
	kcov_remote_start(thread + 1);
	for (uint64_t i = 0; i < variant->nr_ops; i++) {
		if (!kcov_softirq_start(handle_number(work, thread, i) + 1))
			continue;
		append_kcov(work->nr_records);
		kcov_softirq_stop();
	}
	kcov_remote_stop();
	return variant->nr_ops;
}

/* An area known beforehand, state not saved, owner not locked. */
static __attribute__((noinline)) uint64_t pass_limit(const struct bench_variant *variant, uint32_t thread)
{
	const struct section_work *work = variant->arg;
	uint64_t *area = areas + (uint64_t)thread * AREA_WORDS;

	for (uint64_t i = 0; i < variant->nr_ops; i++) {
		const struct kcov *kcov = &kcovs[handle_number(work, thread, i)];

		covb_store(area, 0);
		kcov_task.now = (struct kcov_state){ .mode = KCOV_PC, .nr_words = AREA_WORDS, .area = area };
		append_kcov(work->nr_records);
		kcov_move(KCOV_PC, kcov->area, kcov->nr_words, area);
	}
	kcov_task.now = (struct kcov_state){ 0 };
	return variant->nr_ops;
}

static void *zeroed(uint64_t bytes)
{
	void *memory = aligned_alloc(4096, bytes);

	bench_must(memory ? 0 : -ENOMEM, "aligned_alloc");
	return memset(memory, 0, bytes);
}

static void make_kcov(void)
{
	static struct kcov_remote remotes[NR_HANDLES];

	areas = zeroed((uint64_t)(NR_AREAS + 2) * AREA_WORDS * 8);
	owner_areas = zeroed((uint64_t)NR_HANDLES * OWNER_WORDS * 8);
	kcov_make_pool(areas, NR_AREAS, AREA_WORDS);
	for (uint32_t i = 0; i < NR_HANDLES; i++) {
		kcov_init(&kcovs[i], KCOV_PC, owner_areas + (uint64_t)i * OWNER_WORDS, OWNER_WORDS, AREA_WORDS);
		remotes[i] = (struct kcov_remote){ .handle = i + 1, .kcov = &kcovs[i] };
		kcov_add(&remotes[i]);
	}
}

/* ---- ours ------------------------------------------------------------------------------------ */

static struct covbuf_owner *owners[NR_HANDLES], *outer;

static int read_batch(const struct covbuf_batch *batch, void *arg)
{
	(void)arg;
	for (uint64_t i = 0; i < batch->nr_words && batch->words[i]; i++)
		sum += batch->words[i];
	return 0;
}

static void collect_all(const struct bench_variant *variant)
{
	(void)variant;
	for (uint32_t i = 0; i < NR_HANDLES; i++)
		bench_must(covbuf_collect(owners[i], read_batch, NULL), "covbuf_collect");
}

static __attribute__((noinline, aligned(64))) uint64_t pass_covbuf(const struct bench_variant *variant, uint32_t thread)
{
	const struct section_work *work = variant->arg;

	for (uint64_t i = 0; i < variant->nr_ops; i++) {
		covbuf_token token = covbuf_remote_start(BENCH_HANDLE(handle_number(work, thread, i) + 1));

		for (uint32_t k = 0; k < work->nr_records; k++)
			covbuf_trace_pc(k + 1);
		covbuf_remote_stop(token);
	}
	if (work->collected)
		collect_all(variant);
	return variant->nr_ops;
}

static __attribute__((noinline, aligned(64))) uint64_t pass_push(const struct bench_variant *variant, uint32_t thread)
{
	(void)thread;
	for (uint64_t i = 0; i < variant->nr_ops; i++)
		covbuf_pop(covbuf_push(outer));
	return variant->nr_ops;
}

static __attribute__((noinline, aligned(64))) uint64_t pass_mark(const struct bench_variant *variant, uint32_t thread)
{
	struct covbuf_mark mark;

	(void)thread;
	for (uint64_t i = 0; i < variant->nr_ops; i++) {
		covbuf_mark(&mark);
		BENCH_KEEP(&mark);
		covbuf_unwind(&mark);
	}
	return variant->nr_ops;
}

static const struct section_work empty = { 0 }, empty_shared = { .shared = true };
static const struct section_work filled = { .nr_records = 32 };
static const struct section_work filled_collected = { .nr_records = 32, .collected = true };
static const struct section_work filled_shared = { .nr_records = 32, .shared = true };

#define OURS "start, stop"
#define KCOV "KCOV's structure"
#define OURS_32 "start, 32 records, stop"
#define COLLECTED "the same, collected"

int main(int argc, char **argv)
{
	struct bench_variant variants[] = {
		{ .name = OURS, .pass = pass_covbuf, .arg = &empty, .nr_ops = NR_EMPTY, .target_ns = 9,
		  .targets = { { .ratio = 1 / 3.0, .against = KCOV }, { .ratio = 1.8, .against = FLOOR_SWAPS } } },
		{ .name = OURS, .pass = pass_covbuf, .arg = &empty, .nr_ops = NR_EMPTY, .nr_threads = 2,
		  .targets = { { .ratio = 1 / 20.0, .against = KCOV },
			       { .ratio = 1.1, .against = OURS, .threads = 1 } } },
		{ .name = FLOOR_SWAPS, .pass = floor_pass_swaps, .nr_ops = NR_EMPTY, .against = OURS },
		{ .name = "no synchronisation", .pass = pass_limit, .prepare = empty_kcov, .arg = &empty,
		  .nr_ops = NR_EMPTY,
		  .against = OURS, .reference_ratio = 0.63 },
		{ .name = KCOV, .pass = pass_kcov, .prepare = empty_kcov, .arg = &empty, .nr_ops = NR_EMPTY,
		  .against = OURS, .reference_ratio = 3.8 },
		{ .name = KCOV, .pass = pass_kcov, .prepare = empty_kcov, .arg = &empty, .nr_ops = NR_EMPTY,
		  .nr_threads = 2, .against = OURS, .reference_ratio = 30 },
		{ .name = KCOV ", softirq", .pass = pass_softirq, .prepare = empty_kcov,
		  .prepare_thread = prepare_softirq,
		  .arg = &empty, .nr_ops = NR_EMPTY, .against = OURS },
		{ .name = KCOV ", softirq", .pass = pass_softirq, .prepare = empty_kcov,
		  .prepare_thread = prepare_softirq,
		  .arg = &empty, .nr_ops = NR_EMPTY, .nr_threads = 2, .against = OURS },
		{ .name = "push, pop", .pass = pass_push, .nr_ops = NR_EMPTY, .target_ns = 6,
		  .targets = { { .ratio = 1.2, .against = FLOOR_SWAPS } } },
		{ .name = "mark, unwind", .pass = pass_mark, .nr_ops = NR_EMPTY },
	};
	struct bench_variant shared[] = {
		{ .name = OURS, .pass = pass_covbuf, .arg = &empty_shared, .nr_ops = NR_EMPTY, .nr_threads = 2 },
		{ .name = KCOV, .pass = pass_kcov, .prepare = empty_kcov, .arg = &empty_shared, .nr_ops = NR_EMPTY,
		  .nr_threads = 2, .against = OURS },
		{ .name = OURS_32, .pass = pass_covbuf, .clear_up = collect_all, .arg = &filled_shared,
		  .nr_ops = NR_FILLED,
		  .nr_threads = 2 },
		{ .name = KCOV ", 32 records", .pass = pass_kcov, .prepare = empty_kcov, .arg = &filled_shared,
		  .nr_ops = NR_FILLED, .nr_threads = 2, .against = OURS_32 },
	};
	struct bench_variant with_records[] = {
		{ .name = OURS_32, .pass = pass_covbuf, .clear_up = collect_all, .arg = &filled, .nr_ops = NR_FILLED },
		{ .name = OURS_32, .pass = pass_covbuf, .clear_up = collect_all, .arg = &filled, .nr_ops = NR_FILLED,
		  .nr_threads = 2 },
		{ .name = COLLECTED, .pass = pass_covbuf, .arg = &filled_collected, .nr_ops = NR_FILLED,
		  .against = OURS_32 },
		{ .name = "no synchronisation", .pass = pass_limit, .prepare = empty_kcov, .arg = &filled,
		  .nr_ops = NR_FILLED, .against = OURS_32 },
		{ .name = KCOV, .pass = pass_kcov, .prepare = empty_kcov, .arg = &filled, .nr_ops = NR_FILLED,
		  .against = OURS_32, .reference_ratio = 1.2 },
		{ .name = KCOV, .pass = pass_kcov, .prepare = empty_kcov, .arg = &filled, .nr_ops = NR_FILLED,
		  .nr_threads = 2, .against = OURS_32, .reference_ratio = 3 },
		{ .name = KCOV ", collected", .pass = pass_kcov, .prepare = empty_kcov, .arg = &filled_collected,
		  .nr_ops = NR_FILLED, .against = COLLECTED },
	};
	struct bench section = { .name = "section", .unit = "pair, per thread", .variants = variants,
				 .question = "What does an empty section cost?",
				 .nr_variants = BENCH_NR(variants), .repetitions = 60 };
	struct bench section32 = { .name = "section32", .unit = "section, per thread", .variants = with_records,
				   .question = "What does a section of 32 records cost, up to its hand-over?",
				   .nr_variants = BENCH_NR(with_records), .repetitions = 200 };
	struct bench section_shared = { .name = "section_shared", .unit = "section, per thread", .variants = shared,
					.question = "What does a section cost when two threads work for one owner?",
					.nr_variants = BENCH_NR(shared), .repetitions = 60 };

	bench_init(argc, argv);
	bench_attach(64u << 20, 0, NR_AREAS);
	for (uint32_t i = 0; i < NR_HANDLES; i++)
		owners[i] = bench_remote_owner(COVBUF_MODE_PC, COVBUF_LINEAR, 0, BENCH_HANDLE(i + 1));
	outer = bench_remote_owner(COVBUF_MODE_PC, COVBUF_LINEAR, 0, BENCH_HANDLE(NR_HANDLES + 1));
	make_kcov();
	bench_run(&section);
	bench_run(&section32);
	bench_run(&section_shared);
	return bench_finish();
}
