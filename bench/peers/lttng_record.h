/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* A tracepoint at each place, written by hand. */
#include <stdint.h>

#include "lttng_tracepoint.h"

#define RECORD(number)                                                                                     \
	do {                                                                                               \
		uint64_t pc_;                                                                              \
		__asm__ volatile("leaq 0(%%rip), %0" : "=r"(pc_));                                         \
		lttng_ust_tracepoint(covb_bench, pc, pc_);                                                 \
	} while (0)
