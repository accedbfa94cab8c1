/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * What the benches have in common: variants measured in turn within each repetition, so that a
 * neighbour on the machine or a change of clock hits all of them; statistics; a table and JSON lines.
 *
 * A bench asks one question. Its variants do the same work in different ways, and one of them is the
 * baseline to which ratios are given. A sample is the time of one pass of nr_ops operations, the
 * longest of its threads'; preparing and clearing up are not in it.
 *
 * With one thread ratios are of minima: the fastest pass is the one that nothing disturbed. With two,
 * a minimum mostly means that the other thread did not run, so ratios are of medians.
 */
#ifndef COVB_BENCH_H
#define COVB_BENCH_H

#include <stdbool.h>
#include <stdint.h>

#define BENCH_MAX_THREADS 2
#define BENCH_MAX_VARIANTS 32

/* Where the reference ratios come from. */
#define BENCH_REFERENCE "Zen 4 at 3.7 GHz, prototypes"

struct bench_variant {
	const char *name;
	/* One pass by one thread; returns the operations done. */
	uint64_t (*pass)(const struct bench_variant *variant, uint32_t thread);
	void (*prepare)(const struct bench_variant *variant); /* or NULL; before each pass, by the first thread */
	void (*clear_up)(const struct bench_variant *variant); /* or NULL; after it */
	const void *arg;
	uint64_t nr_ops;	/* in a pass, per thread */
	uint32_t nr_threads;	/* 0: one */
	const char *missing;	/* not measured, and why */
	const char *against;	/* name of the baseline; NULL: this is one, or stands alone */
	double target_ratio;	/* at most; 0: none */
	double target_ns;
	double reference_ratio;	/* what was found before, on BENCH_REFERENCE; 0: nothing */

	double *samples;	/* the harness's */
	uint32_t nr_samples;
	double min_ns, median_ns, p95_ns;
};

struct bench {
	const char *name;
	const char *question;
	const char *unit;	/* what an operation is */
	struct bench_variant *variants;
	uint32_t nr_variants;
	uint32_t repetitions;	/* with --quick; without, five times as many */
};

/* --quick, --json FILE, --only BENCH. Exits on anything else. Pins the caller to the first core. */
void bench_init(int argc, char **argv);
void bench_run(struct bench *bench);
/* After the last bench. */
int bench_finish(void);

bool bench_is_quick(void);
/* Below two cores nothing can run beside anything. */
uint32_t bench_nr_cores(void);
void bench_pin(uint32_t thread);
uint64_t bench_now_ns(void);
/* A report of samples that a bench took by itself; they are sorted. */
void bench_report(struct bench *bench);
void bench_sample(struct bench_variant *variant, double ns);
/* err: 0 or a negative error number; exits, naming what, if it is one. */
void bench_must(int err, const char *what);

/* The compiler keeps what is in memory, and the value, as they are here. */
#define BENCH_BARRIER() __asm__ volatile("" ::: "memory")
#define BENCH_KEEP(value) __asm__ volatile("" : : "r"(value) : "memory")

#define BENCH_NR(array) (sizeof(array) / sizeof((array)[0]))

#endif
