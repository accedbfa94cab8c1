/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Between the parts of the harness: measuring (bench.c), telling (report.c), counting (counters.c). */
#ifndef COVB_BENCH_HARNESS_H
#define COVB_BENCH_HARNESS_H

#include <stdio.h>

#include "bench.h"

/* The bench's file of JSON lines, or NULL. */
extern FILE *bench_json;
/* --count: nothing is timed, and nothing told. */
extern bool bench_counting;

/* bench.c */
double bench_seconds(void);
void bench_round(struct bench *bench);
void bench_count_all(const struct bench *bench);

/* report.c */
void bench_drop_samples(struct bench *bench);

/* counters.c: the processor's, where it lets itself be asked; otherwise these do nothing. */
void bench_counters_open(void);
void bench_counters_begin(void);
void bench_counters_end(struct bench_variant *variant, uint64_t nr_ops);
/* Under callgrind only: one pass of the variant, counted. */
bool bench_can_count(const char **why);
void bench_count(const struct bench *bench, const struct bench_variant *variant);
/* What was counted before, by bench, variant and x. */
void bench_counts_load(const char *path);
void bench_counts_apply(struct bench *bench);

#endif
