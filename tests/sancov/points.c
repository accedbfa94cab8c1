/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Instrumented: functions of one block each, so that each call is one record. */
#include "points.h"

volatile unsigned int points_called;

void point_1(void)
{
	points_called++;
}

void point_2(void)
{
	points_called += 2;
}

void point_3(void)
{
	points_called += 3;
}
