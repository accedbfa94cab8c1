/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * What one image has gained: its counters and bitmaps against what they were. Threads of the program count
 * meanwhile, so that each word is read once, and what was read is what the difference and the baseline get.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <covbuf/atomic.h>

#include "counts.h"

#define FIRST_ENTRIES 256

static void *grow(void *entries, uint64_t *max, size_t entry_bytes)
{
	uint64_t more = *max ? *max * 2 : FIRST_ENTRIES;
	void *p = reallocarray(entries, more, entry_bytes);

	if (p)
		*max = more;
	return p;
}

static bool room_for_counters(struct covb_profile_part *part)
{
	void *p;

	if (part->is.nr_counters + COVB_LINE_WORDS <= part->max_counters)
		return true;
	p = grow(part->counters, &part->max_counters, sizeof(*part->counters));
	if (p)
		part->is.counters = part->counters = p;
	return p;
}

static bool room_for_bits(struct covb_profile_part *part)
{
	void *p;

	if (part->is.nr_bits < part->max_bits)
		return true;
	p = grow(part->bits, &part->max_bits, sizeof(*part->bits));
	if (p)
		part->is.bits = part->bits = p;
	return p;
}

/* ---- counters -------------------------------------------------------------------------------- */

static void take_counter(struct covb_profile_part *part, uint64_t i, uint64_t now, struct covb_profile_counts *old)
{
	uint64_t count = now - covb_profile_count(old, i);

	if (!count)
		return;
	covb_profile_count_set(old, i, now);
	/* set back: what a thread stores of an update is 1 at least */
	if (!now)
		return;
	/* stored over by a thread that had read it before: it was counted, nobody knows how often */
	if ((int64_t)count < 0) {
		count = 1;
		part->is.nr_backwards++;
	}
	part->counters[part->is.nr_counters++] = (struct covbuf_profile_counter){ i, count };
}

/* A page of counters is mostly lines that are as they were. */
int covb_profile_take_counters(struct covb_profile_part *part, const uint64_t *now, struct covb_profile_counts *old)
{
	uint64_t words[COVB_LINE_WORDS];

	for (uint64_t i = 0; i < old->nr; i += COVB_LINE_WORDS) {
		uint64_t nr = old->nr - i;

		if (nr >= COVB_LINE_WORDS) {
			const struct covb_line line = covb_line_load(&now[i]);

			if (covb_profile_is_line(&old->narrow[i], &line))
				continue;
			covb_line_store(words, &line);
			nr = COVB_LINE_WORDS;
		} else {
			for (uint64_t k = 0; k < nr; k++)
				words[k] = covb_load(&now[i + k]);
		}
		if (!room_for_counters(part))
			return -ENOMEM;
		for (uint64_t k = 0; k < nr; k++)
			take_counter(part, i + k, words[k], old);
	}
	return 0;
}

/* ---- bitmaps --------------------------------------------------------------------------------- */

/* Bitmaps are bytes. With pages of their own they are whole words too; otherwise the last need not be one. */
static bool is_word(const unsigned char *p, uint64_t nr_bytes)
{
	return nr_bytes >= sizeof(uint64_t) && !((uintptr_t)p % sizeof(uint64_t));
}

static uint64_t word_bytes(uint64_t nr_bytes)
{
	return nr_bytes < sizeof(uint64_t) ? nr_bytes : sizeof(uint64_t);
}

static uint64_t load_bits(const unsigned char *p, uint64_t nr_bytes)
{
	uint64_t bits = 0;

	if (is_word(p, nr_bytes))
		return covb_load((const uint64_t *)p);
	for (uint64_t i = 0; i < word_bytes(nr_bytes); i++)
		bits |= (uint64_t)covb_load(&p[i]) << (8 * i);
	return bits;
}

/*
 * Of bits that were read, and of no others. Release: whoever finds one cleared finds it in the kept ones;
 * partner: a reader of the files, which reads the process's first.
 */
static void clear_bits(unsigned char *p, uint64_t nr_bytes, uint64_t bits)
{
	if (is_word(p, nr_bytes)) {
		__atomic_fetch_and((uint64_t *)p, ~bits, __ATOMIC_RELEASE);
		return;
	}
	for (uint64_t i = 0; i < word_bytes(nr_bytes); i++)
		__atomic_fetch_and(&p[i], (unsigned char)~(bits >> (8 * i)), __ATOMIC_RELEASE);
}

int covb_profile_take_bits(struct covb_profile_part *part, unsigned char *now, uint64_t *old, uint64_t *kept,
			   bool clear)
{
	uint64_t nr_bytes = part->is.bitmaps_bytes;

	for (uint64_t at = 0, i = 0; at < nr_bytes; at += sizeof(uint64_t), i++) {
		uint64_t bits = load_bits(now + at, nr_bytes - at), gained = bits & ~old[i];

		if (gained) {
			if (!room_for_bits(part))
				return -ENOMEM;
			part->bits[part->is.nr_bits++] = (struct covbuf_profile_bits){ i, gained };
			old[i] |= gained;
		}
		if (clear && bits) {
			if (kept)
				covb_fetch_or(&kept[i], bits);
			clear_bits(now + at, nr_bytes - at, bits);
			old[i] &= ~bits;
		}
	}
	return 0;
}

void covb_profile_copy_bits(uint64_t *to, const unsigned char *from, uint64_t nr_bytes)
{
	for (uint64_t at = 0, i = 0; at < nr_bytes; at += sizeof(uint64_t), i++)
		to[i] = load_bits(from + at, nr_bytes - at);
}

/* ---- the part -------------------------------------------------------------------------------- */

bool covb_profile_part_is_empty(const struct covb_profile_part *part)
{
	return !part->is.nr_counters && !part->is.nr_bits;
}

void covb_profile_part_destroy(struct covb_profile_part *part)
{
	if (!part)
		return;
	free(part->counters);
	free(part->bits);
	free(part);
}
