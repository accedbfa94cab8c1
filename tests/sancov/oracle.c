/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * What is to be expected: callbacks that print each event as it comes, with no library under them.
 * Usage: oracle pc|cmp|counters
 */
#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "workload.h"

#define CALLER() ((uint64_t)__builtin_return_address(0) - (uint64_t)(uintptr_t)workload_base)

static bool on, want_pc, want_cmp;
static uint8_t *counters, *counters_end;
static const uintptr_t *pcs;

static void pc_event(uint64_t pc)
{
	if (on && want_pc)
		printf("pc %" PRIx64 "\n", pc);
}

static void cmp_event(uint64_t type, uint64_t a, uint64_t b, uint64_t pc)
{
	if (on && want_cmp)
		printf("cmp %" PRIx64 " %" PRIx64 " %" PRIx64 " %" PRIx64 "\n", type, a, b, pc);
}

/* The compiler's names, which have no header. */
#pragma GCC diagnostic ignored "-Wmissing-prototypes"

void __sanitizer_cov_trace_pc(void)
{
	pc_event(CALLER());
}

void __sanitizer_cov_trace_pc_guard(uint32_t *guard)
{
	(void)guard;
	pc_event(CALLER());
}

void __sanitizer_cov_trace_pc_guard_init(uint32_t *start, uint32_t *end)
{
	(void)start;
	(void)end;
}

void __sanitizer_cov_8bit_counters_init(uint8_t *start, uint8_t *end)
{
	counters = start;
	counters_end = end;
}

void __sanitizer_cov_bool_flag_init(uint8_t *start, uint8_t *end)
{
	counters = start;
	counters_end = end;
}

void __sanitizer_cov_pcs_init(const uintptr_t *start, const uintptr_t *end)
{
	(void)end;
	pcs = start;
}

void __sanitizer_cov_trace_cmp1(uint8_t a, uint8_t b)
{
	cmp_event(0, a, b, CALLER());
}

void __sanitizer_cov_trace_cmp2(uint16_t a, uint16_t b)
{
	cmp_event(2, a, b, CALLER());
}

void __sanitizer_cov_trace_cmp4(uint32_t a, uint32_t b)
{
	cmp_event(4, a, b, CALLER());
}

void __sanitizer_cov_trace_cmp8(uint64_t a, uint64_t b)
{
	cmp_event(6, a, b, CALLER());
}

void __sanitizer_cov_trace_const_cmp1(uint8_t a, uint8_t b)
{
	cmp_event(1, a, b, CALLER());
}

void __sanitizer_cov_trace_const_cmp2(uint16_t a, uint16_t b)
{
	cmp_event(3, a, b, CALLER());
}

void __sanitizer_cov_trace_const_cmp4(uint32_t a, uint32_t b)
{
	cmp_event(5, a, b, CALLER());
}

void __sanitizer_cov_trace_const_cmp8(uint64_t a, uint64_t b)
{
	cmp_event(7, a, b, CALLER());
}

void __sanitizer_cov_trace_cmpf(float a, float b)
{
	uint32_t x, y;

	memcpy(&x, &a, 4);
	memcpy(&y, &b, 4);
	cmp_event(4, x, y, CALLER());
}

void __sanitizer_cov_trace_cmpd(double a, double b)
{
	uint64_t x, y;

	memcpy(&x, &a, 8);
	memcpy(&y, &b, 8);
	cmp_event(6, x, y, CALLER());
}

void __sanitizer_cov_trace_switch(uint64_t val, uint64_t *cases)
{
	uint64_t type = cases[1] == 8 ? 1 : cases[1] == 16 ? 3 : cases[1] == 32 ? 5 : 7;

	for (uint64_t i = 0; i < cases[0]; i++)
		cmp_event(type, cases[i + 2], val, CALLER());
}

int main(int argc, char **argv)
{
	if (argc < 2)
		return 2;
	want_pc = !strcmp(argv[1], "pc");
	want_cmp = !strcmp(argv[1], "cmp");
	on = true;
	workload(WORKLOAD_ROUNDS);
	on = false;
	for (long i = 0; counters && i < counters_end - counters; i++)
		if (counters[i])
			printf("pc %" PRIx64 "\n", (uint64_t)pcs[2 * i] + 1 - (uint64_t)(uintptr_t)workload_base);
	return 0;
}
