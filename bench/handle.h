/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The peers of handle.c: structures that find a key's owner. All hold the same keys; a pass looks up the
 * variant's in random order, independent of one another, again and again.
 *
 * With two threads both look up, or the second adds and removes HANDLE_NR_EXTRA keys that nobody looks for, as
 * fast as it can, until the first is done.
 */
#ifndef COVB_BENCH_HANDLE_H
#define COVB_BENCH_HANDLE_H

#include "engine.h"

#define HANDLE_NR_KEYS 16384
#define HANDLE_NR_EXTRA 16

struct handle_work {
	uint32_t nr_handles;
	bool updated;
	const uint64_t *keys; /* HANDLE_NR_KEYS: what is looked up, in this order */
};

struct handle_peer {
	const char *name;
	uint64_t (*pass)(const struct bench_variant *variant, uint32_t thread);
	void (*add)(uint32_t i);	/* the key handle_of(i) */
	void (*fit)(uint32_t nr_handles); /* or NULL; before those are added */
	bool no_updates;
	const char *missing;
	double reference[3]; /* ratios found before: with 10, 1,000 and 100,000 handles */
};

extern const struct handle_peer handle_array, handle_kcov, handle_lists;
extern const struct handle_peer handle_table_memb, handle_table_bp, handle_table_qsbr;

/* As instances come: a number that is given out, some taken. */
static inline uint64_t handle_of(uint32_t i)
{
	return BENCH_HANDLE(i * 3 + 1);
}

/* Those that come and go. */
static inline uint64_t handle_extra(uint32_t i)
{
	return BENCH_HANDLE((i % HANDLE_NR_EXTRA) * 3 + 2);
}

extern uint32_t handle_nr_finding;

/* Raised by the first thread while it looks up; see HANDLE_PASS(). */
static inline bool handle_is_finding(void)
{
	return covb_load(&handle_nr_finding);
}

/* More than can be: the figure is that of the thread that looks up. */
#define HANDLE_UPDATES UINT64_MAX

/*
 * find(key) gives an owner or NULL; update(i) adds and removes the key handle_extra(i); begin and end are for
 * what a thread must do around its look-ups, often each 1024 of them.
 */
#define HANDLE_PASS(name, find, update, begin, often, end)                                                 \
	static __attribute__((noinline, aligned(64))) uint64_t pass_##name(const struct bench_variant *variant,   \
									   uint32_t thread)                \
	{                                                                                                  \
		const struct handle_work *work = variant->arg;                                             \
		const uint64_t *keys = work->keys;                                                         \
		uint32_t k = thread * 7919;                                                                \
		begin;                                                                                     \
		for (uint32_t i = 0; thread && work->updated && handle_is_finding(); i++) {                \
			update(i);                                                                         \
			often;                                                                             \
		}                                                                                          \
		for (uint64_t i = 0; (!thread || !work->updated) && i < variant->nr_ops; i++) {            \
			BENCH_KEEP(find(keys[k++ % HANDLE_NR_KEYS]));                                      \
			if (!(i & 1023)) {                                                                 \
				often;                                                                     \
			}                                                                                  \
		}                                                                                          \
		if (!thread)                                                                               \
			covb_store(&handle_nr_finding, 0);                                                 \
		end;                                                                                       \
		return thread && work->updated ? HANDLE_UPDATES : variant->nr_ops;                         \
	}

#endif
