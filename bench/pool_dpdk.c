/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * DPDK's mempool, without a cache and with one for each thread. Its environment needs no huge pages and no
 * devices here. Its functions are for inlining; called, as the others are, and inlined.
 */
#define _GNU_SOURCE
#include <stdio.h>
#if defined(BENCH_DPDK)
#include <sched.h>
#include <rte_eal.h>
#include <rte_lcore.h>
#include <rte_log.h>
#include <rte_mempool.h>
#endif

#include "pool.h"

#if defined(BENCH_DPDK)
#define NR_ELEMENTS (2 * POOL_NR_AREAS - 1)
#define NR_CACHED 32

static struct rte_mempool *bare, *cached;

/* Its threads and this one wait for each other by spinning, which with a real-time priority none ends on one core. */
static int init(int nr, char **arguments)
{
	struct sched_param none = { 0 }, before;
	int policy = sched_getscheduler(0), err;

	sched_getparam(0, &before);
	sched_setscheduler(0, SCHED_OTHER, &none);
	err = rte_eal_init(nr, arguments);
	sched_setscheduler(0, policy, &before);
	return err;
}

static const char *set_up(void)
{
	static const char *const failed = "DPDK's environment does not start here";
	static const char *told;
	static bool tried;
	char core[16];
	char *arguments[] = { "bench", "--no-huge", "-m", "64", "--no-pci", "--no-shconf", "--no-telemetry",
			      "--log-level=1", "-l", core, NULL };

	if (tried)
		return told;
	tried = true;
	told = failed;
	snprintf(core, sizeof(core), "%d", sched_getcpu());
	if (init(BENCH_NR(arguments) - 1, arguments) < 0)
		return told;
	bare = rte_mempool_create("bare", NR_ELEMENTS, POOL_AREA_BYTES, 0, 0, NULL, NULL, NULL, NULL, SOCKET_ID_ANY, 0);
	cached = rte_mempool_create("cached", NR_ELEMENTS, POOL_AREA_BYTES, NR_CACHED, 0, NULL, NULL, NULL, NULL,
				    SOCKET_ID_ANY, 0);
	if (bare && cached)
		told = NULL;
	return told;
}

/* Threads that DPDK did not make have caches only if it knows them. */
static void register_thread(void)
{
	if (rte_lcore_id() == LCORE_ID_ANY)
		bench_must(rte_thread_register() ? -1 : 0, "rte_thread_register");
}

POOL_CALLED void *bare_take(void)
{
	void *area;

	return rte_mempool_get(bare, &area) ? NULL : area;
}

POOL_CALLED void bare_give(void *area)
{
	rte_mempool_put(bare, area);
}
POOL_PASS_FROM(bare, bare_take, bare_give, register_thread())

static inline void *inline_take(void)
{
	void *area;

	return rte_mempool_get(cached, &area) ? NULL : area;
}

static inline void inline_give(void *area)
{
	rte_mempool_put(cached, area);
}
POOL_PASS_FROM(inlined, inline_take, inline_give, register_thread())

POOL_CALLED void *cached_take(void)
{
	return inline_take();
}

POOL_CALLED void cached_give(void *area)
{
	inline_give(area);
}
POOL_PASS_FROM(cached, cached_take, cached_give, register_thread())
#define DPDK(pass) pass, NULL, set_up, NULL
#elif defined(BENCH_STATIC)
#define DPDK(pass) NULL, NULL, NULL, "a static build does without DPDK"
#else
#define DPDK(pass) NULL, NULL, NULL, "package libdpdk-dev is not installed"
#endif

const struct pool_peer pool_dpdk[] = {
	{ "DPDK rte_mempool, cached", DPDK(pass_cached), { 1.3, 1.2 } },
	{ "DPDK rte_mempool, cached, inlined", DPDK(pass_inlined), { 1.3, 1.2 } },
	{ "DPDK rte_mempool, no cache", DPDK(pass_bare), { 2.3, 60 } },
	{ 0 },
};
