/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * What does a producer pay for a collector that drains beside it in another process, and what does the collector
 * pay?
 *
 * The producer fills area after area, in sections; the other process holds the segment's consumer lock and drains.
 * Alone, the producer's areas are collected by itself between passes. What the collector pays is measured when the
 * producer has filled areas and waits: one drain of them all.
 *
 * The peers are as many bare areas in shared memory, each with a word that says whether it is full, and a reader
 * that does nothing to what it has read, marks each line, or zeroes all. They are what the memory allows. A reader
 * that only reads may leave the lines shared, for which the producer pays when it writes to them again: on a
 * Zen 4 seven times its time.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <semaphore.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "engine.h"

#define NR_AREAS 256
#define NR_RECORDS 7936
#define NR_SECTIONS 128
#define LINE_WORDS 8
#define LINES_AHEAD 8

enum job { JOB_REST, JOB_DRAIN, JOB_READ, JOB_MARK, JOB_ZERO, JOB_QUIT };

struct bare_area {
	uint64_t full __attribute__((aligned(128)));
	uint64_t words[8192] __attribute__((aligned(4096)));
};

/* Between the two processes. */
static struct shared {
	sem_t go, done;
	uint32_t job;		/* enum job; the producer's, as the next */
	uint32_t once;		/* all that there is, then rest; otherwise until told */
	double ns;		/* the collector's, as the next two: per record of a job done once */
	uint64_t nr_records;
	uint64_t sum;
	struct bare_area areas[NR_AREAS];
} *shared;

static struct covbuf_owner *owner;
static uint32_t next_area; /* of the bare ones: each process its own */

/* ---- the collector --------------------------------------------------------------------------- */

/* The same loads for each, and so few instructions that memory is what is measured. */
typedef uint64_t pair __attribute__((vector_size(16), may_alias));

static inline pair sum_line(const uint64_t *words)
{
	const pair *p = (const pair *)words;

	return (p[0] + p[1]) + (p[2] + p[3]);
}

static int read_batch(const struct covbuf_batch *batch, void *arg)
{
	pair sum = { 0 };
	uint64_t nr = batch->nr_words / LINE_WORDS * LINE_WORDS;

	(void)arg;
	for (uint64_t i = 0; i < nr; i += LINE_WORDS)
		sum += sum_line(&batch->words[i]);
	shared->nr_records += nr;
	shared->sum += sum[0] + sum[1];
	return 0;
}

static inline __attribute__((always_inline)) uint64_t read_lines(uint64_t *words, enum job job)
{
	pair sum = { 0 };

	for (uint32_t i = 0; i < NR_RECORDS; i += LINE_WORDS) {
		/* to be written, if it will be: otherwise the line comes twice */
		if (job != JOB_READ)
			__asm__ volatile("prefetchw %0" : : "m"(words[i + LINES_AHEAD * LINE_WORDS]));
		sum += sum_line(&words[i]);
		if (job == JOB_MARK)
			covb_store(&words[i], 1ull << 63);
		if (job == JOB_ZERO)
			memset(&words[i], 0, LINE_WORDS * 8);
	}
	return sum[0] + sum[1];
}

static __attribute__((noinline)) void read_area(struct bare_area *area, enum job job)
{
	switch (job) {
	case JOB_READ: shared->sum += read_lines(area->words, JOB_READ); break;
	case JOB_MARK: shared->sum += read_lines(area->words, JOB_MARK); break;
	default: shared->sum += read_lines(area->words, JOB_ZERO); break;
	}
	shared->nr_records += NR_RECORDS;
	covb_store_release(&area->full, 0);
}

/* What is there now. */
static void work(struct covbuf_segment *segment, enum job job)
{
	struct covbuf_drained drained;

	if (job == JOB_DRAIN) {
		bench_must(covbuf_drain(segment, 0, read_batch, NULL, &drained), "covbuf_drain");
		return;
	}
	while (covb_load_acquire(&shared->areas[next_area].full)) {
		read_area(&shared->areas[next_area], job);
		next_area = (next_area + 1) % NR_AREAS;
	}
}

static void work_once(struct covbuf_segment *segment, enum job job)
{
	uint64_t begin, nr_before = shared->nr_records;

	begin = bench_now_ns();
	work(segment, job);
	if (shared->nr_records > nr_before)
		shared->ns = ((double)(bench_now_ns() - begin) - bench_clock_ns()) /
			     (double)(shared->nr_records - nr_before);
}

static __attribute__((noreturn)) void collect(const char *where)
{
	struct covbuf_segment *segment;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	bench_pin(1);
	bench_must(covbuf_segment_open(where, COVBUF_OPEN_CONSUME, &segment, NULL), "covbuf_segment_open");
	for (;;) {
		enum job job;

		sem_post(&shared->done);
		while (sem_wait(&shared->go))
			;
		job = covb_load(&shared->job);
		if (job == JOB_QUIT)
			_exit(0);
		if (shared->once)
			work_once(segment, job);
		else
			while (covb_load_acquire(&shared->job) != JOB_REST)
				work(segment, job);
	}
}

static void begin(enum job job, bool once)
{
	shared->job = job;
	shared->once = once;
	sem_post(&shared->go);
}

static void wait_until_done(void)
{
	while (sem_wait(&shared->done))
		;
}

static pid_t start_collector(void)
{
	char where[32];
	pid_t pid;

	snprintf(where, sizeof(where), "fd:%d", covbuf_segment_fd());
	sem_init(&shared->go, 1, 0);
	sem_init(&shared->done, 1, 0);
	pid = fork();
	if (!pid)
		collect(where);
	bench_must(pid < 0 ? -errno : 0, "fork");
	wait_until_done();
	return pid;
}

/* ---- the producer ---------------------------------------------------------------------------- */

static __attribute__((noinline, aligned(64))) uint64_t pass_sections(const struct bench_variant *variant,
								     uint32_t thread)
{
	(void)thread;
	for (uint64_t i = 0; i < variant->nr_ops; i++) {
		covbuf_token token = covbuf_push(owner);

		for (uint32_t k = 0; k < NR_RECORDS; k++)
			covbuf_trace_pc(k + 1);
		covbuf_pop(token);
	}
	return variant->nr_ops * NR_RECORDS;
}

static __attribute__((noinline, aligned(64))) uint64_t pass_bare(const struct bench_variant *variant, uint32_t thread)
{
	(void)thread;
	for (uint64_t i = 0; i < variant->nr_ops; i++) {
		struct bare_area *area = &shared->areas[next_area];

		next_area = (next_area + 1) % NR_AREAS;
		while (covb_load_acquire(&area->full))
			covb_relax();
		for (uint32_t k = 0; k < NR_RECORDS; k++)
			covb_store(&area->words[k], k + 1);
		covb_store_release(&area->full, 1);
	}
	return variant->nr_ops * NR_RECORDS;
}

static void nap(void)
{
	struct timespec short_time = { .tv_nsec = 100000 };

	nanosleep(&short_time, NULL);
}

static void wait_for_areas(enum job job)
{
	while (job == JOB_DRAIN && covbuf_segment_free_areas(covbuf_attached_segment(), 0) < NR_AREAS)
		nap();
	for (uint32_t i = 0; job != JOB_DRAIN && i < NR_AREAS; i++)
		while (covb_load_acquire(&shared->areas[i].full))
			nap();
}

static void begin_beside(const struct bench_variant *variant)
{
	const enum job *job = variant->arg;

	wait_for_areas(*job);
	begin(*job, false);
}

static void end_beside(const struct bench_variant *variant)
{
	wait_for_areas(*(const enum job *)variant->arg);
	covb_store_release(&shared->job, JOB_REST);
	wait_until_done();
}

/* By the other process, but not beside the producer. */
static void collect_after(const struct bench_variant *variant)
{
	begin(*(const enum job *)variant->arg, true);
	wait_until_done();
}

static void collect_here(const struct bench_variant *variant)
{
	(void)variant;
	bench_must(covbuf_collect(owner, bench_drop, NULL), "covbuf_collect");
}

/* ---- benches --------------------------------------------------------------------------------- */

static const enum job drains = JOB_DRAIN, reads = JOB_READ, marks = JOB_MARK, zeroes = JOB_ZERO;

/* Nobody was asked to read: the reader's next area is still the first of these. */
static void empty_bare(const struct bench_variant *variant)
{
	for (uint64_t i = 0; i < variant->nr_ops; i++) {
		next_area = (next_area + NR_AREAS - 1) % NR_AREAS;
		covb_store(&shared->areas[next_area].full, 0);
	}
}

#define ALONE "alone"
#define BARE_ALONE "bare areas, alone"
#define BARE_ZERO "bare areas, zeroed"
#define BARE_MARK "bare areas, a mark a line"

static void measure_producer(const char *missing)
{
	struct bench_variant variants[] = {
		{ .name = ALONE, .pass = pass_sections, .clear_up = collect_here },
		{ .name = "collected beside", .pass = pass_sections, .prepare = begin_beside, .clear_up = end_beside,
		  .arg = &drains, .against = ALONE, .target_ratio = 1.10, .reference_ratio = 1.06 },
		{ .name = BARE_ALONE, .pass = pass_bare, .clear_up = empty_bare },
		{ .name = "bare areas, read beside", .pass = pass_bare, .arg = &reads },
		{ .name = "bare areas, a mark a line beside", .pass = pass_bare, .arg = &marks },
		{ .name = "bare areas, zeroed beside", .pass = pass_bare, .arg = &zeroes },
	};
	struct bench bench = { .name = "producer", .unit = "record", .variants = variants,
			       .question = "What does a producer pay for a process that drains beside it?",
			       .nr_variants = BENCH_NR(variants), .repetitions = 30 };

	for (uint32_t i = 0; i < BENCH_NR(variants); i++) {
		variants[i].nr_ops = NR_SECTIONS;
		variants[i].by_median = variants[i].uncounted = true;
		variants[i].missing = variants[i].arg ? missing : NULL;
	}
	for (uint32_t i = 3; i < BENCH_NR(variants); i++) {
		variants[i].prepare = begin_beside;
		variants[i].clear_up = end_beside;
		variants[i].against = BARE_ALONE;
	}
	bench_run(&bench);
}

static void measure_collector(const char *missing)
{
	struct bench_variant variants[] = {
		{ .name = "covbuf_drain()", .pass = pass_sections, .arg = &drains, .against = BARE_ZERO,
		  .target_ns = 0.40,
		  .target_ratio = 1.05 },
		{ .name = BARE_ZERO, .pass = pass_bare, .arg = &zeroes },
		{ .name = BARE_MARK, .pass = pass_bare, .arg = &marks, .against = BARE_ZERO },
		{ .name = "bare areas, read", .pass = pass_bare, .arg = &reads, .against = BARE_ZERO },
	};
	struct bench bench = { .name = "collector", .unit = "record, full areas", .variants = variants,
			       .question = "What does the collector pay: reading, zeroing, giving back?",
			       .nr_variants = BENCH_NR(variants), .repetitions = 30 };

	for (uint32_t i = 0; i < BENCH_NR(variants); i++) {
		variants[i].nr_ops = NR_SECTIONS;
		variants[i].uncounted = true;
		variants[i].missing = missing;
	}
	if (!bench_wanted(&bench))
		return;
	while (!missing && bench_another(&bench))
		for (uint32_t i = 0; i < BENCH_NR(variants); i++) {
			variants[i].pass(&variants[i], 0);
			collect_after(&variants[i]);
			bench_sample(&variants[i], shared->ns);
		}
	bench_report(&bench);
}

int main(int argc, char **argv)
{
	const char *missing;
	pid_t pid;

	bench_init(argc, argv);
	missing = bench_nr_cores() < 2 ? "needs 2 cores, there is 1" : NULL;
	shared = mmap(NULL, sizeof(*shared), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);
	bench_must(shared == MAP_FAILED ? -errno : 0, "mmap");
	bench_attach(64u << 20, 0, NR_AREAS);
	owner = bench_remote_owner(COVBUF_MODE_PC, COVBUF_LINEAR, 0, BENCH_HANDLE(1));
	pid = start_collector();
	measure_producer(missing);
	measure_collector(missing);
	begin(JOB_QUIT, true);
	waitpid(pid, NULL, 0);
	return bench_finish();
}
