/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Areas on their way: from the pool to a section, from there to the queue, from the consumer to the pool;
 * and who is woken for it. Rows 8 to 13, 20, 21, 25 and 38 of docs/ordering.md.
 */
#include "scenario.h"

static void section_1(void)
{
	run_section(0, HANDLE(1), 2);
}

static void section_2(void)
{
	run_section(1, HANDLE(2), 2);
}

static void consume(void)
{
	drain(0);
	drain(0);
}

/* ---- two sections want the same area ----------------------------------------------------------- */

static void one_area(void)
{
	begin(1);
	owner = make_owner(COVBUF_MODE_PC, COVBUF_LINEAR, 0, 2);
	open_contexts();
}

COVB_MODEL_SCENARIO(one_area_two_sections, .before = one_area,
		    .thread = { section_1, section_2, consume }, .after = check_all);

/* One of them records nothing, and gives the area back itself. */
static void empty_section(void)
{
	run_section(1, HANDLE(2), 0);
	run_section(1, HANDLE(2), 0);
}

COVB_MODEL_SCENARIO(one_area_given_back, .before = one_area, .thread = { section_1, empty_section },
		    .after = check_all);

/* ---- the queue --------------------------------------------------------------------------------- */

static void three_areas(void)
{
	begin(3);
	owner = make_owner(COVBUF_MODE_PC, COVBUF_LINEAR, 0, 2);
	open_contexts();
}

static void section_1_twice(void)
{
	run_section(0, HANDLE(1), 1);
	run_section(2, HANDLE(1), 1);
}

COVB_MODEL_SCENARIO(three_areas_queued, .before = three_areas,
		    .thread = { section_1_twice, section_2, consume }, .after = check_all);

/* A full area, and the one that takes its place. */
static void chain_before(void)
{
	begin(2);
	owner = make_owner(COVBUF_MODE_PC, COVBUF_LINEAR, COVBUF_OWNER_GROW, 2);
	open_contexts();
}

static void long_section(void)
{
	run_section(0, HANDLE(1), 10);
}

COVB_MODEL_SCENARIO(chain, .before = chain_before, .thread = { long_section, section_2, consume },
		    .after = check_all);

/* What stays in the segment is not given back. */
static void kept_before(void)
{
	begin(2);
	owner = make_owner(COVBUF_MODE_PC, COVBUF_LINEAR, COVBUF_OWNER_KEEP, 2);
	open_contexts();
}

static void kept_after(void)
{
	uint32_t ended = 0, delivered = (tally.emitted[0] ? 1 : 0) + (tally.emitted[1] ? 1 : 0);

	for (uint32_t i = 0; i < 2; i++)
		ended += COVBUF_FLAG_STATE(covb_segment.areas[i].flag) == COVBUF_AREA_ENDED;
	CHECK(ended == delivered);
}

COVB_MODEL_SCENARIO(kept, .before = kept_before, .thread = { section_1, section_2, consume },
		    .after = kept_after);

/* ---- a process that collects its own ----------------------------------------------------------- */

static void collect_own(void)
{
	covb_collect_owner(&covb_segment, 0, COVB_MODEL_PROC, found_batch, NULL);
}

COVB_MODEL_SCENARIO(two_passes, .before = three_areas, .thread = { section_1, consume, collect_own },
		    .after = check_all);

/* ---- a consumer that sleeps -------------------------------------------------------------------- */

static uint32_t woken;

static void sleeper_before(void)
{
	one_area();
	woken = 0;
}

static void sleep_once(void)
{
	while (!tally.found[0]) {
		covb_model_wait_once(&covb_segment, 1000);
		drain(0);
	}
	woken = 1;
}

static void sleeper_after(void)
{
	CHECK(woken);
	check_all();
}

COVB_MODEL_SCENARIO(sleeper, .before = sleeper_before, .thread = { section_1, sleep_once },
		    .after = sleeper_after);

/* It also sleeps until processes come and go. */
static void announce(void)
{
	covb_store(&covb_segment.procs[2].pid, 7);
	covb_announce(&covb_segment);
}

static void sleep_for_processes(void)
{
	while (!covb_segment.procs_seen)
		covb_model_wait_once(&covb_segment, 1000);
	CHECK(covb_load(&covb_segment.procs[2].pid) == 7);
	woken = 1;
}

static void announced_after(void)
{
	CHECK(woken);
}

COVB_MODEL_SCENARIO(announced, .before = sleeper_before, .thread = { announce, sleep_for_processes },
		    .after = announced_after);

/* ---- the maker makes another area -------------------------------------------------------------- */

static void grow(void)
{
	covbuf_segment_grow(&covb_segment, 0, 1);
}

static void nothing_yet(void)
{
	begin(0);
	owner = make_owner(COVBUF_MODE_PC, COVBUF_LINEAR, 0, 2);
	open_contexts();
}

COVB_MODEL_SCENARIO(grown, .before = nothing_yet, .thread = { section_1, grow, consume },
		    .after = check_all);

/* And takes it back, while somebody wants it, and makes another of the entry, elsewhere and larger. */
static void shrink(void)
{
	covbuf_segment_shrink(&covb_segment, 0, 1);
	covbuf_segment_grow(&covb_segment, 1, 1);
}

COVB_MODEL_SCENARIO(shrunk, .before = one_area, .thread = { section_1, shrink, section_2 },
		    .after = check_all);

/* A section whose area is full finds what was made, if it finds that something was: it does not look again. */
static covbuf_token full;

static void full_before(void)
{
	begin(1);
	owner = make_owner(COVBUF_MODE_PC, COVBUF_LINEAR, COVBUF_OWNER_GROW, 2);
	open_contexts();
	covb_model_be(0);
	full = covbuf_remote_start(HANDLE(1));
	tally.handle[0] = HANDLE(1);
	for (uint32_t n = 0; n < 9; n++)
		emit(0);
	covb_model_be(COVB_MODEL_NR_THREADS);
}

static void emit_more(void)
{
	emit(0);
	emit(0);
}

static void full_after(void)
{
	const struct covb_frame *top;

	covb_model_be(0);
	top = covbuf_context()->top;
	CHECK(top->serial || top->grown_seen != covb_segment.header->classes[0].grown + 1);
	CHECK(!covbuf_remote_stop(full));
	covb_model_be(COVB_MODEL_NR_THREADS);
	check_all();
}

COVB_MODEL_SCENARIO(grown_for_chain, .before = full_before, .thread = { emit_more, grow }, .after = full_after);
