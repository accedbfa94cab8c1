/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Series whose points need a process each, because a process has one segment, whose tables do not grow. A child
 * measures, and sends back its samples through a pipe; the names of values are where the parent has them too.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <signal.h>
#include <unistd.h>

#include "harness.h"

static void put(FILE *to, const void *what, size_t bytes)
{
	if (bytes && fwrite(what, bytes, 1, to) != 1)
		_exit(1);
}

/* Then the samples; or nothing, and why. */
struct answer {
	char missing[120];
	uint32_t nr_samples;
	double instructions, cycles;
	struct bench_value values[BENCH_MAX_VALUES];
};

static __attribute__((noreturn)) void be_child(struct bench *point, const char *(*begin)(double x), FILE *to)
{
	const char *missing;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	missing = begin(point->variants[0].x);
	if (bench_counting && !missing)
		bench_count_all(point);
	while (!missing && bench_another(point))
		bench_round(point);
	for (uint32_t i = 0; i < point->nr_variants; i++) {
		const struct bench_variant *variant = &point->variants[i];
		struct answer answer = {
			.nr_samples = variant->nr_samples,
			.instructions = variant->instructions,
			.cycles = variant->cycles,
		};

		if (missing || variant->missing)
			snprintf(answer.missing, sizeof(answer.missing), "%s", missing ? missing : variant->missing);
		memcpy(answer.values, variant->values, sizeof(answer.values));
		put(to, &answer, sizeof(answer));
		put(to, variant->samples, answer.nr_samples * sizeof(double));
	}
	_exit(fclose(to) ? 1 : 0);
}

static bool hear(struct bench_variant *variant, FILE *from)
{
	struct answer answer;

	if (fread(&answer, sizeof(answer), 1, from) != 1)
		return false;
	if (answer.missing[0])
		variant->missing = strdup(answer.missing);
	variant->instructions = answer.instructions;
	variant->cycles = answer.cycles;
	memcpy(variant->values, answer.values, sizeof(answer.values));
	for (uint32_t i = 0; i < answer.nr_samples; i++) {
		double ns;

		if (fread(&ns, sizeof(ns), 1, from) != 1)
			return false;
		bench_sample(variant, ns);
	}
	return true;
}

static void run_point(struct bench *point, const char *(*begin)(double x))
{
	int ends[2];
	FILE *from;
	pid_t pid;

	bench_must(pipe(ends) ? -errno : 0, "pipe");
	fflush(NULL);
	pid = fork();
	bench_must(pid < 0 ? -errno : 0, "fork");
	if (!pid) {
		close(ends[0]);
		be_child(point, begin, fdopen(ends[1], "w"));
	}
	close(ends[1]);
	from = fdopen(ends[0], "r");
	for (uint32_t i = 0; i < point->nr_variants; i++)
		if (!hear(&point->variants[i], from))
			point->variants[i].missing = "the process that measured it ended early";
	fclose(from);
	waitpid(pid, NULL, 0);
}

static uint32_t nr_at(const struct bench *bench, uint32_t first)
{
	uint32_t n = 1;

	while (first + n < bench->nr_variants && bench->variants[first + n].x == bench->variants[first].x)
		n++;
	return n;
}

void bench_run_points(struct bench *bench, const char *(*begin)(double x))
{
	uint32_t nr_points = 0;

	if (!bench_wanted(bench))
		return;
	for (uint32_t i = 0; i < bench->nr_variants; i += nr_at(bench, i))
		nr_points++;
	for (uint32_t i = 0; i < bench->nr_variants;) {
		struct bench point = *bench;

		point.variants = &bench->variants[i];
		point.nr_variants = nr_at(bench, i);
		point.seconds = bench_seconds() / nr_points;
		run_point(&point, begin);
		i += point.nr_variants;
	}
	bench_report(bench);
}
