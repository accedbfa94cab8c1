// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* Sections of others: what of them reaches the area, and when; and who inherits the common handle. */
#define _GNU_SOURCE
#include <errno.h>
#include <pthread.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>
#include "abi.h"

static void work_of_a_usb_handle(void)
{
	struct cov cov = map_words(64 * PAGE_WORDS);

	remote_enabled(&cov, USB(3));
	work(USB(3), 1, 5);
	work(USB(4), 2, 5);
	work(COMMON(3), 2, 5);
	expect_calls(&cov, 1, 5);
	work(USB(3), 1, 2);
	expect_calls(&cov, 1, 7);
	works(ioctl(cov.fd, KCOV_DISABLE, 0));
	work(USB(3), 1, 5);
	expect_calls(&cov, 1, 7);
}

static void work_of_the_common_handle(void)
{
	struct cov cov = map_words(64 * PAGE_WORDS);

	expect(!common_handle(), "a common handle before KCOV_REMOTE_ENABLE: %lx", common_handle());
	remote_enabled(&cov, COMMON(9));
	expect(common_handle() == COMMON(9), "the common handle is %lx", common_handle());
	work(ABI_COMMON_HANDLE, 1, 5);
	expect_calls(&cov, 1, 5);
	works(ioctl(cov.fd, KCOV_DISABLE, 0));
	expect(!common_handle(), "a common handle after KCOV_DISABLE: %lx", common_handle());
}

static void softirqs(void)
{
	struct cov cov = map_words(64 * PAGE_WORDS);

	remote_enabled(&cov, USB(3));
	softirq(USB(3), 1, 5);
	softirq(USB(4), 2, 5);
	softirq(ABI_NO_SECTION, 2, 5);
	expect_calls(&cov, 1, 5);
}

/* The softirq's section is somebody's, the task it interrupts is traced by somebody else. */
struct owner {
	struct cov cov;
	uint32_t *state;
};

static void own_until_told(void *data)
{
	struct owner *owner = data;

	remote_enabled(&owner->cov, USB(3));
	post(owner->state, 1);
	await(owner->state, 2);
}

static void softirq_over_a_traced_task(void)
{
	struct owner owner = { map_words(64 * PAGE_WORDS), shared_words() };
	struct cov local = map_words(64 * PAGE_WORDS);
	pid_t child = start_child(own_until_told, &owner);

	await(owner.state, 1);
	works(ioctl(local.fd, KCOV_ENABLE, KCOV_TRACE_PC));
	local.area[0] = 0;
	run_function(0, 1);
	run_job(ABI_SOFTIRQ, USB(3), 1, 2, 3);
	run_function(0, 1);
	works(ioctl(local.fd, KCOV_DISABLE, 0));
	post(owner.state, 2);
	wait_child(child);
	expect_calls(&local, 0, 2);
	expect_calls(&owner.cov, 1, 6);
}

static void several_handles(void)
{
	const uint64_t usb[] = { USB(1), USB(2), USB(3) };
	struct cov cov = map_words(64 * PAGE_WORDS);

	works(remote_enable(cov.fd, KCOV_TRACE_PC, PAGE_WORDS, COMMON(1), 3, usb));
	work(USB(1), 1, 1);
	work(USB(3), 1, 1);
	softirq(USB(2), 1, 1);
	work(COMMON(1), 1, 1);
	expect_calls(&cov, 1, 4);
}

static void many_sections(void)
{
	struct cov cov = map_words(64 * PAGE_WORDS);

	remote_enabled(&cov, USB(3));
	run_job(ABI_WORK, USB(3), 1, 2, 100);
	run_job(ABI_SOFTIRQ, USB(3), 1, 2, 100);
	expect_calls(&cov, 1, 400);
}

static void cmp_mode(void)
{
	struct cov cov = map_words(64 * PAGE_WORDS);
	const uint64_t handle = USB(3);
	unsigned long first;

	works(remote_enable(cov.fd, KCOV_TRACE_CMP, PAGE_WORDS, 0, 1, &handle));
	work(USB(3), 1, 1);
	first = cov.area[0];
	expect(first, "no comparison is recorded");
	work(USB(3), 1, 1);
	expect(cov.area[0] == 2 * first, "%lu records after a call, %lu after two", first, cov.area[0]);
	for (uint64_t i = 0; i < cov.area[0]; i++) {
		volatile uint64_t *record = cov.area + 1 + 4 * i;

		expect(record[0] <= 7 && pc_in(record[3], 1), "record %lu has type %lx, PC %lx", i, record[0], record[3]);
		expect(i < first || record[0] == (record - 4 * first)[0], "record %lu differs from the first call's", i);
	}
}

/* As a reader that polls while the kernel adds: what the count counts is there. */
struct watch {
	struct cov cov;
	uint32_t stop;
};

static void *watch_count(void *data)
{
	struct watch *watch = data;
	uint64_t seen = 0;

	while (!__atomic_load_n(&watch->stop, __ATOMIC_RELAXED)) {
		uint64_t count = __atomic_load_n(&watch->cov.area[0], __ATOMIC_ACQUIRE);

		expect(count >= seen && count < watch->cov.words, "the count goes from %lu to %lu", seen, count);
		for (; seen < count; seen++)
			expect(pc_in(watch->cov.area[seen + 1], 1), "record %lu of %lu is not there yet", seen, count);
	}
	return NULL;
}

static void count_after_data(void)
{
	/* Sections that take long to copy. */
	unsigned int sections = 50, times = 7000 / pcs_per_call();
	struct watch watch = { map_words(1ul << 19), 0 };
	pthread_t id;

	remote_enabled(&watch.cov, USB(3));
	expect(!pthread_create(&id, NULL, watch_count, &watch), "no thread");
	run_job(ABI_WORK, USB(3), 1, times, sections);
	__atomic_store_n(&watch.stop, 1, __ATOMIC_RELAXED);
	pthread_join(id, NULL);
	expect_calls(&watch.cov, 1, times * sections);
}

static void fills_to_the_end(void)
{
	struct cov cov = map_words(PAGE_WORDS);
	unsigned int sections = PAGE_WORDS / pcs_per_call() + 2;

	remote_enabled(&cov, USB(3));
	run_job(ABI_WORK, USB(3), 1, 1, sections);
	expect(cov.area[0] == PAGE_WORDS - 1, "a full area of %lu words counts %lu", PAGE_WORDS, cov.area[0]);
	for (uint64_t i = 1; i < PAGE_WORDS; i++)
		expect(pc_in(cov.area[i], 1), "word %lu of a full area is %lx", i, cov.area[i]);
	cov.area[0] = 0;
	work(USB(3), 2, 1);
	expect_calls(&cov, 2, 1);
}

static void hostile_counts(void)
{
	const uint64_t counts[] = { PAGE_WORDS - 1, PAGE_WORDS, 1ull << 32, 1ull << 58, 1ull << 61, 1ull << 63, ~1ull, ~0ull };
	const uint64_t handle = USB(3);
	struct cov cov = map_words(PAGE_WORDS);

	for (int mode = KCOV_TRACE_PC; mode <= KCOV_TRACE_CMP; mode++) {
		works(remote_enable(cov.fd, mode, PAGE_WORDS, 0, 1, &handle));
		for (size_t c = 0; c < sizeof(counts) / sizeof(*counts); c++) {
			for (size_t i = 1; i < cov.words; i++)
				cov.area[i] = 77;
			cov.area[0] = counts[c];
			work(USB(3), 1, 3);
			softirq(USB(3), 1, 3);
			expect(cov.area[0] == counts[c], "word 0 was %lx, is %lx", counts[c], cov.area[0]);
			for (size_t i = 1; i < cov.words; i++)
				expect(cov.area[i] == 77, "word %zu is written, with a count of %lx", i, counts[c]);
		}
		works(ioctl(cov.fd, KCOV_DISABLE, 0));
	}
}

/* area_size bounds what one section in a task may record. */
static void area_size_bounds_a_section(void)
{
	const uint64_t handle = USB(3);
	struct cov cov = map_words(64 * PAGE_WORDS);

	works(remote_enable(cov.fd, KCOV_TRACE_PC, 4, 0, 1, &handle));
	run_job(ABI_WORK, USB(3), 1, 5, 2);
	expect(cov.area[0] == 6, "two sections of 3 records at most: %lu", cov.area[0]);
}

/* One word is the count. */
static void area_size(unsigned int words)
{
	const uint64_t handle = USB(3);
	struct cov cov = map_words(64 * PAGE_WORDS);

	works(remote_enable(cov.fd, KCOV_TRACE_PC, words, 0, 1, &handle));
	run_job(ABI_WORK, USB(3), 1, 5, 2);
	expect(!cov.area[0], "sections of %u words: %lu records", words, cov.area[0]);
}

static void area_size_0(void)
{
	area_size(0);
}

static void area_size_1(void)
{
	area_size(1);
}

/* A section that began under an enable which has ended leaves nothing. */
static void disabled_inside(void)
{
	struct cov cov = map_words(64 * PAGE_WORDS);

	remote_enabled(&cov, USB(3));
	run_job(ABI_HOLD, USB(3), 1, 1, 1);
	works(ioctl(cov.fd, KCOV_DISABLE, 0));
	release_held();
	expect(!cov.area[0], "%lu records after KCOV_DISABLE", cov.area[0]);
}

static void enabled_again_inside(void)
{
	struct cov cov = map_words(64 * PAGE_WORDS);

	remote_enabled(&cov, USB(3));
	run_job(ABI_HOLD, USB(3), 1, 1, 1);
	works(ioctl(cov.fd, KCOV_DISABLE, 0));
	remote_enabled(&cov, USB(3));
	work(USB(3), 2, 1);
	release_held();
	expect_calls(&cov, 2, 1);
	run_job(ABI_HOLD, USB(3), 2, 1, 1);
	release_held();
	expect_calls(&cov, 2, 3);
}

/* The same file, for the task itself: what a section of before had must not be among it. */
static void enabled_local_inside(void)
{
	struct cov cov = map_words(64 * PAGE_WORDS);

	remote_enabled(&cov, USB(3));
	run_job(ABI_HOLD, USB(3), 1, 1, 1);
	works(ioctl(cov.fd, KCOV_DISABLE, 0));
	works(ioctl(cov.fd, KCOV_ENABLE, KCOV_TRACE_PC));
	cov.area[0] = 0;
	run_function(0, 1);
	release_held();
	works(ioctl(cov.fd, KCOV_DISABLE, 0));
	expect_calls(&cov, 0, 1);
}

static void handle_given_to_another_inside(void)
{
	struct cov first = map_words(64 * PAGE_WORDS), second = map_words(64 * PAGE_WORDS);

	remote_enabled(&first, USB(3));
	run_job(ABI_HOLD, USB(3), 1, 1, 1);
	works(ioctl(first.fd, KCOV_DISABLE, 0));
	remote_enabled(&second, USB(3));
	release_held();
	expect(!first.area[0] && !second.area[0], "%lu and %lu records", first.area[0], second.area[0]);
}

static void leave_inside(void *data)
{
	struct cov cov = map_words(64 * PAGE_WORDS);

	remote_enabled(&cov, USB(3));
	post(data, 1);
	await(data, 2);
}

/* The area of a section's owner stays for as long as the section runs. */
static void owner_gone_inside(void)
{
	uint32_t *state = shared_words();

	for (int round = 0; round < 5; round++) {
		pid_t child = start_child(leave_inside, state);

		await(state, 1);
		run_job(ABI_HOLD, USB(3), 1, 1, 1);
		post(state, 2);
		wait_child(child);
		post(state, 0);
		release_held();
	}
}

static void close_goes_on(void)
{
	struct cov cov = map_words(64 * PAGE_WORDS);

	remote_enabled(&cov, USB(3));
	works(close(cov.fd));
	work(USB(3), 1, 5);
	expect_calls(&cov, 1, 5);
	works(munmap((void *)cov.area, cov.words * 8));
	work(USB(3), 1, 5);
	fails(EBUSY, remote_enable(open_words(PAGE_WORDS), KCOV_TRACE_PC, 1, COMMON(1), 0, NULL));
}

static void expect_inherited(void *data)
{
	expect(common_handle() == COMMON(9), "the common handle is %lx, want %lx", common_handle(), COMMON(9));
	work(ABI_COMMON_HANDLE, 1, 1);
}

static void expect_inherited_by_grandchild(void *data)
{
	expect_inherited(NULL);
	in_child(expect_inherited, NULL);
	in_thread(expect_inherited, NULL);
}

static void children_inherit(void)
{
	struct cov cov = map_words(64 * PAGE_WORDS);

	remote_enabled(&cov, COMMON(9));
	in_child(expect_inherited_by_grandchild, NULL);
	in_thread(expect_inherited_by_grandchild, NULL);
	expect_calls(&cov, 1, 6);
}

static void wait_then_expect_inherited(void *data)
{
	await(data, 1);
	expect_inherited(NULL);
}

/* They have it for good, and what they start is collected whenever it is enabled. */
static void children_keep(void)
{
	struct cov cov = map_words(64 * PAGE_WORDS);
	uint32_t *state = shared_words();
	pid_t child;

	remote_enabled(&cov, COMMON(9));
	child = start_child(wait_then_expect_inherited, state);
	works(ioctl(cov.fd, KCOV_DISABLE, 0));
	expect(!common_handle(), "the parent still has a common handle");
	remote_enabled(&cov, COMMON(9));
	post(state, 1);
	wait_child(child);
	expect_calls(&cov, 1, 1);
}

static void wait_then_expect_none(void *data)
{
	await(data, 1);
	expect(!common_handle(), "the common handle is %lx", common_handle());
}

static void earlier_children_do_not(void)
{
	struct cov cov = map_words(64 * PAGE_WORDS);
	uint32_t *state = shared_words();
	pid_t child = start_child(wait_then_expect_none, state);

	remote_enabled(&cov, COMMON(9));
	post(state, 1);
	wait_child(child);
}

static void trace_and_expect_inherited(void *data)
{
	int fd = open_words(PAGE_WORDS);

	works(ioctl(fd, KCOV_ENABLE, KCOV_TRACE_PC));
	expect(common_handle() == COMMON(9), "KCOV_ENABLE: the common handle is %lx", common_handle());
	works(ioctl(fd, KCOV_DISABLE, 0));
	expect(common_handle() == COMMON(9), "KCOV_DISABLE: the common handle is %lx", common_handle());
}

static void local_leaves_the_handle(void)
{
	struct cov cov = map_words(64 * PAGE_WORDS);

	remote_enabled(&cov, COMMON(9));
	in_child(trace_and_expect_inherited, NULL);
}

static void fail_and_expect_inherited(void *data)
{
	int fd = open_words(PAGE_WORDS);

	fails(EEXIST, remote_enable(fd, KCOV_TRACE_PC, PAGE_WORDS, COMMON(9), 0, NULL));
	expect(common_handle() == COMMON(9), "the common handle is %lx", common_handle());
}

static void failure_leaves_the_handle(void)
{
	struct cov cov = map_words(64 * PAGE_WORDS);

	remote_enabled(&cov, COMMON(9));
	in_child(fail_and_expect_inherited, NULL);
}

static void exec_and_work(void *data)
{
	exec_work(1, 3);
}

static void exec_keeps_the_handle(void)
{
	struct cov cov = map_words(64 * PAGE_WORDS);

	remote_enabled(&cov, COMMON(9));
	in_child(exec_and_work, NULL);
	expect_calls(&cov, 1, 3);
}

const struct check merge_checks[] = {
	{ "merge/work_of_a_usb_handle", work_of_a_usb_handle },
	{ "merge/work_of_the_common_handle", work_of_the_common_handle },
	{ "merge/softirqs", softirqs },
	{ "merge/softirq_over_a_traced_task", softirq_over_a_traced_task },
	{ "merge/several_handles", several_handles },
	{ "merge/many_sections", many_sections },
	{ "merge/cmp_mode", cmp_mode },
	{ "merge/count_after_data", count_after_data },
	{ "merge/fills_to_the_end", fills_to_the_end },
	{ "merge/hostile_counts", hostile_counts },
	{ "merge/area_size_bounds_a_section", area_size_bounds_a_section },
	{ "merge/area_size_0", area_size_0 },
	{ "merge/area_size_1", area_size_1 },
	{ "merge/disabled_inside", disabled_inside },
	{ "merge/enabled_again_inside", enabled_again_inside },
	{ "merge/enabled_local_inside", enabled_local_inside },
	{ "merge/handle_given_to_another_inside", handle_given_to_another_inside },
	{ "merge/owner_gone_inside", owner_gone_inside },
	{ "merge/close_goes_on", close_goes_on },
	{ "inherit/children", children_inherit },
	{ "inherit/children_keep", children_keep },
	{ "inherit/earlier_children_do_not", earlier_children_do_not },
	{ "inherit/local_leaves_the_handle", local_leaves_the_handle },
	{ "inherit/failure_leaves_the_handle", failure_leaves_the_handle },
	{ "inherit/exec_keeps_the_handle", exec_keeps_the_handle },
	{ }
};
