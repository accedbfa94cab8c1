/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Userspace: contexts are thread-local, levels are what covbuf_signal_enter() counts, grace periods
 * are liburcu's.
 */
#ifndef COVB_PLATFORM_USER_H
#define COVB_PLATFORM_USER_H

#include <string.h>
#include <urcu/call-rcu.h>

#define COVB_PLAT_COUNTED 0
#define COVB_PLAT_NR_VOID_FRAMES 64

struct covb_rcu_head {
	struct rcu_head head;
	void (*fn)(struct covb_rcu_head *head);
};

/* A word on a page that the kernel wipes in a fork child (MADV_WIPEONFORK): 1 while this is the process that attached. Before that, a word that is 0. */
extern COVBUF_HIDDEN uint32_t *covb_alive_word;

COVBUF_INLINE COVBUF_NOINSTR bool covb_plat_alive(void)
{
	return covb_load(covb_load(&covb_alive_word));
}

COVBUF_INLINE COVBUF_NOINSTR struct covbuf_context *covb_plat_context(void)
{
	struct covbuf_context *ctx = covbuf_context();

	if (!ctx)
		__builtin_unreachable(); /* spares its callers the test that other worlds need */
	return ctx;
}

COVBUF_INLINE COVBUF_NOINSTR uint32_t covb_plat_level(const struct covbuf_context *ctx)
{
	return ctx->level;
}

COVBUF_INLINE COVBUF_NOINSTR void covb_plat_set_level(uint32_t level)
{
	covbuf_context()->level = level;
}

COVBUF_INLINE COVBUF_NOINSTR void covb_plat_copy(uint64_t *to, const uint64_t *from, uint64_t nr_words)
{
	memmove(to, from, nr_words * sizeof(*to)); /* a peer that writes nonsense can make them overlap */
}

#endif
