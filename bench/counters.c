/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Instructions for each operation: from the processor's counters, where the kernel lets them be read (few virtual
 * machines do), beside the time of each pass; or from callgrind, which runs one pass of each variant once and knows
 * nothing of time.
 *
 * Under callgrind a variant is run twice, and the second pass counted. The dump's name holds what it is of and how many
 * operations it took, separated by tabs; count.sh divides.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <linux/perf_event.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>
#ifdef BENCH_CALLGRIND
#include <valgrind/callgrind.h>
#include <valgrind/valgrind.h>
#endif

#include "harness.h"

#define MAX_COUNTS 1024

/* ---- the processor's ------------------------------------------------------------------------- */

static int instructions_fd = -1, cycles_fd = -1;

struct reading {
	uint64_t nr, instructions, cycles;
};
static struct reading begun;

static int open_counter(uint64_t config, int group)
{
	struct perf_event_attr attr = {
		.type = PERF_TYPE_HARDWARE,
		.size = sizeof(attr),
		.config = config,
		.read_format = PERF_FORMAT_GROUP,
		.exclude_kernel = 1,
		.exclude_hv = 1,
	};

	return (int)syscall(SYS_perf_event_open, &attr, 0, -1, group, PERF_FLAG_FD_CLOEXEC);
}

static bool read_counters(struct reading *reading)
{
	return instructions_fd >= 0 && read(instructions_fd, reading, sizeof(*reading)) == sizeof(*reading);
}

void bench_counters_open(void)
{
	instructions_fd = open_counter(PERF_COUNT_HW_INSTRUCTIONS, -1);
	if (instructions_fd < 0)
		return;
	cycles_fd = open_counter(PERF_COUNT_HW_CPU_CYCLES, instructions_fd);
	if (cycles_fd < 0) {
		close(instructions_fd);
		instructions_fd = -1;
	}
}

void bench_counters_begin(void)
{
	if (!read_counters(&begun))
		begun.nr = 0;
}

/* The least of all passes: what nothing disturbed. */
void bench_counters_end(struct bench_variant *variant, uint64_t nr_ops)
{
	double ops = (double)(nr_ops ? nr_ops : 1);
	double instructions, cycles;
	struct reading now;

	if (!begun.nr || !read_counters(&now))
		return;
	instructions = (double)(now.instructions - begun.instructions) / ops;
	cycles = (double)(now.cycles - begun.cycles) / ops;
	if (variant->instructions <= 0 || instructions < variant->instructions)
		variant->instructions = instructions;
	if (variant->cycles <= 0 || cycles < variant->cycles)
		variant->cycles = cycles;
}

/* ---- callgrind's ----------------------------------------------------------------------------- */

#ifdef BENCH_CALLGRIND
bool bench_can_count(const char **why)
{
	*why = "only under valgrind --tool=callgrind; bench/count.sh starts it";
	return RUNNING_ON_VALGRIND;
}

static uint64_t run_once(const struct bench_variant *variant, bool counted)
{
	if (variant->prepare)
		variant->prepare(variant);
	if (variant->prepare_thread)
		variant->prepare_thread(variant, 0);
	if (counted) {
		CALLGRIND_START_INSTRUMENTATION;
		CALLGRIND_ZERO_STATS;
	}
	return variant->pass(variant, 0);
}

void bench_count(const struct bench *bench, const struct bench_variant *variant)
{
	char of[512];
	uint64_t nr_ops = run_once(variant, false);

	if (variant->clear_up)
		variant->clear_up(variant);
	/* written before the pass: nothing of it is counted */
	snprintf(of, sizeof(of), "%s\t%s\t%.15g\t%llu", bench->name, variant->name, variant->x,
		 (unsigned long long)(nr_ops ? nr_ops : 1));
	run_once(variant, true);
	CALLGRIND_DUMP_STATS_AT(of);
	CALLGRIND_STOP_INSTRUMENTATION;
	if (variant->clear_up)
		variant->clear_up(variant);
}
#else
bool bench_can_count(const char **why)
{
	*why = "not built in: valgrind/callgrind.h was not there (Debian: valgrind)";
	return false;
}

void bench_count(const struct bench *bench, const struct bench_variant *variant)
{
	(void)bench;
	(void)variant;
}
#endif

/* ---- counted before -------------------------------------------------------------------------- */

static struct counted {
	char *bench, *variant;
	double x, instructions;
} counts[MAX_COUNTS];
static uint32_t nr_counts;

static void load_line(char *line)
{
	struct counted *counted = &counts[nr_counts];
	char *rest = line, *x, *instructions;

	counted->bench = strsep(&rest, "\t");
	counted->variant = strsep(&rest, "\t");
	x = strsep(&rest, "\t");
	instructions = strsep(&rest, "\t\n");
	if (!instructions)
		return;
	counted->x = strtod(x, NULL);
	counted->instructions = strtod(instructions, NULL);
	nr_counts++;
}

/* The lines live as long as the program. */
void bench_counts_load(const char *path)
{
	FILE *file = fopen(path, "r");
	size_t bytes = 0;
	char *line;

	if (!file) {
		fprintf(stderr, "%s: --counts: %s: %s\n", program_invocation_short_name, path, strerror(errno));
		exit(2);
	}
	for (line = NULL; nr_counts < MAX_COUNTS && getline(&line, &bytes, file) > 0; line = NULL, bytes = 0)
		load_line(line);
	free(line);
	fclose(file);
}

/* Callgrind's are exact; the processor's have the harness's own in them. */
void bench_counts_apply(struct bench *bench)
{
	for (uint32_t c = 0; c < nr_counts; c++)
		for (uint32_t i = 0; i < bench->nr_variants; i++) {
			struct bench_variant *variant = &bench->variants[i];

			if (!strcmp(counts[c].bench, bench->name) && !strcmp(counts[c].variant, variant->name) &&
			    counts[c].x == variant->x && variant->nr_threads <= 1)
				variant->instructions = counts[c].instructions;
		}
}
