/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * fork: a child must not write into its parent's areas.
 *
 * Thread-local storage survives a fork, cursors and all. The handlers below shut the forking thread's
 * context in the child, or give it areas of its own where children are followed. A child made by a raw
 * clone runs no handler; for it there is a word on a page that the kernel wipes, which every slow path,
 * start, stop and take looks at, so that it writes at most to the rest of one area. A vfork child is its
 * parent until it execs.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <pthread.h>
#include <sys/mman.h>
#include <unistd.h>
#include <urcu.h>

#include "user.h"

static uint32_t never;
uint32_t *covb_alive_word = &never;

int covb_alive_init(void)
{
	long page_bytes = sysconf(_SC_PAGESIZE);
	void *page;

	if (covb_alive_word != &never)
		return 0;
	page = mmap(NULL, (size_t)page_bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (page == MAP_FAILED)
		return -ENOMEM;
	if (madvise(page, (size_t)page_bytes, MADV_WIPEONFORK)) {
		int err = -errno;

		munmap(page, (size_t)page_bytes);
		return err;
	}
	covb_store(&covb_alive_word, (uint32_t *)page);
	return 0;
}

void covb_alive_set(void)
{
	covb_store_release(covb_alive_word, 1);
}

static void prepare(void)
{
	call_rcu_before_fork();
	covb_plat_lock();
	covb_engine_before_fork();
}

static void in_parent(void)
{
	covb_plat_unlock();
	call_rcu_after_fork_parent();
}

static void in_child(void)
{
	covb_plat_unlock();
	covb_engine_after_fork(); /* before callbacks of the parent's run */
	call_rcu_after_fork_child();
}

int covb_fork_init(void)
{
	static bool done;
	int err = done ? 0 : pthread_atfork(prepare, in_parent, in_child);

	if (!err)
		done = true;
	return -err;
}
