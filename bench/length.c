/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Does a recording get slower as it gets longer, and is each record either collected or counted as lost?
 *
 * One thread records into a ring, one process reads it while it is written and checks that what it gets ascends. A
 * point is the time of a tenth of the recording, so that there is one sample for each: of 10^10 records, or the power
 * of ten that there is time for.
 */
#define _GNU_SOURCE
#include <signal.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "engine.h"

#define NR_POINTS 10
#define MOST_RECORDS 1e10
#define PROBE_RECORDS 20000000
#define RING_CLASS 4 /* 1 MiB */

/* Between the two processes; the collector's. */
static struct reader {
	uint32_t ready, quit;
	uint64_t nr_records __attribute__((aligned(128)));
	uint64_t last;		/* the highest that was read */
	uint64_t nr_disordered;
} *reader;

static struct covbuf_owner *owner;

static int check_batch(const struct covbuf_batch *batch, void *arg)
{
	uint64_t last = reader->last, nr = 0, nr_disordered = 0;

	(void)arg;
	for (uint64_t i = 0; i < batch->nr_words; i++) {
		uint64_t value = batch->words[i];

		if (!value || value & COVBUF_NOT_A_RECORD)
			continue;
		nr++;
		nr_disordered += value <= last;
		last = value;
	}
	reader->last = last;
	reader->nr_disordered += nr_disordered;
	covb_store(&reader->nr_records, reader->nr_records + nr);
	return 0;
}

static __attribute__((noreturn)) void read_ring(const char *where)
{
	struct covbuf_segment *segment;
	struct covbuf_drained drained;
	bool last_time;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	bench_pin(1);
	bench_must(covbuf_segment_open(where, COVBUF_OPEN_CONSUME, &segment, NULL), "covbuf_segment_open");
	covb_store_release(&reader->ready, 1);
	do {
		last_time = covb_load_acquire(&reader->quit);
		bench_must(covbuf_drain(segment, COVBUF_DRAIN_LIVE, check_batch, NULL, &drained), "covbuf_drain");
	} while (!last_time);
	_exit(0);
}

static __attribute__((noinline, aligned(64))) void record(uint64_t from, uint64_t to)
{
	for (uint64_t k = from; k < to; k++)
		covbuf_trace_pc(k + 1);
}

static uint64_t nr_lost(void)
{
	uint64_t lost[COVBUF_NR_LOSSES], nr = 0;

	bench_must(covbuf_losses(lost), "covbuf_losses");
	for (uint32_t i = 0; i < COVBUF_NR_LOSSES; i++)
		nr += lost[i];
	return nr;
}

/* A round number that takes about so long, from what the first ones took. */
static uint64_t records_for(double seconds, double ns_each)
{
	double nr = 1e7;

	while (nr * 10 <= MOST_RECORDS && nr * 10 * ns_each <= seconds * 1e9)
		nr *= 10;
	return (uint64_t)nr;
}

static void record_all(struct bench_variant *points, double seconds)
{
	covbuf_token token = covbuf_push(owner);
	uint64_t nr_done = PROBE_RECORDS, begin, nr;

	begin = bench_now_ns();
	record(0, PROBE_RECORDS);
	nr = records_for(seconds, (double)(bench_now_ns() - begin) / PROBE_RECORDS);
	for (uint32_t i = 0; i < NR_POINTS; i++) {
		begin = bench_now_ns();
		record(nr_done, nr_done + nr / NR_POINTS);
		bench_sample(&points[i], (double)(bench_now_ns() - begin) / (double)(nr / NR_POINTS));
		nr_done += nr / NR_POINTS;
		points[i].x = (double)nr_done - PROBE_RECORDS;
	}
	covbuf_pop(token);
	covb_store_release(&reader->quit, 1);
	wait(NULL);
	bench_value(&points[NR_POINTS - 1], "lost", (double)nr_lost() / (double)nr_done);
	bench_value(&points[NR_POINTS - 1], "unaccounted", (double)(int64_t)(nr_done - nr_lost() - reader->nr_records));
	bench_value(&points[NR_POINTS - 1], "out of order", (double)reader->nr_disordered);
}

int main(int argc, char **argv)
{
	struct bench_variant points[NR_POINTS] = { 0 };
	struct bench bench = { .name = "grow_length", .unit = "record, of the last tenth", .x_unit = "records",
			       .question = "Does a recording get slower as it grows, and is all of it accounted for?",
			       .variants = points, .nr_variants = NR_POINTS, .repetitions = 1 };
	struct covbuf_owner_options options = { .kind = COVBUF_RING, .area_class = RING_CLASS, .name = "length" };
	uint64_t handle = BENCH_HANDLE(1);
	char where[32];

	bench_init(argc, argv);
	for (uint32_t i = 0; i < NR_POINTS; i++) {
		points[i].name = "ring, read while written";
		points[i].x = i + 1;
		if (bench_nr_cores() < 2)
			points[i].missing = "needs 2 cores, there is 1";
	}
	if (!bench_wanted(&bench) || bench_nr_cores() < 2) {
		bench_report(&bench);
		return bench_finish();
	}
	reader = mmap(NULL, sizeof(*reader), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	bench_attach(64u << 20, 0, 0);
	bench_must(covbuf_pool_grow(RING_CLASS, 2), "covbuf_pool_grow");
	bench_must(covbuf_owner_create(&options, &owner), "covbuf_owner_create");
	bench_must(covbuf_remote_enable(owner, &handle, 1, 0), "covbuf_remote_enable");
	snprintf(where, sizeof(where), "fd:%d", covbuf_segment_fd());
	if (!fork())
		read_ring(where);
	while (!covb_load_acquire(&reader->ready))
		usleep(100);
	record_all(points, bench_is_smoke() ? 0.1 : bench_is_quick() ? 2 : 60);
	bench_report(&bench);
	return bench_finish();
}
