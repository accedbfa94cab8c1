/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Between the parts of scaling: what each thread has of its own, and series from one thread to all cores. */
#ifndef COVB_BENCH_SCALING_H
#define COVB_BENCH_SCALING_H

#include "engine.h"
#include "kcov.h"

#define MAX_POINTS 16
#define NR_RECORDS 7936 /* of an area of class 0 */
#define AREA_WORDS 8192

extern uint32_t scaling_nr_cores;
/* Numbers of threads. */
extern uint32_t scaling_points[MAX_POINTS], scaling_nr_points;
/* For each core; the handle of each is its number and one. */
extern struct covbuf_owner *scaling_owners[BENCH_MAX_THREADS];
extern struct kcov *scaling_kcovs;

/* A row of each of these for each number of threads; returns how many. */
uint32_t scaling_add(struct bench_variant *variants, const struct bench_variant *of, uint32_t nr);

/* Shared with children; touched, so that no page is missing later. */
void *scaling_memory(uint64_t bytes);

/* scaling_collect.c */
void scale_collect(void);

#endif
