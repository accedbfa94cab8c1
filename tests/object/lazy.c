/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * A function that keeps more values than there are registers across an append, whose first is the context's birth:
 * what it computes must not depend on whether the dynamic linker was in between.
 */
#include <stdio.h>

#include <covbuf/trace.h>

#define NR 12

static __attribute__((noinline)) uint64_t compute(uint64_t *v)
{
	uint64_t a = v[0], b = v[1], c = v[2], d = v[3], e = v[4], f = v[5];
	uint64_t g = v[6], h = v[7], i = v[8], j = v[9], k = v[10], l = v[11];

	covbuf_trace_pc(0x401000);
	covbuf_trace_cmp(COVBUF_CMP_SIZE(3), a, b, 0x401004);
	v[0] = a ^ b;
	v[1] = c + d;
	v[2] = d * e;
	v[3] = e - f;
	return a + 2 * b + 3 * c + 4 * d + 5 * e + 6 * f + 7 * g + 8 * h + 9 * i + 10 * j + 11 * k + 12 * l;
}

static uint64_t compute_anew(void)
{
	uint64_t v[NR];

	for (uint32_t i = 0; i < NR; i++)
		v[i] = i + 1;
	return compute(v);
}

int main(void)
{
	uint64_t first = compute_anew(), second = compute_anew();

	if (first == second)
		return 0;
	fprintf(stderr, "lazy: %llx at first, then %llx\n", (unsigned long long)first, (unsigned long long)second);
	return 1;
}
