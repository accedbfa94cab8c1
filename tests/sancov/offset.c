// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* PAD_BYTES of thread-local data before the engine's; says where those are, and calls what is instrumented. */
#include <stdio.h>

#include <covbuf/context.h>

#include "points.h"

static __thread volatile char pad[PAD_BYTES] __attribute__((aligned(128)));

int main(void)
{
	pad[0] = 1;
#if defined(__powerpc64__)
	register char *thread __asm__("r13");

	__asm__("" : "=r"(thread));
#else
	char *thread = __builtin_thread_pointer();
#endif
	printf("%ld\n", (long)((char *)&covbuf_tls - thread));
	point_1();
	point_2();
	return 0;
}
