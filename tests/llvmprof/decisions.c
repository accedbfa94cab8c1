/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * decisions N: something for clang to instrument with counters and MC/DC bitmaps: decisions of two to four
 * conditions, a loop, a switch, a function that is inlined, one that never runs.
 */
#include <stdio.h>
#include <stdlib.h>

static __attribute__((used)) int never(int a, int b)
{
	return a && b;
}

static inline int small(int a, int b)
{
	return (a > 3 && b < 4) ? a : b;
}

static __attribute__((noinline)) int decide(int a, int b, int c, int d)
{
	if ((a && b) || c)
		return 1;
	if (a || (b && (c || d)))
		return 2;
	return 3;
}

static int choose(int i)
{
	switch (i % 5) {
	case 0:
		return small(i, 2);
	case 1:
	case 2:
		return decide(i & 1, i & 2, i & 4, i & 8);
	default:
		return i > 90 ? 4 : 5;
	}
}

int main(int argc, char **argv)
{
	int n = argc > 1 ? atoi(argv[1]) : 100, sum = 0;

	for (int i = 0; i < n; i++)
		sum += choose(i);
	printf("%d\n", sum);
	return 0;
}
