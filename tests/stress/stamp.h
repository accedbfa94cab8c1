/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Records that say of themselves where they come from, so that whoever finds one can tell whether it
 * was ever made, whether it was found before, and whether it lies where it should.
 *
 *   62 one | 61..58 thread | 57..56 level | 55..42 enable | 41..26 section | 25..20 round | 19..0 number
 *
 * level: 0 outside handlers, else how deep handlers nest. section: of that thread and level, 0 for none
 * of its own. number: counts up per thread and level within a round. Bit 62 makes it a legal PC whatever
 * the rest is. A CMP record's operands follow from its pc.
 */
#ifndef COVB_STRESS_STAMP_H
#define COVB_STRESS_STAMP_H

#include <covbuf/format.h>

#define STAMP_THREADS 16
#define STAMP_LEVELS 4
#define STAMP_ENABLES 16384
#define STAMP_SECTIONS 65536
#define STAMP_ROUNDS 64
#define STAMP_NUMBERS (1u << 20)

struct stamp {
	uint32_t thread, level, enable, section, round, number;
};

COVBUF_INLINE uint64_t stamp_make(const struct stamp *s)
{
	return 1ull << 62 | (uint64_t)s->thread << 58 | (uint64_t)s->level << 56 |
	       (uint64_t)(s->enable % STAMP_ENABLES) << 42 | (uint64_t)s->section << 26 | (uint64_t)s->round << 20 |
	       s->number;
}

COVBUF_INLINE bool stamp_read(uint64_t pc, struct stamp *s)
{
	s->thread = (uint32_t)(pc >> 58) & 0xf;
	s->level = (uint32_t)(pc >> 56) & 3;
	s->enable = (uint32_t)(pc >> 42) & 0x3fff;
	s->section = (uint32_t)(pc >> 26) & 0xffff;
	s->round = (uint32_t)(pc >> 20) & 0x3f;
	s->number = (uint32_t)pc & 0xfffff;
	return pc >> 62 == 1;
}

COVBUF_INLINE uint64_t stamp_type(uint64_t pc)
{
	return COVBUF_CMP_SIZE(pc & 3) | (pc >> 2 & COVBUF_CMP_CONST);
}

COVBUF_INLINE uint64_t stamp_arg1(uint64_t pc)
{
	return pc * 0x9e3779b97f4a7c15ull;
}

COVBUF_INLINE uint64_t stamp_arg2(uint64_t pc)
{
	return ~pc;
}

/* A record as it was found, one word or four. */
COVBUF_INLINE bool stamp_whole(const uint64_t *record, uint32_t mode)
{
	uint64_t pc = record[mode == COVBUF_MODE_CMP ? 3 : 0];

	return mode != COVBUF_MODE_CMP ||
	       (record[0] == stamp_type(pc) && record[1] == stamp_arg1(pc) && record[2] == stamp_arg2(pc));
}

/* xorshift64*: Marsaglia, Vigna */
COVBUF_INLINE uint64_t stamp_random(uint64_t *state)
{
	*state ^= *state >> 12;
	*state ^= *state << 25;
	*state ^= *state >> 27;
	return *state * 0x2545f4914f6cdd1dull >> 11;
}

COVBUF_INLINE uint32_t stamp_below(uint64_t *state, uint32_t n)
{
	return (uint32_t)(stamp_random(state) % n);
}

#endif
