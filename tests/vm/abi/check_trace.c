// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* What a task's own coverage looks like in the area: PCs, comparisons, the count in word 0. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <sys/ioctl.h>
#include "abi.h"

#define UNTOUCHED 0x5e5e5e5e5e5e5e5eull

static void pcs_of_the_calls(void)
{
	struct cov cov = enabled(64 * PAGE_WORDS, KCOV_TRACE_PC);

	cov.area[0] = 0;
	run_function(3, 5);
	works(ioctl(cov.fd, KCOV_DISABLE, 0));
	expect_calls(&cov, 3, 5);
}

/* As they are in the files that were linked: modules too are moved by what the kernel is. */
static void pcs_without_the_kaslr_offset(void)
{
	struct cov cov = enabled(64 * PAGE_WORDS, KCOV_TRACE_PC);
	struct abi_range range = { .function = 0 };
	uint64_t offset = kaslr_offset();
	unsigned long found = 0;

	works(ioctl(open(ABI_DEVICE, O_RDWR), ABI_RANGE, &range));
	cov.area[0] = 0;
	run_function(0, 1);
	works(ioctl(cov.fd, KCOV_DISABLE, 0));
	for (uint64_t i = 1; i <= cov.area[0]; i++)
		found += cov.area[i] > range.start - offset && cov.area[i] <= range.end - offset;
	expect(found == pcs_per_call(), "%lu PCs of the function, want %lu; the offset is %lx", found, pcs_per_call(), offset);
	if (!offset)
		skip("this kernel is where it was linked");
}

/* The n-th PC of FUNCTION, from 0. */
static uint64_t nth_pc(const struct cov *cov, unsigned int function, unsigned long n)
{
	for (uint64_t i = 1; i <= cov->area[0]; i++)
		if (pc_in(cov->area[i], function) && !n--)
			return cov->area[i];
	fail("there is no such PC");
}

static void in_order(void)
{
	struct cov cov = enabled(64 * PAGE_WORDS, KCOV_TRACE_PC);
	unsigned long per_call = pcs_per_call();

	cov.area[0] = 0;
	run_function(0, 1);
	run_function(1, 1);
	run_function(0, 1);
	works(ioctl(cov.fd, KCOV_DISABLE, 0));
	for (unsigned long i = 0; i < per_call; i++)
		expect(nth_pc(&cov, 0, i) == nth_pc(&cov, 0, per_call + i), "PC %lu of two equal calls differs", i);
	for (uint64_t i = 1, seen = 0; i <= cov.area[0]; i++) {
		seen += pc_in(cov.area[i], 0);
		if (pc_in(cov.area[i], 1))
			expect(seen == per_call, "a PC of the second call after %lu of the first function", seen);
	}
}

static void enable_keeps_the_count(void)
{
	struct cov cov = map_words(64 * PAGE_WORDS);

	for (int i = 1; i < 100; i++)
		cov.area[i] = UNTOUCHED;
	cov.area[0] = 5;
	works(ioctl(cov.fd, KCOV_ENABLE, KCOV_TRACE_PC));
	run_function(0, 1);
	works(ioctl(cov.fd, KCOV_DISABLE, 0));
	expect(cov.area[0] >= 5 + pcs_per_call(), "the count is %lu", cov.area[0]);
	expect(cov.area[5] == UNTOUCHED, "a word below the count was written");
	expect(cov.area[6] != UNTOUCHED, "the first record is not after the count that was there");
	expect_calls(&cov, 0, 1);
}

static void disable_keeps_the_records(void)
{
	struct cov cov = enabled(64 * PAGE_WORDS, KCOV_TRACE_PC);

	cov.area[0] = 0;
	run_function(0, 1);
	works(ioctl(cov.fd, KCOV_DISABLE, 0));
	run_function(1, 1);
	expect_calls(&cov, 0, 1);
}

static void fills_to_the_end(void)
{
	struct cov cov = enabled(PAGE_WORDS, KCOV_TRACE_PC);

	cov.area[0] = 0;
	run_function(0, 2000);
	works(ioctl(cov.fd, KCOV_DISABLE, 0));
	expect(cov.area[0] == PAGE_WORDS - 1, "a full area of %lu words counts %lu", PAGE_WORDS, cov.area[0]);
	expect(cov.area[PAGE_WORDS - 1], "the last word is not used");
}

static void goes_on_when_emptied(void)
{
	struct cov cov = enabled(8 * PAGE_WORDS, KCOV_TRACE_PC);

	run_function(0, 10000);
	cov.area[0] = 0;
	run_function(1, 1);
	works(ioctl(cov.fd, KCOV_DISABLE, 0));
	expect_calls(&cov, 1, 1);
}

/* What a client stores in word 0 is its own affair: the kernel writes no word it should not, word 0 included. */
static void hostile_count(int mode, uint64_t count)
{
	struct cov cov = map_words(PAGE_WORDS);
	struct abi_values values = { 1, 2 };

	for (size_t i = 1; i < cov.words; i++)
		cov.area[i] = UNTOUCHED;
	cov.area[0] = count;
	works(ioctl(cov.fd, KCOV_ENABLE, mode));
	run_function(0, 10);
	compare_values(ABI_HOOKS, values.a, values.b);
	works(ioctl(cov.fd, KCOV_DISABLE, 0));
	expect(cov.area[0] == count, "word 0 was %lx, is %lx", count, cov.area[0]);
	for (size_t i = 1; i < cov.words; i++)
		expect(cov.area[i] == UNTOUCHED, "word %zu is written, with a count of %lx", i, count);
}

static void count_at_the_end(void)
{
	hostile_count(KCOV_TRACE_PC, PAGE_WORDS - 1);
}

static void count_beyond_the_end(void)
{
	hostile_count(KCOV_TRACE_PC, PAGE_WORDS);
	hostile_count(KCOV_TRACE_PC, 1ull << 31);
	hostile_count(KCOV_TRACE_PC, 1ull << 32);
	hostile_count(KCOV_TRACE_PC, 1ull << 61);
	hostile_count(KCOV_TRACE_PC, 1ull << 63);
	hostile_count(KCOV_TRACE_PC, ~1ull);
}

static void count_of_all_ones(void)
{
	hostile_count(KCOV_TRACE_PC, ~0ull);
}

static void cmp_count_at_the_end(void)
{
	hostile_count(KCOV_TRACE_CMP, (PAGE_WORDS - 1) / 4);
}

static void cmp_count_beyond_the_end(void)
{
	hostile_count(KCOV_TRACE_CMP, PAGE_WORDS);
	hostile_count(KCOV_TRACE_CMP, 1ull << 32);
	hostile_count(KCOV_TRACE_CMP, 1ull << 58);
}

/* Times the 32 bytes of a record these wrap to little. */
static void cmp_count_that_wraps(void)
{
	hostile_count(KCOV_TRACE_CMP, 1ull << 59);
	hostile_count(KCOV_TRACE_CMP, 1ull << 61);
	hostile_count(KCOV_TRACE_CMP, 1ull << 62);
	hostile_count(KCOV_TRACE_CMP, 3ull << 62);
}

/* And this one, unchecked, to words before the area. */
static void cmp_count_of_all_ones(void)
{
	hostile_count(KCOV_TRACE_CMP, ~0ull);
}

struct record {
	uint64_t type, arg1, arg2;
};

static void cmp_records(void)
{
	static const struct record want[] = {
		{ KCOV_CMP_SIZE(0), 0x88, 0xa8 },
		{ KCOV_CMP_SIZE(1), 0x7788, 0xa7a8 },
		{ KCOV_CMP_SIZE(2), 0x55667788, 0xa5a6a7a8 },
		{ KCOV_CMP_SIZE(3), 0x1122334455667788, 0xa1a2a3a4a5a6a7a8 },
		{ KCOV_CMP_SIZE(0) | KCOV_CMP_CONST, 0x88, 0xa8 },
		{ KCOV_CMP_SIZE(1) | KCOV_CMP_CONST, 0x7788, 0xa7a8 },
		{ KCOV_CMP_SIZE(2) | KCOV_CMP_CONST, 0x55667788, 0xa5a6a7a8 },
		{ KCOV_CMP_SIZE(3) | KCOV_CMP_CONST, 0x1122334455667788, 0xa1a2a3a4a5a6a7a8 },
		/* A switch: a record for each case, the value second and whole. */
		{ KCOV_CMP_SIZE(0) | KCOV_CMP_CONST, 0x11, 0x1122334455667788 },
		{ KCOV_CMP_SIZE(0) | KCOV_CMP_CONST, 0x22, 0x1122334455667788 },
		{ KCOV_CMP_SIZE(1) | KCOV_CMP_CONST, 0x1111, 0x1122334455667788 },
		{ KCOV_CMP_SIZE(2) | KCOV_CMP_CONST, 0x11111111, 0x1122334455667788 },
		{ KCOV_CMP_SIZE(3) | KCOV_CMP_CONST, 0x1111111111111111, 0x1122334455667788 },
	};
	struct cov cov = enabled(64 * PAGE_WORDS, KCOV_TRACE_CMP);
	size_t found = 0, nr = sizeof(want) / sizeof(*want);

	cov.area[0] = 0;
	compare_values(ABI_HOOKS, 0x1122334455667788, 0xa1a2a3a4a5a6a7a8);
	works(ioctl(cov.fd, KCOV_DISABLE, 0));
	expect(cov.area[0] <= (cov.words - 1) / 4, "the count is %lu", cov.area[0]);
	for (uint64_t i = 0; i < cov.area[0]; i++) {
		volatile uint64_t *record = cov.area + 1 + 4 * i;

		if (!pc_in(record[3], ABI_HOOKING))
			continue;
		expect(found < nr, "there are more than %zu records", nr);
		expect(record[0] == want[found].type && record[1] == want[found].arg1 && record[2] == want[found].arg2,
		       "record %zu is %lx %lx %lx, want %lx %lx %lx", found, record[0], record[1], record[2],
		       want[found].type, want[found].arg1, want[found].arg2);
		found++;
	}
	expect(found == nr, "%zu records, want %zu", found, nr);
}

static bool has_record(const struct cov *cov, uint64_t type, uint64_t arg1, uint64_t arg2)
{
	for (uint64_t i = 0; i < cov->area[0]; i++) {
		volatile uint64_t *record = cov->area + 1 + 4 * i;

		if (pc_in(record[3], ABI_COMPARING) && record[0] == type && record[1] == arg1 && record[2] == arg2)
			return true;
	}
	return false;
}

/* As a compiler places the hooks. */
static void cmp_of_compiled_code(void)
{
	struct cov cov = enabled(64 * PAGE_WORDS, KCOV_TRACE_CMP);

	cov.area[0] = 0;
	compare_values(ABI_COMPARE, 0x1122334455667788, 0xa1a2a3a4a5a6a7a8);
	works(ioctl(cov.fd, KCOV_DISABLE, 0));
	expect(has_record(&cov, KCOV_CMP_SIZE(3), 0x1122334455667788, 0xa1a2a3a4a5a6a7a8), "no record of a == b");
	expect(has_record(&cov, KCOV_CMP_SIZE(3) | KCOV_CMP_CONST, 0x5a5a5a5a5a5a5a5a, 0x1122334455667788),
	       "no record of a comparison with a constant, or it is not first");
	expect(has_record(&cov, KCOV_CMP_SIZE(2) | KCOV_CMP_CONST, 333333, 0x55667788), "no record of a case of a switch");
}

static void cmp_fills_to_the_end(void)
{
	struct cov cov = enabled(PAGE_WORDS, KCOV_TRACE_CMP);

	for (size_t i = 1; i < cov.words; i++)
		cov.area[i] = UNTOUCHED;
	cov.area[0] = 0;
	for (size_t i = 0; i < PAGE_WORDS / 8; i++) /* more than two records each */
		compare_values(ABI_HOOKS, 1, 2);
	works(ioctl(cov.fd, KCOV_DISABLE, 0));
	expect(cov.area[0] == (PAGE_WORDS - 1) / 4, "a full area of %lu words counts %lu", PAGE_WORDS, cov.area[0]);
	expect(cov.area[PAGE_WORDS - 4] != UNTOUCHED, "the last record is not there");
	for (size_t i = PAGE_WORDS - 3; i < PAGE_WORDS; i++)
		expect(cov.area[i] == UNTOUCHED, "word %zu, after the last whole record, is written", i);
}

static void each_mode_alone(void)
{
	struct cov cov = enabled(64 * PAGE_WORDS, KCOV_TRACE_CMP);

	cov.area[0] = 0;
	run_function(0, 1);
	works(ioctl(cov.fd, KCOV_DISABLE, 0));
	for (uint64_t i = 0; i < cov.area[0]; i++)
		expect(!pc_in(cov.area[1 + 4 * i], 0), "a PC in place of a type, in CMP mode");
	works(ioctl(cov.fd, KCOV_ENABLE, KCOV_TRACE_PC));
	cov.area[0] = 0;
	compare_values(ABI_HOOKS, 1, 2);
	works(ioctl(cov.fd, KCOV_DISABLE, 0));
	expect(!nr_pcs(&cov, ABI_HOOKING), "a comparison is recorded in PC mode");
}

static void softirq_without_a_section(void)
{
	struct cov cov = enabled(64 * PAGE_WORDS, KCOV_TRACE_PC);

	cov.area[0] = 0;
	run_function(0, 1);
	softirq(ABI_NO_SECTION, 1, 10);
	run_function(0, 1);
	works(ioctl(cov.fd, KCOV_DISABLE, 0));
	expect_calls(&cov, 0, 2);
}

static void hardirq(void)
{
	struct cov cov = enabled(64 * PAGE_WORDS, KCOV_TRACE_PC);

	cov.area[0] = 0;
	run_function(0, 1);
	run_job(ABI_HARDIRQ, ABI_NO_SECTION, 1, 10, 1);
	run_function(0, 1);
	works(ioctl(cov.fd, KCOV_DISABLE, 0));
	expect_calls(&cov, 0, 2);
}

const struct check trace_checks[] = {
	{ "trace/pcs_of_the_calls", pcs_of_the_calls },
	{ "trace/pcs_without_the_kaslr_offset", pcs_without_the_kaslr_offset },
	{ "trace/in_order", in_order },
	{ "trace/enable_keeps_the_count", enable_keeps_the_count },
	{ "trace/disable_keeps_the_records", disable_keeps_the_records },
	{ "trace/fills_to_the_end", fills_to_the_end },
	{ "trace/goes_on_when_emptied", goes_on_when_emptied },
	{ "trace/count_at_the_end", count_at_the_end },
	{ "trace/count_beyond_the_end", count_beyond_the_end },
	{ "trace/count_of_all_ones", count_of_all_ones },
	{ "trace/cmp_records", cmp_records },
	{ "trace/cmp_of_compiled_code", cmp_of_compiled_code },
	{ "trace/cmp_fills_to_the_end", cmp_fills_to_the_end },
	{ "trace/cmp_count_at_the_end", cmp_count_at_the_end },
	{ "trace/cmp_count_beyond_the_end", cmp_count_beyond_the_end },
	{ "trace/cmp_count_that_wraps", cmp_count_that_wraps },
	{ "trace/cmp_count_of_all_ones", cmp_count_of_all_ones },
	{ "trace/each_mode_alone", each_mode_alone },
	{ "trace/softirq_without_a_section", softirq_without_a_section },
	{ "trace/hardirq", hardirq },
	{ }
};
