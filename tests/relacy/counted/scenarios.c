/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Counted areas: sections that merge what they recorded into the target at once, or leave it to whoever does.
 * Rows 14 to 19 and 44 of docs/ordering.md. Hooks and remote sections are played as adapters/kmod has them.
 */
#include "libcovbuf/platform/model/world.h"

#define CHECK(condition) COVB_MODEL_CHECK(condition)
#define HANDLE (COVBUF_SUBSYSTEM_USER | 1)
#define RECORD_MARK 0x5e00000000000000ull
#define TARGET_WORDS 16

static struct covbuf_owner *owner;
static uint64_t *target;
static uint64_t emitted;

static void before(void)
{
	const struct covbuf_owner_options options = {
		.kind = COVBUF_COUNTED, .flags = COVBUF_OWNER_KCOV, .target_words = TARGET_WORDS,
	};
	const struct covb_enable enable = { .section_words = 16 };
	const uint64_t handle = HANDLE;

	emitted = 0;
	covb_model_attach(3);
	CHECK(!covbuf_owner_create(&options, &owner));
	CHECK(!covb_owner_configure(owner, &enable));
	CHECK(!covbuf_remote_enable(owner, &handle, 1, 0));
	target = owner->target;
	covb_model_hand(target + 1, (TARGET_WORDS - 1) * 8);
	for (uint32_t i = 0; i < COVB_MODEL_NR_THREADS; i++) {
		covb_model_be(i);
		CHECK(covb_context_open(covb_plat_context()));
	}
	covb_model_be(COVB_MODEL_NR_THREADS);
}

/* KCOV's append: the count, then the record. */
static void hook(uint64_t record)
{
	struct covbuf_context *ctx = covb_plat_context();
	uint64_t *area = covb_load(&ctx->cursor[COVBUF_MODE_PC]);
	uint64_t n = covb_load(&area[0]);

	if (n >= ctx->capacity)
		return;
	covb_store(&area[0], n + 1);
	covb_store(&area[1 + n], record);
	emitted++;
}

/* As covbuf_remote_start() and _stop() for modules. */
static void section(uint32_t nr)
{
	struct covbuf_context *ctx = covb_plat_context();
	uint32_t generation;
	struct covbuf_owner *found = covb_handle_find(HANDLE, &generation);
	covbuf_token token = found ? covb_section_start(ctx, found, generation, HANDLE, 0) : 0;

	if (!token)
		return;
	for (uint32_t n = 0; n < nr; n++)
		hook(RECORD_MARK | covb_model_thread() << 8 | n);
	CHECK(!covb_section_stop(ctx, token));
}

static void section_1(void)
{
	section(1);
	section(2);
}

static void section_2(void)
{
	section(2);
}

static void check_record(uint64_t record)
{
	CHECK((record & ~0xffffull) == RECORD_MARK);
}

static void client(void)
{
	for (uint32_t look = 0; look < 2; look++)
		for (uint64_t i = 0, count = covb_load_acquire(&target[0]); i < count; i++)
			check_record(covb_load(&target[1 + i]));
}

static uint64_t lost(void)
{
	uint64_t sum = owner->slot->stale + owner->slot->merge_lost;

	for (uint32_t i = 0; i < covb_segment.layout.contexts.nr; i++)
		sum += covb_segment.contexts[i].lost[COVBUF_LOST_STALE];
	return sum;
}

static void check_pool(void)
{
	CHECK(!owner->slot->queue && !owner->slot->merging);
	for (uint32_t i = 0; i < 3; i++) {
		CHECK(COVBUF_FLAG_STATE(covb_segment.areas[i].flag) == COVBUF_AREA_FREE);
		CHECK(!covb_model_words(i)[0]);
	}
}

static void after(void)
{
	CHECK(target[0] + lost() == emitted);
	for (uint64_t i = 0; i < target[0]; i++)
		check_record(target[1 + i]);
	check_pool();
}

COVB_MODEL_SCENARIO(counted, .before = before, .thread = { section_1, section_2, client }, .after = after);
COVB_MODEL_SCENARIO(counted_three, .before = before, .thread = { section_1, section_2, section_2 },
		    .after = after);

/* ---- nothing changes when a waiting disable has returned --------------------------------------- */

static uint64_t taken;

static void waiting_before(void)
{
	before();
	taken = 0;
}

static void disable_and_wait(void)
{
	CHECK(!covbuf_disable_wait(owner));
	taken = covb_load(&target[0]);
	for (uint64_t i = 0; i < taken; i++) {
		check_record(covb_load(&target[1 + i]));
		covb_store(&target[1 + i], 0);
	}
	covb_store(&target[0], 0);
}

static void disabled_after(void)
{
	CHECK(taken + lost() == emitted);
	for (uint64_t i = 0; i < TARGET_WORDS; i++)
		CHECK(!target[i]);
	check_pool();
}

COVB_MODEL_SCENARIO(counted_disabled, .before = waiting_before, .thread = { section_1, disable_and_wait, section_2 },
		    .after = disabled_after);

/* And begins anew: the marks, then the count. */
static void reset(void)
{
	CHECK(!covbuf_reset(owner));
	client();
}

static void reset_after(void)
{
	CHECK(target[0] + lost() <= emitted);
	check_pool();
}

COVB_MODEL_SCENARIO(counted_reset, .before = before, .thread = { section_1, reset, section_2 },
		    .after = reset_after);
