/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* What is covered. Compiled for source-based coverage; the program that looks at it is not. */
#include "subject.h"

static volatile int sink;

void subject_loop(int nr)
{
	for (int i = 0; i < nr; i++)
		sink = i;
}

int subject_decide(int a, int b, int c)
{
	if ((a && b) || c)
		return 1;
	return 0;
}
