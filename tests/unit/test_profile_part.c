/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * What one image of a profile has gained (adapters/llvmprof/part.c), with counters and bitmaps of the test's own,
 * which threads and children update as clang's code does.
 */
#include <criterion/criterion.h>
#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <covbuf/atomic.h>

#include "adapters/llvmprof/points.h"

#define NR_WORDS 512

static struct covb_profile_part *make_part(uint64_t counters_bytes, uint64_t bitmaps_bytes)
{
	struct covb_profile_part *part = calloc(1, sizeof(*part));

	cr_assert_not_null(part);
	part->is.counters_bytes = counters_bytes;
	part->is.bitmaps_bytes = bitmaps_bytes;
	return part;
}

/* ---- counters -------------------------------------------------------------------------------- */

/* Like those of the image. */
static struct covb_profile_counts make_counts(const uint64_t *now, uint64_t nr)
{
	struct covb_profile_counts counts;

	cr_assert_eq(covb_profile_counts_init(&counts, nr), 0);
	covb_profile_counts_copy(&counts, now);
	return counts;
}

Test(profile_part, has_each_counter_that_changed_and_no_other)
{
	/* not whole lines: an image that has no pages of its own */
	uint64_t now[21] = { 0 };
	struct covb_profile_part *part = make_part(sizeof(now), 0);
	struct covb_profile_counts old;

	for (int i = 0; i < 21; i++)
		now[i] = 1000;
	old = make_counts(now, 21);
	now[0] += 7;
	now[9] += 1;
	now[20] += 5;
	cr_assert_eq(covb_profile_take_counters(part, now, &old), 0);
	cr_assert_eq(part->is.nr_counters, 3);
	cr_expect_eq(part->is.counters[0].index, 0);
	cr_expect_eq(part->is.counters[0].count, 7);
	cr_expect_eq(part->is.counters[1].index, 9);
	cr_expect_eq(part->is.counters[1].count, 1);
	cr_expect_eq(part->is.counters[2].index, 20);
	cr_expect_eq(part->is.counters[2].count, 5);
	covb_profile_part_destroy(part);

	part = make_part(sizeof(now), 0);
	cr_assert_eq(covb_profile_take_counters(part, now, &old), 0);
	cr_expect(covb_profile_part_is_empty(part));
	covb_profile_part_destroy(part);
	covb_profile_counts_fini(&old);
}

/* From each of these to each other, in each place of whole lines and of a part of one. */
Test(profile_part, counters_of_any_size_are_exact)
{
	static const uint64_t sizes[] = { 0, 1, INT32_MAX, INT32_MAX + 1ull, UINT32_MAX, UINT32_MAX + 1ull,
					  UINT32_MAX + 2ull, 1ull << 33, INT64_MAX };
	enum { NR_SIZES = sizeof(sizes) / sizeof(sizes[0]), NR = 2 * 16 + 3 };

	for (int from = 0; from < NR_SIZES; from++) {
		for (int to = from + 1; to < NR_SIZES; to++) {
			struct covb_profile_part *part = make_part(NR * sizeof(uint64_t), 0);
			uint64_t now[NR];
			struct covb_profile_counts old;

			for (uint64_t i = 0; i < NR; i++)
				now[i] = sizes[from];
			old = make_counts(now, NR);
			for (uint64_t i = 0; i < NR; i++) {
				now[i] = sizes[to];
				cr_assert_eq(covb_profile_take_counters(part, now, &old), 0);
				cr_assert_eq(part->is.nr_counters, i + 1);
				cr_assert_eq(part->is.counters[i].index, i);
				cr_assert_eq(part->is.counters[i].count, sizes[to] - sizes[from]);
			}
			now[0] = now[NR - 1] = sizes[from]; /* backwards, or set back */
			cr_assert_eq(covb_profile_take_counters(part, now, &old), 0);
			cr_assert_eq(part->is.nr_counters, from ? NR + 2u : NR + 0u);
			now[0]++;
			cr_assert_eq(covb_profile_take_counters(part, now, &old), 0);
			cr_assert_eq(part->is.counters[part->is.nr_counters - 1].index, 0);
			cr_assert_eq(part->is.counters[part->is.nr_counters - 1].count, 1);
			covb_profile_part_destroy(part);
			covb_profile_counts_fini(&old);
		}
	}
}

Test(profile_part, grows_with_what_has_changed)
{
	static uint64_t now[100000], old_bits[100000];
	struct covb_profile_part *part = make_part(sizeof(now), sizeof(now));
	struct covb_profile_counts old = make_counts(now, 100000);

	for (uint64_t i = 0; i < 100000; i++)
		now[i] = i + 1;
	cr_assert_eq(covb_profile_take_counters(part, now, &old), 0);
	cr_assert_eq(covb_profile_take_bits(part, (unsigned char *)now, old_bits, NULL, false), 0);
	cr_assert_eq(part->is.nr_counters, 100000);
	cr_assert_eq(part->is.nr_bits, 100000);
	for (uint64_t i = 0; i < 100000; i++) {
		cr_assert(part->is.counters[i].index == i && part->is.counters[i].count == i + 1);
		cr_assert(part->is.bits[i].index == i && part->is.bits[i].bits == i + 1);
	}
	covb_profile_part_destroy(part);
	covb_profile_counts_fini(&old);
}

Test(profile_part, a_counter_that_ran_backwards_was_used_once)
{
	uint64_t now[8] = { 200 };
	struct covb_profile_part *part = make_part(sizeof(now), 0);
	struct covb_profile_counts old = make_counts(now, 8);

	now[0] = 3;
	cr_assert_eq(covb_profile_take_counters(part, now, &old), 0);
	cr_assert_eq(part->is.nr_counters, 1);
	cr_expect_eq(part->is.counters[0].count, 1);
	cr_expect_eq(part->is.nr_backwards, 1);
	now[0] += 4;
	cr_assert_eq(covb_profile_take_counters(part, now, &old), 0);
	cr_expect_eq(part->is.counters[1].count, 4);
	now[0] = 0; /* set back by the program */
	cr_assert_eq(covb_profile_take_counters(part, now, &old), 0);
	now[0] = 5;
	cr_assert_eq(covb_profile_take_counters(part, now, &old), 0);
	cr_assert_eq(part->is.nr_counters, 3);
	cr_expect_eq(part->is.counters[2].count, 5);
	cr_expect_eq(part->is.nr_backwards, 1);
	covb_profile_part_destroy(part);
	covb_profile_counts_fini(&old);
}

struct counting {
	uint64_t counters[NR_WORDS];
	uint32_t stop;
};

static void *count(void *arg)
{
	struct counting *counting = arg;

	for (uint64_t i = 0; !covb_load(&counting->stop); i = i * 5 + 1)
		__atomic_fetch_add(&counting->counters[i % 16], 1, __ATOMIC_RELAXED);
	return NULL;
}

/* As with -fprofile-update=atomic. */
Test(profile_part, differences_beside_threads_add_up_to_the_counters)
{
	static struct counting counting;
	static uint64_t sum[NR_WORDS];
	struct covb_profile_counts old = make_counts(counting.counters, NR_WORDS);
	struct covb_profile_part *part;
	pthread_t threads[2];

	for (int i = 0; i < 2; i++)
		cr_assert_eq(pthread_create(&threads[i], NULL, count, &counting), 0);
	for (int round = 0; round < 20000; round++) {
		if (round == 19999) {
			covb_store(&counting.stop, 1);
			for (int i = 0; i < 2; i++)
				pthread_join(threads[i], NULL);
		}
		part = make_part(sizeof(counting.counters), 0);
		cr_assert_eq(covb_profile_take_counters(part, counting.counters, &old), 0);
		for (uint64_t i = 0; i < part->is.nr_counters; i++)
			sum[part->is.counters[i].index] += part->is.counters[i].count;
		covb_profile_part_destroy(part);
	}
	cr_expect_arr_eq(sum, counting.counters, sizeof(sum));
	covb_profile_counts_fini(&old);
}

static uint64_t counted[8];
static int32_t *old_page;

/* Stands for a thread, at the moment when the baseline moves on. */
static void count_another(int signal)
{
	(void)signal;
	mprotect(old_page, (size_t)sysconf(_SC_PAGESIZE), PROT_READ | PROT_WRITE);
	counted[0]++;
}

Test(profile_part, a_count_made_while_the_baseline_moves_on_is_in_the_next)
{
	struct covb_profile_part *part = make_part(sizeof(counted), 0);
	struct covb_profile_counts old = { .nr = 8 };

	old_page = mmap(NULL, (size_t)sysconf(_SC_PAGESIZE), PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	cr_assert_neq(old_page, MAP_FAILED);
	old.narrow = old_page;
	signal(SIGSEGV, count_another);
	counted[0] = 7;
	cr_assert_eq(covb_profile_take_counters(part, counted, &old), 0);
	cr_assert_eq(covb_profile_take_counters(part, counted, &old), 0);
	cr_assert_eq(part->is.nr_counters, 2);
	cr_expect_eq(part->is.counters[0].count, 7);
	cr_expect_eq(part->is.counters[1].count, 1);
	covb_profile_part_destroy(part);
}

/* ---- bitmaps --------------------------------------------------------------------------------- */

Test(profile_part, has_the_bits_that_nothing_before_has_set)
{
	uint64_t now[2] = { 5, 0 }, old[2] = { 4, 0 };
	struct covb_profile_part *part = make_part(0, sizeof(now));

	cr_assert_eq(covb_profile_take_bits(part, (unsigned char *)now, old, NULL, false), 0);
	cr_assert_eq(covb_profile_take_bits(part, (unsigned char *)now, old, NULL, false), 0);
	cr_assert_eq(part->is.nr_bits, 1);
	cr_expect_eq(part->is.bits[0].index, 0);
	cr_expect_eq(part->is.bits[0].bits, 1);
	cr_expect_eq(now[0], 5);
	covb_profile_part_destroy(part);
}

Test(profile_part, clears_the_bits_that_it_takes_and_keeps_them)
{
	uint64_t now[2] = { 5, 1ull << 63 }, old[2] = { 4, 0 }, kept[2] = { 8, 0 };
	struct covb_profile_part *part = make_part(0, sizeof(now));

	cr_assert_eq(covb_profile_take_bits(part, (unsigned char *)now, old, kept, true), 0);
	cr_expect_eq(part->is.nr_bits, 2);
	cr_expect_eq(part->is.bits[0].bits, 1); /* 4 was there at the baseline */
	cr_expect_eq(kept[0], 13);
	cr_expect_eq(kept[1], 1ull << 63);
	cr_expect_eq(now[0] | now[1], 0);
	now[0] = 1;
	cr_assert_eq(covb_profile_take_bits(part, (unsigned char *)now, old, kept, true), 0);
	cr_assert_eq(part->is.nr_bits, 3);
	cr_expect_eq(part->is.bits[2].bits, 1); /* again */
	covb_profile_part_destroy(part);
}

/* Sections without pages of their own begin and end anywhere. */
Test(profile_part, takes_bitmaps_of_any_place_and_length)
{
	for (int at = 0; at < 8; at++) {
		for (int nr = 1; nr < 20; nr++) {
			unsigned char bytes[40] __attribute__((aligned(8)));
			uint64_t old[4] = { 0 }, kept[4] = { 0 }, got[4] = { 0 };
			struct covb_profile_part *part = make_part(0, (uint64_t)nr);

			memset(bytes, 0xff, sizeof(bytes));
			for (int i = 0; i < nr; i++)
				bytes[at + i] = (unsigned char)(i + 1);
			cr_assert_eq(covb_profile_take_bits(part, bytes + at, old, kept, true), 0);
			for (uint64_t i = 0; i < part->is.nr_bits; i++)
				got[part->is.bits[i].index] = part->is.bits[i].bits;
			for (int i = 0; i < (int)sizeof(bytes); i++)
				cr_assert_eq(bytes[i], i >= at && i < at + nr ? 0 : 0xff, "%d at %d", nr, at);
			for (int i = 0; i < 32; i++)
				cr_assert_eq(((unsigned char *)got)[i], i < nr ? i + 1 : 0, "%d at %d", nr, at);
			cr_assert_arr_eq(got, kept, sizeof(got));
			covb_profile_part_destroy(part);
		}
	}
}

static uint64_t interrupted[2], *kept_page;
static bool was_there;

/* Stands for a thread, at the moment when the bits that were read are kept. */
static void set_another_bit(int signal)
{
	(void)signal;
	mprotect(kept_page, (size_t)sysconf(_SC_PAGESIZE), PROT_READ | PROT_WRITE);
	was_there = interrupted[0] & 1; /* or a kill would find it nowhere */
	interrupted[0] |= 2;
}

Test(profile_part, a_bit_that_is_set_before_others_are_cleared_stays)
{
	uint64_t old[2] = { 0 };
	struct covb_profile_part *part = make_part(0, sizeof(interrupted));

	kept_page = mmap(NULL, (size_t)sysconf(_SC_PAGESIZE), PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	cr_assert_neq(kept_page, MAP_FAILED);
	signal(SIGSEGV, set_another_bit);
	interrupted[0] = 1;
	cr_assert_eq(covb_profile_take_bits(part, (unsigned char *)interrupted, old, kept_page, true), 0);
	cr_expect(was_there);
	cr_expect_eq(kept_page[0], 1);
	cr_expect_eq(interrupted[0], 2);
	cr_assert_eq(covb_profile_take_bits(part, (unsigned char *)interrupted, old, kept_page, true), 0);
	cr_expect_eq(part->is.nr_bits, 2);
	cr_expect_eq(part->is.bits[1].bits, 2);
	covb_profile_part_destroy(part);
}

struct setting {
	uint64_t bitmap;
	uint32_t stop;
	/* in one line, which the setters write: taking is slow between reading the bits and clearing them */
	uint64_t kept __attribute__((aligned(COVBUF_LINE_BYTES)));
	uint64_t nr_waits[3];
	uint64_t hits[3]; /* of bits 0, 1, 2: how often it found its bit cleared, and set it */
};

struct setter {
	struct setting *setting;
	pthread_t thread;
	int bit;
};

/* As clang's code with -fprofile-update=atomic: it looks, and sets what is not set. */
static void *set(void *arg)
{
	const struct setter *setter = arg;
	unsigned char *byte = (unsigned char *)&setter->setting->bitmap, bit = (unsigned char)(1 << setter->bit);

	for (uint32_t wait = 1; !covb_load(&setter->setting->stop); wait = wait * 5 + 1) {
		for (uint32_t i = 0; i < wait % 256; i++)
			covb_store(&setter->setting->nr_waits[setter->bit], i);
		if (covb_load(byte) & bit)
			continue;
		__atomic_fetch_or(byte, bit, __ATOMIC_RELAXED);
		setter->setting->hits[setter->bit]++;
	}
	return NULL;
}

/* Each bit that was set is in one difference: one that were lost would be found cleared, and set, once more. */
Test(profile_part, no_bit_that_a_thread_sets_is_lost)
{
	static struct setting setting;
	struct setter setters[3];
	uint64_t old = 0, got[3] = { 0 };
	struct covb_profile_part *part;

	for (int i = 0; i < 3; i++) {
		setters[i] = (struct setter){ .setting = &setting, .bit = i };
		cr_assert_eq(pthread_create(&setters[i].thread, NULL, set, &setters[i]), 0);
	}
	for (int round = 0; round < 30000; round++) {
		if (round == 29999) {
			covb_store(&setting.stop, 1);
			for (int i = 0; i < 3; i++)
				pthread_join(setters[i].thread, NULL);
		}
		part = make_part(0, sizeof(setting.bitmap));
		cr_assert_eq(covb_profile_take_bits(part, (unsigned char *)&setting.bitmap, &old, &setting.kept,
						    true), 0);
		for (int i = 0; i < 3; i++)
			got[i] += part->is.nr_bits && part->is.bits[0].bits >> i & 1;
		covb_profile_part_destroy(part);
		if (round % 64 == 0)
			sched_yield();
	}
	for (int i = 0; i < 3; i++)
		cr_expect_eq(got[i], setting.hits[i], "bit %d", i);
}

/* ---- killed at any moment -------------------------------------------------------------------- */

#define NR_BETWEEN 60 /* kills that came within a round, as wanted; most do */
#define NR_KILLS 6000 /* as many are tried: a slow machine may kill many children before their first round */

struct files {
	uint64_t bitmap[NR_WORDS], kept[NR_WORDS];
	uint64_t begun; /* rounds: in each the bits of one number are set in all words, and taken */
};

static void set_and_take(struct files *files)
{
	static uint64_t old[NR_WORDS];
	struct covb_profile_part *part;

	for (uint64_t round = 0;; round++) {
		for (int i = 0; i < NR_WORDS; i++)
			covb_fetch_or(&files->bitmap[i], 1ull << round % 64);
		covb_store_release(&files->begun, round + 1);
		part = make_part(0, sizeof(files->bitmap));
		if (covb_profile_take_bits(part, (unsigned char *)files->bitmap, old, files->kept, true))
			_exit(1);
		covb_profile_part_destroy(part);
		covb_store_release(&files->begun, 0);
		memset(files->kept, 0, sizeof(files->kept));
	}
}

Test(profile_part, killed_at_any_moment_every_bit_is_in_one_of_the_two)
{
	struct files *files = mmap(NULL, sizeof(*files), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	int nr_between = 0;

	cr_assert_neq(files, MAP_FAILED);
	for (int kill_nr = 0; kill_nr < NR_KILLS && nr_between < NR_BETWEEN; kill_nr++) {
		pid_t pid;
		uint64_t bit;

		memset(files, 0, sizeof(*files));
		pid = fork();
		if (!pid)
			set_and_take(files);
		usleep(500 + (useconds_t)kill_nr % 20 * 500 + (useconds_t)kill_nr * 7 % 400);
		kill(pid, SIGKILL);
		cr_assert_eq(waitpid(pid, NULL, 0), pid);
		if (!files->begun)
			continue;
		nr_between++;
		bit = 1ull << (files->begun - 1) % 64;
		for (int i = 0; i < NR_WORDS; i++)
			cr_assert((files->bitmap[i] | files->kept[i]) & bit, "word %d", i);
	}
	cr_expect_eq(nr_between, NR_BETWEEN);
}
