/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * What the engine's tests have in common. Criterion runs each test in a process of its own, so each
 * attaches anew.
 */
#ifndef COVB_TEST_FIXTURE_H
#define COVB_TEST_FIXTURE_H

#include <criterion/criterion.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <covbuf/covbuf.h>
#include <covbuf/segment.h>

/* Attach to a new segment with areas of class 0. */
static inline void attach_with(uint32_t nr_areas)
{
	cr_assert_eq(covbuf_attach_new(64u << 20), 0);
	if (nr_areas)
		cr_assert_geq(covbuf_pool_grow(0, nr_areas), (int)nr_areas);
}

static inline struct covbuf_owner *make_owner(uint32_t mode, uint32_t kind, uint32_t flags)
{
	struct covbuf_owner_options options = { .mode = mode, .kind = kind, .flags = flags, .name = "test" };
	struct covbuf_owner *owner = NULL;

	cr_assert_eq(covbuf_owner_create(&options, &owner), 0);
	return owner;
}

/* Everything that was collected, in order. */
struct collected {
	uint64_t words[1 << 16];
	uint64_t nr_words;
	uint64_t nr_batches;
	uint64_t handles[64];
};

static inline int gather(const struct covbuf_batch *batch, void *arg)
{
	struct collected *to = arg;
	uint64_t step = batch->mode == COVBUF_MODE_CMP ? COVBUF_CMP_WORDS : 1;

	if (to->nr_batches < 64)
		to->handles[to->nr_batches] = batch->handle;
	to->nr_batches++;
	for (uint64_t i = 0; i + step <= batch->nr_words; i += step) {
		uint64_t pc = batch->words[i + step - 1];

		if (!pc || (pc & COVBUF_NOT_A_RECORD))
			continue;
		for (uint64_t k = 0; k < step && to->nr_words < 1 << 16; k++)
			to->words[to->nr_words++] = batch->words[i + k];
	}
	return 0;
}

static inline struct collected *collect(struct covbuf_owner *owner)
{
	struct collected *to = calloc(1, sizeof(*to));

	cr_assert_geq(covbuf_collect(owner, gather, to), 0);
	return to;
}

static inline uint64_t lost(enum covbuf_loss cause)
{
	uint64_t counters[COVBUF_NR_LOSSES];

	return covbuf_losses(counters) ? 0 : counters[cause];
}

static inline uint32_t free_areas(void)
{
	return covbuf_segment_free_areas(covbuf_attached_segment(), 0);
}

#endif
