/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * What an operation cannot go below on the machine it runs on, so that a target in nanoseconds, which is about another
 * machine, can be read as a ratio on this one.
 *
 * Two locked instructions on a word of the thread's own are the least for whatever is taken and given back, and may be
 * taken by another processor or a signal handler in between: 5 ns on a Zen 4 at 3.7 GHz.
 */
#ifndef COVB_BENCH_FLOORS_H
#define COVB_BENCH_FLOORS_H

#include <covbuf/atomic.h>

#include "bench.h"

#define FLOOR_SWAPS "two locked swaps of a word of its own"

static struct {
	uint64_t word __attribute__((aligned(128)));
} floor_words[BENCH_MAX_THREADS];

static __attribute__((noinline, aligned(64))) bool floor_take(uint32_t thread)
{
	uint64_t free = 0;

	return covb_cas_acquire(&floor_words[thread].word, &free, 1);
}

static __attribute__((noinline, aligned(64))) void floor_give(uint32_t thread)
{
	uint64_t held = 1;

	covb_cas_release(&floor_words[thread].word, &held, 0);
}

static __attribute__((noinline, aligned(64))) uint64_t floor_pass_swaps(const struct bench_variant *variant,
									uint32_t thread)
{
	for (uint64_t i = 0; i < variant->nr_ops; i++)
		if (floor_take(thread))
			floor_give(thread);
	return variant->nr_ops;
}

#endif
