/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * A push onto an empty stack, and handlers that come in: they find nothing on top, push and pop frames of their own,
 * and so open and shut the context in the middle of it. step_inside interrupts each operation once, and none of its
 * owners is that of everything; here handlers come in at every instruction of one push, one after the other, and at
 * each instruction of a thread's first record where everything is recorded.
 */
#include "fixture.h"

#include "libcovbuf/core/engine.h"
#include "tests/step/step.h"

static struct covbuf_owner *owner, *handlers;
static uint32_t marks[4096];
static uint64_t nr_emitted;

static void needs_stepping(void)
{
	int err = step_init();

	if (err == -ENOTSUP)
		cr_skip_test("instructions are interrupted in plain x86-64 builds only");
	cr_assert_eq(err, 0);
}

/* ---- at every instruction of one push ------------------------------------------------------------ */

/*
 * Until the frame is on top a handler's section opens the context and shuts it again. From when its cursor is
 * open, no site counts as seen that was never marked.
 */
static bool come_in(const uint8_t *address)
{
	const struct covbuf_context *ctx = covbuf_context();

	(void)address;
	if (!covb_load(&ctx->top)) {
		cr_assert_eq(covbuf_pop(covbuf_push(handlers)), 0);
	} else if (covb_load(&ctx->cursor[COVBUF_MODE_PC]) && nr_emitted < 4096) {
		covbuf_trace_pc_site(&marks[nr_emitted], (uint32_t)nr_emitted, nr_emitted + 1);
		nr_emitted++;
	}
	return false;
}

static void section(void)
{
	cr_assert_eq(covbuf_pop(covbuf_push(owner)), 0);
}

Test(push, what_is_recorded_once_the_frame_is_open_is_stored_or_counted)
{
	const uint32_t flags[] = { 0, COVBUF_OWNER_UNIQUE };

	needs_stepping();
	attach_with(8);
	handlers = make_owner(COVBUF_MODE_PC, COVBUF_LINEAR, 0);
	cr_assert_eq(covbuf_remote_enable(handlers, &(uint64_t){ COVBUF_SUBSYSTEM_USER | 1 }, 1, 0), 0);
	step_filter(come_in);
	for (uint32_t i = 0; i < 2; i++) {
		struct step_trace trace = { 0 };
		uint64_t handle = COVBUF_SUBSYSTEM_USER | (2 + i);

		owner = make_owner(COVBUF_MODE_PC, COVBUF_LINEAR, flags[i]);
		cr_assert_eq(covbuf_remote_enable(owner, &handle, 1, 0), 0);
		memset(marks, 0, sizeof(marks));
		nr_emitted = 0;
		section();
		cr_assert_eq(step_record(&trace, section), 0);
		cr_assert_gt(nr_emitted, 1);
		cr_assert_eq(collect(owner)->nr_words + lost(COVBUF_LOST_NO_AREA) + lost(COVBUF_LOST_FULL), nr_emitted);
	}
}

/* ---- where everything is recorded ---------------------------------------------------------------- */

static uint64_t nr_records;

static void record(void)
{
	/* at once: a handler does the same */
	covbuf_trace_pc(__atomic_add_fetch(&nr_records, 1, __ATOMIC_RELAXED));
}

static int count_records(const struct covbuf_batch *batch, void *nr)
{
	for (uint64_t i = 0; i < batch->nr_words; i++)
		*(uint64_t *)nr += batch->words[i] && !(batch->words[i] & COVBUF_NOT_A_RECORD);
	return 0;
}

/* As in a thread that has recorded nothing yet; what the last one recorded has been read. */
static void begin_anew(void)
{
	struct covbuf_context *ctx = covbuf_context();
	uint64_t nr = 0;

	covb_context_close(ctx);
	covb_context_forget(ctx, true);
	cr_assert_eq(covbuf_drain(covbuf_attached_segment(), 0, count_records, &nr, NULL), 0);
	cr_assert_eq(nr, nr_records);
	nr_records = 0;
}

/* At each instruction of a thread's first record, which opens its context, a handler makes one that does so, too. */
Test(push, on_what_a_handler_has_opened_leaves_its_sites_as_they_were)
{
	struct covbuf_segment_options options = {
		.limit_bytes = 64u << 20,
		.initial_bytes = 1u << 20,
		.automatic = { .enabled = 1, .flags = COVBUF_AUTO_UNIQUE },
	};
	struct covbuf_context *ctx = covbuf_context();
	struct covbuf_segment *segment;
	struct step_trace trace = { 0 };
	uint64_t *cursor;
	uint32_t nr_both = 0;

	needs_stepping();
	cr_assert_eq(covbuf_segment_create(NULL, &options, &segment, NULL), 0);
	cr_assert_eq(covbuf_attach_segment(segment), 0);
	cr_assert_eq(covbuf_segment_consume(segment), 0);
	begin_anew();
	cr_assert_eq(step_record(&trace, record), 0);
	for (uint32_t i = 0; i < trace.nr; i++) {
		struct covb_frame *top;

		begin_anew();
		step_run(&(struct step_plan){ .body = { record, record }, .at = { &trace.at[i] } });
		top = covb_load(&ctx->top);
		cr_assert_not_null(top);
		cr_assert_eq(covb_load(&ctx->epoch), top->epoch);
		if (!top->prev)
			continue;
		nr_both++;
		top = covb_context_pop(ctx, top, &cursor);
		covb_handoff(ctx, top, cursor);
		cr_assert_eq(covb_load(&ctx->epoch), covb_load(&ctx->top)->epoch);
	}
	cr_assert_gt(nr_both, 0);
}
