/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The counters of an image as they were, in 32 bits where they fit: a difference of all counters is as fast as the
 * two can be read.
 */
#ifndef COVB_LLVMPROF_COUNTS_H
#define COVB_LLVMPROF_COUNTS_H

#include "../../libcovbuf/core/line.h"
#include "points.h"

static inline uint64_t covb_profile_count(const struct covb_profile_counts *counts, uint64_t i)
{
	return counts->narrow[i] < 0 ? counts->wide[i] : (uint64_t)counts->narrow[i];
}

static inline void covb_profile_count_set(struct covb_profile_counts *counts, uint64_t i, uint64_t count)
{
	if (count > INT32_MAX)
		counts->wide[i] = count;
	counts->narrow[i] = count > INT32_MAX ? -1 : (int32_t)count;
}

/* The narrow ones of one part of a line, and of the next. */
#if defined(COVB_WORD_BY_WORD)
static inline void covb_profile_widen(const int32_t *narrow, covb_part *first, covb_part *second)
{
	*first = (covb_part)(int64_t)narrow[0];
	*second = (covb_part)(int64_t)narrow[1];
}
#else
typedef int32_t covb_narrow_part __attribute__((__vector_size__(16)));
typedef int32_t __attribute__((__vector_size__(16), __aligned__(4), __may_alias__)) covb_narrow_part_anywhere;

static inline void covb_profile_widen(const int32_t *narrow, covb_part *first, covb_part *second)
{
	const covb_narrow_part low = *(const covb_narrow_part_anywhere *)narrow, high = low >> 31;

	/* little-endian */
	*first = (covb_part)__builtin_shufflevector(low, high, 0, 4, 1, 5);
	*second = (covb_part)__builtin_shufflevector(low, high, 2, 6, 3, 7);
}
#endif

/* Whether all counters of a line are as they were. One that is not narrow is -1 here, which no counter gets to. */
static inline bool covb_profile_is_line(const int32_t *narrow, const struct covb_line *line)
{
	struct covb_line changed;

#pragma GCC unroll 16
	for (uint32_t i = 0; i < COVB_LINE_PARTS; i += 2) {
		covb_profile_widen(narrow + i * COVB_PART_WORDS, &changed.part[i], &changed.part[i + 1]);
		changed.part[i] ^= line->part[i];
		changed.part[i + 1] ^= line->part[i + 1];
	}
	return !covb_line_any(&changed);
}

#endif
