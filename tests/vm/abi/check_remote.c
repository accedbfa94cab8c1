// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* KCOV_REMOTE_ENABLE: which error comes first, which handles are good, and who holds which. */
#define _GNU_SOURCE
#include <errno.h>
#include <signal.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include "abi.h"

#define MAX_HANDLES 256

#define remote(fd, common, ...) ({						\
	const uint64_t handles_[] = { __VA_ARGS__ };				\
	remote_enable(fd, KCOV_TRACE_PC, PAGE_WORDS, common, sizeof(handles_) / 8, handles_); \
})

/* Memory is looked at first, then the number of handles, then the file. */
static void bad_memory(void)
{
	int fd = open_words(PAGE_WORDS), fresh = open_device();
	char *pages = (char *)works(mmap(NULL, 2 * page_bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
	struct kcov_remote_arg *arg = (void *)(pages + page_bytes - sizeof(*arg));

	works(munmap(pages + page_bytes, page_bytes));
	fails(EFAULT, ioctl(fd, KCOV_REMOTE_ENABLE, NULL));
	fails(EFAULT, ioctl(fresh, KCOV_REMOTE_ENABLE, NULL));
	fails(EFAULT, ioctl(fd, KCOV_REMOTE_ENABLE, ~0ul << 63));
	arg->area_size = PAGE_WORDS;
	arg->num_handles = 1; /* it would be in the page that is not there */
	fails(EFAULT, ioctl(fd, KCOV_REMOTE_ENABLE, arg));
	fails(EFAULT, ioctl(fresh, KCOV_REMOTE_ENABLE, arg));
	arg->num_handles = MAX_HANDLES + 1;
	fails(EINVAL, ioctl(fd, KCOV_REMOTE_ENABLE, arg));
	arg->num_handles = ~0u;
	fails(EINVAL, ioctl(fd, KCOV_REMOTE_ENABLE, arg));
	arg->num_handles = 0;
	works(ioctl(fd, KCOV_REMOTE_ENABLE, arg));
}

static void not_inited(void)
{
	fails(EINVAL, remote(open_device(), COMMON(1)));
}

static void modes(void)
{
	int fd = open_words(PAGE_WORDS);

	fails(EINVAL, remote_enable(fd, 2, PAGE_WORDS, COMMON(1), 0, NULL));
	fails(EINVAL, remote_enable(fd, ~0u, PAGE_WORDS, COMMON(1), 0, NULL));
	works(remote_enable(fd, KCOV_TRACE_CMP, PAGE_WORDS, COMMON(1), 0, NULL));
	works(ioctl(fd, KCOV_DISABLE, 0));
	works(remote_enable(fd, KCOV_TRACE_PC, PAGE_WORDS, COMMON(1), 0, NULL));
}

static void any_area_size(void)
{
	int fd = open_words(PAGE_WORDS);

	works(remote_enable(fd, KCOV_TRACE_PC, 0, COMMON(1), 0, NULL));
	works(ioctl(fd, KCOV_DISABLE, 0));
	works(remote_enable(fd, KCOV_TRACE_PC, ~0u, COMMON(1), 0, NULL));
}

static void number_of_handles(void)
{
	uint64_t handles[MAX_HANDLES + 1];
	int fd = open_words(PAGE_WORDS);

	for (unsigned int i = 0; i <= MAX_HANDLES; i++)
		handles[i] = USB(i);
	works(remote_enable(fd, KCOV_TRACE_PC, PAGE_WORDS, 0, 0, NULL));
	works(ioctl(fd, KCOV_DISABLE, 0));
	fails(EINVAL, remote_enable(fd, KCOV_TRACE_PC, PAGE_WORDS, COMMON(1), MAX_HANDLES + 1, handles));
	works(remote_enable(fd, KCOV_TRACE_PC, PAGE_WORDS, COMMON(1), MAX_HANDLES, handles));
	works(ioctl(fd, KCOV_DISABLE, 0));
	/* None is left behind. */
	works(remote_enable(fd, KCOV_TRACE_PC, PAGE_WORDS, COMMON(1), MAX_HANDLES, handles));
}

static void handles(void)
{
	int fd = open_words(PAGE_WORDS);

	fails(EINVAL, remote(fd, 0, 0));
	fails(EINVAL, remote(fd, 0, COMMON(5)));
	fails(EINVAL, remote(fd, 0, USB(1) | 1ull << 32));
	fails(EINVAL, remote(fd, 0, USB(1) | 1ull << 55));
	fails(EINVAL, remote(fd, 0, 2ull << 56 | 1));
	fails(EINVAL, remote(fd, 0, 0xffull << 56 | 1));
	fails(EINVAL, remote(fd, 0, USB(1), USB(2), COMMON(3)));
	works(remote(fd, 0, USB(0), USB(0xffffffff)));
}

static void common_handles(void)
{
	int fd = open_words(PAGE_WORDS);

	fails(EINVAL, remote(fd, USB(1)));
	fails(EINVAL, remote(fd, USB(0)));
	fails(EINVAL, remote(fd, COMMON(1) | 1ull << 32));
	fails(EINVAL, remote(fd, 1ull << 55));
	fails(EINVAL, remote(fd, 2ull << 56 | 1));
	works(remote(fd, COMMON(0xffffffff)));
}

static void hold_handles(void *data)
{
	uint32_t *state = data;
	int fd = open_words(PAGE_WORDS);

	works(remote(fd, COMMON(7), USB(7)));
	post(state, 1);
	await(state, 2);
	works(ioctl(fd, KCOV_DISABLE, 0));
	post(state, 3);
}

static void taken_handles(void)
{
	uint32_t *state = shared_words();
	int fd = open_words(PAGE_WORDS);
	pid_t child = start_child(hold_handles, state);

	await(state, 1);
	fails(EEXIST, remote(fd, COMMON(7)));
	fails(EEXIST, remote(fd, 0, USB(7)));
	fails(EEXIST, remote(fd, COMMON(8), USB(7)));
	fails(EEXIST, remote(fd, COMMON(7), USB(8)));
	/* One after the other: the first that is wrong decides. */
	fails(EEXIST, remote(fd, 0, USB(7), COMMON(1)));
	fails(EINVAL, remote(fd, 0, COMMON(1), USB(7)));
	fails(EEXIST, remote(fd, USB(1), USB(7)));
	fails(EINVAL, remote(fd, COMMON(7), COMMON(1)));
	post(state, 2);
	await(state, 3);
	works(remote(fd, COMMON(7), USB(7)));
	wait_child(child);
}

static void twice_in_a_list(void)
{
	int fd = open_words(PAGE_WORDS);

	fails(EEXIST, remote(fd, 0, USB(1), USB(2), USB(1)));
	works(remote(fd, 0, USB(1), USB(2)));
}

static void take_one(void *data)
{
	int fd = open_words(PAGE_WORDS);

	works(remote(fd, COMMON(5), USB(5)));
}

static void failure_takes_nothing(void)
{
	int fd = open_words(PAGE_WORDS);

	fails(EINVAL, remote(fd, COMMON(1) | 1ull << 32, USB(5)));
	fails(EINVAL, remote(fd, COMMON(5), USB(5), COMMON(3)));
	fails(EEXIST, remote(fd, COMMON(5), USB(5), USB(5)));
	in_child(take_one, NULL);
	fails(EINVAL, ioctl(fd, KCOV_DISABLE, 0));
	works(ioctl(fd, KCOV_ENABLE, KCOV_TRACE_PC));
}

static void hold_and_wait(void *data)
{
	int fd = open_words(PAGE_WORDS);

	works(remote(fd, COMMON(5), USB(5)));
	if (data) {
		post(data, 1);
		await(data, 2);
	}
}

static void exit_gives_handles_back(void)
{
	uint32_t *state = shared_words();
	int fd = open_words(PAGE_WORDS);
	pid_t child;

	in_child(hold_and_wait, NULL);
	works(remote(fd, COMMON(5), USB(5)));
	works(ioctl(fd, KCOV_DISABLE, 0));
	child = start_child(hold_and_wait, state);
	await(state, 1);
	fails(EEXIST, remote(fd, COMMON(5), USB(5)));
	works(kill(child, SIGKILL));
	reap(child);
	works(remote(fd, COMMON(5), USB(5)));
	works(ioctl(fd, KCOV_DISABLE, 0));
	for (int round = 0; round < 100; round++) {
		in_thread(hold_and_wait, NULL);
		works(remote(fd, COMMON(5), USB(5)));
		works(ioctl(fd, KCOV_DISABLE, 0));
	}
}

static void one_for_a_task(void)
{
	int fd = open_words(PAGE_WORDS), other = open_words(PAGE_WORDS);

	works(remote(fd, COMMON(1)));
	fails(EINVAL, remote(fd, COMMON(2)));
	fails(EINVAL, ioctl(fd, KCOV_ENABLE, KCOV_TRACE_PC));
	fails(EBUSY, remote(other, COMMON(2)));
	/* Before mode and handles. */
	fails(EBUSY, remote_enable(other, 7, PAGE_WORDS, COMMON(1), 0, NULL));
	fails(EBUSY, remote(other, COMMON(1), COMMON(9)));
	fails(EINVAL, remote(open_device(), COMMON(2)));
	fails(EINVAL, ioctl(other, KCOV_DISABLE, 0));
	works(ioctl(fd, KCOV_DISABLE, 0));
	works(remote(other, COMMON(2)));
}

static void disable_elsewhere(void *data)
{
	int *fd = data;

	fails(EINVAL, ioctl(*fd, KCOV_DISABLE, 0));
	fails(EINVAL, remote(*fd, COMMON(9)));
}

static void by_another_task(void)
{
	int fd = open_words(PAGE_WORDS);

	works(remote(fd, COMMON(1)));
	in_thread(disable_elsewhere, &fd);
	in_child(disable_elsewhere, &fd);
	fails(EINVAL, ioctl(fd, KCOV_DISABLE, 1));
	works(ioctl(fd, KCOV_DISABLE, 0));
}

/* Its owner is not traced: the mode is one of sections. */
static void owner_is_not_traced(void)
{
	struct cov cov = map_words(64 * PAGE_WORDS);

	remote_enabled(&cov, COMMON(1));
	run_function(0, 5);
	works(ioctl(cov.fd, KCOV_DISABLE, 0));
	expect(!cov.area[0], "%lu records without a section", cov.area[0]);
}

static void local_and_remote(bool local_first)
{
	struct cov local = map_words(64 * PAGE_WORDS), sections = map_words(64 * PAGE_WORDS);
	int third = open_words(PAGE_WORDS);

	if (local_first)
		works(ioctl(local.fd, KCOV_ENABLE, KCOV_TRACE_PC));
	works(remote_enable(sections.fd, KCOV_TRACE_PC, PAGE_WORDS, COMMON(1), 0, NULL));
	if (!local_first)
		works(ioctl(local.fd, KCOV_ENABLE, KCOV_TRACE_PC));
	fails(EBUSY, ioctl(third, KCOV_ENABLE, KCOV_TRACE_PC));
	fails(EBUSY, remote(third, COMMON(2)));
	local.area[0] = 0;
	run_function(0, 2);
	work(COMMON(1), 1, 3);
	expect_calls(&local, 0, 2);
	expect_calls(&sections, 1, 3);
	/* Each goes without the other. */
	works(ioctl((local_first ? &local : &sections)->fd, KCOV_DISABLE, 0));
	run_function(0, 2);
	work(COMMON(1), 1, 3);
	works(ioctl((local_first ? &sections : &local)->fd, KCOV_DISABLE, 0));
	expect_calls(&local, 0, local_first ? 2 : 4);
	expect_calls(&sections, 1, local_first ? 6 : 3);
}

static void local_then_remote(void)
{
	local_and_remote(true);
}

static void remote_then_local(void)
{
	local_and_remote(false);
}

static void enable_both(void *data)
{
	int *fds = data;

	works(ioctl(fds[0], KCOV_ENABLE, KCOV_TRACE_PC));
	works(remote(fds[1], COMMON(1)));
}

static void both_end_with_the_task(void)
{
	int fds[] = { open_words(PAGE_WORDS), open_words(PAGE_WORDS) };

	for (int round = 0; round < 10; round++) {
		in_child(enable_both, fds);
		in_thread(enable_both, fds);
	}
	enable_both(fds);
}

const struct check remote_checks[] = {
	{ "remote/bad_memory", bad_memory },
	{ "remote/not_inited", not_inited },
	{ "remote/modes", modes },
	{ "remote/any_area_size", any_area_size },
	{ "remote/number_of_handles", number_of_handles },
	{ "remote/handles", handles },
	{ "remote/common_handles", common_handles },
	{ "remote/taken_handles", taken_handles },
	{ "remote/twice_in_a_list", twice_in_a_list },
	{ "remote/failure_takes_nothing", failure_takes_nothing },
	{ "remote/exit_gives_handles_back", exit_gives_handles_back },
	{ "remote/one_for_a_task", one_for_a_task },
	{ "remote/by_another_task", by_another_task },
	{ "remote/owner_is_not_traced", owner_is_not_traced },
	{ "remote/local_then_remote", local_then_remote },
	{ "remote/remote_then_local", remote_then_local },
	{ "remote/both_end_with_the_task", both_end_with_the_task },
	{ }
};
