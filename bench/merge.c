/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * What does merging an area into a KCOV owner's single area cost, beside copying as many bytes, and beside KCOV's
 * own move?
 *
 * A pass fills an area and copies it; only the copying is timed, and the records have just been written by the
 * same core. Of ours that is the pop. The pop also leaves the area zeroed, which no copy does; "memcpy, memset"
 * does. Each does it twice in a row, and the second is the sample: what it writes to is in the caches as far as it
 * fits.
 *
 * Areas are whole pages and a count stands before the merged records, so the destination is one word off the
 * source's place in its page. Large copies depend on such places: half a page apart is another figure.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#if defined(__x86_64__)
#include <emmintrin.h>
#endif

#include "engine.h"
#include "kcov.h"

#define NR_SIZES 4
#define PAGE_WORDS 512
#define BLOCK_WORDS 256 /* areas are multiples of it */

static const uint32_t classes[NR_SIZES] = { 0, 3, 5, 7 }; /* 64 KiB, 512 KiB, 2 MiB, 8 MiB */
static const char *const names[NR_SIZES] = { "merge64K", "merge512K", "merge2M", "merge8M" };

/* An owner that merges. */
struct merged {
	struct covbuf_owner *owner;
	uint64_t *target, nr_target_words;
};

struct merge_size {
	struct merged pc, cmp;
	uint64_t *from, *to; /* page-aligned, with a page to spare */
	uint64_t nr_words;
};

/* ---- copies ---------------------------------------------------------------------------------- */

typedef void (*copy_fn)(uint64_t *to, uint64_t *from, uint64_t nr_words);

static __attribute__((noinline)) void copy_plain(uint64_t *to, uint64_t *from, uint64_t nr_words)
{
	memcpy(to + 1, from, nr_words * 8);
}

static __attribute__((noinline)) void copy_apart(uint64_t *to, uint64_t *from, uint64_t nr_words)
{
	memcpy(to + PAGE_WORDS / 2, from, nr_words * 8);
}

static __attribute__((noinline)) void copy_and_zero(uint64_t *to, uint64_t *from, uint64_t nr_words)
{
	memcpy(to + 1, from, nr_words * 8);
	memset(from, 0, nr_words * 8);
}

/* What stays in the nearest cache is zeroed there. Two lines are written back for each that is read, where memcpy() has one. */
static __attribute__((noinline)) void copy_and_zero_blocks(uint64_t *to, uint64_t *from, uint64_t nr_words)
{
	for (uint64_t k = 0; k < nr_words; k += BLOCK_WORDS) {
		memcpy(to + 1 + k, from + k, BLOCK_WORDS * 8);
		memset(from + k, 0, BLOCK_WORDS * 8);
	}
}

#if defined(__x86_64__)
#define X86_MISSING NULL
static __attribute__((noinline)) void copy_string(uint64_t *to, uint64_t *from, uint64_t nr_words)
{
	uint64_t nr_bytes = nr_words * 8;

	to++;
	__asm__ volatile("rep movsb" : "+D"(to), "+S"(from), "+c"(nr_bytes) : : "memory");
}

/* Around the caches, where it can be: from the first pair of words that is aligned. */
static __attribute__((noinline)) void copy_streaming(uint64_t *to, uint64_t *from, uint64_t nr_words)
{
	uint64_t k = 0;

	to++;
	for (; (uintptr_t)&to[k] % 16; k++)
		to[k] = from[k];
	for (; k + 2 <= nr_words; k += 2)
		_mm_stream_si128((__m128i *)&to[k], _mm_loadu_si128((const __m128i *)&from[k]));
	for (; k < nr_words; k++)
		to[k] = from[k];
	_mm_sfence();
}
#else
#define X86_MISSING "is of x86-64"
#define copy_string copy_plain
#define copy_streaming copy_plain
#endif

static double copy_once(const struct merge_size *size, copy_fn copy)
{
	uint64_t begin;

	for (uint64_t k = 0; k < size->nr_words; k++)
		covb_store(&size->from[k], k + 1);
	begin = bench_now_ns();
	copy(size->to, size->from, size->nr_words);
	BENCH_KEEP(size->to);
	return (double)(bench_now_ns() - begin) - bench_clock_ns();
}

/* From an area that has a count too. */
static double move_once(const struct merge_size *size, enum kcov_mode mode)
{
	uint64_t begin;

	for (uint64_t k = 1; k <= size->nr_words; k++)
		covb_store(&size->from[k], k);
	covb_store(size->from, size->nr_words / (mode == KCOV_CMP ? COVBUF_CMP_WORDS : 1));
	covb_store(size->to, 0);
	begin = bench_now_ns();
	kcov_move(mode, size->to, size->nr_words + 1, size->from);
	BENCH_KEEP(size->to);
	return (double)(bench_now_ns() - begin) - bench_clock_ns();
}

/* ---- ours ------------------------------------------------------------------------------------ */

static double merge_once(const struct merged *merged, uint64_t nr_words, bool cmp)
{
	covbuf_token token;
	uint64_t begin;

	covb_store_release(&merged->target[0], 0);
	token = covbuf_push(merged->owner);
	for (uint64_t k = 0; !cmp && k < nr_words; k++)
		covbuf_trace_pc(k + 1);
	for (uint64_t k = 0; cmp && k < nr_words; k += COVBUF_CMP_WORDS)
		covbuf_trace_cmp(COVBUF_CMP_SIZE(2), k, k + 1, k + 1);
	begin = bench_now_ns();
	covbuf_pop(token);
	return (double)(bench_now_ns() - begin) - bench_clock_ns();
}

static void open_merged(struct merged *merged, uint32_t area_class, uint32_t mode, uint64_t handle)
{
	struct covbuf_owner_options options = { .mode = mode, .area_class = area_class, .flags = COVBUF_OWNER_KCOV,
						.name = "merge" };

	bench_must(covbuf_owner_create(&options, &merged->owner), "covbuf_owner_create");
	bench_must(covbuf_remote_enable(merged->owner, &handle, 1, 0), "covbuf_remote_enable");
	bench_must(covbuf_owner_target(merged->owner, &merged->target, &merged->nr_target_words),
		   "covbuf_owner_target");
}

static void close_merged(struct merged *merged)
{
	covbuf_disable(merged->owner);
	covbuf_owner_put(merged->owner);
}

/* ---- sizes ----------------------------------------------------------------------------------- */

#define SECOND(once) ((void)(once), (once))

static uint64_t *pages(uint64_t nr_words)
{
	uint64_t *memory = aligned_alloc(4096, (nr_words / PAGE_WORDS + 2) * 4096);

	bench_must(memory ? 0 : -ENOMEM, "aligned_alloc");
	return memset(memory, 0, (nr_words / PAGE_WORDS + 2) * 4096);
}

static void measure(uint32_t area_class, const char *name)
{
	struct merge_size size = { .nr_words = covbuf_class_words(area_class) / COVBUF_CMP_WORDS * COVBUF_CMP_WORDS };
	/* At least 0.95 of memcpy()'s speed; above, 1.5 of it. */
	double limit = area_class < 5 ? 1 / 0.95 : area_class < 7 ? 0 : 1 / 1.5;
	struct bench_variant variants[] = {
		{ .name = "memcpy" },
		{ .name = "memcpy, half a page apart", .against = "memcpy" },
		{ .name = "memcpy, memset of the source", .against = "memcpy" },
		{ .name = "the same by blocks of 2 KiB", .against = "memcpy" },
		{ .name = "rep movsb", .against = "memcpy", .missing = X86_MISSING },
		{ .name = "non-temporal stores", .against = "memcpy", .missing = X86_MISSING },
		{ .name = "KCOV's move", .against = "memcpy" },
		{ .name = "KCOV's move, comparisons", .against = "memcpy" },
		{ .name = "merge", .against = "memcpy", .target_ratio = limit },
		{ .name = "merge, comparisons", .against = "memcpy" },
	};
	static const copy_fn copies[] = { copy_plain, copy_apart, copy_and_zero, copy_and_zero_blocks, copy_string,
					  copy_streaming };
	struct bench bench = { .name = name, .unit = "word", .variants = variants,
			       .question = "What does merging cost beside copying?", .nr_variants = BENCH_NR(variants),
			       .repetitions = 20 };

	if (!bench_wanted(&bench))
		return;
	bench_must(covbuf_pool_grow(area_class, 4), "covbuf_pool_grow");
	open_merged(&size.pc, area_class, COVBUF_MODE_PC, BENCH_HANDLE(2 * area_class + 1));
	open_merged(&size.cmp, area_class, COVBUF_MODE_CMP, BENCH_HANDLE(2 * area_class + 2));
	size.from = pages(size.nr_words);
	size.to = pages(size.nr_words);
	while (bench_another(&bench)) {
		double nr_words = (double)size.nr_words;
		uint32_t i = 0;

		for (; i < BENCH_NR(copies); i++)
			if (!variants[i].missing)
				bench_sample(&variants[i], SECOND(copy_once(&size, copies[i])) / nr_words);
		bench_sample(&variants[i++], SECOND(move_once(&size, KCOV_PC)) / nr_words);
		bench_sample(&variants[i++], SECOND(move_once(&size, KCOV_CMP)) / nr_words);
		bench_sample(&variants[i++], SECOND(merge_once(&size.pc, size.nr_words, false)) / nr_words);
		bench_sample(&variants[i++], SECOND(merge_once(&size.cmp, size.nr_words, true)) / nr_words);
	}
	bench_report(&bench);
	free(size.from);
	free(size.to);
	close_merged(&size.pc);
	close_merged(&size.cmp);
}

int main(int argc, char **argv)
{
	bench_init(argc, argv);
	bench_attach(256u << 20, 0, 0);
	for (uint32_t i = 0; i < NR_SIZES; i++)
		measure(classes[i], names[i]);
	return bench_finish();
}
