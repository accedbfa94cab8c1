/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * What the engine does, as cases that every world runs: userspace in tests/unit/test_vectors.c, a kernel in
 * tests/vm/vectors. They call the engine's own functions (libcovbuf/core/engine.h), no adapter's, and where
 * the worlds differ the case says so by COVB_PLAT_COUNTED.
 *
 * A case is a function without arguments. Before it the world makes an engine with NR_AREAS areas or some
 * more of class 0 and calls vectors_begin(); after it, vectors_end(), which finds whether all was given back.
 * These two may sleep. A case that does not is run again at each other level that the world has.
 *
 * The world defines, before it includes this:
 *
 *   world_failed()    write down that an expectation did not hold, and what was found instead; any level
 *   world_context()   the caller's context; any level
 *   world_trace_pc(), world_trace_cmp()  record, as instrumented code of this world does
 *   world_lost()      what this world counts outside the engine's tables
 *   world_grace()     wait until all callbacks that wait for a grace period have run
 *   world_above()     call a function at a level above this one
 */
#ifndef COVB_VECTORS_H
#define COVB_VECTORS_H

#include "libcovbuf/core/engine.h"

#define NR_AREAS 8
#define MANY_AREAS 512	      /* more than there are */
#define PC_TARGET_WORDS 16    /* 15 records */
#define CMP_TARGET_WORDS 61   /* 15 records */
#define TARGET_RECORDS 15
#define AREA_RECORDS (COVB_PLAT_COUNTED ? covb_frame_words(0) - 1 : covb_frame_words(0))

#define AREA_KIND (COVB_PLAT_COUNTED ? COVBUF_COUNTED : COVBUF_LINEAR)

#define HANDLE(n) (COVBUF_SUBSYSTEM_USER | (n))
#define PC_HANDLE HANDLE(1)
#define CMP_HANDLE HANDLE(2)

static inline bool expect(bool holds, const char *file, int line, const char *text)
{
	if (!holds)
		world_failed(file, line, text, 0, 1);
	return holds;
}

static inline bool expect_equal(uint64_t is, uint64_t wanted, const char *file, int line, const char *text)
{
	if (is != wanted)
		world_failed(file, line, text, is, wanted);
	return is == wanted;
}

/* Both go on where they do not hold, and say whether they did. The second shows what it found. */
#define COVB_EXPECT(condition) expect((condition), __FILE__, __LINE__, #condition)
#define COVB_EXPECT_EQ(is, wanted)                                                                 \
	expect_equal((uint64_t)(is), (uint64_t)(wanted), __FILE__, __LINE__, #is " == " #wanted)

/* Two owners, enabled, with a handle each: one of PCs, one of comparisons. */
static struct {
	struct covbuf_owner *pc, *cmp;
	uint32_t nr_free; /* before they were made */
	uint32_t nr_free_now;
	struct covb_frame *taken[MANY_AREAS];
	uint32_t nr_taken;
	uint64_t lost[COVBUF_NR_LOSSES];
} vectors;

/* ---- what cases look at ---------------------------------------------------------------------- */

static inline uint32_t free_area_count(void)
{
	uint32_t nr = 0;

	for (uint32_t i = 0; i < *covb_engine.nr_areas; i++)
		nr += COVBUF_FLAG_STATE(covb_load(&covb_engine.areas[i].flag)) == COVBUF_AREA_FREE &&
		      covb_engine.areas[i].area_class == 0;
	return nr;
}

static inline uint64_t lost_in_all(enum covbuf_loss cause)
{
	uint64_t lost = world_lost(cause);

	for (uint32_t i = 0; i < covb_engine.nr_procs; i++)
		lost += covb_load(&covb_engine.procs[i].lost[cause]);
	for (uint32_t i = 0; i < covb_engine.nr_contexts; i++)
		lost += covb_load(&covb_engine.contexts[i].lost[cause]);
	return lost;
}

/* Since the case began. */
static inline uint64_t lost(enum covbuf_loss cause)
{
	return lost_in_all(cause) - vectors.lost[cause];
}

static inline uint64_t *target_of(struct covbuf_owner *owner)
{
	return owner->target;
}

/* ---- what cases do --------------------------------------------------------------------------- */

/* As adapters do: find, open, start. */
static inline covbuf_token start(uint64_t handle)
{
	struct covbuf_context *ctx = world_context();
	struct covbuf_owner *owner;
	uint32_t generation;

	owner = covb_handle_find(handle, &generation);
	if (!owner) {
		covb_count(ctx, COVBUF_LOST_UNKNOWN);
		return 0;
	}
	if (!covb_load(&ctx->priv) && !covb_context_open(ctx))
		return 0;
	return covb_section_start(ctx, owner, generation, handle, 0);
}

static inline int stop(covbuf_token token)
{
	return covb_section_stop(world_context(), token);
}

static inline void trace_pcs(uint64_t first, uint64_t nr)
{
	for (uint64_t i = 0; i < nr; i++)
		world_trace_pc(first + i);
}

/* A section of nr records. */
static inline void section(uint64_t handle, uint64_t first, uint64_t nr)
{
	covbuf_token token = start(handle);

	COVB_EXPECT(token);
	for (uint64_t i = 0; i < nr; i++) {
		world_trace_pc(first + i);
		world_trace_cmp(COVBUF_CMP_SIZE(3), first + i, 2, 3);
	}
	COVB_EXPECT_EQ(stop(token), 0);
}

/* Records in an area that no context has on top. */
static inline void put_records(struct covb_frame *frame, uint64_t first, uint64_t nr)
{
	for (uint64_t i = 0; i < nr; i++)
		covb_store(&frame->start[COVB_PLAT_COUNTED + i], first + i);
	if (COVB_PLAT_COUNTED)
		covb_store(&frame->start[0], nr);
}

/* Everything that is in the pool. */
static inline void take_all(void)
{
	struct covbuf_context *ctx = world_context();

	for (vectors.nr_taken = 0; vectors.nr_taken < MANY_AREAS; vectors.nr_taken++) {
		vectors.taken[vectors.nr_taken] = covb_pool_take(ctx, 0);
		if (!vectors.taken[vectors.nr_taken])
			break;
	}
}

static inline void give_all(void)
{
	while (vectors.nr_taken)
		covb_pool_give(world_context(), vectors.taken[--vectors.nr_taken]);
}

/* Sleeps. */
static inline struct covbuf_owner *make_owner(uint32_t mode, uint64_t target_words)
{
	const struct covbuf_owner_options options = {
		.mode = mode, .kind = AREA_KIND, .flags = COVBUF_OWNER_KCOV,
		.target_words = target_words, .name = "vectors",
	};
	const struct covb_enable enable = { .mode = mode, .section_words = UINT64_MAX };
	struct covbuf_owner *owner = NULL;

	if (COVB_EXPECT_EQ(covbuf_owner_create(&options, &owner), 0) && COVB_PLAT_COUNTED)
		COVB_EXPECT_EQ(covb_owner_configure(owner, &enable), 0);
	return owner;
}

static inline int enable_handle(struct covbuf_owner *owner, uint64_t handle)
{
	return covbuf_remote_enable(owner, &handle, 1, 0);
}

/* ---- around each case ------------------------------------------------------------------------ */

/* False: the case cannot run. */
static inline bool vectors_begin(void)
{
	struct covbuf_context *ctx = world_context();

	vectors.pc = vectors.cmp = NULL;
	vectors.nr_free = vectors.nr_free_now = free_area_count();
	vectors.nr_taken = 0;
	if (!ctx || !COVB_EXPECT(covb_context_open(ctx)) || !COVB_EXPECT(vectors.nr_free >= NR_AREAS) ||
	    !COVB_EXPECT(vectors.nr_free < MANY_AREAS))
		return false;
	vectors.pc = make_owner(COVBUF_MODE_PC, PC_TARGET_WORDS);
	vectors.cmp = make_owner(COVBUF_MODE_CMP, CMP_TARGET_WORDS);
	if (!vectors.pc || !vectors.cmp || !COVB_EXPECT_EQ(enable_handle(vectors.pc, PC_HANDLE), 0) ||
	    !COVB_EXPECT_EQ(enable_handle(vectors.cmp, CMP_HANDLE), 0))
		return false;
	vectors.nr_free_now = free_area_count();
	for (uint32_t i = 0; i < COVBUF_NR_LOSSES; i++)
		vectors.lost[i] = lost_in_all((enum covbuf_loss)i);
	return true;
}

static inline void vectors_end(void)
{
	COVB_EXPECT(!world_context()->top);
	COVB_EXPECT_EQ(free_area_count(), vectors.nr_free_now);
	if (vectors.pc)
		covbuf_owner_put(vectors.pc);
	if (vectors.cmp)
		covbuf_owner_put(vectors.cmp);
	world_grace();
	COVB_EXPECT_EQ(free_area_count(), vectors.nr_free);
}

#endif
