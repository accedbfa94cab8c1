// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* Decisions of all sorts, some of which are never taken, some never the other way. */
#include "clamped.h"
#include "logic.h"

volatile long logic_sink;

static int allowed(int user, int owner, int group)
{
	return user == 0 || (owner && group);
}

static int in_range(int x, int low, int high, int strict)
{
	if (strict ? (x > low && x < high) : (x >= low && x <= high))
		return 1;
	return 0;
}

/* There is another one of this name. */
static int weigh(int x)
{
	int sum = 0;

	for (int i = 0; i < x; i++) {
		if (i % 3 == 0 && i % 2 == 0 && i != 6)
			continue;
		if (i > 7 || sum > 40)
			break;
		sum += i;
	}
	return sum;
}

static char grade(int n)
{
	switch (n / 10) {
	case 10:
	case 9:
		return 'A';
	case 8:
		return 'B';
	case 7:
		return 'C';
	default:
		return n < 0 ? '?' : 'F';
	}
}

static int never(int x)
{
	while (x > 0 && !(x & 1))
		x /= 2;
	return x;
}

void logic_early(void)
{
	logic_sink = allowed(1, 1, 0);
	logic_sink = clamped(5, 0, 3);
}

void logic_run(void)
{
	for (int i = 0; i < 5; i++)
		logic_sink = grade(55 + 10 * i);
	logic_sink = allowed(1, 1, 1);
	logic_sink = allowed(1, 0, 1);
	for (int i = -1; i < 3; i++)
		logic_sink = in_range(i, 0, 2, i & 1);
	for (int i = 0; i < 12; i += 4)
		logic_sink = weigh(i);
	if (logic_sink == 0x1234567)
		logic_sink = never(48);
	more_run(3);
}

void logic_late(void)
{
	logic_sink = allowed(0, 0, 0);
	logic_sink = clamped(-5, 0, 3);
}
