/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Merging into KCOV's single area, and who waits for it. Rows 14 to 19 of docs/ordering.md.
 *
 * The target's records are one merger's at a time, or the client's that has seen the count.
 */
#include "scenario.h"

#include "shm/area.h"

static uint64_t *target;
static uint64_t target_words;

static void kcov_before_of(uint32_t mode)
{
	begin(3);
	owner = make_owner(mode, COVBUF_LINEAR, COVBUF_OWNER_KCOV, 2);
	open_contexts();
	CHECK(!covbuf_owner_target(owner, &target, &target_words));
	covb_model_hand(target + 1, (target_words - 1) * 8);
}

static void kcov_before(void)
{
	kcov_before_of(COVBUF_MODE_PC);
}

static void kcov_cmp_before(void)
{
	kcov_before_of(COVBUF_MODE_CMP);
}

static void section_1(void)
{
	run_section(0, HANDLE(1), 2);
}

static void section_2(void)
{
	run_section(1, HANDLE(2), 3);
}

static void section_1_twice(void)
{
	run_section(0, HANDLE(1), 1);
	run_section(2, HANDLE(1), 1);
}

static void section_cmp_1(void)
{
	run_cmp_section(0, HANDLE(1), 1);
}

static void section_cmp_2(void)
{
	run_cmp_section(1, HANDLE(2), 1);
}

/* Whose section it was is not told there. */
static void check_merged(uint32_t mode, const uint64_t *record)
{
	uint64_t key = record[mode == COVBUF_MODE_CMP ? COVBUF_CMP_WORDS - 1 : 0];

	CHECK((key & ~0xffffffffull) == RECORD_MARK && RECORD_SECTION(key) < MAX_SECTIONS);
	found(tally.handle[RECORD_SECTION(key)], tally.token[RECORD_SECTION(key)], mode, record);
}

static void find_all(uint32_t mode)
{
	uint32_t step = mode == COVBUF_MODE_CMP ? COVBUF_CMP_WORDS : 1;

	for (uint64_t i = 0; i < target[0]; i++)
		check_merged(mode, target + 1 + i * step);
}

/* Nothing is left on the queue, and nobody merges. */
static void check_merged_all(uint32_t mode)
{
	CHECK(!owner->slot->queue && !owner->slot->merging);
	find_all(mode);
	check_all();
}

static void merged_pc_after(void)
{
	check_merged_all(COVBUF_MODE_PC);
}

static void merged_cmp_after(void)
{
	check_merged_all(COVBUF_MODE_CMP);
}

/* A client's look, as KCOV's users have it. */
static void look(void)
{
	uint64_t count = covb_load_acquire(&target[0]);

	for (uint64_t i = 0; i < count; i++)
		CHECK((covb_load(&target[1 + i]) & ~0xffffffffull) == RECORD_MARK);
}

static void client(void)
{
	look();
	look();
}

/* The same by what readers of a segment have. */
static void scan_once(void)
{
	uint64_t words[16];
	struct covb_scan scan;

	covb_scan_counted(target, target_words, COVBUF_MODE_PC, words, &scan);
	CHECK(!scan.holes);
	for (uint64_t i = 0; i < scan.records; i++)
		CHECK((words[i] & ~0xffffffffull) == RECORD_MARK);
}

static void scan(void)
{
	scan_once();
	scan_once();
}

COVB_MODEL_SCENARIO(merge, .before = kcov_before, .thread = { section_1, section_2, client },
		    .after = merged_pc_after);
COVB_MODEL_SCENARIO(merge_scanned, .before = kcov_before, .thread = { section_1, section_2, scan },
		    .after = merged_pc_after);
COVB_MODEL_SCENARIO(merge_cmp, .before = kcov_cmp_before, .thread = { section_cmp_1, section_cmp_2 },
		    .after = merged_cmp_after);
COVB_MODEL_SCENARIO(merge_three, .before = kcov_before, .thread = { section_1_twice, section_2 },
		    .after = merged_pc_after);

/* ---- nothing changes when a waiting disable has returned --------------------------------------- */

/* So the target is the caller's. */
static void disable_and_wait(void)
{
	CHECK(!covbuf_disable_wait(owner));
	find_all(COVBUF_MODE_PC);
	for (uint64_t i = 1; i < target_words; i++)
		covb_store(&target[i], 0);
	covb_store(&target[0], 0);
}

static void disabled_after(void)
{
	for (uint64_t i = 0; i < target_words; i++)
		CHECK(!target[i]);
	CHECK(!owner->slot->merging);
	covbuf_owner_put(owner);
	check_all();
}

COVB_MODEL_SCENARIO(disable_wait, .before = kcov_before, .thread = { section_1, disable_and_wait, section_2 },
		    .after = disabled_after);

/* A reset is a waiting disable, and another enable. */
static void reset(void)
{
	CHECK(!covbuf_reset(owner));
	for (uint64_t i = 0, count = covb_load_acquire(&target[0]); i < count; i++)
		CHECK((covb_load(&target[1 + i]) & ~0xffffffffull) == RECORD_MARK);
}

/* What was cleared was merged before. */
static void reset_after(void)
{
	uint64_t emitted = tally.emitted[0] + tally.emitted[1];

	CHECK(!owner->slot->queue && !owner->slot->merging);
	CHECK(target[0] + all_losses() <= emitted);
	find_all(COVBUF_MODE_PC);
	drain(0);
	check_pool();
}

COVB_MODEL_SCENARIO(reset, .before = kcov_before, .thread = { section_1, reset, section_2 },
		    .after = reset_after);

/* The owner goes, and its target with it. */
static void put(void)
{
	covbuf_owner_put(owner);
}

static void put_after(void)
{
	uint64_t emitted = tally.emitted[0] + tally.emitted[1];

	CHECK(all_losses() <= emitted);
	covb_queue_drop(owner);
	check_pool();
	for (uint32_t i = 0; i < 3; i++)
		CHECK(COVBUF_FLAG_STATE(covb_segment.areas[i].flag) == COVBUF_AREA_FREE);
}

COVB_MODEL_SCENARIO(put_target, .before = kcov_before, .thread = { section_1, put, section_2 },
		    .after = put_after);
