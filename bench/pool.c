/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * What does it cost to take an area of 64 KiB from the pool and give it back, from one thread and from
 * two that do nothing else?
 *
 * All are called, none inlined, and none touches the area. Only the pool's own is safe in a signal
 * handler and between processes.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <malloc.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#if defined(BENCH_CK)
#include <ck_stack.h>
#endif
#if defined(BENCH_LFSTACK)
#include <urcu/wfcqueue.h>
#endif

#include "engine.h"

#define NR_AREAS 64
#define AREA_BYTES 65536
#define NR_PAIRS 20000

static char *areas;

#define PASS(name, take, give)                                                                     \
	static __attribute__((noinline, aligned(64))) uint64_t pass_##name(const struct bench_variant *variant,   \
									   uint32_t thread)        \
	{                                                                                          \
		(void)thread;                                                                      \
		for (uint64_t i = 0; i < variant->nr_ops; i++) {                                   \
			void *area = take();                                                       \
			BENCH_KEEP(area);                                                          \
			if (area)                                                                  \
				give(area);                                                        \
		}                                                                                  \
		return variant->nr_ops;                                                            \
	}
#define CALLED static __attribute__((noinline, aligned(64)))

CALLED void *nothing_take(void)
{
	__asm__ volatile("");
	return areas;
}

CALLED void nothing_give(void *area)
{
	__asm__ volatile("" : : "r"(area));
}
PASS(nothing, nothing_take, nothing_give)

/* What any pool without a lock, that others may take from, has to do at least. */
static struct {
	uint64_t word __attribute__((aligned(128)));
} flags[BENCH_MAX_THREADS];
static __thread uint32_t own_flag;

CALLED void *swap_take(void)
{
	uint64_t free = 0;

	return covb_cas_acquire(&flags[own_flag].word, &free, 1) ? areas : NULL;
}

CALLED void swap_give(void *area)
{
	uint64_t held = 1;

	BENCH_KEEP(area);
	covb_cas_release(&flags[own_flag].word, &held, 0);
}

static __attribute__((noinline, aligned(64))) uint64_t pass_swap(const struct bench_variant *variant, uint32_t thread)
{
	own_flag = thread;
	for (uint64_t i = 0; i < variant->nr_ops; i++) {
		void *area = swap_take();

		BENCH_KEEP(area);
		swap_give(area);
	}
	return variant->nr_ops;
}

/* A list through the areas' first words, under a spinlock: KCOV's, from its description. */
static pthread_spinlock_t spinlock;
static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static void *list __attribute__((aligned(128)));

static void make_list(const struct bench_variant *variant)
{
	(void)variant;
	list = NULL;
	for (int i = 0; i < NR_AREAS; i++) {
		*(void **)(areas + i * AREA_BYTES) = list;
		list = areas + i * AREA_BYTES;
	}
}

static inline void *pop_list(void)
{
	void *area = list;

	if (area)
		list = *(void **)area;
	return area;
}

static inline void push_list(void *area)
{
	*(void **)area = list;
	list = area;
}

CALLED void *spin_take(void)
{
	void *area;

	pthread_spin_lock(&spinlock);
	area = pop_list();
	pthread_spin_unlock(&spinlock);
	return area;
}

CALLED void spin_give(void *area)
{
	pthread_spin_lock(&spinlock);
	push_list(area);
	pthread_spin_unlock(&spinlock);
}
PASS(spin, spin_take, spin_give)

CALLED void *mutex_take(void)
{
	void *area;

	pthread_mutex_lock(&mutex);
	area = pop_list();
	pthread_mutex_unlock(&mutex);
	return area;
}

CALLED void mutex_give(void *area)
{
	pthread_mutex_lock(&mutex);
	push_list(area);
	pthread_mutex_unlock(&mutex);
}
PASS(mutex, mutex_take, mutex_give)

/* A Treiber stack of indices, with a tag against ABA. */
static uint64_t stack __attribute__((aligned(128)));
static uint32_t links[NR_AREAS + 1] __attribute__((aligned(128)));

static void make_stack(const struct bench_variant *variant)
{
	(void)variant;
	for (uint32_t i = 1; i <= NR_AREAS; i++)
		links[i] = i - 1;
	stack = NR_AREAS;
}

CALLED void *treiber_take(void)
{
	uint64_t head = __atomic_load_n(&stack, __ATOMIC_ACQUIRE), next;

	do {
		if (!(uint32_t)head)
			return NULL;
		next = ((head >> 32) + 1) << 32 | covb_load(&links[(uint32_t)head]);
	} while (!__atomic_compare_exchange_n(&stack, &head, next, 1, __ATOMIC_ACQUIRE, __ATOMIC_ACQUIRE));
	return areas + ((uint64_t)(uint32_t)head - 1) * AREA_BYTES;
}

CALLED void treiber_give(void *area)
{
	uint32_t i = (uint32_t)(((char *)area - areas) / AREA_BYTES) + 1;
	uint64_t head = covb_load(&stack);

	do
		covb_store(&links[i], (uint32_t)head);
	while (!__atomic_compare_exchange_n(&stack, &head, (head & ~0xffffffffull) | i, 1, __ATOMIC_RELEASE,
					    __ATOMIC_RELAXED));
}
PASS(treiber, treiber_take, treiber_give)

#if defined(BENCH_CK)
static ck_stack_t ck __attribute__((aligned(128)));

static void make_ck(const struct bench_variant *variant)
{
	(void)variant;
	ck_stack_init(&ck);
	for (int i = 0; i < NR_AREAS; i++)
		ck_stack_push_mpmc(&ck, (ck_stack_entry_t *)(areas + i * AREA_BYTES));
}

CALLED void *ck_take(void)
{
	return ck_stack_pop_mpmc(&ck);
}

CALLED void ck_give(void *area)
{
	ck_stack_push_mpmc(&ck, area);
}
PASS(ck, ck_take, ck_give)
#define CK_MISSING NULL
#else
#define pass_ck pass_nothing
#define make_ck NULL
#define CK_MISSING "not measured: libck-dev is not installed"
#endif

#if defined(BENCH_LFSTACK)
static struct cds_wfcq_head queue_head;
static struct cds_wfcq_tail queue_tail;

static void make_queue(const struct bench_variant *variant)
{
	(void)variant;
	cds_wfcq_init(&queue_head, &queue_tail);
	for (int i = 0; i < NR_AREAS; i++) {
		struct cds_wfcq_node *node = (struct cds_wfcq_node *)(areas + i * AREA_BYTES);

		cds_wfcq_node_init(node);
		cds_wfcq_enqueue(&queue_head, &queue_tail, node);
	}
}

CALLED void *queue_take(void)
{
	return cds_wfcq_dequeue_blocking(&queue_head, &queue_tail);
}

CALLED void queue_give(void *area)
{
	cds_wfcq_node_init(area);
	cds_wfcq_enqueue(&queue_head, &queue_tail, area);
}
PASS(queue, queue_take, queue_give)
#define QUEUE_MISSING NULL
#else
#define pass_queue pass_nothing
#define make_queue NULL
#define QUEUE_MISSING "not measured: liburcu-cds is not installed"
#endif

CALLED void *glibc_take(void)
{
	return malloc(AREA_BYTES);
}

CALLED void glibc_give(void *area)
{
	free(area);
}
PASS(glibc, glibc_take, glibc_give)

/* The system's jemalloc, beside the program's malloc. */
static void *(*jemalloc_take)(size_t bytes, int flags);
static void (*jemalloc_give)(void *area, int flags);

static const char *find_jemalloc(void)
{
	void *library = dlopen("libjemalloc.so.2", RTLD_NOW | RTLD_LOCAL);
	int (*control)(const char *, void *, size_t *, void *, size_t);

	if (!library)
		return "not measured: libjemalloc.so.2 cannot be loaded";
	jemalloc_take = (void *(*)(size_t, int))dlsym(library, "mallocx");
	jemalloc_give = (void (*)(void *, int))dlsym(library, "dallocx");
	control = (int (*)(const char *, void *, size_t *, void *, size_t))dlsym(library, "mallctl");
	if (!jemalloc_take || !jemalloc_give || !control)
		return "not measured: libjemalloc.so.2 has other names";
	return NULL;
}

CALLED void *jemalloc_take_area(void)
{
	return jemalloc_take(AREA_BYTES, 0);
}

CALLED void jemalloc_give_area(void *area)
{
	jemalloc_give(area, 0);
}
PASS(jemalloc, jemalloc_take_area, jemalloc_give_area)

static __attribute__((noinline, aligned(64))) uint64_t pass_covbuf(const struct bench_variant *variant, uint32_t thread)
{
	(void)thread;
	for (uint64_t i = 0; i < variant->nr_ops; i++) {
		uint64_t *words, nr_words, ticket;

		if (covbuf_area_take(0, &words, &nr_words, &ticket))
			continue;
		BENCH_KEEP(words);
		covbuf_area_give(ticket);
	}
	return variant->nr_ops;
}

#define BOTH(label, function, ready, gap, one, two, ...)                                           \
	{ .name = label, .pass = pass_##function, .prepare = ready, .nr_ops = NR_PAIRS, .missing = gap,           \
	  .against = "covbuf_area_take(), _give()", .reference_ratio = one },                      \
	{ .name = label, .pass = pass_##function, .prepare = ready, .nr_ops = NR_PAIRS, .missing = gap,           \
	  .nr_threads = 2, .against = "covbuf_area_take(), _give()", .reference_ratio = two }

int main(int argc, char **argv)
{
	const char *jemalloc_missing = find_jemalloc();
	struct bench_variant variants[] = {
		{ .name = "covbuf_area_take(), _give()", .pass = pass_covbuf, .nr_ops = NR_PAIRS,
		  .target_ns = 5 },
		{ .name = "covbuf_area_take(), _give()", .pass = pass_covbuf, .nr_ops = NR_PAIRS,
		  .nr_threads = 2, .target_ns = 5.5 },
		BOTH("two empty calls", nothing, NULL, NULL, 0.8, 0.9),
		BOTH("two swaps of a flag of its own", swap, NULL, NULL, 0, 0),
		BOTH("list under a spinlock (KCOV)", spin, make_list, NULL, 2.9, 14),
		BOTH("list under a mutex", mutex, make_list, NULL, 3.7, 26),
		BOTH("tagged Treiber stack", treiber, make_stack, NULL, 2.1, 16),
		BOTH("ck_stack, cas128", ck, make_ck, CK_MISSING, 3.1, 21),
		BOTH("liburcu wfcqueue", queue, make_queue, QUEUE_MISSING, 3.1, 48),
		BOTH("glibc malloc, free", glibc, NULL, NULL, 4.7, 4.4),
		BOTH("jemalloc mallocx, dallocx", jemalloc, NULL, jemalloc_missing, 41, 50),
	};
	struct bench bench = { .name = "pool", .unit = "pair, per thread", .variants = variants,
			       .question = "What does it cost to take an area and give it back?",
			       .nr_variants = BENCH_NR(variants), .repetitions = 60 };

	bench_init(argc, argv);
	mallopt(M_MMAP_THRESHOLD, 1 << 30);
	mallopt(M_TRIM_THRESHOLD, 1 << 30);
	bench_attach(64u << 20, 0, NR_AREAS);
	pthread_spin_init(&spinlock, PTHREAD_PROCESS_PRIVATE);
	areas = aligned_alloc(1 << 21, NR_AREAS * AREA_BYTES);
	memset(areas, 0, NR_AREAS * AREA_BYTES);
	bench_run(&bench);
	return bench_finish();
}
