/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * What does a test pay for its own coverage: a difference of all counters since the one before, beside copying
 * them, and what saving it takes?
 *
 * The program stands for one that clang has instrumented: it has 2 MiB of counters in shared memory and 64 KiB of
 * bitmaps, and the ELF note by which <covbuf/profile.h> finds them. Before each pass some counters count, spread
 * evenly, which is not timed: saving then writes most pages of the file. Files are in /dev/shm.
 */
#define _GNU_SOURCE
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <covbuf/profile.h>

#include "adapters/llvmprof/format.h"
#include "bench.h"

#define COUNTERS_BYTES (2u << 20)
#define BITMAPS_BYTES (64u << 10)
#define NR_COUNTERS (COUNTERS_BYTES / 8)

/* ---- an image -------------------------------------------------------------------------------- */

static int make_template(struct covbuf_profile_image *image, int directory)
{
	int fd = openat(directory, "bench.00000000000bec4a.template", O_CREAT | O_WRONLY | O_CLOEXEC, 0600);

	(void)image;
	return fd < 0 || close(fd) ? -errno : 0;
}

static struct covbuf_profile_note note = { .id = 0xbec4a, .image = "bench", .counters_bytes = COUNTERS_BYTES,
					   .bitmaps_bytes = BITMAPS_BYTES };
__attribute__((used, visibility("hidden"))) struct covbuf_profile_image bench_profile_image = {
	.version = COVBUF_PROFILE_VERSION, .counters_bytes = COUNTERS_BYTES, .bitmaps_bytes = BITMAPS_BYTES,
	.note = &note, .make_template = make_template,
};
__asm__(".pushsection .note.covbuf,\"a\",%note\n"
	".balign 4\n"
	".long 7, 8, 0x70726f66\n" /* COVBUF_PROFILE_NOTE_TYPE */
	".asciz \"covbuf\"\n"
	".balign 4\n"
	".long 1\n" /* COVBUF_PROFILE_VERSION */
	".long bench_profile_image - .\n"
	".popsection\n");

static void *shared(size_t nr_bytes)
{
	void *p = mmap(NULL, nr_bytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);

	bench_must(p == MAP_FAILED ? -errno : 0, "mmap");
	return p;
}

/* ---- variants -------------------------------------------------------------------------------- */

static uint64_t *copy;
static struct covbuf_profile_base *base;
static struct covbuf_profile_difference *diff;
static char directory[] = "/dev/shm/covbuf-bench-XXXXXX";

/* The argument is how many of 1,000 counters count. */
static void count(const struct bench_variant *variant)
{
	uintptr_t per_mille = (uintptr_t)variant->arg;

	for (uint32_t i = 0; per_mille && i < NR_COUNTERS; i += (uint32_t)(1000 / per_mille))
		bench_profile_image.counters[i]++;
}

static void count_and_take(const struct bench_variant *variant)
{
	count(variant);
	bench_must(covbuf_profile_diff(base, &diff, NULL), "covbuf_profile_diff");
}

static void drop(const struct bench_variant *variant)
{
	(void)variant;
	covbuf_profile_diff_destroy(diff);
	diff = NULL;
}

static __attribute__((noinline)) uint64_t pass_copy(const struct bench_variant *variant, uint32_t thread)
{
	(void)variant, (void)thread;
	memcpy(copy, bench_profile_image.counters, COUNTERS_BYTES);
	BENCH_KEEP(copy);
	return 1;
}

static __attribute__((noinline)) uint64_t pass_clear(const struct bench_variant *variant, uint32_t thread)
{
	(void)variant, (void)thread;
	memset(copy, 0, COUNTERS_BYTES);
	BENCH_KEEP(copy);
	return 1;
}

static __attribute__((noinline)) uint64_t pass_diff(const struct bench_variant *variant, uint32_t thread)
{
	(void)variant, (void)thread;
	bench_must(covbuf_profile_diff(base, &diff, NULL), "covbuf_profile_diff");
	return 1;
}

static __attribute__((noinline)) uint64_t pass_baseline(const struct bench_variant *variant, uint32_t thread)
{
	struct covbuf_profile_base *another;

	(void)variant, (void)thread;
	bench_must(covbuf_profile_baseline(0, &another, NULL), "covbuf_profile_baseline");
	covbuf_profile_baseline_destroy(another);
	return 1;
}

static __attribute__((noinline)) uint64_t pass_save(const struct bench_variant *variant, uint32_t thread)
{
	(void)variant, (void)thread;
	bench_must(covbuf_profile_diff_save(diff, "a test", directory, NULL), "covbuf_profile_diff_save");
	return 1;
}

static void remove_files(const char *name)
{
	DIR *dir = opendir(directory);
	struct dirent *entry;

	while (dir && (entry = readdir(dir)))
		if (strstr(entry->d_name, name))
			unlinkat(dirfd(dir), entry->d_name, 0);
	if (dir)
		closedir(dir);
}

static void remove_directory(void)
{
	remove_files("");
	rmdir(directory);
}

static void drop_saved(const struct bench_variant *variant)
{
	drop(variant);
	remove_files(".profcnt");
}

int main(int argc, char **argv)
{
	struct bench_variant variants[] = {
		{ .name = "memcpy of the counters", .pass = pass_copy },
		{ .name = "memset of the counters", .pass = pass_clear, .against = "memcpy of the counters" },
		{ .name = "difference, nothing counted", .pass = pass_diff, .clear_up = drop,
		  .against = "memcpy of the counters" },
		{ .name = "difference, 0.1 % of them counted", .pass = pass_diff, .prepare = count, .clear_up = drop,
		  .arg = (void *)1, .against = "memcpy of the counters", .target_ns = 100000, .target_ratio = 2.5 },
		{ .name = "difference, 1 %", .pass = pass_diff, .prepare = count, .clear_up = drop,
		  .arg = (void *)10, .against = "memcpy of the counters" },
		{ .name = "difference, 10 %", .pass = pass_diff, .prepare = count, .clear_up = drop,
		  .arg = (void *)100, .against = "memcpy of the counters" },
		{ .name = "baseline, made and destroyed", .pass = pass_baseline, .against = "memcpy of the counters" },
		{ .name = "saving 0.1 % of them", .pass = pass_save, .prepare = count_and_take, .clear_up = drop_saved,
		  .arg = (void *)1, .against = "memcpy of the counters", .uncounted = true },
		{ .name = "saving 10 %", .pass = pass_save, .prepare = count_and_take, .clear_up = drop_saved,
		  .arg = (void *)100, .against = "memcpy of the counters", .uncounted = true },
	};
	struct bench bench = { .name = "profile", .unit = "test, 2 MiB of counters", .variants = variants,
			       .question = "What does a test pay for its own LLVM coverage?",
			       .nr_variants = BENCH_NR(variants), .repetitions = 60 };

	bench_init(argc, argv);
	if (bench_wanted(&bench)) {
		bench_profile_image.counters = shared(COUNTERS_BYTES);
		bench_profile_image.bitmaps = shared(BITMAPS_BYTES);
		copy = shared(COUNTERS_BYTES);
		bench_must(mkdtemp(directory) ? 0 : -errno, directory);
		atexit(remove_directory);
		bench_must(covbuf_profile_baseline(0, &base, NULL), "covbuf_profile_baseline");
		bench_run(&bench);
		covbuf_profile_baseline_destroy(base);
	}
	return bench_finish();
}
