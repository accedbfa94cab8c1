// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * KCOV_UNIQUE_ENABLE and KCOV_RESET_TRACE, as version 4 of "Coverage deduplication for KCOV" (July 2025) has them. No
 * released kernel does.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include "abi.h"

#define BITMAP_WORDS 4096ul
#define WORDS (64 * PAGE_WORDS)

/* The trace as an area of its own, after the bitmap. */
static struct cov trace_of(const struct cov *cov, size_t bitmap_words)
{
	return (struct cov){ cov->fd, cov->words - bitmap_words, cov->area + bitmap_words };
}

static unsigned long nr_bits(const struct cov *cov, size_t words)
{
	unsigned long bits = 0;

	for (size_t i = 0; i < words; i++)
		bits += __builtin_popcountll(cov->area[i]);
	return bits;
}

static void clear(const struct cov *cov, size_t words)
{
	for (size_t i = 0; i < words; i++)
		cov->area[i] = 0;
}

static bool has_pc(const struct cov *trace, uint64_t end, uint64_t pc)
{
	for (uint64_t i = 1; i < end; i++)
		if (trace->area[i] == pc)
			return true;
	return false;
}

static unsigned long nr_different(const struct cov *trace)
{
	unsigned long nr = 0;

	for (uint64_t i = 1; i <= trace->area[0]; i++)
		nr += !has_pc(trace, i, trace->area[i]);
	return nr;
}

/* How many different PCs a call of function 0 has. */
static unsigned long different_pcs(void)
{
	struct cov cov = enabled(WORDS, KCOV_TRACE_PC);
	unsigned long nr;

	cov.area[0] = 0;
	run_function(0, 1);
	works(ioctl(cov.fd, KCOV_DISABLE, 0));
	nr = nr_different(&cov);
	expect(nr > 1, "a call has %lu different PCs", nr);
	return nr;
}

static void bitmap_size(void)
{
	int fd = open_words(1000);

	fails(EINVAL, ioctl(fd, KCOV_UNIQUE_ENABLE, 0));
	fails(EINVAL, ioctl(fd, KCOV_UNIQUE_ENABLE, 999));
	fails(EINVAL, ioctl(fd, KCOV_UNIQUE_ENABLE, 1000));
	fails(EINVAL, ioctl(fd, KCOV_UNIQUE_ENABLE, 1ul << 32 | 10));
	fails(EINVAL, ioctl(fd, KCOV_UNIQUE_ENABLE, ~0ul));
	works(ioctl(fd, KCOV_UNIQUE_ENABLE, 998));
	works(ioctl(fd, KCOV_DISABLE, 0));
	works(ioctl(fd, KCOV_UNIQUE_ENABLE, 1));
}

static void errors_of_enable(void)
{
	int fd = open_words(PAGE_WORDS), other = open_words(PAGE_WORDS);

	fails(EINVAL, ioctl(open_device(), KCOV_UNIQUE_ENABLE, 10));
	works(ioctl(fd, KCOV_UNIQUE_ENABLE, 10));
	fails(EINVAL, ioctl(fd, KCOV_UNIQUE_ENABLE, 10));
	fails(EINVAL, ioctl(fd, KCOV_ENABLE, KCOV_TRACE_PC));
	fails(EBUSY, ioctl(other, KCOV_ENABLE, KCOV_TRACE_PC));
	fails(EBUSY, ioctl(other, KCOV_UNIQUE_ENABLE, 10));
	fails(EBUSY, ioctl(other, KCOV_UNIQUE_ENABLE, 0));
	works(ioctl(fd, KCOV_DISABLE, 0));
	works(ioctl(other, KCOV_ENABLE, KCOV_TRACE_PC));
	fails(EBUSY, ioctl(fd, KCOV_UNIQUE_ENABLE, 10));
}

static void each_pc_once(void)
{
	unsigned long want = different_pcs();
	struct cov cov = map_words(WORDS), trace = trace_of(&cov, BITMAP_WORDS);

	works(ioctl(cov.fd, KCOV_UNIQUE_ENABLE, BITMAP_WORDS));
	run_function(0, 10);
	expect(trace.area[0] == want, "%lu records, want %lu", trace.area[0], want);
	expect(nr_pcs(&trace, 0) == want && nr_different(&trace) == want, "the records are not each PC once");
	expect(nr_bits(&cov, BITMAP_WORDS) == want, "%lu bits, want %lu", nr_bits(&cov, BITMAP_WORDS), want);
	run_function(0, 10);
	expect(trace.area[0] == want, "%lu records after the same again, want %lu", trace.area[0], want);
	run_function(1, 10);
	expect(trace.area[0] == 2 * want, "%lu records after another function, want %lu", trace.area[0], 2 * want);
	works(ioctl(cov.fd, KCOV_DISABLE, 0));
	run_function(2, 1);
	expect(trace.area[0] == 2 * want, "it goes on after KCOV_DISABLE");
}

static void bits_stay_the_same(void)
{
	static uint64_t first[BITMAP_WORDS];
	struct cov cov = map_words(WORDS), other = map_words(WORDS);

	works(ioctl(cov.fd, KCOV_UNIQUE_ENABLE, BITMAP_WORDS));
	run_function(0, 1);
	works(ioctl(cov.fd, KCOV_DISABLE, 0));
	memcpy(first, (void *)cov.area, sizeof(first));
	works(ioctl(other.fd, KCOV_UNIQUE_ENABLE, BITMAP_WORDS));
	run_function(1, 1);
	clear(&other, BITMAP_WORDS + 1);
	run_function(0, 1);
	works(ioctl(other.fd, KCOV_DISABLE, 0));
	expect(nr_bits(&cov, BITMAP_WORDS) && !memcmp(first, (void *)other.area, sizeof(first)), "another enable has other bits");
}

static void enable_clears_nothing(void)
{
	unsigned long want = different_pcs();
	struct cov cov = map_words(WORDS), trace = trace_of(&cov, BITMAP_WORDS);

	works(ioctl(cov.fd, KCOV_UNIQUE_ENABLE, BITMAP_WORDS));
	run_function(0, 1);
	works(ioctl(cov.fd, KCOV_DISABLE, 0));
	works(ioctl(cov.fd, KCOV_UNIQUE_ENABLE, BITMAP_WORDS));
	run_function(0, 1);
	expect(trace.area[0] == want, "%lu records, want %lu", trace.area[0], want);
	clear(&cov, BITMAP_WORDS);
	run_function(0, 1);
	expect(trace.area[0] == 2 * want, "%lu records after the bitmap was zeroed, want %lu", trace.area[0], 2 * want);
}

/* As many bits as there are: what has none is recorded each time. */
static void beyond_the_bitmap(void)
{
	struct cov cov = map_words(WORDS), trace = trace_of(&cov, 1);

	works(ioctl(cov.fd, KCOV_UNIQUE_ENABLE, 1));
	for (unsigned int i = 0; i < ABI_PLAIN; i++)
		run_function(i, 1);
	works(ioctl(cov.fd, KCOV_DISABLE, 0));
	expect(trace.area[0] >= nr_bits(&cov, 1), "%lu records, %lu bits", trace.area[0], nr_bits(&cov, 1));
	for (unsigned int i = 0; i < ABI_PLAIN; i++)
		expect(nr_pcs(&trace, i), "nothing of function %u is recorded", i);
}

static void trace_fills_to_the_end(void)
{
	struct cov cov = map_words(PAGE_WORDS), trace = trace_of(&cov, PAGE_WORDS - 3);

	works(ioctl(cov.fd, KCOV_UNIQUE_ENABLE, PAGE_WORDS - 3));
	run_function(0, 5);
	works(ioctl(cov.fd, KCOV_DISABLE, 0));
	expect(trace.area[0] == 2, "a trace of 3 words counts %lu", trace.area[0]);
}

static void hostile_count(void)
{
	const uint64_t counts[] = { PAGE_WORDS - 11, PAGE_WORDS, 1ull << 63, ~1ull, ~0ull };
	struct cov cov = map_words(PAGE_WORDS), trace = trace_of(&cov, 10);

	works(ioctl(cov.fd, KCOV_UNIQUE_ENABLE, 10));
	for (size_t c = 0; c < sizeof(counts) / sizeof(*counts); c++) {
		clear(&cov, PAGE_WORDS);
		trace.area[0] = counts[c];
		run_function(c, 1);
		expect(trace.area[0] == counts[c], "the count was %lx, is %lx", counts[c], trace.area[0]);
		for (size_t i = 1; i < trace.words; i++)
			expect(!trace.area[i], "word %zu is written, with a count of %lx", i, counts[c]);
	}
}

static void then_the_whole_area(void)
{
	struct cov cov = map_words(WORDS);

	works(ioctl(cov.fd, KCOV_UNIQUE_ENABLE, BITMAP_WORDS));
	works(ioctl(cov.fd, KCOV_DISABLE, 0));
	clear(&cov, WORDS);
	works(ioctl(cov.fd, KCOV_ENABLE, KCOV_TRACE_PC));
	run_function(0, 2);
	works(ioctl(cov.fd, KCOV_DISABLE, 0));
	expect_calls(&cov, 0, 2);
}

static void no_comparisons(void)
{
	struct cov cov = map_words(WORDS), trace = trace_of(&cov, BITMAP_WORDS);

	works(ioctl(cov.fd, KCOV_UNIQUE_ENABLE, BITMAP_WORDS));
	compare_values(ABI_HOOKS, 1, 2);
	works(ioctl(cov.fd, KCOV_DISABLE, 0));
	expect(!trace.area[0] && !nr_bits(&cov, BITMAP_WORDS), "a comparison is recorded");
}

static void reset_elsewhere(void *data)
{
	int *fd = data;

	fails(EINVAL, ioctl(*fd, KCOV_RESET_TRACE, 0));
}

static void errors_of_reset(void)
{
	struct cov cov = map_words(PAGE_WORDS);
	int other = open_words(PAGE_WORDS);

	fails(EINVAL, ioctl(open_device(), KCOV_RESET_TRACE, 0));
	fails(EINVAL, ioctl(cov.fd, KCOV_RESET_TRACE, 0));
	works(ioctl(cov.fd, KCOV_ENABLE, KCOV_TRACE_PC));
	run_function(0, 1);
	fails(EINVAL, ioctl(cov.fd, KCOV_RESET_TRACE, 1));
	fails(EINVAL, ioctl(other, KCOV_RESET_TRACE, 0));
	in_thread(reset_elsewhere, &cov.fd);
	in_child(reset_elsewhere, &cov.fd);
	expect(cov.area[0], "a refused KCOV_RESET_TRACE has reset");
	works(ioctl(cov.fd, KCOV_DISABLE, 0));
	fails(EINVAL, ioctl(cov.fd, KCOV_RESET_TRACE, 0));
	expect(cov.area[0], "a refused KCOV_RESET_TRACE has reset");
}

static void resets_the_count(void)
{
	struct cov cov = enabled(WORDS, KCOV_TRACE_PC);

	run_function(0, 5);
	works(ioctl(cov.fd, KCOV_RESET_TRACE, 0));
	run_function(1, 2);
	works(ioctl(cov.fd, KCOV_DISABLE, 0));
	expect_calls(&cov, 1, 2);
	works(ioctl(cov.fd, KCOV_ENABLE, KCOV_TRACE_CMP));
	compare_values(ABI_HOOKS, 1, 2);
	works(ioctl(cov.fd, KCOV_RESET_TRACE, 0));
	works(ioctl(cov.fd, KCOV_DISABLE, 0));
	expect(!cov.area[0], "%lu comparisons", cov.area[0]);
}

static void resets_a_hostile_count(void)
{
	struct cov cov = enabled(WORDS, KCOV_TRACE_PC);

	cov.area[0] = 1ull << 63;
	works(ioctl(cov.fd, KCOV_RESET_TRACE, 0));
	run_function(1, 2);
	works(ioctl(cov.fd, KCOV_DISABLE, 0));
	expect_calls(&cov, 1, 2);
}

static void resets_the_bitmap(void)
{
	unsigned long want = different_pcs();
	struct cov cov = map_words(WORDS), trace = trace_of(&cov, BITMAP_WORDS);

	works(ioctl(cov.fd, KCOV_UNIQUE_ENABLE, BITMAP_WORDS));
	run_function(0, 3);
	run_function(1, 3);
	works(ioctl(cov.fd, KCOV_RESET_TRACE, 0));
	expect(!trace.area[0] && !nr_bits(&cov, BITMAP_WORDS), "%lu records and %lu bits are left", trace.area[0],
	       nr_bits(&cov, BITMAP_WORDS));
	run_function(0, 3);
	expect(trace.area[0] == want, "%lu records, want %lu", trace.area[0], want);
}

/* What it is for. */
static void resets_for_a_read_only_map(void)
{
	struct cov cov = { open_words(WORDS), WORDS, NULL };

	cov.area = (uint64_t *)works(mmap(NULL, WORDS * 8, PROT_READ, MAP_SHARED, cov.fd, 0));
	works(ioctl(cov.fd, KCOV_ENABLE, KCOV_TRACE_PC));
	for (int round = 0; round < 10; round++) {
		works(ioctl(cov.fd, KCOV_RESET_TRACE, 0));
		run_function(round % ABI_PLAIN, 3);
		expect_calls(&cov, round % ABI_PLAIN, 3);
	}
}

static void resets_sections(void)
{
	struct cov cov = map_words(WORDS);

	remote_enabled(&cov, USB(3));
	work(USB(3), 1, 3);
	works(ioctl(cov.fd, KCOV_RESET_TRACE, 0));
	expect(!cov.area[0], "%lu records", cov.area[0]);
	work(USB(3), 2, 3);
	expect_calls(&cov, 2, 3);
}

const struct check unique_checks[] = {
	{ "unique/bitmap_size", bitmap_size },
	{ "unique/errors", errors_of_enable },
	{ "unique/each_pc_once", each_pc_once },
	{ "unique/bits_stay_the_same", bits_stay_the_same },
	{ "unique/enable_clears_nothing", enable_clears_nothing },
	{ "unique/beyond_the_bitmap", beyond_the_bitmap },
	{ "unique/trace_fills_to_the_end", trace_fills_to_the_end },
	{ "unique/hostile_count", hostile_count },
	{ "unique/then_the_whole_area", then_the_whole_area },
	{ "unique/no_comparisons", no_comparisons },
	{ "reset/errors", errors_of_reset },
	{ "reset/count", resets_the_count },
	{ "reset/hostile_count", resets_a_hostile_count },
	{ "reset/bitmap", resets_the_bitmap },
	{ "reset/read_only_map", resets_for_a_read_only_map },
	{ "reset/sections", resets_sections },
	{ }
};
