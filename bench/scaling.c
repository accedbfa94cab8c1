/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * What happens to each operation as more cores do it: the same time for each, or waiting for one another?
 *
 * From one thread to all cores. Beside each stands KCOV's structure, which has a spinlock where libcovbuf has none, and
 * for the records the one buffer that all share, which is the first thing that comes to mind.
 *
 * scale_collect: threads record in sections of a full area, without a pause, and one process, on a core of its own, collects
 * from all of them.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "engine.h"
#include "kcov.h"

#define MAX_POINTS 16
#define NR_RECORDS 7936 /* of an area of class 0 */
#define NR_SECTIONS 8	/* of a pass that records */
#define NR_PAIRS 20000
#define NR_COLLECTED 256 /* sections of a pass that is collected beside */
#define AREA_WORDS 8192
#define AREAS_PER_CORE 64
#define KCOV_OWNER_AREAS 32

static uint32_t points[MAX_POINTS], nr_points, nr_cores;
static struct kcov *kcovs; /* one for each core */
static struct covbuf_owner *owners[BENCH_MAX_THREADS];
static uint64_t *plain; /* of each thread, as many areas as it fills in a pass */

/* One row for each number of threads. */
static uint32_t add_series(struct bench_variant *variants, uint32_t nr, struct bench_variant of)
{
	for (uint32_t i = 0; i < nr_points; i++) {
		of.x = points[i];
		of.nr_threads = points[i];
		of.by_median = true; /* one thread, too, to be compared */
		variants[nr++] = of;
	}
	return nr;
}

/* The last core is the collector's. */
static void spare_a_core(void)
{
	if (points[nr_points - 1] > 1)
		points[nr_points - 1]--;
	if (nr_points > 1 && points[nr_points - 2] == points[nr_points - 1])
		nr_points--;
}

static void run(const char *name, const char *unit, const char *question, struct bench_variant *variants, uint32_t nr,
		uint32_t repetitions)
{
	struct bench bench = { .name = name, .unit = unit, .question = question, .x_unit = "threads",
			       .variants = variants, .nr_variants = nr, .repetitions = repetitions };

	bench_run(&bench);
}

/* ---- records --------------------------------------------------------------------------------- */

/* Each its own areas, zeroed where they will be filled. */
static void collect_own(const struct bench_variant *variant, uint32_t thread)
{
	(void)variant;
	bench_must(covbuf_collect(owners[thread], bench_drop, NULL), "covbuf_collect");
}

static __attribute__((noinline)) uint64_t pass_append(const struct bench_variant *variant, uint32_t thread)
{
	(void)variant;
	for (uint32_t i = 0; i < NR_SECTIONS; i++) {
		covbuf_token token = covbuf_push(owners[thread]);

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
	struct bench_variant variants[3 * MAX_POINTS];
	uint32_t nr = 0;

	nr = add_series(variants, nr, (struct bench_variant){ .name = "areas of their own", .pass = pass_append,
							       .prepare_thread = collect_own });
	nr = add_series(variants, nr, (struct bench_variant){ .name = "KCOV's sequence, areas of their own",
							       .pass = pass_append_kcov, .against = "areas of their own" });
	nr = add_series(variants, nr, (struct bench_variant){ .name = "one buffer, lock xadd", .pass = pass_append_shared,
							       .against = "areas of their own" });
	run("scale_append", "record, per thread", "Does a record cost more when other cores record too?", variants, nr, 100);
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
	struct bench_variant variants[4 * MAX_POINTS];
	uint32_t nr = 0;

	nr = add_series(variants, nr, (struct bench_variant){ .name = "own handles", .pass = pass_section, .nr_ops = NR_PAIRS });
	nr = add_series(variants, nr, (struct bench_variant){ .name = "own handles, KCOV's structure",
			.pass = pass_section_kcov, .nr_ops = NR_PAIRS, .against = "own handles" });
	nr = add_series(variants, nr, (struct bench_variant){ .name = "one handle", .pass = pass_section, .arg = &shared,
			.nr_ops = NR_PAIRS });
	nr = add_series(variants, nr, (struct bench_variant){ .name = "one handle, KCOV's structure",
			.pass = pass_section_kcov, .arg = &shared, .nr_ops = NR_PAIRS, .against = "one handle" });
	run("scale_section", "start, stop, per thread", "Does a section cost more when other cores have sections too?",
	    variants, nr, 40);
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
	struct bench_variant variants[2 * MAX_POINTS];
	uint32_t nr = 0;

	nr = add_series(variants, nr, (struct bench_variant){ .name = "take, give", .pass = pass_pool, .nr_ops = NR_PAIRS });
	nr = add_series(variants, nr, (struct bench_variant){ .name = "list under a spinlock (KCOV)", .pass = pass_pool_kcov,
			.nr_ops = NR_PAIRS, .against = "take, give" });
	run("scale_pool", "pair, per thread", "Does an area cost more when other cores take areas too?", variants, nr, 40);
}

/* ---- one collector --------------------------------------------------------------------------- */

enum collector_mode { COLLECTOR_SLEEPS, COLLECTOR_COVBUF, COLLECTOR_KCOV, COLLECTOR_QUITS };

/* Between the two processes. */
static struct collector {
	uint32_t mode;		/* ours */
	uint32_t ready;		/* its answer */
	uint64_t nr_records __attribute__((aligned(128))); /* it has found, from here on */
	uint64_t nr_lost;	/* it was told of */
	uint64_t busy_ns;
	uint64_t sum;
} *collector;

static int count_batch(const struct covbuf_batch *batch, void *arg)
{
	uint64_t sum = 0, nr = 0;

	(void)arg;
	for (; nr < batch->nr_words && batch->words[nr]; nr++)
		sum += batch->words[nr];
	collector->nr_records += nr;
	collector->sum += sum;
	return 0;
}

static void drain_covbuf(struct covbuf_segment *segment)
{
	struct covbuf_drained drained;

	bench_must(covbuf_drain(segment, 0, count_batch, NULL, &drained), "covbuf_drain");
	collector->nr_lost += drained.lost;
}

/* Reads each owner's area under its lock, and empties it. */
static void drain_kcov(void)
{
	for (uint32_t i = 0; i < nr_cores; i++) {
		struct kcov *kcov = &kcovs[i];
		uint64_t sum = 0;

		if (!covb_load(&kcov->area[0]))
			continue;
		pthread_spin_lock(&kcov->lock);
		for (uint64_t k = 1; k <= kcov->area[0]; k++)
			sum += kcov->area[k];
		collector->nr_records += kcov->area[0];
		kcov->area[0] = 0;
		pthread_spin_unlock(&kcov->lock);
		collector->sum += sum;
	}
}

static void drain(struct covbuf_segment *segment, uint32_t mode)
{
	uint64_t began = bench_now_ns(), before = collector->nr_records;

	if (mode == COLLECTOR_KCOV)
		drain_kcov();
	else
		drain_covbuf(segment);
	if (collector->nr_records > before)
		collector->busy_ns += bench_now_ns() - began;
}

static __attribute__((noreturn)) void collect(const char *where)
{
	struct covbuf_segment *segment;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	bench_pin(nr_cores - 1);
	bench_must(covbuf_segment_open(where, COVBUF_OPEN_CONSUME, &segment, NULL), "covbuf_segment_open");
	for (;;) {
		uint32_t mode = covb_load_acquire(&collector->mode);

		covb_store_release(&collector->ready, mode);
		if (mode == COLLECTOR_QUITS)
			_exit(0);
		if (mode == COLLECTOR_SLEEPS)
			usleep(50);
		else
			drain(segment, mode);
	}
}

static pid_t start_collector(void)
{
	char where[32];
	pid_t pid;

	snprintf(where, sizeof(where), "fd:%d", covbuf_segment_fd());
	covb_store(&collector->ready, COLLECTOR_QUITS);
	pid = fork();
	if (!pid)
		collect(where);
	bench_must(pid < 0 ? -1 : 0, "fork");
	return pid;
}

static void ask(uint32_t mode)
{
	covb_store_release(&collector->mode, mode);
	while (covb_load_acquire(&collector->ready) != mode)
		usleep(20);
}

/* What the passes of a variant came to. */
struct tally {
	uint32_t mode;
	uint64_t made, collected, lost, busy_ns; /* lost: counted */
};

static uint64_t lost_before[BENCH_MAX_THREADS];
static uint64_t lost_now[BENCH_MAX_THREADS];

static uint64_t lost_here(void)
{
	uint64_t lost[COVBUF_NR_LOSSES], sum = 0;

	if (covbuf_losses(lost))
		return 0;
	for (uint32_t i = 0; i < COVBUF_NR_LOSSES; i++)
		sum += lost[i];
	return sum;
}

static void begin_collecting(const struct bench_variant *variant)
{
	const struct tally *tally = variant->arg;

	collector->nr_records = collector->nr_lost = collector->busy_ns = 0;
	for (uint32_t i = 0; i < nr_cores; i++)
		kcovs[i].dropped = 0;
	ask(tally->mode);
}

static void begin_counting(const struct bench_variant *variant, uint32_t thread)
{
	(void)variant;
	lost_before[thread] = lost_now[thread] = lost_here();
}

static void wait_until_empty(const struct tally *tally)
{
	uint64_t seen = ~0ull;

	/* twice the same, and a pause between: all that was queued has been read */
	while (covb_load(&collector->nr_records) != seen) {
		seen = covb_load(&collector->nr_records);
		usleep(tally->mode == COLLECTOR_KCOV ? 500 : 2000);
	}
}

static void end_collecting(const struct bench_variant *variant)
{
	struct tally *tally = (struct tally *)(uintptr_t)variant->arg;

	wait_until_empty(tally);
	ask(COLLECTOR_SLEEPS);
	tally->made += variant->nr_threads * variant->nr_ops * NR_RECORDS;
	tally->collected += collector->nr_records;
	tally->lost += collector->nr_lost;
	tally->busy_ns += collector->busy_ns;
	for (uint32_t i = 0; i < variant->nr_threads; i++)
		tally->lost += tally->mode == COLLECTOR_KCOV ? kcovs[i].dropped : lost_now[i] - lost_before[i];
}

static __attribute__((noinline)) uint64_t pass_collected(const struct bench_variant *variant, uint32_t thread)
{
	for (uint64_t i = 0; i < variant->nr_ops; i++) {
		covbuf_token token = covbuf_push(owners[thread]);

		for (uint32_t k = 0; k < NR_RECORDS; k++)
			covbuf_trace_pc(k + 1);
		covbuf_pop(token);
	}
	lost_now[thread] = lost_here();
	return variant->nr_ops * NR_RECORDS;
}

static __attribute__((noinline)) uint64_t pass_collected_kcov(const struct bench_variant *variant, uint32_t thread)
{
	for (uint64_t i = 0; i < variant->nr_ops; i++) {
		if (!kcov_remote_start(thread + 1))
			continue;
		for (uint32_t k = 0; k < NR_RECORDS; k++) {
			kcov_append_pc(k + 1);
			BENCH_BARRIER();
		}
		kcov_remote_stop();
	}
	return variant->nr_ops * NR_RECORDS;
}

static void tell(struct bench_variant *variant)
{
	const struct tally *tally = variant->arg;

	if (!tally->made)
		return;
	bench_value(variant, "lost", (double)tally->lost / (double)tally->made);
	bench_value(variant, "unaccounted", (double)(int64_t)(tally->made - tally->lost - tally->collected));
	if (tally->busy_ns)
		bench_value(variant, "collector Mrecords/s", 1e3 * (double)tally->collected / (double)tally->busy_ns);
}

static void scale_collect(void)
{
	static struct tally tallies[2 * MAX_POINTS];
	struct bench_variant variants[2 * MAX_POINTS];
	struct bench bench = { .name = "scale_collect", .unit = "record, per producer", .x_unit = "threads",
			       .question = "One process collects for all: what do producers pay, and what is lost?",
			       .variants = variants, .repetitions = 8 };
	pid_t pid;

	spare_a_core();
	bench.nr_variants = add_series(variants, 0, (struct bench_variant){ .name = "collected beside", .pass = pass_collected,
			.prepare_thread = begin_counting, .nr_ops = NR_COLLECTED });
	bench.nr_variants = add_series(variants, bench.nr_variants, (struct bench_variant){ .name = "KCOV's structure",
			.pass = pass_collected_kcov, .nr_ops = NR_COLLECTED, .against = "collected beside" });
	for (uint32_t i = 0; i < bench.nr_variants; i++) {
		tallies[i].mode = i < nr_points ? COLLECTOR_COVBUF : COLLECTOR_KCOV;
		variants[i].prepare = begin_collecting;
		variants[i].clear_up = end_collecting;
		variants[i].arg = &tallies[i];
		variants[i].uncounted = true;
		if (nr_cores < 2)
			variants[i].missing = "needs 2 cores, there is 1";
	}
	if (nr_cores < 2 || !bench_wanted(&bench)) {
		bench_run(&bench);
		return;
	}
	for (uint32_t i = 0; i < nr_cores; i++)
		bench_must(covbuf_collect(owners[i], bench_drop, NULL), "covbuf_collect");
	pid = start_collector();
	bench_run_with(&bench, tell);
	ask(COLLECTOR_QUITS);
	waitpid(pid, NULL, 0);
}

/* Shared with children; touched, so that no page is missing later. */
static void *shared_memory(uint64_t bytes)
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
	uint64_t *areas = shared_memory(nr_cores * nr_words * 8);

	kcovs = shared_memory(nr_cores * sizeof(*kcovs));
	kcov_make_pool(shared_memory((uint64_t)nr_areas * AREA_WORDS * 8), nr_areas, AREA_WORDS);
	for (uint32_t i = 0; i < nr_cores; i++) {
		kcov_init(&kcovs[i], KCOV_PC, areas + i * nr_words, nr_words, AREA_WORDS);
		remotes[i] = (struct kcov_remote){ .handle = i + 1, .kcov = &kcovs[i] };
		kcov_add(&remotes[i]);
	}
}

int main(int argc, char **argv)
{
	uint32_t nr_areas;

	bench_init(argc, argv);
	nr_cores = bench_nr_cores();
	nr_points = bench_thread_counts(points);
	nr_areas = nr_cores * AREAS_PER_CORE;
	bench_attach((uint64_t)(nr_areas + 64) << 16, 0, nr_areas);
	collector = shared_memory(sizeof(*collector));
	make_kcovs(nr_areas);
	plain = shared_memory((uint64_t)nr_cores * NR_SECTIONS * AREA_WORDS * 8);
	for (uint32_t i = 0; i < nr_cores; i++)
		owners[i] = bench_remote_owner(COVBUF_MODE_PC, COVBUF_LINEAR, 0, BENCH_HANDLE(i + 1));
	scale_append();
	scale_section();
	scale_pool();
	scale_collect();
	return bench_finish();
}
