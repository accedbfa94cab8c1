// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * A chain of decisions that all go the same way: each of its counters, in the order that they have in memory, counts what the one
 * before it counts, a little later.
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
#define THEN(n) if (y & 1 << 30) { sink = n;
	THEN(1) THEN(2) THEN(3) THEN(4) THEN(5) THEN(6) THEN(7) THEN(8)
	THEN(9) THEN(10) THEN(11) THEN(12) THEN(13) THEN(14) THEN(15) THEN(16)
	}}}}}}}}}}}}}}}}
	sink = storm_decide(x);
}

noinline void storm_tick(unsigned int x)
{
	storm_step(x);
}
