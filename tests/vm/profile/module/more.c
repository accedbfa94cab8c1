// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* The second object. */
#include "clamped.h"
#include "logic.h"

/* There is another one of this name. */
static int weigh(int x)
{
	return x > 4 && x < 8 ? 3 * x : x;
}

void more_run(int rounds)
{
	int i = 0;

	do {
		logic_sink = weigh(i + 4) + clamped(i, 1, 2);
		if (i == 1 || rounds > 100)
			logic_sink++;
	} while (++i < rounds);
}
