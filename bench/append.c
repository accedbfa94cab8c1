/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * What does one inlined append cost, beside the least that a store and a count in memory can cost, and
 * beside KCOV's sequence?
 *
 * Eight sites in a loop that fills an area of 64 KiB once, from empty. Each site computes its own
 * program counter, as an instrumented program does.
 */
#include <string.h>

#include "engine.h"
#include "kcov.h"

#define NR_RECORDS 7936 /* of an area of class 0 */
#define NR_CMP (NR_RECORDS / COVBUF_CMP_WORDS)
#define NR_RING 4096
#define NR_FILTERED 8000

#define HERE() ({ uint64_t here_; __asm__ volatile("leaq 0(%%rip), %0" : "=r"(here_)); here_; })
#define EIGHT(...) __VA_ARGS__ __VA_ARGS__ __VA_ARGS__ __VA_ARGS__ __VA_ARGS__ __VA_ARGS__ __VA_ARGS__ __VA_ARGS__
#define PASS(name, nr, ...)                                                                        \
	static __attribute__((noinline, aligned(64))) uint64_t name(const struct bench_variant *variant,  \
								    uint32_t thread)               \
	{                                                                                          \
		(void)variant;                                                                     \
		(void)thread;                                                                      \
		for (uint32_t i = 0; i < (nr) / 8; i++) {                                          \
			EIGHT(__VA_ARGS__)                                                         \
		}                                                                                  \
		return (nr) / 8 * 8;                                                               \
	}

/* ---- peers ----------------------------------------------------------------------------------- */

static uint64_t plain[NR_RECORDS + 1] __attribute__((aligned(4096)));

static void clear_plain(const struct bench_variant *variant)
{
	const enum kcov_mode *mode = variant->arg;

	memset(plain, 0, sizeof(plain));
	kcov_task.now = (struct kcov_state){ .mode = mode ? *mode : KCOV_PC, .nr_words = NR_RECORDS + 1,
					      .area = plain };
}

/* Eight records in a loop: with a, the area in a register, and n. */
#define PASS_PLAIN(name, ...)                                                                              \
	static __attribute__((noinline, aligned(64))) uint64_t name(const struct bench_variant *variant,   \
								    uint32_t thread)                       \
	{                                                                                                  \
		uint64_t *a = plain, n;                                                                    \
                                                                                                           \
		(void)variant;                                                                             \
		(void)thread;                                                                              \
		/* addressed by its name, the count costs the CPU's full store-to-load delay */            \
		__asm__("" : "+r"(a));                                                                     \
		for (uint32_t i = 0; i < NR_RECORDS / 8; i++) {                                            \
			EIGHT(__VA_ARGS__; a[n] = HERE(); BENCH_BARRIER();)                                \
		}                                                                                          \
		return NR_RECORDS;                                                                         \
	}

PASS_PLAIN(pass_cursor, n = 0; a++)
PASS_PLAIN(pass_plain, n = covb_load(a) + 1; covb_store(a, n))
PASS_PLAIN(pass_xadd, n = 1; __asm__ volatile("xaddq %0, %1" : "+r"(n), "+m"(a[0])); n++)
PASS_PLAIN(pass_lock_xadd, n = 1; __asm__ volatile("lock xaddq %0, %1" : "+r"(n), "+m"(a[0])); n++)
PASS_PLAIN(pass_fetch_add, n = __atomic_fetch_add(a, 1, __ATOMIC_RELAXED) + 1)
PASS_PLAIN(pass_cas, n = covb_load(a); while (!covb_cas(a, &n, n + 1)); n++)

/* Without the lock: atomic against the same processor's handlers only. */
static inline __attribute__((always_inline)) bool swap_here(uint64_t *p, uint64_t *old, uint64_t value)
{
	bool same;

	__asm__ volatile("cmpxchgq %3, %1" : "+a"(*old), "+m"(*p), "=@ccz"(same) : "r"(value) : "memory");
	return same;
}
PASS_PLAIN(pass_cas_here, n = covb_load(a); while (!swap_here(a, &n, n + 1)); n++)

static const enum kcov_mode kcov_cmp = KCOV_CMP;
PASS(pass_kcov, NR_RECORDS, kcov_append_pc(HERE()); BENCH_BARRIER();)
PASS(pass_kcov_cmp, NR_CMP, kcov_append_cmp(COVBUF_CMP_SIZE(2), i, i + 1, HERE()); BENCH_BARRIER();)

static uint8_t counters[8];
PASS(pass_counter, NR_FILTERED, covb_store(&counters[i & 7], (uint8_t)(covb_load(&counters[i & 7]) + 1));
     BENCH_BARRIER();)

/* ---- ours ------------------------------------------------------------------------------------ */

static struct covbuf_owner *pc_owner, *cmp_owner, *ring_owner, *unique_owner, *unique_context_owner;
static struct covbuf_owner *pushed;
static covbuf_token token;
static uint32_t guards[NR_FILTERED];
static struct covbuf_image image = { .guards = guards, .guards_end = guards + NR_FILTERED };

static void push(const struct bench_variant *variant)
{
	pushed = *(struct covbuf_owner *const *)variant->arg;
	token = covbuf_push(pushed);
}

static void pop(const struct bench_variant *variant)
{
	(void)variant;
	covbuf_pop(token);
	bench_must(covbuf_collect(pushed, bench_drop, NULL), "covbuf_collect");
}

PASS(pass_pc, NR_RECORDS, covbuf_trace_pc(HERE());)
PASS(pass_cmp, NR_CMP, covbuf_trace_cmp(COVBUF_CMP_SIZE(2), i, i + 1, HERE());)
PASS(pass_ring, NR_RING, covbuf_trace_pc(HERE());)
PASS(pass_filtered, NR_FILTERED, covbuf_trace_pc(HERE());)

static __attribute__((noinline, aligned(64))) uint64_t pass_site(const struct bench_variant *variant, uint32_t thread)
{
	(void)variant;
	(void)thread;
	for (uint32_t i = 0, site = 0; i < NR_FILTERED / 8; i++) {
		EIGHT(covbuf_trace_pc_site(&guards[site], site, HERE()); site++;)
		site &= 63;
	}
	return NR_FILTERED;
}

static void push_full(const struct bench_variant *variant)
{
	push(variant);
	pass_filtered(variant, 0);
}

static void push_seen(const struct bench_variant *variant)
{
	push(variant);
	pass_site(variant, 0);
}

#define BASE "store and count"
#define COUNTER "inline 8-bit counter"
#define PLAIN .prepare = clear_plain, .against = BASE
/* 2 ns are 3.6 of these on a Zen 4 at 3.7 GHz. */
#define DECLINED .against = COUNTER, .target_ns = 2, .targets = { { .ratio = 3.6, .against = BASE } }
#define PUSHED(who) .prepare = push, .clear_up = pop, .arg = &(who)

int main(int argc, char **argv)
{
	struct bench_variant variants[] = {
		{ .name = "cursor in a register, no count", .pass = pass_cursor, PLAIN, .reference_ratio = 0.50 },
		{ .name = BASE, .pass = pass_plain, .prepare = clear_plain },
		{ .name = "KCOV's sequence", .pass = pass_kcov, PLAIN, .reference_ratio = 1.20 },
		{ .name = "xadd", .pass = pass_xadd, PLAIN, .reference_ratio = 4.0 },
		{ .name = "lock xadd", .pass = pass_lock_xadd, PLAIN, .reference_ratio = 4.4 },
		{ .name = "fetch_add(relaxed)", .pass = pass_fetch_add, PLAIN, .reference_ratio = 4.4 },
		{ .name = "cmpxchg", .pass = pass_cas_here, PLAIN, .reference_ratio = 4.5 },
		{ .name = "lock cmpxchg", .pass = pass_cas, PLAIN, .reference_ratio = 4.8 },
		{ .name = "covbuf_trace_pc()", .pass = pass_pc, PUSHED(pc_owner), .against = BASE,
		  .target_ratio = 1.05, .reference_ratio = 1.01 },
		{ .name = "covbuf_trace_pc(), ring", .pass = pass_ring, PUSHED(ring_owner),
		  .against = "covbuf_trace_pc()", .target_ratio = 1.2 },
		{ .name = "covbuf_trace_cmp()", .pass = pass_cmp, PUSHED(cmp_owner), .against = "covbuf_trace_pc()",
		  .target_ratio = 1.85, .reference_ratio = 1.57 },
		{ .name = "KCOV's sequence, comparison", .pass = pass_kcov_cmp, .prepare = clear_plain,
		  .arg = &kcov_cmp,
		  .against = "covbuf_trace_cmp()" },
	};
	struct bench_variant filtered[] = {
		{ .name = "inline 8-bit counter", .pass = pass_counter },
		{ .name = BASE, .pass = pass_plain, .prepare = clear_plain, .against = COUNTER },
		{ .name = "unique per process, seen", .pass = pass_site, .prepare = push_seen, .clear_up = pop,
		  .arg = &unique_owner, .against = COUNTER },
		{ .name = "unique per context, seen", .pass = pass_site, .prepare = push_seen, .clear_up = pop,
		  .arg = &unique_context_owner, .against = COUNTER },
		{ .name = "shut context", .pass = pass_filtered, DECLINED },
		{ .name = "shut context, site", .pass = pass_site, DECLINED },
		{ .name = "full area", .pass = pass_filtered, .prepare = push_full, .clear_up = pop, .arg = &pc_owner,
		  DECLINED },
	};
	struct bench appends = { .name = "append", .unit = "inlined, one record", .variants = variants,
				 .question = "What does appending a record cost beside a plain store and count?",
				 .nr_variants = BENCH_NR(variants), .repetitions = 400 };
	struct bench declined = { .name = "filtered", .unit = "inlined, one site", .variants = filtered,
				  .question = "What does a site cost whose record is not wanted, or has no room?",
				  .nr_variants = BENCH_NR(filtered), .repetitions = 400 };

	bench_init(argc, argv);
	bench_attach(64u << 20, 0, 8);
	bench_must(covbuf_image_attach(&image, COVBUF_ABI), "covbuf_image_attach");
	pc_owner = bench_remote_owner(COVBUF_MODE_PC, COVBUF_LINEAR, 0, BENCH_HANDLE(1));
	cmp_owner = bench_remote_owner(COVBUF_MODE_CMP, COVBUF_LINEAR, 0, BENCH_HANDLE(2));
	ring_owner = bench_remote_owner(COVBUF_MODE_PC, COVBUF_RING, 0, BENCH_HANDLE(3));
	unique_owner = bench_remote_owner(COVBUF_MODE_PC, COVBUF_LINEAR, COVBUF_OWNER_UNIQUE, BENCH_HANDLE(4));
	unique_context_owner = bench_remote_owner(COVBUF_MODE_PC, COVBUF_LINEAR, COVBUF_OWNER_UNIQUE_CONTEXT,
						  BENCH_HANDLE(5));
	bench_run(&appends);
	bench_run(&declined);
	return bench_finish();
}
