/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * A model checker's world: a few threads, of which one runs at a time, no handlers, no processes. What all
 * threads share, and what one of them holds at a time, is in two sections, which the checker knows; it puts
 * both back before each execution.
 *
 * Built with COVB_PLATFORM_HEADER, COVB_ATOMIC_HEADER, COVBUF_CONTEXT_OF_PLATFORM and COVBUF_NOINSTR as
 * nothing; see tests/relacy/CMakeLists.txt.
 */
#ifndef COVB_PLATFORM_MODEL_H
#define COVB_PLATFORM_MODEL_H

#if !defined(COVB_MODEL_COUNTED)
#define COVB_MODEL_COUNTED 0
#endif
#define COVB_PLAT_COUNTED COVB_MODEL_COUNTED
#define COVB_PLAT_NR_VOID_FRAMES 2

/* Areas of a few words, so that every interleaving of an access to one matters. Nobody opens such a segment. */
#undef COVBUF_GUARD_WORDS
#undef COVBUF_LINE_BYTES
#undef COVBUF_PART_BYTES
#define COVBUF_GUARD_WORDS 8
#define COVBUF_LINE_BYTES 64
#define COVBUF_PART_BYTES 128ull
#define covbuf_class_bytes(area_class) (128ull << (area_class))
#define covbuf_class_words(area_class) ((uint32_t)(covbuf_class_bytes(area_class) / 8 - COVBUF_GUARD_WORDS))

/* Atomics there have a history; plain accesses must not race. */
#define COVB_MODEL_SHARED __attribute__((__section__("covb_shared"), __aligned__(128)))
/* One thread's at a time: no access there may race, atomic or not, and no other thread comes in between. */
#define COVB_MODEL_HANDED __attribute__((__section__("covb_handed"), __aligned__(128)))

struct covb_rcu_head {
	struct covb_rcu_head *next;
	void (*fn)(struct covb_rcu_head *head);
};

struct covbuf_context *covbuf_context(void);

#define COVBUF_SLOW_CALL
bool covbuf_append_slow_pc(uint64_t *slot, uint64_t pc);
bool covbuf_append_slow_cmp(uint64_t *slot, uint64_t type, uint64_t arg1, uint64_t arg2, uint64_t pc);

/* 1 while this is the process that attached. */
extern uint32_t covb_model_alive;

COVBUF_INLINE bool covb_plat_alive(void)
{
	return covb_load(&covb_model_alive);
}

COVBUF_INLINE struct covbuf_context *covb_plat_context(void)
{
	return covbuf_context();
}

COVBUF_INLINE uint32_t covb_plat_level(const struct covbuf_context *ctx)
{
	return ctx->level;
}

COVBUF_INLINE void covb_plat_set_level(uint32_t level)
{
	covbuf_context()->level = level;
}

/* volatile: the compiler makes no call of it that the checker does not see. */
COVBUF_INLINE void covb_plat_copy(uint64_t *to, const uint64_t *from, uint64_t nr_words)
{
	for (uint64_t i = 0; i < nr_words; i++)
		((volatile uint64_t *)to)[i] = ((const volatile uint64_t *)from)[i];
}

#if COVB_PLAT_COUNTED
COVBUF_INLINE uint64_t covb_plat_collects(uint32_t level)
{
	return level + 1;
}
#endif

#endif
