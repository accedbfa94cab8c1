/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * What does a producer pay for a collector that drains beside it in another process, what does the
 * collector pay, and how long does a record take from the one to the other?
 *
 * The producer fills area after area, in sections; the other process holds the segment's consumer lock
 * and drains. Alone, the producer's areas are collected by itself between passes. The latency is from
 * the value of a clock, recorded, to the collector's reading of the same clock.
 */
#define _GNU_SOURCE
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "engine.h"

#define NR_AREAS 256
#define NR_RECORDS 7936
#define NR_SECTIONS 128
#define NR_LATENCIES 400
#define MAX_DRAINS 100000

enum collector_mode { COLLECTOR_IDLE, COLLECTOR_SPINS, COLLECTOR_SLEEPS, COLLECTOR_LATENCY, COLLECTOR_QUITS };

/* Between the two processes. */
static struct shared {
	uint32_t mode;		/* enum collector_mode; the producer's */
	uint32_t ready;		/* the collector's answer */
	uint64_t nr_records __attribute__((aligned(128))); /* the collector's, likewise all below */
	uint64_t latency_ns;	/* of the last record; 0: none yet */
	uint64_t sum;
	uint32_t nr_drains;	/* that found records: ns per record of each */
	double drain_ns[MAX_DRAINS];
} *shared;

static struct covbuf_owner *owner;

/* ---- the collector --------------------------------------------------------------------------- */

static int read_batch(const struct covbuf_batch *batch, void *arg)
{
	uint64_t sum = 0, nr = 0;

	(void)arg;
	if (covb_load(&shared->mode) == COLLECTOR_LATENCY) {
		covb_store(&shared->latency_ns, bench_now_ns() - batch->words[0]);
		return 0;
	}
	for (; nr < batch->nr_words && batch->words[nr]; nr++)
		sum += batch->words[nr];
	shared->nr_records += nr;
	shared->sum += sum;
	return 0;
}

static void drain_once(struct covbuf_segment *segment)
{
	uint64_t begin = bench_now_ns(), nr_before = shared->nr_records;
	struct covbuf_drained drained;

	bench_must(covbuf_drain(segment, 0, read_batch, NULL, &drained), "covbuf_drain");
	if (shared->nr_records > nr_before && shared->nr_drains < MAX_DRAINS)
		shared->drain_ns[shared->nr_drains++] =
			(double)(bench_now_ns() - begin) / (double)(shared->nr_records - nr_before);
}

static void collect(const char *where)
{
	struct covbuf_segment *segment;
	bool sleeps;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	bench_pin(1);
	bench_must(covbuf_segment_open(where, COVBUF_OPEN_CONSUME, &segment, NULL), "covbuf_segment_open");
	for (;;) {
		uint32_t mode = covb_load_acquire(&shared->mode);

		covb_store_release(&shared->ready, mode);
		if (mode == COLLECTOR_QUITS)
			_exit(0);
		if (mode == COLLECTOR_IDLE) {
			usleep(50);
			continue;
		}
		sleeps = mode == COLLECTOR_SLEEPS || (mode == COLLECTOR_LATENCY && getenv("BENCH_SLEEPS"));
		if (sleeps)
			covbuf_segment_wait(segment, 10);
		drain_once(segment);
	}
}

static void ask(enum collector_mode mode)
{
	covb_store_release(&shared->mode, (uint32_t)mode);
	while (covb_load_acquire(&shared->ready) != mode)
		usleep(20);
}

static pid_t start_collector(bool sleeps)
{
	char where[32];
	pid_t pid;

	snprintf(where, sizeof(where), "fd:%d", covbuf_segment_fd());
	covb_store(&shared->mode, COLLECTOR_IDLE);
	covb_store(&shared->ready, COLLECTOR_QUITS);
	pid = fork();
	if (!pid) {
		if (sleeps)
			setenv("BENCH_SLEEPS", "1", 1);
		collect(where);
	}
	bench_must(pid < 0 ? -1 : 0, "fork");
	while (covb_load_acquire(&shared->ready) != COLLECTOR_IDLE)
		usleep(100);
	return pid;
}

static void stop_collector(pid_t pid)
{
	covb_store_release(&shared->mode, COLLECTOR_QUITS);
	waitpid(pid, NULL, 0);
}

/* ---- the producer ---------------------------------------------------------------------------- */


static uint64_t fill_sections(const struct bench_variant *variant)
{
	for (uint64_t i = 0; i < variant->nr_ops; i++) {
		covbuf_token token = covbuf_push(owner);

		for (uint32_t k = 0; k < NR_RECORDS; k++)
			covbuf_trace_pc(k + 1);
		covbuf_pop(token);
	}
	return variant->nr_ops * NR_RECORDS;
}

static uint64_t pass_sections(const struct bench_variant *variant, uint32_t thread)
{
	(void)thread;
	return fill_sections(variant);
}

static void collect_here(const struct bench_variant *variant)
{
	(void)variant;
	bench_must(covbuf_collect(owner, bench_drop, NULL), "covbuf_collect");
}

static void wait_for_areas(const struct bench_variant *variant)
{
	struct timespec nap = { .tv_nsec = 100000 };

	(void)variant;
	while (covbuf_segment_free_areas(covbuf_attached_segment(), 0) < NR_AREAS)
		nanosleep(&nap, NULL);
}

static void begin_spinning(const struct bench_variant *variant)
{
	wait_for_areas(variant);
	ask(COLLECTOR_SPINS);
}

static void end_spinning(const struct bench_variant *variant)
{
	wait_for_areas(variant);
	ask(COLLECTOR_IDLE);
}

/* One record from here to there. */
static double one_latency(void)
{
	covbuf_token token;
	uint64_t deadline = bench_now_ns() + 100000000;

	covb_store(&shared->latency_ns, 0);
	token = covbuf_push(owner);
	covbuf_record(bench_now_ns());
	covbuf_pop(token);
	while (!covb_load(&shared->latency_ns) && bench_now_ns() < deadline)
		covb_relax();
	return (double)covb_load(&shared->latency_ns);
}

static void measure_latency(struct bench_variant *variant, bool sleeps)
{
	uint32_t n = bench_is_quick() ? NR_LATENCIES : NR_LATENCIES * 5;
	pid_t pid = start_collector(sleeps);

	ask(COLLECTOR_LATENCY);
	for (uint32_t i = 0; i < n; i++) {
		double ns;

		usleep(sleeps ? 300 : 20);
		ns = one_latency();
		if (ns > 0)
			bench_sample(variant, ns);
	}
	ask(COLLECTOR_IDLE);
	stop_collector(pid);
}

/* A byte through a pipe to a process that sleeps in read(), and the clock's value with it. */
static void measure_pipe(struct bench_variant *variant)
{
	uint32_t n = bench_is_quick() ? NR_LATENCIES : NR_LATENCIES * 5;
	int ends[2];
	pid_t pid;

	bench_must(pipe(ends), "pipe");
	pid = fork();
	if (!pid) {
		uint64_t sent;

		close(ends[1]);
		bench_pin(1);
		while (read(ends[0], &sent, sizeof(sent)) == sizeof(sent))
			covb_store(&shared->latency_ns, bench_now_ns() - sent);
		_exit(0);
	}
	close(ends[0]);
	for (uint32_t i = 0; i < n; i++) {
		uint64_t now;

		usleep(300);
		covb_store(&shared->latency_ns, 0);
		now = bench_now_ns();
		if (write(ends[1], &now, sizeof(now)) != sizeof(now))
			break;
		while (!covb_load(&shared->latency_ns))
			covb_relax();
		bench_sample(variant, (double)shared->latency_ns);
	}
	close(ends[1]);
	waitpid(pid, NULL, 0);
}

int main(int argc, char **argv)
{
	struct bench_variant producing[] = {
		{ .name = "producer alone", .pass = pass_sections, .clear_up = collect_here, .nr_ops = NR_SECTIONS },
		{ .name = "beside a collector", .pass = pass_sections, .prepare = begin_spinning, .clear_up = end_spinning,
		  .nr_ops = NR_SECTIONS, .against = "producer alone", .target_ratio = 1.10, .reference_ratio = 1.06 },
	};
	struct bench_variant collecting[] = {
		{ .name = "collector, per record", .target_ns = 0.40 },
	};
	struct bench_variant handing[] = {
		{ .name = "to a collector that spins", .target_ns = 150 },
		{ .name = "to a collector that sleeps", .target_ns = 20000 },
		{ .name = "8 bytes through a pipe", .against = "to a collector that sleeps", .reference_ratio = 1 },
	};
	struct bench producer = { .name = "producer", .unit = "record", .variants = producing,
				  .question = "What does a producer pay for a process that drains beside it?",
				  .nr_variants = BENCH_NR(producing), .repetitions = 60 };
	struct bench collector = { .name = "collector", .unit = "record, full areas", .variants = collecting,
				   .question = "What does the collector pay: reading, zeroing, giving back?",
				   .nr_variants = BENCH_NR(collecting) };
	struct bench latency = { .name = "latency", .unit = "one way, another process", .variants = handing,
				 .question = "How long is a record on its way?", .nr_variants = BENCH_NR(handing) };
	pid_t pid;

	bench_init(argc, argv);
	shared = mmap(NULL, sizeof(*shared), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	bench_attach(64u << 20, 0, NR_AREAS);
	owner = bench_remote_owner(COVBUF_MODE_PC, COVBUF_LINEAR, 0, BENCH_HANDLE(1));
	if (bench_nr_cores() < 2) {
		producing[1].missing = collecting[0].missing = handing[0].missing = handing[1].missing =
			handing[2].missing = "needs 2 cores, there is 1";
		bench_run(&producer);
		bench_report(&collector);
		bench_report(&latency);
		return bench_finish();
	}
	if (bench_wanted(&producer) + bench_wanted(&collector)) {
		pid = start_collector(false);
		bench_run(&producer);
		for (uint32_t i = 0; i < shared->nr_drains; i++)
			bench_sample(&collecting[0], shared->drain_ns[i]);
		stop_collector(pid);
		bench_report(&collector);
	}
	if (bench_wanted(&latency)) {
		measure_latency(&handing[0], false);
		measure_latency(&handing[1], true);
		measure_pipe(&handing[2]);
		bench_report(&latency);
	}
	return bench_finish();
}
