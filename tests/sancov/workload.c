/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Something to instrument: calls, branches, loops, comparisons of every width, a switch and a recursion.
 * It is compiled once for each way of instrumenting, and the same object file is linked with the
 * callbacks of the oracle and with ours, so that positions relative to workload_base() agree.
 */
#include <stdint.h>

#include "workload.h"

uint64_t workload_base(void)
{
	return 1;
}

static __attribute__((noinline)) uint64_t fold(uint64_t a, uint8_t b, uint16_t c, uint32_t d)
{
	uint64_t r = 0;

	if (b == 7)
		r += 1;
	if (c > 300)
		r += 2;
	if (d < (uint32_t)a)
		r += 4;
	if (a * 3 == (uint64_t)d * b)
		r += 8;
	if ((uint8_t)a != b)
		r += 16;
	return r;
}

static __attribute__((noinline)) int compare_floats(double x, float y)
{
	return (x < 0.5) + (y > 2.5f);
}

static __attribute__((noinline)) uint64_t choose(unsigned int v)
{
	switch (v % 11) {
	case 0:
		return 3;
	case 2:
		return fold(v, 1, 2, 3);
	case 5:
		return v * v;
	case 9:
		return 1;
	default:
		return 7;
	}
}

static __attribute__((noinline)) uint64_t descend(unsigned int depth)
{
	if (depth == 0)
		return 1;
	return descend(depth - 1) + choose(depth);
}

uint64_t workload(unsigned int rounds)
{
	volatile uint64_t sum = 0;

	for (unsigned int i = 0; i < rounds; i++) {
		sum += choose(i);
		sum += fold(i * 1000003u, (uint8_t)i, (uint16_t)(i * 77), i * 31);
		sum += (uint64_t)compare_floats(i / 10.0, (float)i);
		if (i % 13 == 12)
			sum += descend(i % 5);
	}
	return sum;
}
