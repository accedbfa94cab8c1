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
static int64_t observe_records(const struct covbuf_area *area)
{
	uint64_t kept[17][COVBUF_CMP_WORDS] = { 0 };
	int64_t nr = covbuf_view_records(&covb_segment, 0, area, observed, kept, NULL);

	for (int64_t i = 0; i < nr; i++)
		check_record(area->handle, area->token, area->mode, kept[i]);
	return nr;
}

static void observe_once(void)
{
	struct covbuf_area area;

	if (covbuf_view_area(&covb_segment, 0, &area) || COVBUF_FLAG_STATE(area.flag) == COVBUF_AREA_FREE)
		return;
	observe_records(&area);
}

static void observe(void)
{
	observe_once();
	observe_once();
}

/* A section of thread 0's that has begun: who looks at it finds it described. */
static covbuf_token begun;

static void begin_section(uint64_t handle)
{
	covb_model_be(0);
	begun = covbuf_remote_start(handle);
	CHECK(begun);
	tally.handle[0] = handle;
	tally.token[0] = begun;
	covb_model_be(COVB_MODEL_NR_THREADS);
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

static void pc_begun_before(void)
{
	pc_before();
	begin_section(HANDLE(1));
}

static void cmp_begun_before(void)
{
	cmp_before();
	begin_section(HANDLE(1));
}

static void rest_pc(void)
{
	for (uint32_t n = 0; n < 3; n++)
		emit(0);
	CHECK(!covbuf_remote_stop(begun));
}

static void rest_cmp(void)
{
	for (uint32_t n = 0; n < 2; n++)
		emit_cmp(0);
	CHECK(!covbuf_remote_stop(begun));
}

COVB_MODEL_SCENARIO(pc_observed, .before = pc_begun_before, .thread = { rest_pc, consume, observe },
		    .after = check_all);
COVB_MODEL_SCENARIO(cmp_observed, .before = cmp_begun_before, .thread = { rest_cmp, consume, observe },
		    .after = check_all);

/* A finished area that stays is read once: it does not change any more, and all is there. */
static void kept_begun_before(void)
{
	begin(1);
	owner = make_owner(COVBUF_MODE_CMP, COVBUF_LINEAR, COVBUF_OWNER_KEEP, 2);
	open_contexts();
	begin_section(HANDLE(1));
}

static void observe_kept(void)
{
	struct covbuf_area area;

	if (covbuf_view_area(&covb_segment, 0, &area) || COVBUF_FLAG_STATE(area.flag) != COVBUF_AREA_ENDED)
		return;
	CHECK(observe_records(&area) == 2);
}

COVB_MODEL_SCENARIO(kept_observed, .before = kept_begun_before, .thread = { rest_cmp, NULL, observe_kept });

/* A nested append has filled the slot that the cursor still points at: the rest of the append decides. */
static void nested_before(void)
{
	cmp_begun_before();
	covb_model_be(0);
	emit_cmp(0);
	covbuf_context()->cursor[COVBUF_MODE_CMP] -= COVBUF_CMP_WORDS;
	covb_model_be(COVB_MODEL_NR_THREADS);
}

static void rest_of_nested(void)
{
	emit_cmp(0);
	CHECK(!covbuf_remote_stop(begun));
}

COVB_MODEL_SCENARIO(cmp_nested_observed, .before = nested_before, .thread = { rest_of_nested, NULL, observe },
		    .after = check_all);

/*
 * The observer has a description from before. The area is finished, emptied and used again meanwhile: it must
 * not take what it finds there now for the section that was described.
 */
static struct covbuf_area described;

static void pc_described_before(void)
{
	pc_begun_before();
	covb_model_be(0);
	emit(0);
	covb_model_be(COVB_MODEL_NR_THREADS);
	CHECK(!covbuf_view_area(&covb_segment, 0, &described));
}

static void cmp_described_before(void)
{
	cmp_begun_before();
	covb_model_be(0);
	emit_cmp(0);
	covb_model_be(COVB_MODEL_NR_THREADS);
	CHECK(!covbuf_view_area(&covb_segment, 0, &described));
}

static void use_again_pc(void)
{
	CHECK(!covbuf_remote_stop(begun));
	drain(0);
	CHECK(run_section(1, HANDLE(2), 3));
}

static void use_again_cmp(void)
{
	CHECK(!covbuf_remote_stop(begun));
	drain(0);
	CHECK(run_cmp_section(1, HANDLE(2), 2));
}

static void observe_described(void)
{
	observe_records(&described);
}

COVB_MODEL_SCENARIO(pc_reused, .before = pc_described_before, .thread = { use_again_pc, NULL, observe_described },
		    .after = check_all);
COVB_MODEL_SCENARIO(cmp_reused, .before = cmp_described_before, .thread = { use_again_cmp, NULL, observe_described },
		    .after = check_all);

/* The same by the chain: the area has a frame's place on the stack, and is given to another thread's section. */
static void section_other_cmp(void)
{
	run_cmp_section(1, HANDLE(2), 2);
}

static void stop_begun_and_drain(void)
{
	CHECK(!covbuf_remote_stop(begun));
	drain(0);
}

COVB_MODEL_SCENARIO(cmp_reused_by_other, .before = cmp_described_before,
		    .thread = { stop_begun_and_drain, section_other_cmp, observe_described }, .after = check_all);

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

/* The section has begun: what it takes to make a ring is not part of it. */
static void ring_begun_before(void)
{
	ring_before();
	begin_section(HANDLE(1));
}

static void cmp_ring_begun_before(void)
{
	cmp_ring_before();
	begin_section(HANDLE(1));
}

static void rest_of_long_section_pc(void)
{
	for (uint32_t n = 0; n < 12; n++)
		emit(0);
	CHECK(!covbuf_remote_stop(begun));
}

static void rest_of_long_section_cmp(void)
{
	for (uint32_t n = 0; n < 5; n++)
		emit_cmp(0);
	CHECK(!covbuf_remote_stop(begun));
}

COVB_MODEL_SCENARIO(ring_observed, .before = ring_begun_before,
		    .thread = { rest_of_long_section_pc, consume_live, observe }, .after = check_all);
COVB_MODEL_SCENARIO(ring_cmp_observed, .before = cmp_ring_begun_before,
		    .thread = { rest_of_long_section_cmp, consume_live, observe }, .after = check_all);

/*
 * Relacy performs loads in the order of the program, so it cannot show that an operand is overwritten
 * before it was read. But who writes one and who reads it must take turns, and that it does show. The section
 * has begun: who looks at half a description reads words that it then throws away.
 */
static void cmp_ring_turns_before(void)
{
	cmp_ring_before();
	begin_section(HANDLE(1));
	for (uint32_t k = 0; k < 2; k++)
		covb_model_hand(covb_model_words(0) + k * COVBUF_CMP_WORDS, 3 * sizeof(uint64_t));
}

COVB_MODEL_SCENARIO(ring_cmp_turns, .before = cmp_ring_turns_before,
		    .thread = { rest_of_long_section_cmp, consume_live }, .after = check_all);

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

/* In an area that the maker makes meanwhile. */
static void no_ring_before(void)
{
	begin(0);
	owner = make_owner(COVBUF_MODE_PC, COVBUF_RING, 0, 2);
	open_contexts();
}

static void grow(void)
{
	covbuf_segment_grow(&covb_segment, 0, 1);
}

COVB_MODEL_SCENARIO(ring_grown, .before = no_ring_before, .thread = { section_pc, grow, consume_live },
		    .after = check_all);

/* ---- a consumer that was killed half way ------------------------------------------------------- */

static void two_taken_before(void)
{
	ring_begun_before();
	covb_model_be(0);
	emit(0);
	emit(0);
	covb_model_be(COVB_MODEL_NR_THREADS);
}

/* It has freed a slot, and not moved its position; then comes the next. */
static void die_and_take_over(void)
{
	uint64_t *first = covb_model_words(0), record = covb_load(first);

	found(HANDLE(1), begun, COVBUF_MODE_PC, &record);
	covb_store(first, COVBUF_RING_START + 8);
	consume_live();
}

/* Where the writer was there first its record is taken a lap early, and its own slot passes for one not filled. */
static void taken_over_after(void)
{
	drain(0);
	CHECK(tally.holes <= 1);
	tally.holes = 0;
	check_all();
}

COVB_MODEL_SCENARIO(ring_taken_over, .before = two_taken_before,
		    .thread = { rest_of_long_section_pc, die_and_take_over }, .after = taken_over_after);

/* ---- a ring that is emptied while it is taken from --------------------------------------------- */

static void filled_before(void)
{
	ring_begun_before();
	covb_model_be(0);
	for (uint32_t n = 0; n < 3; n++)
		emit(0);
	covb_model_be(COVB_MODEL_NR_THREADS);
}

static void stop_begun(void)
{
	CHECK(!covbuf_remote_stop(begun));
}

static void wait_for_queue(void)
{
	for (uint32_t n = 0; n < 8 && !covb_load(&owner->slot->queue); n++)
		covb_model_yield();
}

/* Because its section ended after the owner was disabled, and it is enabled again. */
static void disabled_before(void)
{
	filled_before();
	CHECK(!covbuf_disable(owner));
}

static void enable_anew(void)
{
	const uint64_t handle = HANDLE(3);

	wait_for_queue();
	CHECK(!covbuf_remote_enable(owner, &handle, 1, 0));
}

static void consume_live_once(void)
{
	drain(COVBUF_DRAIN_LIVE);
}

COVB_MODEL_SCENARIO(ring_dropped, .before = disabled_before, .thread = { stop_begun, enable_anew, consume_live_once },
		    .after = check_all);

/* Because the process collects its own. */
static void collect_own(void)
{
	wait_for_queue();
	covb_collect_owner(&covb_segment, 0, COVB_MODEL_PROC, found_batch, NULL);
}

COVB_MODEL_SCENARIO(ring_collected, .before = filled_before, .thread = { stop_begun, collect_own, consume_live_once },
		    .after = check_all);
