/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * What does the callback cost that an instrumented program calls, beside one that does nothing?
 *
 * The callbacks are the archive's, called directly from the same image. Where code lies moves these
 * figures by a tenth; all callbacks and loops are aligned to 64 bytes.
 */
#include <string.h>

#include "engine.h"
#include "kcov.h"

#define NR_RECORDS 7936
#define NR_RING 4096

void __sanitizer_cov_trace_pc(void);
void __sanitizer_cov_trace_pc_guard(uint32_t *guard);
/* callback_peers.c */
void bench_callback_empty(void);
void bench_callback_empty_guard(uint32_t *guard);
void bench_callback_kcov(void);

#define EIGHT(...) __VA_ARGS__ __VA_ARGS__ __VA_ARGS__ __VA_ARGS__ __VA_ARGS__ __VA_ARGS__ __VA_ARGS__ __VA_ARGS__
#define PASS(name, ...)                                                                            \
	static __attribute__((noinline, aligned(64))) uint64_t name(const struct bench_variant *variant,   \
								    uint32_t thread)                       \
	{                                                                                          \
		(void)variant;                                                                     \
		(void)thread;                                                                      \
		for (uint32_t i = 0; i < NR_RECORDS / 8; i++) {                                    \
			EIGHT(__VA_ARGS__)                                                         \
		}                                                                                  \
		return NR_RECORDS;                                                                 \
	}

static uint64_t plain[NR_RECORDS + 1] __attribute__((aligned(4096)));
static struct covbuf_owner *pc_owner, *ring_owner, *unique_owner, *pushed;
static covbuf_token token;
static uint32_t guards[64] = { 1, 2, 3, 4, 5, 6, 7, 8 };
static struct covbuf_image image = { .guards = guards, .guards_end = guards + 64 };

static void clear_plain(const struct bench_variant *variant)
{
	(void)variant;
	memset(plain, 0, sizeof(plain));
	kcov_task.now = (struct kcov_state){ .mode = KCOV_PC, .nr_words = NR_RECORDS + 1, .area = plain };
}

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

PASS(pass_empty, bench_callback_empty();)
PASS(pass_empty_guard, bench_callback_empty_guard(&guards[i & 7]);)
PASS(pass_kcov, bench_callback_kcov();)
PASS(pass_pc, __sanitizer_cov_trace_pc();)
PASS(pass_guard, __sanitizer_cov_trace_pc_guard(&guards[i & 7]);)

static void push_full(const struct bench_variant *variant)
{
	push(variant);
	pass_pc(variant, 0);
	pass_pc(variant, 0);
}

/* As many as a ring has room for that nobody drains. */
static __attribute__((noinline, aligned(64))) uint64_t pass_ring(const struct bench_variant *variant, uint32_t thread)
{
	(void)variant;
	(void)thread;
	for (uint32_t i = 0; i < NR_RING / 8; i++) {
		EIGHT(__sanitizer_cov_trace_pc();)
	}
	return NR_RING;
}

#define EMPTY "empty callback"
#define EMPTY_GUARD "empty callback, guard"
#define PUSHED(who) .prepare = push, .clear_up = pop, .arg = &(who)
/* 2 ns are 1.8 of an empty callback on a Zen 4 at 3.7 GHz. */
#define SHUT(empty) .against = empty, .target_ns = 2, .targets = { { .ratio = 1.8, .against = empty } }

int main(int argc, char **argv)
{
	struct bench_variant variants[] = {
		{ .name = EMPTY, .pass = pass_empty, .prepare = clear_plain },
		{ .name = "KCOV's sequence", .pass = pass_kcov, .prepare = clear_plain, .against = EMPTY,
		  .reference_ratio = 1.24 },
		{ .name = "trace-pc", .pass = pass_pc, PUSHED(pc_owner), .against = EMPTY,
		  .target_ratio = 1.05, .reference_ratio = 1.00 },
		{ .name = "trace-pc, shut", .pass = pass_pc, SHUT(EMPTY) },
		{ .name = "trace-pc, full area", .pass = pass_pc, .prepare = push_full, .clear_up = pop, .arg = &pc_owner,
		  SHUT(EMPTY) },
		{ .name = "trace-pc, ring", .pass = pass_ring, PUSHED(ring_owner), .against = EMPTY },
		{ .name = EMPTY_GUARD, .pass = pass_empty_guard },
		{ .name = "trace-pc-guard", .pass = pass_guard, PUSHED(pc_owner), .against = EMPTY_GUARD,
		  .target_ratio = 1.05 },
		{ .name = "trace-pc-guard, unique, seen", .pass = pass_guard, PUSHED(unique_owner),
		  .against = EMPTY_GUARD },
		{ .name = "trace-pc-guard, shut", .pass = pass_guard, SHUT(EMPTY_GUARD) },
	};
	struct bench bench = { .name = "callback", .unit = "called, one site", .variants = variants,
			       .question = "What does a static callback cost beside an empty one?",
			       .nr_variants = BENCH_NR(variants), .repetitions = 400 };

	bench_init(argc, argv);
	bench_attach(64u << 20, 0, 8);
	bench_must(covbuf_image_attach(&image, COVBUF_ABI), "covbuf_image_attach");
	pc_owner = bench_remote_owner(COVBUF_MODE_PC, COVBUF_LINEAR, 0, BENCH_HANDLE(1));
	ring_owner = bench_remote_owner(COVBUF_MODE_PC, COVBUF_RING, 0, BENCH_HANDLE(2));
	unique_owner = bench_remote_owner(COVBUF_MODE_PC, COVBUF_LINEAR, COVBUF_OWNER_UNIQUE, BENCH_HANDLE(4));
	bench_run(&bench);
	return bench_finish();
}
