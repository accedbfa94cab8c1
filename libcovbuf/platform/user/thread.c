/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Threads: who they are, and that their contexts close when they end.
 *
 * The destructor of a thread-specific key runs among the destructors of other keys, in an order that
 * nobody defines, and those may be instrumented. So it asks to be called again until the last round
 * that the C library makes.
 */
#define _GNU_SOURCE
#include <limits.h>
#include <linux/futex.h>
#include <pthread.h>
#include <sched.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>
#include <urcu.h>

#include "user.h"

static pthread_key_t key;
static bool have_key;
static __thread bool rcu_registered __attribute__((tls_model("initial-exec")));

/* ThreadSanitizer, where the engine itself is built with it, takes the last round for its own end. */
#if defined(__has_feature)
#if __has_feature(thread_sanitizer)
#define LAST_ROUND (PTHREAD_DESTRUCTOR_ITERATIONS - 1)
#endif
#elif defined(__SANITIZE_THREAD__)
#define LAST_ROUND (PTHREAD_DESTRUCTOR_ITERATIONS - 1)
#endif
#ifndef LAST_ROUND
#define LAST_ROUND PTHREAD_DESTRUCTOR_ITERATIONS
#endif

static void end_thread(void *round)
{
	uintptr_t n = (uintptr_t)round;

	if (n < LAST_ROUND && !pthread_setspecific(key, (void *)(n + 1)))
		return;
	if (covb_plat_alive())
		covb_context_close(covbuf_context());
	if (rcu_registered) {
		rcu_registered = false;
		rcu_unregister_thread();
	}
}

int covb_threads_init(void)
{
	int err = have_key ? 0 : pthread_key_create(&key, end_thread);

	if (!err)
		have_key = true;
	return -err;
}

COVBUF_NOINSTR void covb_plat_identify(uint32_t *pid, uint32_t *tid, char *name)
{
	/* not getpid(): a vfork child is its parent */
	*pid = covb_load(&covb_engine.procs[covb_engine.proc].pid);
	*tid = (uint32_t)syscall(SYS_gettid);
	prctl(PR_GET_NAME, name);
}

/* glibc keeps the first keys' values in the thread's own block, so this allocates nothing. */
COVBUF_NOINSTR bool covb_plat_close_at_exit(struct covbuf_context *ctx)
{
	(void)ctx;
	return !pthread_setspecific(key, (void *)1);
}

/* A slot's next user finds them again, so there are never more than there are context slots. */
COVBUF_NOINSTR uint32_t *covb_plat_map_marks(uint32_t nr_sites)
{
	size_t bytes = ((size_t)nr_sites + 1) * sizeof(uint32_t);
	void *p = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	return p == MAP_FAILED ? NULL : (uint32_t *)p;
}

COVBUF_NOINSTR void covb_plat_wake(uint32_t *word)
{
	syscall(SYS_futex, word, FUTEX_WAKE, INT_MAX, NULL, NULL, 0);
}

/* ---- sleeping level -------------------------------------------------------------------------- */

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static int cancel_state; /* of the thread that has it, before */

/* A thread that was cancelled with the lock would keep it. */
void covb_plat_lock(void)
{
	int before;

	pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &before);
	pthread_mutex_lock(&mutex);
	cancel_state = before;
}

void covb_plat_unlock(void)
{
	int before = cancel_state;

	pthread_mutex_unlock(&mutex);
	pthread_setcancelstate(before, &before);
}

void *covb_plat_zalloc(size_t bytes)
{
	return calloc(1, bytes);
}

void covb_plat_free(void *p)
{
	free(p);
}

void covb_plat_relax(void)
{
	const struct timespec moment = { .tv_nsec = 50000 };

	nanosleep(&moment, NULL);
}

static void register_thread(void)
{
	if (rcu_registered)
		return;
	rcu_register_thread();
	rcu_registered = true;
	if (have_key && !pthread_getspecific(key))
		pthread_setspecific(key, (void *)1);
}

void covb_plat_rcu_read_lock(void)
{
	register_thread();
	rcu_read_lock();
}

void covb_plat_rcu_read_unlock(void)
{
	rcu_read_unlock();
}

static void call_back(struct rcu_head *head)
{
	struct covb_rcu_head *covb = (struct covb_rcu_head *)((char *)head - offsetof(struct covb_rcu_head, head));

	covb->fn(covb);
}

void covb_plat_call_rcu(struct covb_rcu_head *head, void (*fn)(struct covb_rcu_head *head))
{
	register_thread();
	head->fn = fn;
	call_rcu(&head->head, call_back);
}

bool covb_plat_grow(uint32_t area_class)
{
	return covb_segment && covbuf_segment_grow(covb_segment, area_class, 1) > 0;
}

bool covb_plat_process_gone(uint32_t proc)
{
	if (proc == covb_engine.proc || !covb_segment)
		return false;
	/* nobody's number, or that of a slot that was given up: nothing is done in its name any more */
	if (!proc || proc >= covb_engine.nr_procs ||
	    (covb_load(&covb_engine.procs[proc].state) & 0xff) != COVBUF_PROC_LIVE)
		return true;
	return covb_process_dead(covb_segment, proc);
}
