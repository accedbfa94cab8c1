/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* An image that comes and goes. */
static volatile int sink;

__attribute__((visibility("default"))) void library_loop(int nr);

void library_loop(int nr)
{
	for (int i = 0; i < nr; i++)
		sink = i;
}

/* Counts once before the runtime knows the image. */
__attribute__((constructor(101))) static void construct(void)
{
	sink = 0;
}
