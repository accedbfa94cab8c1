/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * What the benches have in common: variants measured in turn within each round, so that a neighbour on the
 * machine or a change of clock hits all of them; statistics; a table and JSON lines.
 *
 * A bench asks one question. Its variants do the same work in different ways, and one of them is the
 * baseline to which ratios are given. A sample is the time of one pass of nr_ops operations, the longest of
 * its threads', less what reading the clock takes; preparing and clearing up are not in it.
 *
 * With one thread ratios are of minima: the fastest pass is the one that nothing disturbed. With more, a
 * minimum mostly means that the other threads did not run, so ratios are of medians. Even with one, the
 * process has another thread, that sleeps: libc's locks are real ones.
 *
 * README.md beside this says how to read the table, what the JSON lines hold, and how to add a bench.
 */
#ifndef COVB_BENCH_H
#define COVB_BENCH_H

#include <stdbool.h>
#include <stdint.h>

#define BENCH_MAX_THREADS 256
#define BENCH_MAX_VALUES 4
#define BENCH_MAX_TARGETS 6

/* Where the reference ratios come from. */
#define BENCH_REFERENCE "Zen 4 at 3.7 GHz, prototypes"

/* At most this. */
struct bench_target {
	double ratio;		/* to the variant against, or */
	double ns;		/* an operation */
	const char *against;
	uint32_t threads;	/* of the variant against; 0: as many as this has */
	double stretch;		/* as good as could be hoped; 0: nothing */
};

struct bench_value {
	const char *name;	/* "share lost", "records/s" */
	double value;
};

struct bench_variant {
	const char *name;
	double x;		/* where it stands on the bench's axis; no axis: 0 */
	/* One pass by one thread; returns the operations done. */
	uint64_t (*pass)(const struct bench_variant *variant, uint32_t thread);
	void (*prepare)(const struct bench_variant *variant); /* or NULL; before each pass, by the first thread */
	/* or NULL; then, by each of its threads */
	void (*prepare_thread)(const struct bench_variant *variant, uint32_t thread);
	void (*clear_up)(const struct bench_variant *variant); /* or NULL; after it, by the first thread */
	const void *arg;
	uint64_t nr_ops;	/* in a pass, per thread */
	uint32_t nr_threads;	/* 0: one */
	bool uncounted;		/* too long, or of several processes: --count passes it over */
	bool by_median;		/* of several processes: ratios and targets are about medians, as with threads */
	const char *missing;	/* not measured, and why */
	const char *against;	/* name of the baseline; NULL: this is one, or stands alone */
	double target_ratio;	/* at most, to the baseline; 0: none */
	double target_ns;
	struct bench_target targets[BENCH_MAX_TARGETS - 2]; /* more of them */
	double reference_ratio;	/* what was found before, on BENCH_REFERENCE; 0: nothing. In the JSON lines only */

	/* The harness's. */
	double *samples;
	uint32_t nr_samples;
	double min_ns, median_ns, p95_ns;
	double spread;		/* the middle half of the samples, from end to end, to the median */
	double instructions, cycles; /* per operation; 0: not known */
	struct bench_value values[BENCH_MAX_VALUES];
};

struct bench {
	const char *name;
	const char *question;
	const char *unit;	/* what an operation is */
	const char *x_unit;	/* "bytes", "threads", "handles": variants of one name are a line; NULL: no axis */
	struct bench_variant *variants;
	uint32_t nr_variants;
	uint32_t repetitions;	/* with --quick; without, five times as many. Fewer if they take too long */

	/* The harness's. */
	double seconds;
	uint32_t round;
	uint64_t began_ns;
	bool is_warm, told;
};

/* See README.md for the options. Exits on a wrong one. Pins the caller to the first core. */
void bench_init(int argc, char **argv);
/* Whether to measure it: not with --list, nor if --only names others. For a bench that needs much before it runs. */
bool bench_wanted(struct bench *bench);
void bench_run(struct bench *bench);
/* The same, and tell adds values to each variant before the report. */
void bench_run_with(struct bench *bench, void (*tell)(struct bench_variant *variant));
/*
 * A series whose points need a process, and a segment, each: for each x, a child calls begin(x), and runs the variants
 * of that x in turn. begin returns NULL, or why they cannot be measured. The variants of one x stand together in the
 * array, and have one thread.
 */
void bench_run_points(struct bench *bench, const char *(*begin)(double x));
/* After the last bench. */
int bench_finish(void);

bool bench_is_quick(void);
bool bench_is_smoke(void);
/* How many threads can run at the same time. */
uint32_t bench_nr_cores(void);
/* 1, 2, 4 ... and all cores; returns how many, at most 16. */
uint32_t bench_thread_counts(uint32_t counts[16]);
/* Threads and processes of a pass beyond the first have cores of their own, in this order. */
void bench_pin(uint32_t thread);
uint64_t bench_now_ns(void);
/* What two readings of the clock, one behind the other, lie apart: not part of what is between them. */
double bench_clock_ns(void);

/*
 * For a bench that takes its samples by itself: while (bench_another(&bench)) bench_sample(...); bench_report(&bench).
 * The first rounds warm up, and what is sampled in them is dropped.
 */
bool bench_another(struct bench *bench);
void bench_sample(struct bench_variant *variant, double ns);
/* Beside the figures, the last one given counts. The name is kept, not copied. */
void bench_value(struct bench_variant *variant, const char *name, double value);
/* The samples are sorted and dropped. */
void bench_report(struct bench *bench);
/* err: 0 or a negative error number; exits, naming what, if it is one. */
void bench_must(int err, const char *what);

/* The compiler keeps what is in memory, and the value, as they are here. */
#define BENCH_BARRIER() __asm__ volatile("" ::: "memory")
#define BENCH_KEEP(value) __asm__ volatile("" : : "r"(value) : "memory")

#define BENCH_NR(array) (sizeof(array) / sizeof((array)[0]))

#endif
