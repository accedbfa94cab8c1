/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * What do producers pay for one process that collects from all of them, and what is lost?
 *
 * Threads record in sections of a full area, without a pause, and one process, on a core of its own, collects. Beside
 * it the same with KCOV's structure, where a section's records are copied into its owner's area, and the collector
 * reads that under the owner's lock. What was made, less what was collected and what was counted as lost, must be
 * nothing.
 */
#define _GNU_SOURCE
#include <signal.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "scaling.h"

#define NR_COLLECTED 256 /* sections of a pass */

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
	for (uint32_t i = 0; i < scaling_nr_cores; i++) {
		struct kcov *kcov = &scaling_kcovs[i];
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
	bench_pin(scaling_nr_cores - 1);
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

static uint32_t nr_free; /* areas, when none is in use */
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
	for (uint32_t i = 0; i < scaling_nr_cores; i++)
		scaling_kcovs[i].dropped = 0;
	ask(tally->mode);
}

static void begin_counting(const struct bench_variant *variant, uint32_t thread)
{
	(void)variant;
	lost_before[thread] = lost_now[thread] = lost_here();
}

static bool all_is_collected(uint32_t mode)
{
	if (mode == COLLECTOR_COVBUF)
		return covbuf_segment_free_areas(covbuf_attached_segment(), 0) == nr_free;
	for (uint32_t i = 0; i < scaling_nr_cores; i++)
		if (covb_load_acquire(&scaling_kcovs[i].area[0]))
			return false;
	return true;
}

static void end_collecting(const struct bench_variant *variant)
{
	struct tally *tally = (struct tally *)(uintptr_t)variant->arg;

	while (!all_is_collected(tally->mode))
		usleep(200);
	ask(COLLECTOR_SLEEPS);
	tally->made += variant->nr_threads * variant->nr_ops * NR_RECORDS;
	tally->collected += collector->nr_records;
	tally->lost += collector->nr_lost;
	tally->busy_ns += collector->busy_ns;
	for (uint32_t i = 0; i < variant->nr_threads; i++)
		tally->lost += tally->mode == COLLECTOR_KCOV ? scaling_kcovs[i].dropped : lost_now[i] - lost_before[i];
}

static __attribute__((noinline)) uint64_t pass_collected(const struct bench_variant *variant, uint32_t thread)
{
	for (uint64_t i = 0; i < variant->nr_ops; i++) {
		covbuf_token token = covbuf_push(scaling_owners[thread]);

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

/* The last core is the collector's. */
static void spare_a_core(void)
{
	uint32_t *last = &scaling_points[scaling_nr_points - 1];

	if (*last > 1)
		--*last;
	if (scaling_nr_points > 1 && last[-1] == *last)
		scaling_nr_points--;
}

void scale_collect(void)
{
	static struct tally tallies[2 * MAX_POINTS];
	const struct bench_variant of[] = {
		{ .name = "collected beside", .pass = pass_collected, .prepare_thread = begin_counting,
		  .nr_ops = NR_COLLECTED },
		{ .name = "KCOV's structure", .pass = pass_collected_kcov, .nr_ops = NR_COLLECTED,
		  .against = "collected beside" },
	};
	struct bench_variant variants[2 * MAX_POINTS];
	struct bench bench = { .name = "scale_collect", .unit = "record, per producer", .x_unit = "threads",
			       .question = "One process collects for all: what do producers pay, and what is lost?",
			       .variants = variants, .repetitions = 8 };
	pid_t pid;

	spare_a_core();
	bench.nr_variants = scaling_add(variants, of, BENCH_NR(of));
	for (uint32_t i = 0; i < bench.nr_variants; i++) {
		tallies[i].mode = variants[i].pass == pass_collected ? COLLECTOR_COVBUF : COLLECTOR_KCOV;
		variants[i].prepare = begin_collecting;
		variants[i].clear_up = end_collecting;
		variants[i].arg = &tallies[i];
		variants[i].uncounted = true;
		if (scaling_nr_cores < 2)
			variants[i].missing = "needs 2 cores, there is 1";
	}
	if (scaling_nr_cores < 2 || !bench_wanted(&bench)) {
		bench_run(&bench);
		return;
	}
	/* what other benches have left */
	for (uint32_t i = 0; i < scaling_nr_cores; i++)
		bench_must(covbuf_collect(scaling_owners[i], bench_drop, NULL), "covbuf_collect");
	collector = scaling_memory(sizeof(*collector));
	nr_free = covbuf_segment_free_areas(covbuf_attached_segment(), 0);
	pid = start_collector();
	bench_run_with(&bench, tell);
	ask(COLLECTOR_QUITS);
	waitpid(pid, NULL, 0);
}
