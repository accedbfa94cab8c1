/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * A program under measurement is three parts: its own code, instrumented in one way or another; a workload,
 * which calls it and is not instrumented; and what the instrumentation calls. driver.c puts them together.
 *
 * A pass is the same work each time, in slices of some ten thousand edges. Whoever collects everything is
 * emptied between slices, and the clock stands still meanwhile: what a pass takes is what the program takes,
 * with an area that never runs full, and nothing of the collector.
 */
#ifndef COVB_BENCH_DRIVER_H
#define COVB_BENCH_DRIVER_H

#include <stdint.h>

/* The workload. */
extern const uint32_t workload_slices; /* in a pass */
void workload_prepare(void);
void workload_slice(uint32_t i);

/* What records; where there is nothing to do, driver.c has functions that do nothing. */
void recorder_start(const char *mode);	/* before anything instrumented runs */
void recorder_begin(void);		/* a slice */
void recorder_end(void);
void recorder_finish(void);		/* a pass, the clock running */
uint64_t recorder_edges(void);		/* recorded since the last time; 0: does not know */
uint64_t recorder_lost(void);

void driver_fail(const char *what);

#endif
