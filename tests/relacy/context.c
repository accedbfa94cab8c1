/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Contexts that are opened and closed, and a process that comes and goes. Rows 25, 26, 35 and 36 of
 * docs/ordering.md. The parts of a platform that come into it are played here.
 */
#include "scenario.h"

/* ---- a slot that was left ---------------------------------------------------------------------- */

static void close_context(void)
{
	covb_count(covbuf_context(), COVBUF_LOST_INVALID);
	covb_context_close(covbuf_context());
}

/* There is room for no other. */
static void full_before(void)
{
	begin(1);
	owner = make_owner(COVBUF_MODE_PC, COVBUF_LINEAR, 0, 1);
	covb_engine.nr_contexts = 2;
	covb_model_be(0);
	CHECK(covb_context_open(covb_plat_context()));
	covb_model_be(COVB_MODEL_NR_THREADS);
	tally.emitted[7] = 0;
}

static void open_second(void)
{
	if (covb_context_open(covbuf_context())) {
		covb_count(covbuf_context(), COVBUF_LOST_INVALID);
		tally.emitted[7]++;
		covb_context_close(covbuf_context());
	}
}

/* Each loss is counted once, whoever had the slot. */
static void slot_left_after(void)
{
	CHECK(losses(COVBUF_LOST_INVALID) == 1 + tally.emitted[7]);
	tally.emitted[7] = 0;
	check_all();
}

COVB_MODEL_SCENARIO(context_slot_left, .before = full_before, .thread = { close_context, open_second, open_second },
		    .after = slot_left_after);

/* ---- a thread ends with a section open --------------------------------------------------------- */

static void one_area(void)
{
	begin(1);
	owner = make_owner(COVBUF_MODE_PC, COVBUF_LINEAR, 0, 2);
}

static void end_in_section(void)
{
	covbuf_token token = covbuf_remote_start(HANDLE(1));

	if (!token)
		return;
	tally.handle[0] = HANDLE(1);
	emit(0);
	covb_context_close(covbuf_context());
}

static void section_2(void)
{
	run_section(1, HANDLE(2), 1);
}

static void consume(void)
{
	drain(0);
	drain(0);
}

COVB_MODEL_SCENARIO(thread_ends, .before = one_area, .thread = { end_in_section, section_2, consume },
		    .after = check_all);

/* ---- everything is recorded -------------------------------------------------------------------- */

static void automatic_before(void)
{
	begin(3);
	covb_segment.owners[0].sequence = 1;
	covb_segment.owners[0].state = COVBUF_OWNER_LIVE;
	covb_segment.layout.automatic = (struct covbuf_auto){ .enabled = 1 };
	covb_engine.automatic = covb_segment.layout.automatic;
}

/* Unborn: the first record opens the context, and adopts the owner that the maker made. */
static void first_record(void)
{
	uint32_t section = covb_model_thread();

	emit(section);
	emit(section);
	covb_context_close(covbuf_context());
}

COVB_MODEL_SCENARIO(automatic, .before = automatic_before, .thread = { first_record, first_record, consume },
		    .after = check_all);

/* ---- attached while threads run ---------------------------------------------------------------- */

static struct covb_engine attached;

static void not_attached_before(void)
{
	automatic_before();
	attached = covb_engine;
	memset(&covb_engine, 0, sizeof(covb_engine));
}

/* As a platform attaches: the state comes last. */
static void attach(void)
{
	covb_engine.proc = attached.proc;
	for (size_t i = 1; i < sizeof(attached) / 8; i++)
		((volatile uint64_t *)&covb_engine)[i] = ((const uint64_t *)&attached)[i];
	covb_store_release(&covb_engine.state, COVB_ENGINE_ATTACHED);
}

/* Before there is an engine a record is neither kept nor counted. */
static void maybe_record(void)
{
	uint32_t section = covb_model_thread();

	for (uint32_t n = 0; n < 3; n++) {
		bool before = !covbuf_context()->priv;

		emit(section);
		if (before && !covbuf_context()->priv)
			tally.emitted[section]--;
	}
	covb_context_close(covbuf_context());
}

COVB_MODEL_SCENARIO(attached_late, .before = not_attached_before, .thread = { maybe_record, attach, maybe_record },
		    .after = check_all);

/* ---- detached while a thread opens its context ------------------------------------------------- */

static bool left;

static void detach_before(void)
{
	one_area();
	covb_model_be(COVB_MODEL_NR_THREADS);
	covb_context_close(covbuf_context()); /* the one that made the owner */
	left = false;
}

/* As covbuf_detach() of the userspace platform, which gives the process slot up where nobody needs it. */
static void detach(void)
{
	covb_store(&covb_model_alive, 0);
	covb_store_release(&covb_engine.state, COVB_ENGINE_OFF);
	covb_mb();
	for (uint32_t i = 0; i < covb_engine.nr_contexts; i++)
		if ((covb_load(&covb_engine.contexts[i].state) & 0xff) == COVBUF_CONTEXT_LIVE)
			return;
	if (COVBUF_FLAG_STATE(covb_load(&covb_engine.areas[0].flag)) == COVBUF_AREA_HELD)
		return;
	left = true;
}

/* Holds an area when all is over. */
static void start_and_record(void)
{
	covbuf_remote_start(HANDLE(1));
	covbuf_trace_pc(1);
}

static void detached_after(void)
{
	CHECK(!left || COVBUF_FLAG_STATE(covb_segment.areas[0].flag) != COVBUF_AREA_HELD);
}

COVB_MODEL_SCENARIO(detached, .before = detach_before, .thread = { start_and_record, detach }, .after = detached_after);
