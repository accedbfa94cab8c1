/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * points NAME [ARGUMENT]: differences between points in a program that clang has instrumented (subject.c), against its
 * counters themselves. run.sh runs each of them with and without a profile directory, and looks at what was saved.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <covbuf/profile.h>

#include "subject.h"

extern uint64_t __start___llvm_prf_cnts[] __attribute__((visibility("hidden")));
extern uint64_t __stop___llvm_prf_cnts[] __attribute__((visibility("hidden")));
extern unsigned char __start___llvm_prf_bits[] __attribute__((visibility("hidden")));
extern unsigned char __stop___llvm_prf_bits[] __attribute__((visibility("hidden")));
#define NR_COUNTERS ((size_t)(__stop___llvm_prf_cnts - __start___llvm_prf_cnts))
#define NR_BIT_BYTES ((size_t)(__stop___llvm_prf_bits - __start___llvm_prf_bits))

static struct covbuf_message why;

#define CHECK(condition)                                                                           \
	do {                                                                                       \
		if (!(condition)) {                                                                \
			printf("%s:%d: not %s (%s)\n", __FILE__, __LINE__, #condition, why.text);  \
			exit(1);                                                                   \
		}                                                                                  \
	} while (0)

static struct covbuf_profile_base *baseline(unsigned int flags)
{
	struct covbuf_profile_base *base = NULL;

	CHECK(covbuf_profile_baseline(flags, &base, &why) == 0);
	return base;
}

static struct covbuf_profile_difference *diff(struct covbuf_profile_base *base)
{
	struct covbuf_profile_difference *difference = NULL;

	CHECK(covbuf_profile_diff(base, &difference, &why) == 0);
	return difference;
}

static bool is_asked(void)
{
	return getenv("COVBUF_PROFILE");
}

static bool is_library(const struct covbuf_profile_part *part)
{
	return strstr(part->image, "library.so");
}

/* In how many counters of the image something was counted so often. */
static int nr_with(const struct covbuf_profile_difference *difference, bool in_library, uint64_t count)
{
	const struct covbuf_profile_part *part;
	int nr = 0;

	for (uint32_t i = 0; (part = covbuf_profile_diff_part(difference, i)); i++)
		for (uint64_t k = 0; is_library(part) == in_library && k < part->nr_counters; k++)
			nr += part->counters[k].count == count;
	return nr;
}

static int nr_parts(const struct covbuf_profile_difference *difference)
{
	int nr = 0;

	while (covbuf_profile_diff_part(difference, (uint32_t)nr))
		nr++;
	return nr;
}

/* ---- what is in a difference ----------------------------------------------------------------- */

static void add(const struct covbuf_profile_difference *difference, uint64_t *counters, unsigned char *bits)
{
	const struct covbuf_profile_part *part;

	for (uint32_t i = 0; (part = covbuf_profile_diff_part(difference, i)); i++) {
		CHECK(!is_library(part) && part->counters_bytes == NR_COUNTERS * sizeof(uint64_t));
		for (uint64_t k = 0; k < part->nr_counters; k++) {
			CHECK(part->counters[k].count && part->counters[k].index < NR_COUNTERS);
			counters[part->counters[k].index] += part->counters[k].count;
		}
		for (uint64_t k = 0; k < part->nr_bits; k++)
			for (int n = 0; n < 64; n++)
				if (part->bits[k].bits >> n & 1)
					bits[part->bits[k].index * 8 + (uint64_t)n / 8] |= (unsigned char)(1 << n % 8);
	}
}

static void some_of_it(unsigned int what)
{
	subject_loop((int)(what * 7919 % 1000));
	if (what % 3)
		subject_decide(what >> 2 & 1, what >> 3 & 1, what >> 4 & 1);
}

/* First baseline and all differences are the counters, exactly. */
static void add_up(void)
{
	uint64_t *counters = calloc(NR_COUNTERS, sizeof(uint64_t));
	unsigned char *bits = calloc(1, NR_BIT_BYTES + 8);
	struct covbuf_profile_base *base, *other;
	struct covbuf_profile_difference *difference;

	some_of_it(31);
	memcpy(counters, __start___llvm_prf_cnts, NR_COUNTERS * sizeof(uint64_t));
	memcpy(bits, __start___llvm_prf_bits, NR_BIT_BYTES);
	base = baseline(0);
	other = baseline(COVBUF_PROFILE_FROM_ZERO);
	for (unsigned int i = 0; i < 100; i++) {
		some_of_it(i);
		difference = diff(base);
		add(difference, counters, bits);
		covbuf_profile_diff_destroy(difference);
	}
	CHECK(!memcmp(counters, __start___llvm_prf_cnts, NR_COUNTERS * sizeof(uint64_t)));
	CHECK(!memcmp(bits, __start___llvm_prf_bits, NR_BIT_BYTES));

	/* and in one, from zero */
	memset(counters, 0, NR_COUNTERS * sizeof(uint64_t));
	memset(bits, 0, NR_BIT_BYTES);
	covbuf_profile_baseline_destroy(base);
	difference = diff(other);
	covbuf_profile_baseline_destroy(other);
	add(difference, counters, bits);
	covbuf_profile_diff_destroy(difference);
	CHECK(!memcmp(counters, __start___llvm_prf_cnts, NR_COUNTERS * sizeof(uint64_t)));
	CHECK(!memcmp(bits, __start___llvm_prf_bits, NR_BIT_BYTES));
	free(counters);
	free(bits);
}

static void have_what_was_covered(void)
{
	struct covbuf_profile_base *base;
	struct covbuf_profile_difference *difference, *nothing;

	subject_loop(1000);
	base = baseline(0);
	subject_loop(123);
	difference = diff(base);
	nothing = diff(base);
	CHECK(nr_with(difference, false, 123) == 1 && nr_with(difference, false, 1) >= 1);
	CHECK(nr_parts(difference) == 1 && nr_parts(nothing) == 0);
	covbuf_profile_diff_destroy(nothing);
	covbuf_profile_baseline_destroy(base);
	CHECK(nr_with(difference, false, 123) == 1); /* lives longer */
	covbuf_profile_diff_destroy(difference);
	covbuf_profile_diff_destroy(NULL);
	covbuf_profile_baseline_destroy(NULL);
}

static volatile bool stop;

/* ---- images come and go ---------------------------------------------------------------------- */

static void *library;

static void open_library(void)
{
	library = dlopen("./library.so", RTLD_NOW | RTLD_LOCAL);
	if (!library)
		printf("%s\n", dlerror());
	CHECK(library);
}

static void close_library(void)
{
	CHECK(!dlclose(library));
	CHECK(!dlopen("./library.so", RTLD_NOW | RTLD_NOLOAD));
}

static void use_library(int nr)
{
	void (*loop)(int) = (void (*)(int))dlsym(library, "library_loop");

	CHECK(loop);
	loop(nr);
}

static void check_library(struct covbuf_profile_base *base, int parts, uint64_t first, uint64_t second)
{
	struct covbuf_profile_difference *difference = diff(base);

	CHECK(nr_parts(difference) == parts);
	CHECK(!first || nr_with(difference, true, first) == 1);
	CHECK(!second || nr_with(difference, true, second) == 1);
	covbuf_profile_diff_destroy(difference);
}

static void know_images_that_come_and_go(void)
{
	struct covbuf_profile_base *base = baseline(0), *later;

	open_library(); /* after the baseline */
	use_library(11);
	check_library(base, 1, 11, 0);
	use_library(12);
	close_library(); /* before the difference */
	check_library(base, 1, 12, 0);
	check_library(base, 0, 0, 0);

	later = baseline(0);
	open_library(); /* its file goes on, with what is counted already */
	use_library(13);
	check_library(base, 1, 13, 0);
	check_library(later, 1, 13, 0);
	close_library();
	open_library();
	use_library(14);
	close_library();
	open_library();
	use_library(15);
	check_library(base, 2, 14, 15);
	close_library();
	open_library(); /* opened and closed in between */
	use_library(16);
	close_library();
	check_library(base, 1, 16, 0);
	check_library(later, 3, 14, 16);
	for (int i = 0; i < 200; i++) {
		open_library();
		use_library(20);
		close_library();
	}
	check_library(base, 200, 0, 0);
	covbuf_profile_baseline_destroy(base);
	covbuf_profile_baseline_destroy(later);
}

static void *open_and_close(void *arg)
{
	(void)arg;
	for (int i = 0; i < 1000; i++) {
		open_library();
		use_library(20);
		close_library();
	}
	stop = true;
	return NULL;
}

static uint64_t library_counts(const struct covbuf_profile_difference *difference)
{
	const struct covbuf_profile_part *part;
	uint64_t sum = 0;

	for (uint32_t i = 0; (part = covbuf_profile_diff_part(difference, i)); i++)
		for (uint64_t k = 0; is_library(part) && k < part->nr_counters; k++)
			sum += part->counters[k].count;
	return sum;
}

static void know_images_that_come_and_go_meanwhile(void)
{
	struct covbuf_profile_base *base = baseline(0), *others;
	struct covbuf_profile_difference *difference;
	bool is_last = false;
	uint64_t sum = 0;
	pthread_t thread;

	CHECK(!pthread_create(&thread, NULL, open_and_close, NULL));
	while (!is_last) {
		is_last = stop;
		others = baseline(COVBUF_PROFILE_FROM_ZERO);
		difference = diff(base);
		sum += library_counts(difference);
		CHECK(!is_asked() || covbuf_profile_diff_save(difference, "x", NULL, &why) == 0);
		covbuf_profile_diff_destroy(difference);
		covbuf_profile_baseline_destroy(others);
	}
	pthread_join(thread, NULL);
	CHECK(sum == 1000 * (1 + 1 + 20)); /* of the constructor, of the function, of its loop */
	covbuf_profile_baseline_destroy(base);
}

/*
 * A runtime calls these two while its image is in the list already: before it has described it, and, where it was asked
 * for a profile, before its counters are those of a file. What it does by itself then, a thread may do at any moment.
 */
static void (*while_opening)(void);

static void call_while_opening(void)
{
	void (*once)(void) = while_opening;

	while_opening = NULL;
	if (once)
		once();
	while_opening = once;
}

char *secure_getenv(const char *name);
char *secure_getenv(const char *name)
{
	call_while_opening();
	return getenv(name);
}

int posix_fallocate(int fd, off_t offset, off_t bytes)
{
	call_while_opening();
	return fallocate(fd, 0, offset, bytes) ? errno : 0;
}

static struct covbuf_profile_base *opening_bases[8];
static int nr_opening_bases;

static void look_while_opening(void)
{
	for (int i = 0; i < nr_opening_bases; i++)
		check_library(opening_bases[i], 0, 0, 0);
	CHECK(nr_opening_bases < 8);
	opening_bases[nr_opening_bases++] = baseline(0);
}

/* An image that is not described yet has not been opened: everything in it counts from zero. */
static void know_images_that_are_being_opened(void)
{
	opening_bases[nr_opening_bases++] = baseline(0);
	while_opening = look_while_opening;
	open_library();
	while_opening = NULL;
	CHECK(nr_opening_bases > (is_asked() ? 3 : 1));
	use_library(18);
	for (int i = 0; i < nr_opening_bases; i++) {
		struct covbuf_profile_difference *difference = diff(opening_bases[i]);

		CHECK(nr_with(difference, true, 18) == 1 && library_counts(difference) == 1 + 1 + 18);
		covbuf_profile_diff_destroy(difference);
		covbuf_profile_baseline_destroy(opening_bases[i]);
	}
	close_library();
}

/* What was saved of it must have its template, though it is not there any more. */
static void save_of_an_image_that_is_closed(const char *directory)
{
	struct covbuf_profile_base *base = baseline(0);
	struct covbuf_profile_difference *difference;

	open_library();
	use_library(17);
	close_library();
	difference = diff(base);
	CHECK(covbuf_profile_diff_save(difference, "closed", directory, &why) == (is_asked() ? 0 : -ESTALE));
	open_library();
	CHECK(covbuf_profile_diff_save(difference, "closed", directory, &why) == 0);
	close_library();
	CHECK(covbuf_profile_diff_save(difference, "closed", directory, &why) == 0);
	covbuf_profile_diff_destroy(difference);
	covbuf_profile_baseline_destroy(base);
}

/* ---- fork ------------------------------------------------------------------------------------ */

static void in_child(struct covbuf_profile_base *of_parent)
{
	struct covbuf_profile_difference *difference = NULL;
	struct covbuf_profile_base *base;

	CHECK(covbuf_profile_diff(of_parent, &difference, &why) == -ECHILD && !difference);
	base = baseline(COVBUF_PROFILE_FROM_ZERO);
	subject_loop(33);
	difference = diff(base);
	CHECK(nr_with(difference, false, is_asked() ? 33 : 33 + 22) == 1);
	CHECK(!is_asked() || covbuf_profile_diff_save(difference, "the child's", NULL, &why) == 0);
	covbuf_profile_diff_destroy(difference);
	covbuf_profile_baseline_destroy(base);

	base = baseline(COVBUF_PROFILE_CLEAR_BITMAPS); /* the parent's is none here */
	covbuf_profile_baseline_destroy(of_parent);
	subject_loop(44);
	difference = diff(base);
	CHECK(nr_with(difference, false, 44) == 1);
	covbuf_profile_diff_destroy(difference);
	covbuf_profile_baseline_destroy(base);
	exit(0);
}

static void *take_all_the_time(void *base)
{
	for (int i = 0; i < 20000; i++)
		covbuf_profile_diff_destroy(diff(base));
	return NULL;
}

static void belong_to_their_process(void)
{
	struct covbuf_profile_base *base = baseline(0);
	struct covbuf_profile_difference *difference;
	pthread_t thread;
	pid_t pid;
	int status;

	subject_loop(22);
	fflush(stdout);
	pid = fork();
	if (!pid)
		in_child(base);
	CHECK(waitpid(pid, &status, 0) == pid && status == 0);
	difference = diff(base);
	CHECK(nr_with(difference, false, 22) == 1);
	covbuf_profile_diff_destroy(difference);

	/* while another thread takes them: the child finds the lock free */
	CHECK(!pthread_create(&thread, NULL, take_all_the_time, base));
	for (int i = 0; i < 50; i++) {
		pid = fork();
		if (!pid) {
			alarm(100);
			covbuf_profile_diff_destroy(diff(baseline(0)));
			_exit(0);
		}
		CHECK(waitpid(pid, &status, 0) == pid && status == 0);
	}
	pthread_join(thread, NULL);
	covbuf_profile_baseline_destroy(base);
}

/* ---- threads --------------------------------------------------------------------------------- */

static void *count(void *arg)
{
	while (!stop)
		subject_loop(1000 + (arg != NULL));
	return NULL;
}

/* Differences that have something: fewer where all have to take turns on one processor. */
#define BEAR_MOST 2000
#define BEAR_LEAST 20
#define BEAR_SECONDS 5

/* exact: with -fprofile-update=atomic. */
static void bear_threads(bool is_exact)
{
	uint64_t *counters = calloc(NR_COUNTERS, sizeof(uint64_t));
	unsigned char *bits = calloc(1, NR_BIT_BYTES + 8);
	struct covbuf_profile_base *base;
	struct covbuf_profile_difference *difference;
	pthread_t threads[2];
	uint64_t nr_backwards = 0, nr_seen = 0;
	time_t end = time(NULL) + BEAR_SECONDS;
	bool is_last = false;

	memcpy(counters, __start___llvm_prf_cnts, NR_COUNTERS * sizeof(uint64_t));
	base = baseline(0);
	for (int i = 0; i < 2; i++)
		CHECK(!pthread_create(&threads[i], NULL, count, i ? bits : NULL));
	while (!is_last) {
		const struct covbuf_profile_part *part;

		is_last = nr_seen == BEAR_MOST || (nr_seen >= BEAR_LEAST && time(NULL) >= end);
		if (is_last) {
			stop = true;
			for (int i = 0; i < 2; i++)
				pthread_join(threads[i], NULL);
		}
		difference = diff(base);
		part = covbuf_profile_diff_part(difference, 0);
		for (uint64_t k = 0; part && k < part->nr_counters; k++)
			CHECK(part->counters[k].count < 1ull << 62);
		nr_backwards += part ? part->nr_backwards : 0;
		nr_seen += part != NULL;
		if (!part)
			sched_yield();
		add(difference, counters, bits);
		covbuf_profile_diff_destroy(difference);
	}
	printf("%lu counters ran backwards\n", (unsigned long)nr_backwards);
	CHECK(!is_exact || !nr_backwards);
	for (size_t i = 0; i < NR_COUNTERS; i++)
		CHECK(is_exact ? counters[i] == __start___llvm_prf_cnts[i] : counters[i] >= __start___llvm_prf_cnts[i]);
	covbuf_profile_baseline_destroy(base);
	free(counters);
	free(bits);
}

/* ---- files ----------------------------------------------------------------------------------- */

/* All of what MC/DC asks of subject_decide(). */
static void decide_all(void)
{
	subject_decide(1, 1, 0);
	subject_decide(0, 1, 0);
	subject_decide(1, 0, 0);
	subject_decide(1, 0, 1);
}

static void save(struct covbuf_profile_base *base, const char *label, const char *directory)
{
	struct covbuf_profile_difference *difference = diff(base);

	CHECK(covbuf_profile_diff_save(difference, label, directory, &why) == 0);
	covbuf_profile_diff_destroy(difference);
}

static void refuse_what_is_wrong(void)
{
	struct covbuf_profile_base *base = baseline(0), *none = NULL;
	struct covbuf_profile_difference *difference;
	char label[300];

	difference = diff(base);
	memset(label, 'x', sizeof(label));
	label[216] = '\0';
	CHECK(covbuf_profile_diff_save(difference, label, "d", &why) == -ENAMETOOLONG);
	CHECK(covbuf_profile_diff_save(difference, NULL, "d", &why) == -EINVAL);
	CHECK(covbuf_profile_diff_save(difference, "", "d", &why) == -EINVAL);
	CHECK(covbuf_profile_diff_save(difference, "two\nlines", "d", &why) == -EINVAL);
	CHECK(covbuf_profile_diff_save(difference, "x", "no/such/directory", &why) == -ENOENT);
	CHECK(covbuf_profile_diff_save(difference, "x", "./points", &why) == -ENOTDIR);
	if (!is_asked())
		CHECK(covbuf_profile_diff_save(difference, "x", NULL, NULL) == -ENOENT);
	covbuf_profile_diff_destroy(difference);
	CHECK(covbuf_profile_baseline(1u << 31, &none, &why) == -EINVAL && !none);
	CHECK(covbuf_profile_baseline(COVBUF_PROFILE_CLEAR_BITMAPS, &none, &why) == -EBUSY && !none);
	covbuf_profile_baseline_destroy(base);
	base = baseline(COVBUF_PROFILE_CLEAR_BITMAPS);
	CHECK(covbuf_profile_baseline(0, &none, &why) == -EBUSY && !none);
	covbuf_profile_baseline_destroy(base);
	covbuf_profile_baseline_destroy(baseline(0));
}

/* For run.sh: three tests, of which the third covers again what the first did. */
static void save_tests(unsigned int flags, const char *directory)
{
	struct covbuf_profile_base *base;

	subject_loop(5);
	subject_decide(0, 0, 1);
	base = baseline(flags);
	subject_loop(100);
	decide_all();
	save(base, "first", directory);
	subject_loop(200);
	save(base, "second", directory);
	subject_loop(300);
	decide_all();
	save(base, "third", directory);
	save(base, "nothing", directory);
	fflush(stdout);
	kill(getpid(), SIGKILL);
}

int main(int argc, char **argv)
{
	const char *name = argc > 1 ? argv[1] : "", *directory = argc > 2 ? argv[2] : NULL;

	if (!strcmp(name, "add_up"))
		add_up();
	else if (!strcmp(name, "have_what_was_covered"))
		have_what_was_covered();
	else if (!strcmp(name, "know_images_that_come_and_go"))
		know_images_that_come_and_go();
	else if (!strcmp(name, "know_images_that_come_and_go_meanwhile"))
		know_images_that_come_and_go_meanwhile();
	else if (!strcmp(name, "know_images_that_are_being_opened"))
		know_images_that_are_being_opened();
	else if (!strcmp(name, "save_of_an_image_that_is_closed"))
		save_of_an_image_that_is_closed(directory);
	else if (!strcmp(name, "belong_to_their_process"))
		belong_to_their_process();
	else if (!strcmp(name, "bear_threads"))
		bear_threads(false);
	else if (!strcmp(name, "bear_threads_exactly"))
		bear_threads(true);
	else if (!strcmp(name, "refuse_what_is_wrong"))
		refuse_what_is_wrong();
	else if (!strcmp(name, "save_tests"))
		save_tests(0, directory);
	else if (!strcmp(name, "save_tests_that_clear"))
		save_tests(COVBUF_PROFILE_CLEAR_BITMAPS, directory);
	else
		return 2;
	printf("ok %s\n", name);
	return 0;
}
