/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* What Linux does and an emulator of it may only claim to have done: tests that need it are skipped there. */
#ifndef COVB_TEST_KERNEL_H
#define COVB_TEST_KERNEL_H

#include <criterion/criterion.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

static inline volatile unsigned char *kernel_page(int flags)
{
	size_t bytes = (size_t)sysconf(_SC_PAGESIZE);
	volatile unsigned char *page = mmap(NULL, bytes, PROT_READ | PROT_WRITE, flags | MAP_ANONYMOUS, -1, 0);

	cr_assert_neq(page, MAP_FAILED);
	*page = 1;
	return page;
}

static inline void need_holes(void)
{
	size_t bytes = (size_t)sysconf(_SC_PAGESIZE);
	volatile unsigned char *page = kernel_page(MAP_SHARED);

	if (madvise((void *)page, bytes, MADV_REMOVE) || *page)
		cr_skip_test("MADV_REMOVE removes nothing here");
	munmap((void *)page, bytes);
}

static inline void need_wipe_on_fork(void)
{
	size_t bytes = (size_t)sysconf(_SC_PAGESIZE);
	volatile unsigned char *page = kernel_page(MAP_PRIVATE);
	int kept = -1;
	pid_t child;

	madvise((void *)page, bytes, MADV_WIPEONFORK);
	child = fork();
	if (!child)
		_exit(*page);
	waitpid(child, &kept, 0);
	if (kept)
		cr_skip_test("MADV_WIPEONFORK wipes nothing here");
	munmap((void *)page, bytes);
}

static inline void need_address_space_limit(rlim_t bytes)
{
	struct rlimit got = { 0 };

	if (setrlimit(RLIMIT_AS, &(struct rlimit){ bytes, bytes }) || getrlimit(RLIMIT_AS, &got) || got.rlim_cur != bytes)
		cr_skip_test("the address space cannot be limited here");
}

#endif
