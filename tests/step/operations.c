// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * The operations, and the states that they begin in: see operations.h. Their books are books.c's.
 */
#include "check.h"
#include "emit.h"
#include "operations.h"

static covbuf_token kept; /* a section that is begun before and ends in the operation, or the other way round */

static void start(uint32_t kind)
{
	kept = body_start(kind);
	body_emit_many(3);
}

static void stop(void)
{
	body_stop(kept, test.outer);
	kept = 0;
}

/* ---- sections -------------------------------------------------------------------------------- */

static void emit_four(void) { body_emit_many(4); }
static void start_plain(void) { start(PLAIN); }
static void start_kcov(void) { start(KCOV); }
static void section_of_plain(void) { body_section(PLAIN); }
static void section_of_cmp(void) { body_section(CMP); }
static void section_of_grow(void) { body_section(GROW); }
static void section_of_ring(void) { body_section(RING); }
static void section_of_kcov(void) { body_section(KCOV); }
static void section_of_unique(void) { body_section(UNIQUE); }
static void section_of_unique_process(void) { body_section(UNIQUE_PROCESS); }
static void leave_one_area(void) { body_empty_pool(1); }
static void leave_no_area(void) { body_empty_pool(0); }

/* Two areas that are full, and a third. */
static void start_chain(void)
{
	start(GROW);
	for (uint32_t i = 0; i < 2; i++) {
		body_fill_but(0);
		body_emit();
	}
}

/* Nothing is recorded in it. */
static void empty_section(void)
{
	body_stop(body_start(PLAIN), test.outer);
}

/* A handle that nobody has enabled, and none. */
static void start_by_no_handle(void)
{
	covbuf_remote_stop(covbuf_remote_start(body_handle(NR_KINDS)));
	covbuf_remote_stop(covbuf_remote_start(0));
	body_emit();
}

static void by_handle(void) { body_section_by_handle(PLAIN); }
static void cmp_by_handle(void) { body_section_by_handle(CMP); }
static void ring_by_handle(void) { body_section_by_handle(RING); }
static void grow_by_handle(void) { body_section_by_handle(GROW); }
static void kcov_by_handle(void) { body_section_by_handle(KCOV); }
static void unique_by_handle(void) { body_section_by_handle(UNIQUE); }

/* Stops that are refused. */
static void stop_what_is_not_there(void)
{
	covbuf_token token = covbuf_signal_enter(test.owner[PLAIN]);

	if (covbuf_remote_stop(token + 1) != -COVB_EINVAL || covbuf_remote_stop(kept) != -COVB_EBUSY)
		check_fail("what the handler did not start was stopped");
	covbuf_signal_leave(token);
	if (covbuf_signal_leave(token) != -COVB_EINVAL)
		check_fail("a handler is left twice");
}

/* Left with a section above it. */
static void apart_and_abandoned(void)
{
	covbuf_token token = covbuf_signal_enter(test.owner[PLAIN]);

	body_start(CMP);
	covbuf_signal_leave(token);
	test.section[0] = test.outer;
	body_emit();
}

static void own_value(void)
{
	body_own_value();
	if (covbuf_record(0) != -COVB_EINVAL)
		check_fail("0 was recorded");
}

static void common_handle(void)
{
	covbuf_set_common_handle(covbuf_common_handle() + 1);
	covbuf_set_common_handle(covbuf_common_handle() - 1);
	body_emit();
}

static void site_beyond(void) { body_site(1u << 20); }
static void site(void) { body_site(0); }

/* Free areas whose last page was given back, and frames that have had no area yet. */
static void forget_areas(void)
{
	for (uint32_t i = 0; i < covb_load(covb_engine.nr_areas); i++) {
		const struct covbuf_area *area = &covb_engine.areas[i];
		uint64_t *words = (uint64_t *)(covb_engine.base + area->offset_bytes);

		if (COVBUF_FLAG_STATE(area->flag) != COVBUF_AREA_FREE)
			continue;
		for (uint32_t k = 0; k < COVBUF_GUARD_WORDS; k++)
			covb_store(&words[covbuf_class_words(area->area_class) + k], 0);
		covb_engine.frames[i].offset_bytes = 0;
	}
}

/* Somebody else is at it, who goes without having looked at the queue. */
static void somebody_merges(void)
{
	start(KCOV);
	covb_store(&test.owner[KCOV]->slot->merging, 1u << 31);
}

static void nobody_merges(void)
{
	covb_store(&test.owner[KCOV]->slot->merging, 0);
	covb_merge(test.owner[KCOV]);
}

/* More than the target has room for. */
static void fill_target(void)
{
	uint64_t *words, nr_words;

	covbuf_owner_target(test.owner[KCOV], &words, &nr_words);
	start(KCOV);
	body_fill_but(0);
	body_stop(kept, test.outer);
	start(KCOV);
	body_fill_but(0);
}

/* As handlers leave it that came between load and claim: the next slots are filled. */
static void step_back(void)
{
	struct covbuf_context *ctx = covbuf_context();
	struct covb_frame *top = ctx->top;
	uint32_t step_words = top->mode == COVBUF_MODE_CMP ? COVBUF_CMP_WORDS : 1;

	body_emit_many(3);
	if (top->kind == COVBUF_RING)
		top->index -= 2;
	else
		ctx->cursor[top->mode] -= 2 * step_words;
}

/* A slot of the ring is claimed and not filled; all others are. */
static void make_hole(void)
{
	struct covb_frame *top = covbuf_context()->top;

	top->index++;
	body_emit_many((uint32_t)top->mask);
}

/* In the middle of a switch: the cursor is still in the area below, where a handler has filled the slot. */
static void be_below(void)
{
	struct covbuf_context *ctx = covbuf_context();

	body_emit();
	start(PLAIN);
	ctx->cursor[COVBUF_MODE_PC] = ctx->top->prev->saved - 1;
}

/* Likewise, of the other mode. */
static void be_of_other_mode(void)
{
	covbuf_context()->cursor[COVBUF_MODE_CMP] = (uint64_t *)(uintptr_t)covb_trap_words;
}

static void start_for_nobody(void)
{
	body_stop(body_start(OWN), test.outer);
	body_emit();
}

static void section_of_kcov_cmp(void) { body_section(KCOV_CMP); }

static void unwind_in(uint32_t kind)
{
	covbuf_token token = body_start(kind);

	body_emit();
	body_unwound();
	body_stop(token, test.outer);
}

static void unwind_in_ring(void) { unwind_in(RING); }
static void unwind_in_unique(void) { unwind_in(UNIQUE); }

/* An enable that ends before the section does; of a ring, another begins, too. */
static void make_stale(void)
{
	body_remote_enable(OWN);
	start(OWN);
	UNSTEPPED(body_disable(OWN));
	test.section[0] = 0; /* no record more: it would be of an enable that has ended */
}

static void make_stale_ring(void)
{
	body_remote_enable(OWN_RING);
	start(OWN_RING);
	body_disable(OWN_RING);
	body_remote_enable(OWN_RING);
}

static void somebody_waits(void)
{
	start(PLAIN);
	covb_store(covb_engine.nr_waiting, 1);
}

static void nobody_waits(void)
{
	covb_store(covb_engine.nr_waiting, 0);
}

/* The thread has no context yet. */
static void be_unborn(void)
{
	struct covbuf_context *ctx = covbuf_context();

	covb_context_close(ctx);
	covb_context_forget(ctx, true);
}

/* ---- owners ---------------------------------------------------------------------------------- */

static void enable_own(void) { body_enable(OWN); body_emit(); }
static void enable_own_cmp(void) { body_enable(OWN_CMP); body_emit(); }
static void enable_own_unique(void) { body_enable(OWN_UNIQUE); body_marked(); }
static void enable_own_ring(void) { body_enable(OWN_RING); body_emit(); }
static void enable_own_kcov(void) { body_enable(OWN_KCOV); body_emit(); }
static void disable_own(void) { body_disable(OWN); body_emit(); }
static void disable_own_cmp(void) { body_disable(OWN_CMP); body_emit(); }
static void disable_own_unique(void) { body_disable(OWN_UNIQUE); body_marked(); }
static void disable_own_ring(void) { body_disable(OWN_RING); body_emit(); }
static void disable_own_kcov(void) { body_disable(OWN_KCOV); body_emit(); }
static void reset_own(void) { body_reset(OWN); body_emit(); }
static void reset_own_cmp(void) { body_reset(OWN_CMP); body_emit(); }
static void reset_own_unique(void) { body_reset(OWN_UNIQUE); body_marked(); }
static void reset_own_ring(void) { body_reset(OWN_RING); body_emit(); }
static void reset_own_kcov(void) { body_reset(OWN_KCOV); body_emit(); }

/* The handlers' sites were seen in this enable. */
static void enable_own_unique_and_see(void)
{
	body_enable(OWN_UNIQUE);
	body_marked();
	for (uint32_t l = 1; l < NR_LEVELS; l++)
		test.marks[l] = covbuf_context()->epoch;
	test.seen_sequence = covb_load(&test.owner[OWN_UNIQUE]->slot->sequence);
}

static void enable_own_kcov_to_be_reset(void)
{
	body_remote_enable(OWN_KCOV);
	test.reset_sequence = covb_load(&test.owner[OWN_KCOV]->slot->sequence);
	enable_own_kcov();
}

static void remote_enable_own(void) { body_remote_enable(OWN); body_emit(); }
static void remote_enable_own_kcov(void) { body_remote_enable(OWN_KCOV); body_emit(); }

/* An earlier enable's, which nobody has collected. */
static void leave_queued(void)
{
	body_remote_enable(OWN);
	body_section(OWN);
	body_section(OWN);
	body_disable(OWN);
}

static void enable_both_ways(void)
{
	body_remote_enable(OWN);
	body_section(OWN);
	body_enable(OWN);
	body_emit();
}

static void may_lack_areas(void)
{
	test.may_lack_areas = true;
	body_empty_pool(0);
}

static void disable_own_perhaps(void)
{
	if (test.owner[OWN]->local)
		body_disable(OWN);
}

static void wait_own_kcov(void)
{
	uint64_t *words, nr_words;

	if (covbuf_disable_wait(test.owner[OWN_KCOV]))
		check_fail("cannot disable and wait");
	covbuf_owner_target(test.owner[OWN_KCOV], &words, &nr_words);
	test.quiet_count = covb_load(&words[0]);
	test.section[0] = test.outer;
	body_emit();
}

/* Some, and one of them is taken: none is. */
static void remote_enable_in_vain(void)
{
	const uint64_t h[] = { body_handle(NR_KINDS + 1), body_handle(NR_KINDS + 2), body_handle(PLAIN) };

	if (covbuf_remote_enable(test.owner[OWN], h, 3, 0) != -COVB_EEXIST)
		check_fail("a handle is enabled twice");
	body_emit();
}

static void remote_enable_common(void)
{
	const uint64_t h[] = { body_handle(NR_KINDS + 1), body_handle(NR_KINDS + 2) };

	test.enable[OWN]++;
	if (covbuf_remote_enable(test.owner[OWN], h, 2, 1))
		check_fail("cannot enable with a common handle");
	body_emit();
}

/* ---- readers --------------------------------------------------------------------------------- */

/* Finished areas of each kind. */
static void queue_some(void)
{
	static const uint32_t of[] = { PLAIN, CMP, GROW, RING, RING_CMP };

	for (uint32_t i = 0; i < sizeof(of) / sizeof(of[0]); i++)
		body_section(of[i]);
}

static void drain_finished(void) { body_drain(0); }
static void drain_live(void) { body_drain(COVBUF_DRAIN_LIVE); }
static void drain_and_audit(void) { body_drain(COVBUF_DRAIN_LIVE | COVBUF_DRAIN_AUDIT); }
/* One batch is taken, and the rest is queued again. */
static int one_batch(const struct covbuf_batch *batch, void *floor)
{
	body_batch(batch, floor);
	return 1;
}

static void drain_one(void)
{
	struct covbuf_drained drained;
	struct check_floor floor;

	check_take_floor(&floor);
	if (covbuf_drain(test.segment, 0, one_batch, &floor, &drained) != 1)
		check_fail("the drain was not stopped");
}

static void some_records(void) { body_emit_many(5); }

static void collect(void)
{
	struct check_floor floor;

	check_take_floor(&floor);
	if (covbuf_collect(test.owner[PLAIN], body_batch, &floor) < 0)
		check_fail("cannot collect");
}

static void two_sections(void)
{
	body_section(PLAIN);
	body_section(PLAIN);
}

/* ---- the table ------------------------------------------------------------------------------- */

#define NONE NR_KINDS

const struct operation operations[] = {
	{ "append", PLAIN, -1, body_emit, NULL, NULL, OP_SHORT | OP_HOT },
	{ "append the last", PLAIN, 1, body_emit, NULL, NULL, OP_SHORT | OP_HOT },
	{ "append to a full area", PLAIN, 0, body_emit, NULL, NULL, OP_SHORT },
	{ "append cmp", CMP, -1, body_emit, NULL, NULL, OP_SHORT | OP_HOT },
	{ "append the last cmp", CMP, 1, body_emit, NULL, NULL, OP_SHORT },
	{ "append cmp to a full area", CMP, 0, body_emit, NULL, NULL, OP_SHORT },
	{ "append to a ring", RING, -1, body_emit, NULL, NULL, OP_SHORT | OP_HOT },
	{ "append to a full ring", RING, 0, body_emit, NULL, NULL, OP_SHORT },
	{ "appends where a ring ends", RING, 1, emit_four, NULL, NULL, OP_SHORT },
	{ "append cmp to a ring", RING_CMP, -1, body_emit, NULL, NULL, OP_SHORT },
	{ "appends cmp where a ring ends", RING_CMP, 1, emit_four, NULL, NULL, OP_SHORT },
	{ "append once in a context", UNIQUE, -1, body_marked, NULL, NULL, OP_SHORT | OP_HOT },
	{ "append once in a process", UNIQUE_PROCESS, -1, body_marked, NULL, NULL, OP_SHORT | OP_HOT },
	{ "append once to a full area", UNIQUE_PROCESS, 0, body_marked, NULL, NULL, OP_SHORT },
	{ "append once, beyond the marks", UNIQUE, -1, site_beyond, NULL, NULL, OP_SHORT },
	{ "append a site that is not marked", PLAIN, -1, site, NULL, NULL, OP_SHORT },
	{ "append a site to a full area", PLAIN, 0, site, NULL, NULL, OP_SHORT },
	{ "append in a new thread", NONE, -1, body_raw, be_unborn, NULL, OP_SHORT },
	{ "append in both modes", CMP, -1, body_raw, NULL, NULL, OP_SHORT },
	{ "first record", PLAIN, -1, body_emit, NULL, NULL, OP_SHORT | OP_FIRST },
	{ "first record, cmp", CMP, -1, body_emit, NULL, NULL, OP_SHORT | OP_FIRST },
	{ "first record of many", GROW, -1, emit_four, NULL, NULL, OP_FIRST },
	{ "first record, once in a context", UNIQUE, -1, body_marked, NULL, NULL, OP_FIRST },
	{ "first record, once in a process", UNIQUE_PROCESS, -1, body_marked, NULL, NULL, OP_FIRST },
	{ "first record takes the last area", PLAIN, -1, body_emit, leave_one_area, NULL, OP_FIRST },
	{ "first record finds no area", PLAIN, -1, body_emit, leave_no_area, NULL, OP_FIRST },
	{ "append a value of one's own", PLAIN, -1, own_value, NULL, NULL, 0 },
	{ "append where slots are filled", PLAIN, -1, body_emit, step_back, NULL, OP_SHORT },
	{ "append cmp where slots are filled", CMP, -1, body_emit, step_back, NULL, OP_SHORT },
	{ "append to a ring where slots are filled", RING, -1, body_emit, step_back, NULL, OP_SHORT },
	{ "append cmp to a ring where slots are filled", RING_CMP, -1, body_emit, step_back, NULL, OP_SHORT },
	{ "append to a ring with a hole", RING, -1, body_emit, make_hole, NULL, 0 },
	{ "append cmp to a ring with a hole", RING_CMP, -1, body_emit, make_hole, NULL, 0 },
	{ "append in a switch", PLAIN, -1, body_emit, be_below, stop, OP_SHORT },
	{ "append in a switch of modes", PLAIN, -1, body_raw, be_of_other_mode, NULL, OP_SHORT },
	{ "append and grow", GROW, 0, body_emit, NULL, NULL, 0 },
	{ "append the last and grow", GROW, 1, emit_four, NULL, NULL, 0 },
	{ "append cmp and grow", GROW_CMP, 0, body_emit, NULL, NULL, 0 },
	{ "append, and nothing to grow into", GROW, 0, emit_four, leave_no_area, NULL, 0 },
	{ "start", PLAIN, -1, start_plain, NULL, stop, OP_SWITCHES },
	{ "section by handle", PLAIN, -1, by_handle, NULL, NULL, 0 },
	{ "section by handle in a new thread", NONE, -1, by_handle, be_unborn, NULL, 0 },
	{ "section by no handle", PLAIN, -1, start_by_no_handle, NULL, NULL, 0 },
	{ "cmp section by handle", PLAIN, -1, cmp_by_handle, NULL, NULL, 0 },
	{ "ring by handle", PLAIN, -1, ring_by_handle, NULL, NULL, 0 },
	{ "growing section by handle", UNIQUE, -1, grow_by_handle, NULL, NULL, 0 },
	{ "merged section by handle", PLAIN, -1, kcov_by_handle, NULL, NULL, 0 },
	{ "unique section by handle", PLAIN, -1, unique_by_handle, NULL, NULL, 0 },
	{ "section by handle without an area", PLAIN, -1, by_handle, leave_no_area, NULL, 0 },
	{ "section in an area with holes", PLAIN, -1, section_of_plain, forget_areas, NULL, 0 },
	{ "section by handle in an area with holes", PLAIN, -1, by_handle, forget_areas, NULL, 0 },
	{ "start for an owner that is not enabled", PLAIN, -1, start_for_nobody, NULL, NULL, 0 },
	{ "start the first", NONE, -1, start_plain, NULL, stop, OP_SWITCHES },
	{ "start in a new thread", NONE, -1, section_of_plain, be_unborn, NULL, 0 },
	{ "stop", PLAIN, -1, stop, start_plain, NULL, OP_SWITCHES },
	{ "stop the last", NONE, -1, stop, start_plain, NULL, OP_SWITCHES },
	{ "stop of a chain", PLAIN, -1, stop, start_chain, NULL, OP_SWITCHES },
	{ "stop of what is merged", NONE, -1, stop, start_kcov, NULL, OP_SWITCHES },
	{ "stop while another merges", NONE, -1, stop, somebody_merges, nobody_merges, OP_SWITCHES },
	{ "stop of what does not fit the target", NONE, -1, stop, fill_target, NULL, OP_SWITCHES },
	{ "stop after the enable ended", PLAIN, -1, stop, make_stale, NULL, OP_SWITCHES },
	{ "stop of a ring after the enable ended", PLAIN, -1, stop, make_stale_ring, disable_own_ring, OP_SWITCHES },
	{ "stop that wakes the consumer", PLAIN, -1, stop, somebody_waits, nobody_waits, OP_SWITCHES },
	{ "section", PLAIN, -1, section_of_plain, NULL, NULL, 0 },
	{ "empty section", PLAIN, -1, empty_section, NULL, NULL, 0 },
	{ "section in one without an area", PLAIN, -1, section_of_plain, NULL, NULL, OP_FIRST },
	{ "section after one that recorded", PLAIN, -1, section_of_plain, section_of_plain, NULL, 0 },
	{ "empty section after one that recorded", PLAIN, -1, empty_section, section_of_plain, NULL, 0 },
	{ "section in a full area", PLAIN, 0, section_of_plain, NULL, NULL, 0 },
	{ "section of cmp", PLAIN, -1, section_of_cmp, NULL, NULL, 0 },
	{ "section of a ring", GROW, 0, section_of_ring, NULL, NULL, 0 },
	{ "section of a ring in one", RING, -1, section_of_ring, NULL, NULL, 0 },
	{ "unique section in one", UNIQUE, -1, section_of_unique, NULL, NULL, 0 },
	{ "unique section of the process", UNIQUE, -1, section_of_unique_process, NULL, NULL, 0 },
	{ "section that is merged", KCOV, -1, section_of_kcov, NULL, NULL, 0 },
	{ "cmp section that is merged", PLAIN, -1, section_of_kcov_cmp, NULL, NULL, 0 },
	{ "last area", PLAIN, -1, section_of_grow, leave_one_area, NULL, 0 },
	{ "section without an area", PLAIN, -1, body_section_without, NULL, NULL, 0 },
	{ "section that gets an area late", GROW, -1, body_section_late, NULL, NULL, 0 },
	{ "abandoned section", PLAIN, 2, body_section_abandoned, NULL, NULL, 0 },
	{ "unwind", PLAIN, -1, body_unwound, NULL, NULL, 0 },
	{ "unwind to nothing", NONE, -1, body_unwound, NULL, NULL, 0 },
	{ "unwind in a ring", PLAIN, -1, unwind_in_ring, NULL, NULL, 0 },
	{ "unwind what is unique", UNIQUE, -1, unwind_in_unique, NULL, NULL, 0 },
	{ "take and give", PLAIN, -1, body_ticket, NULL, NULL, 0 },
	{ "signal apart", PLAIN, -1, body_apart, NULL, NULL, 0 },
	{ "signal apart, abandoned", PLAIN, -1, apart_and_abandoned, NULL, NULL, 0 },
	{ "stops that are refused", PLAIN, -1, stop_what_is_not_there, start_plain, stop, 0 },
	{ "common handle", PLAIN, -1, common_handle, NULL, NULL, 0 },
	{ "enable", NONE, -1, enable_own, NULL, disable_own, OP_SWITCHES },
	{ "enable in a section", PLAIN, -1, enable_own, leave_queued, disable_own, OP_SWITCHES },
	{ "enable in a new thread", NONE, -1, enable_own, be_unborn, disable_own, OP_SWITCHES },
	{ "enable cmp", PLAIN, -1, enable_own_cmp, NULL, disable_own_cmp, OP_SWITCHES },
	{ "enable unique", UNIQUE, -1, enable_own_unique, NULL, disable_own_unique, OP_SWITCHES },
	{ "enable a ring", CMP, -1, enable_own_ring, NULL, disable_own_ring, OP_SWITCHES },
	{ "enable what is merged", NONE, -1, enable_own_kcov, NULL, disable_own_kcov, OP_SWITCHES },
	{ "enable without an area", NONE, -1, enable_own, may_lack_areas, disable_own_perhaps, OP_SWITCHES },
	{ "disable", NONE, -1, disable_own, enable_own, NULL, OP_SWITCHES },
	{ "disable in a section", PLAIN, -1, disable_own, enable_own, NULL, OP_SWITCHES },
	{ "disable cmp", PLAIN, -1, disable_own_cmp, enable_own_cmp, NULL, OP_SWITCHES },
	{ "disable unique", UNIQUE, -1, disable_own_unique, enable_own_unique, NULL, OP_SWITCHES },
	{ "disable a ring", CMP, -1, disable_own_ring, enable_own_ring, NULL, OP_SWITCHES },
	{ "disable what is merged", NONE, -1, disable_own_kcov, enable_own_kcov, NULL, OP_SWITCHES },
	{ "disable both ways", NONE, -1, disable_own, enable_both_ways, NULL, OP_SWITCHES },
	{ "waiting disable", PLAIN, -1, wait_own_kcov, enable_own_kcov, NULL, OP_SWITCHES },
	{ "waiting remote disable", PLAIN, -1, wait_own_kcov, remote_enable_own_kcov, NULL, 0 },
	{ "reset", NONE, -1, reset_own, enable_own, disable_own, OP_SWITCHES },
	{ "reset in a section", PLAIN, -1, reset_own, enable_both_ways, disable_own, OP_SWITCHES },
	{ "reset cmp", PLAIN, -1, reset_own_cmp, enable_own_cmp, disable_own_cmp, OP_SWITCHES },
	{ "reset unique", UNIQUE, -1, reset_own_unique, enable_own_unique_and_see, disable_own_unique, OP_SWITCHES },
	{ "reset a ring", CMP, -1, reset_own_ring, enable_own_ring, disable_own_ring, OP_SWITCHES },
	{ "reset what is merged", PLAIN, -1, reset_own_kcov, enable_own_kcov_to_be_reset, disable_own_kcov,
	  OP_SWITCHES | OP_FORGETS },
	{ "remote enable", PLAIN, -1, remote_enable_own, leave_queued, disable_own, 0 },
	{ "remote enable in vain", PLAIN, -1, remote_enable_in_vain, NULL, NULL, 0 },
	{ "remote enable, common", PLAIN, -1, remote_enable_common, NULL, disable_own, 0 },
	{ "remote disable, common", PLAIN, -1, disable_own, remote_enable_common, NULL, 0 },
	{ "remote disable", PLAIN, -1, disable_own, remote_enable_own, NULL, 0 },
	{ "remote reset", PLAIN, -1, reset_own, remote_enable_own, disable_own, 0 },
	{ "drain", PLAIN, -1, drain_finished, queue_some, NULL, OP_DRAINS },
	{ "drain that is stopped", PLAIN, -1, drain_one, two_sections, NULL, OP_DRAINS },
	{ "drain a ring in use", RING, -1, drain_live, some_records, NULL, OP_DRAINS },
	{ "drain a cmp ring in use", RING_CMP, -1, drain_live, some_records, NULL, OP_DRAINS },
	{ "drain and audit", RING, -1, drain_and_audit, queue_some, NULL, OP_DRAINS },
	{ "collect", PLAIN, -1, collect, two_sections, NULL, OP_DRAINS },
};
const uint32_t nr_operations = sizeof(operations) / sizeof(operations[0]);

struct operation operation_of(const struct handler *handler)
{
	return (struct operation){ .name = handler->name, .kind = PLAIN, .room = -1, .body = handler->run };
}

bool operation_allows(const struct operation *op, const struct handler *first, const struct handler *second)
{
	unsigned int drains = op->flags & OP_DRAINS ? 1 : 0;

	drains += first && (first->flags & HANDLER_DRAINS);
	drains += second && (second->flags & HANDLER_DRAINS);
	return drains < 2;
}
