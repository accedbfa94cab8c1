/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * What to compare with, one at a time:
 *
 *   EMPTY      callbacks that do nothing: the limit of anything that is called
 *   KCOV       KCOV's sequence, from its documentation; the area is emptied behind each slice
 *   NULL_TEST  to be inlined: a test whether anybody collects, which nobody does. The floor of being idle
 *   COUNTERS   what inline counters need in order to link: nothing reads them
 */
#include <stddef.h>
#include <stdlib.h>

#include "driver.h"

#define HOT __attribute__((visibility("hidden"), aligned(64)))

void __sanitizer_cov_trace_pc(void);
void __sanitizer_cov_trace_pc_guard(uint32_t *guard);
void __sanitizer_cov_trace_pc_guard_init(uint32_t *start, uint32_t *end);
void __sanitizer_cov_pcs_init(const uintptr_t *start, const uintptr_t *end);
void __sanitizer_cov_8bit_counters_init(char *start, char *end);
void __sanitizer_cov_bool_flag_init(char *start, char *end);

void __sanitizer_cov_pcs_init(const uintptr_t *start, const uintptr_t *end)
{
	(void)start;
	(void)end;
}

#if defined(COUNTERS)

void __sanitizer_cov_8bit_counters_init(char *start, char *end)
{
	(void)start;
	(void)end;
}

void __sanitizer_cov_bool_flag_init(char *start, char *end)
{
	(void)start;
	(void)end;
}

#else

void __sanitizer_cov_trace_pc_guard_init(uint32_t *start, uint32_t *end)
{
	(void)start;
	(void)end;
}

#endif

#if defined(EMPTY)

HOT void __sanitizer_cov_trace_pc(void)
{
}

HOT void __sanitizer_cov_trace_pc_guard(uint32_t *guard)
{
	(void)guard;
}

#elif defined(KCOV)

#define NR_WORDS (1u << 20)

static __thread struct {
	uint32_t mode, nr_words;
	uint64_t *area;
} kcov;
static uint64_t nr_edges;

/* Inlined into both. The mode, then whether there is room, then the count, then the record. */
static inline __attribute__((always_inline)) void append(uint64_t pc)
{
	uint64_t *area, n;

	if (__builtin_expect(__atomic_load_n(&kcov.mode, __ATOMIC_RELAXED) != 2, 0))
		return;
	__asm__ volatile("" : : : "memory");
	area = kcov.area;
	n = __atomic_load_n(area, __ATOMIC_RELAXED) + 1;
	if (__builtin_expect(n < kcov.nr_words, 1)) {
		__atomic_store_n(area, n, __ATOMIC_RELAXED);
		__asm__ volatile("" : : : "memory");
		area[n] = pc;
	}
}

HOT void __sanitizer_cov_trace_pc(void)
{
	append((uint64_t)(uintptr_t)__builtin_return_address(0));
}

HOT void __sanitizer_cov_trace_pc_guard(uint32_t *guard)
{
	(void)guard;
	append((uint64_t)(uintptr_t)__builtin_return_address(0));
}

void recorder_start(const char *mode)
{
	(void)mode;
	kcov.area = calloc(NR_WORDS, sizeof(uint64_t));
	if (!kcov.area)
		driver_fail("calloc()");
	kcov.nr_words = NR_WORDS;
	kcov.mode = 2;
}

void recorder_end(void)
{
	nr_edges += kcov.area[0];
	if (kcov.area[0] + 1 == NR_WORDS)
		driver_fail("KCOV's area, which a slice must not fill,");
	kcov.area[0] = 0;
}

uint64_t recorder_edges(void)
{
	uint64_t n = nr_edges;

	nr_edges = 0;
	return n;
}

#elif defined(NULL_TEST)

static __thread void *collector;

static __attribute__((noinline, cold, preserve_most)) void collect(const uint32_t *guard)
{
	__asm__ volatile("" : : "r"(guard), "r"(collector) : "memory");
}

__attribute__((visibility("hidden"), always_inline)) void __sanitizer_cov_trace_pc_guard(uint32_t *guard)
{
	if (__builtin_expect(__atomic_load_n(&collector, __ATOMIC_RELAXED) != NULL, 0))
		collect(guard);
}

/* So that no compiler finds out. */
void recorder_start(const char *mode)
{
	void **p = &collector;

	(void)mode;
	__asm__ volatile("" : "+r"(p) : : "memory");
	*p = NULL;
}

#endif
