// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * A row of decisions that all go the same way: each of its counters, in the order that they have in memory, counts what
 * the one before it counts, a little later. It is long, so that who reads them is interrupted in the middle of it.
 */
#include <linux/compiler.h>

#include "storm.h"

static volatile unsigned int sink;

static noinline int storm_decide(unsigned int x)
{
	return (x & 1) && (x & 2 || x & 4);
}

noinline void storm_step(unsigned int x)
{
	unsigned int y = x | 1 << 30;

	OPTIMIZER_HIDE_VAR(y);
#define ONE if (y & 1 << 30) sink = 1;
#define TEN ONE ONE ONE ONE ONE ONE ONE ONE ONE ONE
#define HUNDRED TEN TEN TEN TEN TEN TEN TEN TEN TEN TEN
	HUNDRED HUNDRED HUNDRED HUNDRED HUNDRED
	sink = storm_decide(x);
}

noinline void storm_tick(unsigned int x)
{
	storm_step(x);
}
