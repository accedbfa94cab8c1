// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "world.h"
#include "libcovbuf/platform/kernel/memory.c"

/* After covb_engine_fini(). */
void vectors_forget_engine(void)
{
	memset(&covb_engine, 0, sizeof(covb_engine));
	memset(&shared, 0, sizeof(shared));
	pool_class = 0;
}
