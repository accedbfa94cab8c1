/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#ifndef CLAMPED_H
#define CLAMPED_H

/* In both objects. */
static inline int clamped(int x, int low, int high)
{
	if (x < low)
		return low;
	return x > high ? high : x;
}

#endif
