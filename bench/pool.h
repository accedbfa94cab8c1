/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The peers of pool.c. Each takes one of POOL_NR_AREAS areas of POOL_AREA_BYTES and gives it back; take and
 * give are called, not inlined, and neither touches more of the area than it must.
 */
#ifndef COVB_BENCH_POOL_H
#define COVB_BENCH_POOL_H

#include "bench.h"

#define POOL_NR_AREAS 64
#define POOL_AREA_BYTES 65536

struct pool_peer {
	const char *name;
	uint64_t (*pass)(const struct bench_variant *variant, uint32_t thread);
	void (*prepare)(const struct bench_variant *variant);	/* or NULL */
	const char *(*set_up)(void);	/* or NULL; once. Why it cannot be measured, or NULL */
	const char *missing;		/* known when it was built; or NULL */
	double reference[2];		/* ratios found before, with one thread and with two */
};

/* Of pool.c: zeroed memory for those that keep their links in the areas. */
extern char *pool_areas;

static inline void *pool_area(uint32_t i)
{
	return pool_areas + (uint64_t)i * POOL_AREA_BYTES;
}

/* Each ends with one that has no name. */
extern const struct pool_peer pool_lists[], pool_libraries[], pool_allocators[], pool_dpdk[];

#define POOL_CALLED static __attribute__((noinline, aligned(64)))

/* A thread's first lines go before the loop. */
#define POOL_PASS_FROM(name, take, give, ...)                                                              \
	POOL_CALLED uint64_t pass_##name(const struct bench_variant *variant, uint32_t thread)              \
	{                                                                                                  \
		(void)thread;                                                                              \
		__VA_ARGS__;                                                                               \
		for (uint64_t i = 0; i < variant->nr_ops; i++) {                                           \
			void *area = take();                                                               \
			BENCH_KEEP(area);                                                                  \
			if (area)                                                                          \
				give(area);                                                                \
		}                                                                                          \
		return variant->nr_ops;                                                                    \
	}
#define POOL_PASS(name, take, give) POOL_PASS_FROM(name, take, give, (void)0)

#endif
