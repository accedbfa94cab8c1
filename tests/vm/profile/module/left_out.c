// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* An object that is not counted. */
#include <linux/compiler.h>

int left_out(int x);

noinline int left_out(int x)
{
	return x > 3 ? x * 5 : x + 7;
}
