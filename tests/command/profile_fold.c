// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * Files of ended processes are made one, by a process that is killed just before the n-th thing that it does to the
 * directory, for each n: a reader then finds every count once, and so it does when the next has gone on.
 */
#include <criterion/criterion.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "command.h"
#include "profile.h"
#include "profile_files.h"

#define NR_FIRST 7u
#define NR_ALL 12u
#define KILLED 9

static int until = -1; /* steps, where this process is to be killed */

static void step(void)
{
	if (until >= 0 && !until--)
		_exit(KILLED);
}

int __real_renameat(int from, const char *a, int to, const char *b);
int __wrap_renameat(int from, const char *a, int to, const char *b);
int __real_unlinkat(int directory, const char *name, int flags);
int __wrap_unlinkat(int directory, const char *name, int flags);
int __real_linkat(int from, const char *a, int to, const char *b, int flags);
int __wrap_linkat(int from, const char *a, int to, const char *b, int flags);
ssize_t __real_write(int fd, const void *bytes, size_t nr);
ssize_t __wrap_write(int fd, const void *bytes, size_t nr);
ssize_t __real_pwrite(int fd, const void *bytes, size_t nr, off_t at);
ssize_t __wrap_pwrite(int fd, const void *bytes, size_t nr, off_t at);

int __wrap_renameat(int from, const char *a, int to, const char *b)
{
	step();
	return __real_renameat(from, a, to, b);
}

int __wrap_unlinkat(int directory, const char *name, int flags)
{
	step();
	return __real_unlinkat(directory, name, flags);
}

int __wrap_linkat(int from, const char *a, int to, const char *b, int flags)
{
	step();
	return __real_linkat(from, a, to, b, flags);
}

ssize_t __wrap_write(int fd, const void *bytes, size_t nr)
{
	step();
	return __real_write(fd, bytes, nr);
}

ssize_t __wrap_pwrite(int fd, const void *bytes, size_t nr, off_t at)
{
	step();
	return __real_pwrite(fd, bytes, nr, at);
}

static char directory[64];
static struct profile_plan plan = { .directory = directory, .image = "image.with.dots", .id = 0x1234567890abcdef,
				    .nr_counters = 700, .nr_bitmap_bytes = 33 };

static void make_directory(void)
{
	snprintf(directory, sizeof(directory), "/tmp/covbuf-fold-XXXXXX");
	cr_assert(mkdtemp(directory));
}

static size_t count_files(bool remove)
{
	DIR *entries = opendir(directory);
	struct dirent *entry;
	size_t nr = 0;

	while ((entry = readdir(entries))) {
		if (!strcmp(entry->d_name, ".") || !strcmp(entry->d_name, ".."))
			continue;
		nr++;
		if (remove)
			__real_unlinkat(dirfd(entries), entry->d_name, 0);
	}
	closedir(entries);
	return nr;
}

static void remove_directory(void)
{
	count_files(true);
	rmdir(directory);
}

/* Killed at that step, or through: returns whether it was killed. */
static bool fold_until(int steps)
{
	pid_t child = fork();
	int status;

	if (!child) {
		until = steps;
		_exit(profile_fold(directory, 0, UINT64_MAX) ? 1 : 0);
	}
	cr_assert_eq(waitpid(child, &status, 0), child);
	cr_assert(WIFEXITED(status) && (WEXITSTATUS(status) == 0 || WEXITSTATUS(status) == KILLED));
	return WEXITSTATUS(status) == KILLED;
}

/* What a reader makes of it. */
static void check(uint32_t end, int steps)
{
	struct profiles profiles = { 0 };
	struct profile_sum sum;

	profiles_add(&profiles, directory);
	profiles_group(&profiles);
	cr_assert(!profiles.incomplete && profiles.nr_images == 1 && profiles.images[0].base, "after %d steps", steps);
	cr_assert_eq(profiles.images[0].processes, end, "after %d steps", steps);
	profile_sum_init(&sum, &profiles.images[0]);
	for (size_t i = 0; i < profiles.images[0].nr_files; i++)
		cr_assert(!profile_sum_add(&sum, &profiles, profiles.images[0].files[i]));
	cr_assert(check_sums(&plan, 0, end, sum.counters, sum.bitmaps), "after %d steps", steps);
	profile_sum_fini(&sum);
	profiles_fini(&profiles);
}

/* With a template, a sum is there already. One process has a whole file. */
static void fill_directory(bool with_template)
{
	make_directory();
	for (uint32_t k = 0; k < NR_FIRST; k++)
		cr_assert(!make_counts(&plan, k, NULL));
	if (with_template)
		cr_assert(!make_whole(&plan, false, 0));
	cr_assert(!make_whole(&plan, true, NR_FIRST));
	if (with_template)
		cr_assert(!fold_until(-1));
	for (uint32_t k = NR_FIRST + 1; k < NR_ALL; k++)
		cr_assert(!make_counts(&plan, k, NULL));
}

static void kill_at_each_step(bool with_template)
{
	bool killed = true;
	int steps;

	for (steps = 0; killed; steps++) {
		fill_directory(with_template);
		check(NR_ALL, -1);
		killed = fold_until(steps);
		check(NR_ALL, steps);
		/* killed again, somewhere else, and then not */
		fold_until(steps / 2);
		check(NR_ALL, steps);
		fold_until(-1);
		check(NR_ALL, steps);
		cr_assert_eq(count_files(false), 2, "after %d steps something else than sum and template is there", steps);
		remove_directory();
	}
	cr_assert_gt(steps, 10);
}

Test(fold, killed_anywhere_nothing_is_lost_or_counted_twice, .timeout = 60)
{
	kill_at_each_step(true);
}

Test(fold, a_template_is_kept_of_the_only_whole_file, .timeout = 60)
{
	kill_at_each_step(false);
}

static void path_of(uint32_t process, char *path, size_t room)
{
	snprintf(path, room, "%s/%s.%016lx.%u.0.profcnt", directory, plan.image, (unsigned long)plan.id, FIRST_PID + process);
}

/* A pid comes round again while the sum still has its file's name: that one has started at another time. */
Test(fold, a_later_process_of_the_same_pid_counts)
{
	const uint64_t started = 77;
	struct profiles profiles = { 0 };
	char sum[256], last[256];
	int fd, steps;

	make_directory();
	cr_assert(!make_whole(&plan, false, 0));
	for (uint32_t k = 0; k < NR_FIRST; k++)
		cr_assert(!make_counts(&plan, k, NULL));
	snprintf(sum, sizeof(sum), "%s/%s.%016lx.0.0.profcnt", directory, plan.image, (unsigned long)plan.id);
	path_of(NR_FIRST - 1, last, sizeof(last));
	for (steps = 0; fold_until(steps) && access(sum, F_OK); steps++)
		;
	cr_assert_eq(access(last, F_OK), 0, "it was not killed in time");
	check(NR_FIRST, steps);
	fd = open(last, O_WRONLY | O_CLOEXEC);
	cr_assert_eq(__real_pwrite(fd, &started, sizeof(started),
				   COVBUF_PROFILE_ALIGN - PROFILE_NOTE_BYTES + offsetof(struct covbuf_profile_note, started)),
		     (ssize_t)sizeof(started));
	close(fd);
	profiles_add(&profiles, directory);
	profiles_group(&profiles);
	cr_assert_eq(profiles.images[0].processes, NR_FIRST + 1);
	profiles_fini(&profiles);
	remove_directory();
}

/* The first bits that a process clears while its bitmaps are read are in a file that was not there before. */
Test(bits, of_a_file_that_has_come_meanwhile_are_there)
{
	struct profiles profiles = { 0 };
	struct profile_sum sum;
	char from[256], to[256];

	make_directory();
	cr_assert(!make_whole(&plan, false, 0));
	cr_assert(!make_counts(&plan, 0, NULL));
	profiles_add(&profiles, directory);
	profiles_group(&profiles);
	cr_assert(!make_counts(&plan, 1, NULL));
	path_of(1, from, sizeof(from));
	snprintf(to, sizeof(to), "%s/%s.%016lx.%u.b0.profcnt", directory, plan.image, (unsigned long)plan.id, FIRST_PID);
	cr_assert(!rename(from, to));
	profile_sum_init(&sum, &profiles.images[0]);
	cr_assert(!profile_sum_add(&sum, &profiles, profiles.images[0].files[0]));
	cr_assert(!profile_sum_add_new_bits(&sum, &profiles, &profiles.images[0]));
	cr_assert(check_sums(&plan, 0, 2, sum.counters, sum.bitmaps));
	profile_sum_fini(&sum);
	profiles_fini(&profiles);
	remove_directory();
}

Test(fold, what_somebody_has_mapped_is_left_alone)
{
	char path[256];
	int fd;

	make_directory();
	cr_assert(!make_whole(&plan, false, 0));
	for (uint32_t k = 0; k < NR_FIRST; k++)
		cr_assert(!make_counts(&plan, k, NULL));
	path_of(3, path, sizeof(path));
	fd = open(path, O_RDWR | O_CLOEXEC);
	cr_assert_geq(fd, 0);
	cr_assert(!fold_until(-1));
	cr_assert_eq(access(path, F_OK), 0);
	cr_assert_eq(count_files(false), 3);
	check(NR_FIRST, -1);
	close(fd);
	cr_assert(!fold_until(-1));
	cr_assert_eq(count_files(false), 2);
	remove_directory();
}
