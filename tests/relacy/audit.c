/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * What a dead process held is taken back, beside one that lives. What the dead one did is done: the kernel
 * orders it before anybody can find out that it is dead.
 */
#include "scenario.h"

#define DEAD 2

static void audit(void)
{
	covb_audit_process(&covb_segment, DEAD, found_batch, NULL, NULL);
}

/* ---- its areas --------------------------------------------------------------------------------- */

/* It had queued an area of an owner that is not its own, as where everything is recorded. */
static void queued_before(void)
{
	begin(2);
	owner = make_owner(COVBUF_MODE_PC, COVBUF_LINEAR, 0, 1);
	open_contexts();
	covb_model_be(0);
	CHECK(run_section(0, HANDLE(1), 1));
	covb_model_be(COVB_MODEL_NR_THREADS);
	for (uint32_t i = 0; i < 2; i++)
		if (COVBUF_FLAG_STATE(covb_segment.areas[i].flag) == COVBUF_AREA_QUEUED)
			covb_segment.areas[i].flag = COVBUF_FLAG(1, DEAD, COVBUF_AREA_QUEUED);
	covb_segment.procs[DEAD].state = 1u << 8 | COVBUF_PROC_LIVE;
}

static void queue_another(void)
{
	run_section(1, HANDLE(1), 1);
}

COVB_MODEL_SCENARIO(audit_queue, .before = queued_before, .thread = { queue_another, audit }, .after = check_all);

/* ---- its owner --------------------------------------------------------------------------------- */

static void owner_before(void)
{
	begin(1);
	owner = make_owner(COVBUF_MODE_PC, COVBUF_LINEAR, 0, 0);
	other_owner = make_owner(COVBUF_MODE_PC, COVBUF_LINEAR, 0, 0);
	covb_segment.owners[1].state = COVBUF_OWNER_LIVE | DEAD << 8;
	covb_segment.owners[1].sequence = 1;
	covb_engine.owner_hint = 1; /* the dead one's, if it is free */
	covb_segment.procs[DEAD].state = 1u << 8 | COVBUF_PROC_LIVE;
	open_contexts();
	other_owner = NULL;
}

static void make_another(void)
{
	struct covbuf_owner_options options = { .mode = COVBUF_MODE_PC };

	for (uint32_t n = 0; n < 3 && !other_owner; n++)
		if (covbuf_owner_create(&options, &other_owner))
			covb_model_yield();
}

/* Disabled, and one enable further: the sequence never goes back. */
static void owner_after(void)
{
	CHECK(covb_segment.owners[1].sequence == 4);
	check_all();
}

COVB_MODEL_SCENARIO(audit_owner, .before = owner_before, .thread = { make_another, audit }, .after = owner_after);

/* ---- its contexts ------------------------------------------------------------------------------ */

static void context_before(void)
{
	begin(1);
	owner = make_owner(COVBUF_MODE_PC, COVBUF_LINEAR, 0, 0);
	covb_engine.nr_contexts = 1; /* there is no other */
	covb_segment.contexts[0].state = COVBUF_CONTEXT_LIVE | DEAD << 8;
	covb_segment.procs[DEAD].state = 1u << 8 | COVBUF_PROC_LIVE;
}

/* The last that it lost, and then it is dead. */
static void lose_and_die(void)
{
	covb_store(&covb_segment.contexts[0].lost[COVBUF_LOST_INVALID], 1);
	audit();
}

static void open_another(void)
{
	if (covb_context_open(covbuf_context())) {
		covb_count(covbuf_context(), COVBUF_LOST_INVALID);
		tally.emitted[7] = 1;
	}
}

static void context_after(void)
{
	CHECK(losses(COVBUF_LOST_INVALID) == 1 + tally.emitted[7]);
	tally.emitted[7] = 0;
	check_all();
}

COVB_MODEL_SCENARIO(audit_context, .before = context_before, .thread = { open_another, lose_and_die },
		    .after = context_after);
