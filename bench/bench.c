/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The harness; see bench.h. */
#define _GNU_SOURCE
#include "bench.h"

#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define WARM_UP 2
#define FULL_FACTOR 5

static bool quick;
static const char *only;
static FILE *json;
static uint32_t cores[BENCH_MAX_THREADS];
static uint32_t nr_cores;

/* The second thread, and what it is to do. */
static pthread_t helper;
static pthread_barrier_t start_line;
static const struct bench_variant *helper_work;
static uint64_t helper_ns;
static uint64_t helper_ops;

uint64_t bench_now_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

bool bench_is_quick(void)
{
	return quick;
}

uint32_t bench_nr_cores(void)
{
	return nr_cores;
}

void bench_must(int err, const char *what)
{
	if (err >= 0)
		return;
	fprintf(stderr, "bench: %s: %s\n", what, strerror(-err));
	exit(1);
}

void bench_pin(uint32_t thread)
{
	cpu_set_t set;

	CPU_ZERO(&set);
	CPU_SET(cores[thread % BENCH_MAX_THREADS], &set);
	sched_setaffinity(0, sizeof(set), &set);
}

static void find_cores(void)
{
	cpu_set_t set;

	bench_must(-sched_getaffinity(0, sizeof(set), &set), "sched_getaffinity");
	for (int cpu = 0; cpu < CPU_SETSIZE && nr_cores < BENCH_MAX_THREADS; cpu++)
		if (CPU_ISSET(cpu, &set))
			cores[nr_cores++] = (uint32_t)cpu;
	for (uint32_t i = nr_cores; i < BENCH_MAX_THREADS; i++)
		cores[i] = cores[0];
}

static void usage(const char *name)
{
	fprintf(stderr, "usage: %s [--quick] [--json FILE] [--only BENCH]\n", name);
	exit(2);
}

void bench_init(int argc, char **argv)
{
	for (int i = 1; i < argc; i++) {
		if (!strcmp(argv[i], "--quick"))
			quick = true;
		else if (!strcmp(argv[i], "--json") && i + 1 < argc)
			json = fopen(argv[++i], "a");
		else if (!strcmp(argv[i], "--only") && i + 1 < argc)
			only = argv[++i];
		else
			usage(argv[0]);
	}
	find_cores();
	bench_pin(0);
}

int bench_finish(void)
{
	return json && fclose(json) ? 1 : 0;
}

void bench_sample(struct bench_variant *variant, double ns)
{
	variant->samples = realloc(variant->samples, (variant->nr_samples + 1) * sizeof(double));
	if (!variant->samples)
		abort();
	variant->samples[variant->nr_samples++] = ns;
}

/* ---- measuring ------------------------------------------------------------------------------- */

static void *help(void *arg)
{
	(void)arg;
	bench_pin(1);
	for (;;) {
		uint64_t begin;

		pthread_barrier_wait(&start_line);
		if (!helper_work)
			return NULL;
		begin = bench_now_ns();
		helper_ops = helper_work->pass(helper_work, 1);
		helper_ns = bench_now_ns() - begin;
		pthread_barrier_wait(&start_line);
	}
}

/* ns per operation */
static double measure(const struct bench_variant *variant)
{
	bool two = variant->nr_threads > 1;
	uint64_t begin, nr_ops;
	double ns;

	if (variant->prepare)
		variant->prepare(variant);
	if (two) {
		helper_work = variant;
		pthread_barrier_wait(&start_line);
	}
	begin = bench_now_ns();
	nr_ops = variant->pass(variant, 0);
	ns = (double)(bench_now_ns() - begin) / (double)(nr_ops ? nr_ops : 1);
	if (two) {
		double other;

		pthread_barrier_wait(&start_line);
		other = (double)helper_ns / (double)(helper_ops ? helper_ops : 1);
		ns = other > ns ? other : ns;
	}
	if (variant->clear_up)
		variant->clear_up(variant);
	return ns;
}

void bench_run(struct bench *bench)
{
	uint32_t repetitions = quick ? bench->repetitions : bench->repetitions * FULL_FACTOR;
	bool two = false;

	if (only && strcmp(only, bench->name))
		return;
	for (uint32_t i = 0; i < bench->nr_variants; i++) {
		struct bench_variant *variant = &bench->variants[i];

		if (variant->nr_threads > 1 && nr_cores < 2)
			variant->missing = "one core";
		two |= variant->nr_threads > 1 && !variant->missing;
	}
	if (two) {
		pthread_barrier_init(&start_line, NULL, 2);
		bench_must(-pthread_create(&helper, NULL, help, NULL), "pthread_create");
	}
	for (uint32_t r = 0; r < WARM_UP + repetitions; r++)
		for (uint32_t i = 0; i < bench->nr_variants; i++) {
			double ns;

			if (bench->variants[i].missing)
				continue;
			ns = measure(&bench->variants[i]);
			if (r >= WARM_UP)
				bench_sample(&bench->variants[i], ns);
		}
	if (two) {
		helper_work = NULL;
		pthread_barrier_wait(&start_line);
		pthread_join(helper, NULL);
		pthread_barrier_destroy(&start_line);
	}
	bench_report(bench);
}

/* ---- telling --------------------------------------------------------------------------------- */

static int compare(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return x < y ? -1 : x > y;
}

static void summarise(struct bench_variant *variant)
{
	uint32_t n = variant->nr_samples;

	if (!n)
		return;
	qsort(variant->samples, n, sizeof(double), compare);
	variant->min_ns = variant->samples[0];
	variant->median_ns = variant->samples[n / 2];
	variant->p95_ns = variant->samples[(uint64_t)n * 95 / 100];
	free(variant->samples);
	variant->samples = NULL;
	variant->nr_samples = 0;
}

static const struct bench_variant *baseline(const struct bench *bench, const struct bench_variant *variant)
{
	for (uint32_t i = 0; variant->against && i < bench->nr_variants; i++)
		if (!strcmp(bench->variants[i].name, variant->against) &&
		    (bench->variants[i].nr_threads > 1) == (variant->nr_threads > 1))
			return &bench->variants[i];
	for (uint32_t i = 0; variant->against && i < bench->nr_variants; i++)
		if (!strcmp(bench->variants[i].name, variant->against))
			return &bench->variants[i];
	return NULL;
}

/* What ratios and targets are about. */
static double figure(const struct bench_variant *variant)
{
	return variant->nr_threads > 1 ? variant->median_ns : variant->min_ns;
}

static double ratio_of(const struct bench *bench, const struct bench_variant *variant)
{
	const struct bench_variant *base = baseline(bench, variant);

	if (!base || base->min_ns <= 0)
		return 0;
	return variant->nr_threads > 1 ? variant->median_ns / base->median_ns : variant->min_ns / base->min_ns;
}

static const char *number(char text[24], double value, int digits)
{
	if (value > 0)
		snprintf(text, 24, "%.*f", digits, value);
	else
		snprintf(text, 24, "-");
	return text;
}

/* "<=1.05x met" */
static void verdict(char *text, size_t bytes, const struct bench_variant *variant, double ratio)
{
	if (variant->target_ratio > 0 && ratio > 0)
		snprintf(text, bytes, "<=%.2fx %s", variant->target_ratio,
			 ratio <= variant->target_ratio * 1.005 ? "met" : "MISSED");
	else if (variant->target_ns > 0)
		snprintf(text, bytes, "<=%gns %s", variant->target_ns,
			 figure(variant) <= variant->target_ns ? "met" : "MISSED");
	else
		snprintf(text, bytes, "-");
}

static void print_json(const struct bench *bench, const struct bench_variant *variant, double ratio)
{
	if (!json)
		return;
	fprintf(json, "{\"bench\":\"%s\",\"variant\":\"%s\",\"unit\":\"%s\",\"threads\":%u", bench->name, variant->name,
		bench->unit, variant->nr_threads > 1 ? variant->nr_threads : 1);
	if (variant->missing)
		fprintf(json, ",\"missing\":\"%s\"}\n", variant->missing);
	else
		fprintf(json,
			",\"min_ns\":%.4f,\"median_ns\":%.4f,\"p95_ns\":%.4f,\"against\":\"%s\",\"ratio\":%.4f,"
			"\"target_ratio\":%g,\"target_ns\":%g,\"reference_ratio\":%g}\n",
			variant->min_ns, variant->median_ns, variant->p95_ns, variant->against ? variant->against : "",
			ratio, variant->target_ratio, variant->target_ns, variant->reference_ratio);
}

static void print_variant(const struct bench *bench, const struct bench_variant *variant)
{
	char ratio_text[24], reference_text[24], target_text[48], name[96];
	double ratio = ratio_of(bench, variant);

	snprintf(name, sizeof(name), "%s%s", variant->name, variant->nr_threads > 1 ? ", 2 threads" : "");
	if (variant->missing) {
		printf("  %-44s %s\n", name, variant->missing);
	} else {
		verdict(target_text, sizeof(target_text), variant, ratio);
		printf("  %-44s %9.3f %9.3f %9.3f %8s %8s  %-15s\n", name, variant->min_ns, variant->median_ns,
		       variant->p95_ns, number(ratio_text, ratio, 2), number(reference_text, variant->reference_ratio, 2),
		       target_text);
	}
	print_json(bench, variant, ratio);
}

void bench_report(struct bench *bench)
{
	if (only && strcmp(only, bench->name))
		return;
	for (uint32_t i = 0; i < bench->nr_variants; i++)
		summarise(&bench->variants[i]);
	printf("%s: %s\n", bench->name, bench->question);
	printf("  %-44s %9s %9s %9s %8s %8s  %s\n", bench->unit, "min ns", "median", "p95", "ratio", "before", "target");
	for (uint32_t i = 0; i < bench->nr_variants; i++)
		print_variant(bench, &bench->variants[i]);
	printf("\n");
	fflush(stdout);
}
