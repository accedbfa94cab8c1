/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * <covbuf/profile.h> where something is wrong, and the files it makes, word by word. The image is a stand-in of the
 * test's own; tests/per_test has real ones.
 */
#define _GNU_SOURCE
#include <criterion/criterion.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <covbuf/profile.h>

#include "adapters/llvmprof/format.h"

#define NR_COUNTERS 100000
#define NR_BIT_BYTES 5000

static uint64_t counters[NR_COUNTERS];
static unsigned char bitmaps[NR_BIT_BYTES] __attribute__((aligned(8)));
static int nr_templates;

static int make_template(struct covbuf_profile_image *image, int directory)
{
	int fd = openat(directory, "test.0000000000001234.template", O_CREAT | O_EXCL | O_WRONLY | O_CLOEXEC, 0600);

	(void)image;
	nr_templates++;
	return fd < 0 || close(fd) ? -errno : 0;
}

static struct covbuf_profile_note note = {
	.magic = COVBUF_PROFILE_MAGIC, .version = COVBUF_PROFILE_VERSION, .kind = COVBUF_PROFILE_WHOLE, .id = 0x1234,
	.raw_version = 10, .file_bytes = 1, .counters_bytes = sizeof(counters), .bitmaps_bytes = sizeof(bitmaps),
	.template_counters = 8192, .template_bitmaps = 16384, .in_use = 1, .lost_processes = 3,
	.compiler = "Clang 19", .image = "/path/of/test",
};
__attribute__((used, visibility("hidden"))) struct covbuf_profile_image test_profile_image = {
	.version = COVBUF_PROFILE_VERSION, .counters = counters, .counters_bytes = sizeof(counters), .bitmaps = bitmaps,
	.bitmaps_bytes = sizeof(bitmaps), .note = &note, .make_template = make_template,
};
__asm__(".pushsection .note.covbuf,\"a\",%note\n"
	".balign 4\n"
	".long 7, 8, 0x70726f66\n" /* COVBUF_PROFILE_NOTE_TYPE */
	".asciz \"covbuf\"\n"
	".balign 4\n"
	".long 1\n" /* COVBUF_PROFILE_VERSION */
	".long test_profile_image - .\n"
	".popsection\n");

static struct covbuf_message why;
static char directory[] = "/tmp/covbuf-test-XXXXXX";

static struct covbuf_profile_base *baseline(unsigned int flags)
{
	struct covbuf_profile_base *base = NULL;

	cr_assert_eq(covbuf_profile_baseline(flags, &base, &why), 0, "%s", why.text);
	return base;
}

static struct covbuf_profile_difference *diff(struct covbuf_profile_base *base)
{
	struct covbuf_profile_difference *difference = NULL;

	cr_assert_eq(covbuf_profile_diff(base, &difference, &why), 0, "%s", why.text);
	return difference;
}

static void make_directory(void)
{
	cr_assert_not_null(mkdtemp(directory));
}

/* How many files of this ending there are; and no others, but removed. */
static int remove_files(const char *ending)
{
	DIR *dir = opendir(directory);
	struct dirent *entry;
	int nr = 0;

	cr_assert_not_null(dir);
	while ((entry = readdir(dir))) {
		size_t length = strlen(entry->d_name), end = strlen(ending);

		nr += length > end && !strcmp(entry->d_name + length - end, ending);
		unlinkat(dirfd(dir), entry->d_name, 0);
	}
	closedir(dir);
	cr_expect_eq(rmdir(directory), 0);
	return nr;
}

/* ---- images ---------------------------------------------------------------------------------- */

Test(profile, an_adapter_of_another_version_is_refused)
{
	struct covbuf_profile_base *base = baseline(0), *none = NULL;
	struct covbuf_profile_difference *difference = NULL;

	counters[5]++;
	test_profile_image.version = 7;
	cr_expect_eq(covbuf_profile_baseline(0, &none, &why), -EPROTO);
	cr_expect_not_null(strstr(why.text, "another version"));
	cr_expect_eq(covbuf_profile_diff(base, &difference, &why), -EPROTO);
	cr_expect(!none && !difference);
	test_profile_image.version = COVBUF_PROFILE_VERSION;
	difference = diff(base);
	cr_expect_eq(covbuf_profile_diff_part(difference, 0)->nr_counters, 1);
	covbuf_profile_diff_destroy(difference);
	covbuf_profile_baseline_destroy(base);
}

Test(profile, an_image_whose_constructor_is_not_done_counts_from_zero)
{
	struct covbuf_profile_base *base;
	struct covbuf_profile_difference *difference;

	counters[1] = 11;
	test_profile_image.version = 0;
	base = baseline(0);
	difference = diff(base);
	cr_expect_null(covbuf_profile_diff_part(difference, 0));
	cr_expect_eq(covbuf_profile_diff_save(difference, "x", directory, &why), -ENOENT);
	covbuf_profile_diff_destroy(difference);
	test_profile_image.version = COVBUF_PROFILE_VERSION;
	difference = diff(base);
	cr_assert_not_null(covbuf_profile_diff_part(difference, 0));
	cr_expect_eq(covbuf_profile_diff_part(difference, 0)->counters[0].count, 11);
	cr_expect_str_eq(covbuf_profile_diff_part(difference, 0)->image, "/path/of/test");
	covbuf_profile_diff_destroy(difference);
	covbuf_profile_baseline_destroy(base);
}

Test(profile, of_an_image_that_is_closed_nothing_is_looked_at)
{
	struct covbuf_profile_base *base = baseline(0);
	struct covbuf_profile_difference *difference;

	counters[1] = 11;
	covbuf_profile_image_closed(&test_profile_image);
	test_profile_image.counters = NULL;
	test_profile_image.note = NULL;
	difference = diff(base);
	cr_assert_not_null(covbuf_profile_diff_part(difference, 0));
	cr_expect_eq(covbuf_profile_diff_part(difference, 0)->nr_counters, 1);
	covbuf_profile_diff_destroy(difference);
	covbuf_profile_baseline_destroy(base);
	covbuf_profile_baseline_destroy(baseline(0));
}

/* ---- failures -------------------------------------------------------------------------------- */

Test(profile, what_a_failed_difference_had_is_in_the_next)
{
	struct covbuf_profile_base *base, *none = NULL;
	struct covbuf_profile_difference *difference = NULL;
	const struct covbuf_profile_part *part;

	make_directory();
	test_profile_image.mapped = 1;
	test_profile_image.directory = "/no/such/directory";
	cr_expect_eq(covbuf_profile_baseline(COVBUF_PROFILE_CLEAR_BITMAPS, &none, &why), -ENOENT);
	cr_expect_not_null(strstr(why.text, "/no/such/directory"));
	base = baseline(COVBUF_PROFILE_CLEAR_BITMAPS | COVBUF_PROFILE_FROM_ZERO);
	counters[99999] += 9;
	bitmaps[4999] = 0x80;
	cr_expect_eq(covbuf_profile_diff(base, &difference, &why), -ENOENT);
	cr_expect_eq(bitmaps[4999], 0x80); /* or else it would be nowhere */
	cr_expect_null(difference);
	covbuf_profile_baseline_destroy(base);

	/* known by its id, and with its directory, since then */
	note.id++;
	test_profile_image.directory = directory;
	base = baseline(COVBUF_PROFILE_CLEAR_BITMAPS | COVBUF_PROFILE_FROM_ZERO);
	difference = diff(base);
	part = covbuf_profile_diff_part(difference, 0);
	cr_assert(part && part->nr_counters == 1 && part->nr_bits == 1);
	cr_expect_eq(part->counters[0].index, 99999);
	cr_expect_eq(part->bits[0].index, 4999 / 8);
	cr_expect_eq(part->bits[0].bits, 0x80ull << 8 * (4999 % 8));
	cr_expect_eq(bitmaps[4999], 0);
	covbuf_profile_diff_destroy(difference);
	covbuf_profile_baseline_destroy(base);
	cr_expect_eq(remove_files(".b0.profcnt"), 1);
}

Test(profile, a_limit_of_file_sizes_is_an_error_and_no_signal)
{
	struct covbuf_profile_base *base = baseline(0);
	struct covbuf_profile_difference *difference;
	struct rlimit limit = { 65536, RLIM_INFINITY };

	make_directory();
	counters[5]++;
	difference = diff(base);
	cr_assert_eq(setrlimit(RLIMIT_FSIZE, &limit), 0);
	cr_expect_eq(covbuf_profile_diff_save(difference, "x", directory, &why), -EFBIG);
	limit.rlim_cur = RLIM_INFINITY;
	cr_assert_eq(setrlimit(RLIMIT_FSIZE, &limit), 0);
	cr_expect_eq(remove_files("profcnt"), 0);
	covbuf_profile_diff_destroy(difference);
	covbuf_profile_baseline_destroy(base);
}

/* ---- files ----------------------------------------------------------------------------------- */

static int open_difference(int number)
{
	char path[200];
	int fd;

	snprintf(path, sizeof(path), "%s/test.0000000000001234.%d.d%d.profcnt", directory, (int)getpid(), number);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	cr_assert_geq(fd, 0, "%s", path);
	return fd;
}

static void check_file(int number, const char *label, uint64_t nr_counters)
{
	static uint64_t words[NR_COUNTERS];
	unsigned char bits[NR_BIT_BYTES];
	struct covbuf_profile_note is;
	struct stat status;
	int fd = open_difference(number);
	uint64_t nr = 0;

	cr_assert_eq(fstat(fd, &status), 0);
	cr_assert_eq(pread(fd, &is, sizeof(is), 4096 - sizeof(is)), sizeof(is));
	cr_expect_eq(status.st_mode & 07777, 0600);
	cr_expect_eq(is.file_bytes, (uint64_t)status.st_size);
	cr_expect_lt(status.st_blocks, 200, "%d blocks", (int)status.st_blocks);
	cr_expect_arr_eq(is.magic, COVBUF_PROFILE_MAGIC, 8);
	cr_expect_str_eq(is.label, label);
	cr_expect_str_eq(is.compiler, "Clang 19");
	cr_expect(is.version == COVBUF_PROFILE_VERSION && is.kind == COVBUF_PROFILE_DIFFERENCE && is.id == 0x1234);
	cr_expect(is.raw_version == 10 && is.template_counters == 8192 && is.template_bitmaps == 16384);
	cr_expect(is.pid == (uint32_t)getpid() && !is.in_use && !is.lost_processes && is.started);
	cr_expect(is.counters_bytes == sizeof(counters) && is.bitmaps_bytes == sizeof(bitmaps));
	cr_assert_eq(pread(fd, words, sizeof(words), (off_t)is.counters_offset), sizeof(words));
	cr_assert_eq(pread(fd, bits, sizeof(bits), (off_t)is.bitmaps_offset), sizeof(bits));
	close(fd);
	for (uint64_t i = 0; i < NR_COUNTERS; i++)
		nr += words[i] != 0;
	cr_expect_eq(nr, nr_counters);
	if (!nr)
		return;
	cr_expect(words[0] == 1 && words[511] == 2 && words[512] == 3 && words[9999] == 4 && words[99999] == 5);
	cr_expect(bits[0] == 1 && bits[4999] == 3);
}

Test(profile, a_file_has_what_the_difference_has)
{
	struct covbuf_profile_base *base = baseline(0);
	struct covbuf_profile_difference *difference;

	make_directory();
	test_profile_image.directory = directory;
	counters[0] = 1;
	counters[511] = 2;
	counters[512] = 3;
	counters[9999] = 4;
	counters[99999] = 5;
	bitmaps[0] = 1;
	bitmaps[4999] = 3;
	difference = diff(base);
	cr_assert_eq(covbuf_profile_diff_save(difference, "one", directory, &why), 0, "%s", why.text);
	cr_assert_eq(covbuf_profile_diff_save(difference, "two", directory, &why), 0, "%s", why.text);
	covbuf_profile_diff_destroy(difference);
	difference = diff(base);
	cr_assert_eq(covbuf_profile_diff_save(difference, "nothing", directory, &why), 0, "%s", why.text);
	covbuf_profile_diff_destroy(difference);
	covbuf_profile_baseline_destroy(base);
	check_file(0, "one", 5);
	check_file(1, "two", 5);
	check_file(2, "nothing", 0);
	cr_expect_eq(nr_templates, 1);
	cr_expect_eq(remove_files("profcnt"), 3);
}

/* All counters: runs of pages, longer than what is written at once. */
Test(profile, a_file_of_every_counter_is_whole)
{
	static uint64_t words[NR_COUNTERS];
	struct covbuf_profile_base *base = baseline(0);
	struct covbuf_profile_difference *difference;
	struct covbuf_profile_note is;
	int fd;

	make_directory();
	for (uint64_t i = 0; i < NR_COUNTERS; i++)
		counters[i] += i + 1;
	difference = diff(base);
	cr_assert_eq(covbuf_profile_diff_save(difference, "all", directory, &why), 0, "%s", why.text);
	fd = open_difference(0);
	cr_assert_eq(pread(fd, &is, sizeof(is), 4096 - sizeof(is)), sizeof(is));
	cr_assert_eq(pread(fd, words, sizeof(words), (off_t)is.counters_offset), sizeof(words));
	cr_expect_arr_eq(words, counters, sizeof(words));
	close(fd);
	remove_files("");
	covbuf_profile_diff_destroy(difference);
	covbuf_profile_baseline_destroy(base);
}
