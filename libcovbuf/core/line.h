/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Words of an area a line at a time, for those who go through whole areas: merging (merge.c) and collecting
 * (shm/area.c). Each word is read once, so what is decided about it and what is copied are the same.
 *
 * In vectors of two words, which every x86-64 and POWER8 has, and each word of which is read and stored as a whole.
 * One by one in a kernel, whose vector registers are not ours, and where a checker is to see each access.
 */
#ifndef COVB_CORE_LINE_H
#define COVB_CORE_LINE_H

#include <covbuf/atomic.h>
#include <covbuf/format.h>

#if defined(__SANITIZE_THREAD__)
#define COVB_SANITIZE_THREAD
#elif defined(__has_feature)
#if __has_feature(thread_sanitizer)
#define COVB_SANITIZE_THREAD
#endif
#endif

#define COVB_LINE_WORDS (COVBUF_LINE_BYTES / 8)

#if defined(COVB_ATOMIC_HEADER) || defined(COVB_SANITIZE_THREAD)
#define COVB_WORD_BY_WORD
typedef uint64_t covb_part;

#define covb_part_load(p) covb_load(p)
#define covb_part_store(p, v) covb_store((p), (v))
#define covb_part_or(v) (v)
#define covb_part_last(v) (v)
#else
typedef uint64_t covb_part __attribute__((__vector_size__(16)));
typedef uint64_t __attribute__((__vector_size__(16), __aligned__(8), __may_alias__)) covb_part_anywhere;

#define covb_part_load(p) (*(const volatile covb_part_anywhere *)(p))
#define covb_part_store(p, v) (*(volatile covb_part_anywhere *)(p) = (v))
#define covb_part_or(v) ((v)[0] | (v)[1])
#define covb_part_last(v) ((v)[1])
#endif

#define COVB_PART_WORDS (sizeof(covb_part) / 8)
#define COVB_LINE_PARTS (COVB_LINE_WORDS / COVB_PART_WORDS)

struct covb_line {
	covb_part part[COVB_LINE_PARTS];
};

COVBUF_INLINE COVBUF_NOINSTR struct covb_line covb_line_load(const uint64_t *from)
{
	struct covb_line line;

#pragma GCC unroll 16
	for (uint32_t i = 0; i < COVB_LINE_PARTS; i++)
		line.part[i] = covb_part_load(from + i * COVB_PART_WORDS);
	return line;
}

COVBUF_INLINE COVBUF_NOINSTR void covb_line_store(uint64_t *to, const struct covb_line *line)
{
#pragma GCC unroll 16
	for (uint32_t i = 0; i < COVB_LINE_PARTS; i++)
		covb_part_store(to + i * COVB_PART_WORDS, line->part[i]);
}

/* Whether anything is there. */
COVBUF_INLINE COVBUF_NOINSTR bool covb_line_any(const struct covb_line *line)
{
	covb_part any = line->part[0];

#pragma GCC unroll 16
	for (uint32_t i = 1; i < COVB_LINE_PARTS; i++)
		any |= line->part[i];
	return covb_part_or(any);
}

/* Bit 63 of each word: set where that is 0, or has bit 63. */
COVBUF_INLINE COVBUF_NOINSTR covb_part covb_part_not_records(covb_part part)
{
	return part | (part - 1);
}

/* Whether all slots hold records. record_words: 1, or COVBUF_CMP_WORDS, where a record's last word says so. */
COVBUF_INLINE COVBUF_NOINSTR bool covb_line_full(const struct covb_line *line, uint32_t record_words)
{
	const uint32_t record_parts = COVBUF_CMP_WORDS / COVB_PART_WORDS;
	covb_part keys = { 0 }, others = { 0 };

#pragma GCC unroll 16
	for (uint32_t i = 0; i < COVB_LINE_PARTS; i++) {
		if (i % record_parts == record_parts - 1)
			keys |= covb_part_not_records(line->part[i]);
		else
			others |= covb_part_not_records(line->part[i]);
	}
	return !((record_words > 1 ? covb_part_last(keys) : covb_part_or(keys | others)) >> 63);
}

/*
 * Zero whole records. The words that say that one is there go before the records' others, for whoever finds what the
 * dead left. A reader may look at them meanwhile, and throws away what it saw: the zeroes need no order.
 */
COVBUF_INLINE COVBUF_NOINSTR void covb_words_zero(uint64_t *words, uint64_t nr_words, uint32_t record_words)
{
	for (uint64_t i = record_words - 1; record_words > 1 && i < nr_words; i += record_words)
		covb_store(&words[i], 0);
	covb_barrier();
#if defined(COVB_WORD_BY_WORD)
	for (uint64_t i = 0; i < nr_words; i++)
		covb_store(&words[i], 0);
#else
	/* the C library's, which has longer stores than ours: not what a compiler makes of a size that it knows bounds of */
	__asm__("" : "+r"(nr_words));
	__builtin_memset(words, 0, nr_words * sizeof(*words));
#endif
}

/*
 * How far one has to look in an area of so many words, which says where its writer's cursor stood when it was handed
 * over: behind that the next words are 0. filled_words: 0 if it was not said.
 *
 * A cursor may be behind the records, if handlers appended while a switch of frames had read it (stack.c) and nobody
 * did after them. They fill one slot after the other, and leave at most as many in a row that are not filled as
 * there are handlers, when a jump cuts all of them short; so that many are looked at until all of them are 0.
 */
COVBUF_INLINE COVBUF_NOINSTR uint64_t covb_words_used(const uint64_t *words, uint64_t nr_words, uint64_t filled_words,
						      uint32_t record_words)
{
	/* so many handlers as COVBUF_GUARD_WORDS has; whole lines */
	const uint64_t gap_words = record_words > 1 ? 64 * COVBUF_CMP_WORDS : 64;
	uint64_t used = (filled_words + gap_words - 1) & ~(gap_words - 1);
	bool any = true;

	if (!filled_words || filled_words >= nr_words)
		return nr_words;
	while (any && used < nr_words) {
		any = false;
		for (uint64_t i = used; i < used + gap_words && i < nr_words; i += COVB_LINE_WORDS) {
			const struct covb_line line = covb_line_load(words + i);

			any |= covb_line_any(&line);
		}
		used += any ? gap_words : 0;
	}
	return used < nr_words ? used : nr_words;
}

#endif
