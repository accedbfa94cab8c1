// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* KCOV_ENABLE and KCOV_DISABLE: which error comes first, and who may. */
#define _GNU_SOURCE
#include <errno.h>
#include <sys/ioctl.h>
#include "abi.h"

static void not_inited(void)
{
	int fd = open_device();

	fails(EINVAL, ioctl(fd, KCOV_ENABLE, KCOV_TRACE_PC));
	fails(EINVAL, ioctl(fd, KCOV_ENABLE, 7));
	fails(EINVAL, ioctl(fd, KCOV_DISABLE, 0));
}

static void modes(void)
{
	int fd = open_words(PAGE_WORDS);

	fails(EINVAL, ioctl(fd, KCOV_ENABLE, 2));
	fails(EINVAL, ioctl(fd, KCOV_ENABLE, 1ul << 32));
	fails(EINVAL, ioctl(fd, KCOV_ENABLE, ~0ul));
	works(ioctl(fd, KCOV_ENABLE, KCOV_TRACE_PC));
	works(ioctl(fd, KCOV_DISABLE, 0));
	works(ioctl(fd, KCOV_ENABLE, KCOV_TRACE_CMP));
	works(ioctl(fd, KCOV_DISABLE, 0));
}

static void needs_no_map(void)
{
	int fd = open_words(2);

	works(ioctl(fd, KCOV_ENABLE, KCOV_TRACE_PC));
	run_function(0, 1);
	works(ioctl(fd, KCOV_DISABLE, 0));
}

static void twice(void)
{
	struct cov cov = enabled(PAGE_WORDS, KCOV_TRACE_PC);

	fails(EINVAL, ioctl(cov.fd, KCOV_ENABLE, KCOV_TRACE_PC));
	fails(EINVAL, ioctl(cov.fd, KCOV_ENABLE, KCOV_TRACE_CMP));
	fails(EINVAL, ioctl(cov.fd, KCOV_ENABLE, 7));
}

static void another_fd(void)
{
	struct cov cov = enabled(PAGE_WORDS, KCOV_TRACE_PC);
	int other = open_words(PAGE_WORDS);

	fails(EBUSY, ioctl(other, KCOV_ENABLE, KCOV_TRACE_PC));
	/* That the task is busy is seen before the mode, that the file is not INITed before both. */
	fails(EBUSY, ioctl(other, KCOV_ENABLE, 7));
	fails(EINVAL, ioctl(open_device(), KCOV_ENABLE, KCOV_TRACE_PC));
	works(ioctl(cov.fd, KCOV_DISABLE, 0));
	works(ioctl(other, KCOV_ENABLE, KCOV_TRACE_PC));
}

static void disable_takes_no_argument(void)
{
	struct cov cov = enabled(PAGE_WORDS, KCOV_TRACE_PC);

	cov.area[0] = 0;
	fails(EINVAL, ioctl(cov.fd, KCOV_DISABLE, 1));
	fails(EINVAL, ioctl(cov.fd, KCOV_DISABLE, 1ul << 32));
	run_function(0, 1);
	works(ioctl(cov.fd, KCOV_DISABLE, 0));
	expect(cov.area[0], "a refused KCOV_DISABLE has disabled");
}

static void disable_what_is_enabled(void)
{
	struct cov cov = enabled(PAGE_WORDS, KCOV_TRACE_PC);
	int other = open_words(PAGE_WORDS);

	fails(EINVAL, ioctl(other, KCOV_DISABLE, 0));
	fails(EINVAL, ioctl(open_device(), KCOV_DISABLE, 0));
	works(ioctl(cov.fd, KCOV_DISABLE, 0));
	fails(EINVAL, ioctl(cov.fd, KCOV_DISABLE, 0));
}

static void disable_elsewhere(void *data)
{
	int *fd = data;

	fails(EINVAL, ioctl(*fd, KCOV_DISABLE, 0));
}

static void enable_elsewhere(void *data)
{
	int *fd = data;

	fails(EINVAL, ioctl(*fd, KCOV_ENABLE, KCOV_TRACE_PC));
}

static void by_another_task(void)
{
	struct cov cov = enabled(8 * PAGE_WORDS, KCOV_TRACE_PC);

	in_thread(disable_elsewhere, &cov.fd);
	in_child(disable_elsewhere, &cov.fd);
	in_thread(enable_elsewhere, &cov.fd);
	in_child(enable_elsewhere, &cov.fd);
	cov.area[0] = 0;
	run_function(0, 1);
	works(ioctl(cov.fd, KCOV_DISABLE, 0));
	expect(nr_pcs(&cov, 0), "another task's call has disabled");
}

static void again_and_again(void)
{
	struct cov cov = map_words(64 * PAGE_WORDS);

	for (int round = 0; round < 50; round++) {
		works(ioctl(cov.fd, KCOV_ENABLE, KCOV_TRACE_PC));
		cov.area[0] = 0;
		run_function(round % ABI_PLAIN, 2);
		works(ioctl(cov.fd, KCOV_DISABLE, 0));
		expect_calls(&cov, round % ABI_PLAIN, 2);
		run_function((round + 1) % ABI_PLAIN, 1);
		expect_calls(&cov, round % ABI_PLAIN, 2);
	}
}

const struct check enable_checks[] = {
	{ "enable/not_inited", not_inited },
	{ "enable/modes", modes },
	{ "enable/needs_no_map", needs_no_map },
	{ "enable/twice", twice },
	{ "enable/another_fd", another_fd },
	{ "enable/disable_takes_no_argument", disable_takes_no_argument },
	{ "enable/disable_what_is_enabled", disable_what_is_enabled },
	{ "enable/by_another_task", by_another_task },
	{ "enable/again_and_again", again_and_again },
	{ }
};
