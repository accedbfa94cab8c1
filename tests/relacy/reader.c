/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Slots, as who reads them meanwhile sees them: the consumer, and an observer that has no part in anything.
 * Rows 1 to 7, 12 and 29 to 33 of docs/ordering.md.
 */
#include "scenario.h"

static void section_pc(void)
{
	run_section(0, HANDLE(1), 3);
}

static void two_sections_pc(void)
{
	run_section(0, HANDLE(1), 2);
	run_section(1, HANDLE(2), 2);
}

static void section_cmp(void)
{
	run_cmp_section(0, HANDLE(1), 2);
}

static void two_sections_cmp(void)
{
	run_cmp_section(0, HANDLE(1), 2);
	run_cmp_section(1, HANDLE(2), 1);
}

static void consume(void)
{
	drain(0);
	drain(0);
}

static void consume_live(void)
{
	drain(COVBUF_DRAIN_LIVE);
	drain(COVBUF_DRAIN_LIVE);
	drain(COVBUF_DRAIN_LIVE);
}

/* ---- an observer ------------------------------------------------------------------------------- */

static int observed(const struct covbuf_area *area, const uint64_t *record, void *arg)
{
	uint64_t (*kept)[COVBUF_CMP_WORDS] = arg;

	while (**kept)
		kept++;
	memcpy(kept, record, (area->mode == COVBUF_MODE_CMP ? COVBUF_CMP_WORDS : 1) * sizeof(*record));
	return 0;
}

/* What was read counts if the whole look at the area did. */
static void observe_once(void)
{
	uint64_t kept[17][COVBUF_CMP_WORDS] = { 0 };
	struct covbuf_area area;
	int64_t nr;

	if (covbuf_view_area(&covb_segment, 0, &area) || COVBUF_FLAG_STATE(area.flag) == COVBUF_AREA_FREE)
		return;
	if (COVBUF_FLAG_STATE(area.flag) == COVBUF_AREA_READING)
		return; /* being emptied */
	nr = covbuf_view_records(&covb_segment, 0, &area, observed, kept, NULL);
	for (int64_t i = 0; i < nr; i++)
		check_record(area.handle, area.token, area.mode, kept[i]);
}

static void observe(void)
{
	observe_once();
	observe_once();
}

static void pc_before(void)
{
	begin(1);
	owner = make_owner(COVBUF_MODE_PC, COVBUF_LINEAR, 0, 2);
	open_contexts();
}

static void cmp_before(void)
{
	begin(1);
	owner = make_owner(COVBUF_MODE_CMP, COVBUF_LINEAR, 0, 2);
	open_contexts();
}

COVB_MODEL_SCENARIO(pc_observed, .before = pc_before, .thread = { section_pc, consume, observe },
		    .after = check_all);
COVB_MODEL_SCENARIO(pc_reused_observed, .before = pc_before, .thread = { two_sections_pc, consume, observe },
		    .after = check_all);
COVB_MODEL_SCENARIO(cmp_observed, .before = cmp_before, .thread = { section_cmp, NULL, observe },
		    .after = check_all);
COVB_MODEL_SCENARIO(cmp_reused_observed, .before = cmp_before, .thread = { two_sections_cmp, consume, observe },
		    .after = check_all);

/* ---- rings ------------------------------------------------------------------------------------- */

static void ring_before(void)
{
	begin(1);
	owner = make_owner(COVBUF_MODE_PC, COVBUF_RING, 0, 2);
	open_contexts();
}

static void long_section_pc(void)
{
	run_section(0, HANDLE(1), 12);
}

static void cmp_ring_before(void)
{
	begin(1);
	owner = make_owner(COVBUF_MODE_CMP, COVBUF_RING, 0, 2);
	open_contexts();
}

static void long_section_cmp(void)
{
	run_cmp_section(0, HANDLE(1), 5);
}

COVB_MODEL_SCENARIO(ring, .before = ring_before, .thread = { long_section_pc, consume_live }, .after = check_all);
COVB_MODEL_SCENARIO(ring_cmp, .before = cmp_ring_before, .thread = { long_section_cmp, consume_live },
		    .after = check_all);
COVB_MODEL_SCENARIO(ring_observed, .before = ring_before, .thread = { long_section_pc, consume_live, observe },
		    .after = check_all);
COVB_MODEL_SCENARIO(ring_cmp_observed, .before = cmp_ring_before,
		    .thread = { long_section_cmp, consume_live, observe }, .after = check_all);

/*
 * Relacy performs loads in the order of the program, so it cannot show that an operand is overwritten
 * before it was read. But who writes one and who reads it must take turns, and that it does show. The section
 * has begun: who looks at half a description reads words that it then throws away.
 */
static covbuf_token begun;

static void cmp_ring_turns_before(void)
{
	cmp_ring_before();
	covb_model_be(0);
	begun = covbuf_remote_start(HANDLE(1));
	covb_model_be(COVB_MODEL_NR_THREADS);
	tally.handle[0] = HANDLE(1);
	for (uint32_t k = 0; k < 2; k++)
		covb_model_hand(covb_model_words(0) + k * COVBUF_CMP_WORDS, 3 * sizeof(uint64_t));
}

static void rest_of_section_cmp(void)
{
	for (uint32_t n = 0; n < 5; n++)
		emit_cmp(0);
	CHECK(!covbuf_remote_stop(begun));
}

COVB_MODEL_SCENARIO(ring_cmp_turns, .before = cmp_ring_turns_before, .thread = { rest_of_section_cmp, consume_live },
		    .after = check_all);

/* The same of an area that is not a ring, which the consumer gets when it is finished. */
static void cmp_turns_before(void)
{
	cmp_before();
	for (uint32_t k = 0; k < 8; k++)
		covb_model_hand(covb_model_words(0) + k, sizeof(uint64_t));
}

COVB_MODEL_SCENARIO(cmp_turns, .before = cmp_turns_before, .thread = { two_sections_cmp, consume },
		    .after = check_all);

/* Two sections in one ring: its second user makes a ring of it anew. */
static void two_long_sections(void)
{
	run_section(0, HANDLE(1), 5);
	run_section(1, HANDLE(2), 5);
}

COVB_MODEL_SCENARIO(ring_reused, .before = ring_before, .thread = { two_long_sections, consume_live },
		    .after = check_all);

static void section_other(void)
{
	run_section(1, HANDLE(2), 4);
}

COVB_MODEL_SCENARIO(ring_two_writers, .before = ring_before,
		    .thread = { section_pc, section_other, consume_live }, .after = check_all);

/* ---- a ring that is emptied while it is taken from --------------------------------------------- */

static void enable_anew(void)
{
	const uint64_t handle = HANDLE(3);

	CHECK(!covbuf_disable(owner));
	CHECK(!covbuf_remote_enable(owner, &handle, 1, 0));
}

static void emptied_after(void)
{
	/* what was queued again is dropped now */
	check_all();
}

COVB_MODEL_SCENARIO(ring_dropped, .before = ring_before, .thread = { section_pc, enable_anew, consume_live },
		    .after = emptied_after);

static void collect_own(void)
{
	covb_collect_owner(&covb_segment, 0, COVB_MODEL_PROC, found_batch, NULL);
}

COVB_MODEL_SCENARIO(ring_collected, .before = ring_before, .thread = { section_pc, collect_own, consume_live },
		    .after = check_all);
