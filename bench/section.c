/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * What does a remote section cost: start, records, stop, by one thread and by two, on handles of their
 * own and on a shared one?
 *
 * The peer is KCOV's structure, written from its description: the handle's list under a spinlock, the
 * area's list under it too, state saved and restored, and at the stop the records copied into the
 * owner's area under the owner's lock. The limit does no synchronisation at all. covbuf's sections hand
 * their areas over instead of copying; "collected" includes the reading and zeroing of them.
 */
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "engine.h"

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

struct remote {
	uint64_t handle;
	struct remote *next;
	uint32_t refs;
	pthread_spinlock_t lock;
	uint64_t *area;
	uint64_t area_words;
} __attribute__((aligned(128)));

static struct remote remotes[NR_HANDLES], *buckets[16];
static pthread_spinlock_t remote_lock;
static char *areas;
static void *free_areas;
static uint64_t *owner_areas;

static __thread struct task {
	uint32_t mode, size;
	uint64_t *area;
	struct remote *remote;
	uint32_t saved_mode, saved_size;
	uint64_t *saved_area;
	struct remote *saved_remote;
} task;

static void append_plain(uint32_t nr)
{
	for (uint32_t i = 0; i < nr; i++) {
		uint64_t *area = covb_load(&task.area);
		uint64_t n = covb_load(area) + 1;

		if (n < covb_load(&task.size)) {
			covb_store(area, n);
			BENCH_BARRIER();
			area[n] = i + 1;
		}
		BENCH_BARRIER();
	}
}

static void merge_plain(struct remote *remote, const uint64_t *area)
{
	uint64_t n = area[0], to = remote->area[0];

	if (to + n >= remote->area_words)
		to = 0; /* a reader has emptied it */
	memcpy(remote->area + 1 + to, area + 1, n * 8);
	remote->area[0] = to + n;
}

static __attribute__((noinline)) bool kcov_start(uint64_t handle)
{
	struct remote *remote;
	void *area;

	pthread_spin_lock(&remote_lock);
	remote = buckets[handle * 0x61c8864680b583ebull >> 60];
	while (remote && remote->handle != handle)
		remote = remote->next;
	area = free_areas;
	if (!remote || !area) {
		pthread_spin_unlock(&remote_lock);
		return false;
	}
	remote->refs++;
	free_areas = *(void **)area;
	pthread_spin_unlock(&remote_lock);
	task.saved_mode = task.mode;
	task.saved_size = task.size;
	task.saved_area = task.area;
	task.saved_remote = task.remote;
	task.area = area;
	task.area[0] = 0;
	task.size = AREA_WORDS;
	task.remote = remote;
	BENCH_BARRIER();
	covb_store(&task.mode, 2);
	return true;
}

static __attribute__((noinline)) void kcov_stop(void)
{
	struct remote *remote = task.remote;
	void *area = task.area;

	covb_store(&task.mode, 0);
	BENCH_BARRIER();
	task.size = task.saved_size;
	task.area = task.saved_area;
	task.remote = task.saved_remote;
	covb_store(&task.mode, task.saved_mode);
	pthread_spin_lock(&remote->lock);
	merge_plain(remote, area);
	pthread_spin_unlock(&remote->lock);
	pthread_spin_lock(&remote_lock);
	*(void **)area = free_areas;
	free_areas = area;
	remote->refs--;
	pthread_spin_unlock(&remote_lock);
}

static void make_kcov(const struct bench_variant *variant)
{
	(void)variant;
	free_areas = NULL;
	for (int i = 0; i < NR_AREAS; i++) {
		*(void **)(areas + (uint64_t)i * AREA_WORDS * 8) = free_areas;
		free_areas = areas + (uint64_t)i * AREA_WORDS * 8;
	}
}

static __attribute__((noinline)) uint64_t pass_kcov(const struct bench_variant *variant, uint32_t thread)
{
	const struct section_work *work = variant->arg;

	for (uint64_t i = 0; i < variant->nr_ops; i++) {
		if (!kcov_start(handle_number(work, thread, i) + 1))
			continue;
		append_plain(work->nr_records);
		kcov_stop();
	}
	return variant->nr_ops;
}

static __attribute__((noinline)) uint64_t pass_limit(const struct bench_variant *variant, uint32_t thread)
{
	const struct section_work *work = variant->arg;

	for (uint64_t i = 0; i < variant->nr_ops; i++) {
		uint64_t *area = (uint64_t *)(areas + (uint64_t)thread * AREA_WORDS * 8);

		area[0] = 0;
		task.area = area;
		task.size = AREA_WORDS;
		append_plain(work->nr_records);
		merge_plain(&remotes[handle_number(work, thread, i)], area);
	}
	return variant->nr_ops;
}

static void make_plain(void)
{
	areas = aligned_alloc(4096, (uint64_t)NR_AREAS * AREA_WORDS * 8);
	memset(areas, 0, (uint64_t)NR_AREAS * AREA_WORDS * 8);
	owner_areas = aligned_alloc(4096, (uint64_t)NR_HANDLES * OWNER_WORDS * 8);
	memset(owner_areas, 0, (uint64_t)NR_HANDLES * OWNER_WORDS * 8);
	pthread_spin_init(&remote_lock, PTHREAD_PROCESS_PRIVATE);
	for (uint32_t i = 0; i < NR_HANDLES; i++) {
		struct remote *remote = &remotes[i];
		struct remote **bucket = &buckets[(i + 1) * 0x61c8864680b583ebull >> 60];

		remote->handle = i + 1;
		remote->area = owner_areas + (uint64_t)i * OWNER_WORDS;
		remote->area_words = OWNER_WORDS;
		pthread_spin_init(&remote->lock, PTHREAD_PROCESS_PRIVATE);
		remote->next = *bucket;
		*bucket = remote;
	}
}

/* ---- ours ------------------------------------------------------------------------------------ */

static struct covbuf_owner *owners[NR_HANDLES], *outer;
static uint64_t sum;

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
static const struct section_work filled = { .nr_records = 32 }, filled_collected = { .nr_records = 32, .collected = true };
static const struct section_work filled_shared = { .nr_records = 32, .shared = true };

#define OURS "start, stop"
#define OURS_32 "start, 32 records, stop"

int main(int argc, char **argv)
{
	struct bench_variant variants[] = {
		{ .name = OURS, .pass = pass_covbuf, .arg = &empty, .nr_ops = NR_EMPTY, .target_ns = 9 },
		{ .name = OURS, .pass = pass_covbuf, .arg = &empty, .nr_ops = NR_EMPTY, .nr_threads = 2, .target_ns = 9.9 },
		{ .name = "no synchronisation", .pass = pass_limit, .arg = &empty, .nr_ops = NR_EMPTY, .against = OURS,
		  .reference_ratio = 0.63 },
		{ .name = "KCOV's structure", .pass = pass_kcov, .prepare = make_kcov, .arg = &empty, .nr_ops = NR_EMPTY,
		  .against = OURS, .reference_ratio = 3.8 },
		{ .name = "KCOV's structure", .pass = pass_kcov, .prepare = make_kcov, .arg = &empty, .nr_ops = NR_EMPTY,
		  .nr_threads = 2, .against = OURS, .reference_ratio = 30 },
		{ .name = "push, pop", .pass = pass_push, .nr_ops = NR_EMPTY, .target_ns = 6 },
		{ .name = "mark, unwind", .pass = pass_mark, .nr_ops = NR_EMPTY },
	};
	struct bench_variant shared[] = {
		{ .name = OURS, .pass = pass_covbuf, .arg = &empty_shared, .nr_ops = NR_EMPTY, .nr_threads = 2 },
		{ .name = "KCOV's structure", .pass = pass_kcov, .prepare = make_kcov, .arg = &empty_shared,
		  .nr_ops = NR_EMPTY, .nr_threads = 2, .against = OURS },
		{ .name = OURS_32, .pass = pass_covbuf, .clear_up = collect_all, .arg = &filled_shared, .nr_ops = NR_FILLED,
		  .nr_threads = 2 },
		{ .name = "KCOV's structure, 32 records", .pass = pass_kcov, .prepare = make_kcov, .arg = &filled_shared,
		  .nr_ops = NR_FILLED, .nr_threads = 2, .against = OURS_32 },
	};
	struct bench_variant with_records[] = {
		{ .name = OURS_32, .pass = pass_covbuf, .clear_up = collect_all, .arg = &filled, .nr_ops = NR_FILLED },
		{ .name = OURS_32, .pass = pass_covbuf, .clear_up = collect_all, .arg = &filled, .nr_ops = NR_FILLED,
		  .nr_threads = 2 },
		{ .name = "the same, collected", .pass = pass_covbuf, .arg = &filled_collected, .nr_ops = NR_FILLED,
		  .against = OURS_32 },
		{ .name = "no synchronisation", .pass = pass_limit, .arg = &filled, .nr_ops = NR_FILLED, .against = OURS_32 },
		{ .name = "KCOV's structure", .pass = pass_kcov, .prepare = make_kcov, .arg = &filled, .nr_ops = NR_FILLED,
		  .against = OURS_32, .reference_ratio = 1.2 },
		{ .name = "KCOV's structure", .pass = pass_kcov, .prepare = make_kcov, .arg = &filled, .nr_ops = NR_FILLED,
		  .nr_threads = 2, .against = OURS_32, .reference_ratio = 3 },
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
	make_plain();
	bench_run(&section);
	bench_run(&section32);
	bench_run(&section_shared);
	return bench_finish();
}
