/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Areas on their way: from the pool to a section, from there to the queue, from the consumer to the pool.
 */
#include "scenario.h"

/* ---- two sections, one area -------------------------------------------------------------------- */

static void two_sections_before(void)
{
	begin(1);
	owner = make_owner(COVBUF_MODE_PC, COVBUF_LINEAR, 0, 2);
	open_contexts();
}

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

COVB_MODEL_SCENARIO(two_sections, .before = two_sections_before,
		    .thread = { section_1, section_2, consume }, .after = check_all);
