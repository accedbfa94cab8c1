/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* An instrumented library that comes and goes. */
#include <covbuf/types.h>

COVBUF_PUBLIC int plugin_work(int n);

int plugin_work(int n)
{
	int sum = 0;

	while (n-- > 0)
		sum += n % 3 ? n : -n;
	return sum;
}
