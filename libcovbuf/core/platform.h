/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * What the engine needs from the world it runs in. Each world answers in libcovbuf/platform/<world>/;
 * the engine includes nothing else of it. What a world cannot answer does not compile.
 */
#ifndef COVB_CORE_PLATFORM_H
#define COVB_CORE_PLATFORM_H

#include <covbuf/context.h>

#if defined(__KERNEL__)
#include "../platform/kernel/platform.h"
#elif defined(COVB_PLATFORM_HEADER) /* a world that is built for a test: a model checker's */
#include COVB_PLATFORM_HEADER
#else
#include "../platform/user/platform.h"
#endif

/*
 * The world's header above defines:
 *
 *   struct covb_rcu_head
 *   COVB_PLAT_COUNTED     1: areas are counted, see engine.h; 0: claimed and tested
 *   COVB_PLAT_NR_VOID_FRAMES  frames per context for sections that have no area
 *
 *   covb_plat_collects()  counted areas: the caller's task and a level, in one word that hooks compare
 *
 * and these, which are called at any level and must be uninstrumented:
 *
 *   covb_plat_context()   the caller's context; NULL at a level that never collects
 *   covb_plat_level()     the caller's level, which a frame collects at, by its context; covb_plat_set_level()
 *   covb_plat_alive()     false in a fork child that the engine has not seen
 *   covb_plat_copy()      copy words; source and destination do not overlap
 */

/* Where counted areas are: memory for a merge target, zeroed, that clients map; and back. Sleeping level. */
#if COVB_PLAT_COUNTED
uint64_t *covb_plat_target_alloc(uint64_t nr_words);
void covb_plat_target_free(uint64_t *words);
#endif

/* ---- any level ------------------------------------------------------------------------------- */

/* The memory of an area, by what its directory entry says. NULL: there is none in the segment. */
uint64_t *covb_plat_locate(uint64_t offset_bytes, uint64_t bytes);

/* Who the caller is, for the directory. name: 16 bytes. */
void covb_plat_identify(uint32_t *pid, uint32_t *tid, char *name);

/* Arrange for covb_context_close() when the caller's thread or task ends. False: could not. */
bool covb_plat_close_at_exit(struct covbuf_context *ctx);

/* Zeroed memory for the marks of a context, for good; NULL where this level can have none. */
uint32_t *covb_plat_map_marks(uint32_t nr_sites);

/* Wake whoever sleeps until *word changes. */
void covb_plat_wake(uint32_t *word);

/* ---- sleeping level -------------------------------------------------------------------------- */

/* One lock for what changes owners, handles and images. Held across no callback of a user's. */
void covb_plat_lock(void);
void covb_plat_unlock(void);

/* Zeroed memory, NULL where there is none. */
void *covb_plat_zalloc(size_t bytes);
void covb_plat_free(void *p);

/* Make another area of a class, where this process made the segment. */
bool covb_plat_grow(uint32_t area_class);

/* Whether the process of a slot has gone; false where there is only one. */
bool covb_plat_process_gone(uint32_t proc);

/* Give the processor away while waiting for another one to leave a short section. */
void covb_plat_relax(void);

/* Call fn(head) when all readers that were inside covb_plat_rcu_read_lock() have left. */
void covb_plat_call_rcu(struct covb_rcu_head *head, void (*fn)(struct covb_rcu_head *head));
void covb_plat_rcu_read_lock(void);
void covb_plat_rcu_read_unlock(void);

#endif
