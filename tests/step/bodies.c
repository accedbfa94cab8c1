// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * What is done at any level: see bodies.h. The handlers at the end are what comes in.
 */
#include <string.h>

#include "bodies.h"
#include "check.h"
#include "emit.h"

const struct covbuf_owner_options kinds[NR_KINDS] = {
	[PLAIN] = { .name = "plain" },
	[GROW] = { .flags = COVBUF_OWNER_GROW, .name = "grow" },
	[UNIQUE] = { .flags = COVBUF_OWNER_UNIQUE_CONTEXT, .name = "unique" },
	[UNIQUE_PROCESS] = { .flags = COVBUF_OWNER_UNIQUE, .name = "unique per process" },
	[RING] = { .kind = COVBUF_RING, .name = "ring" },
	[RING_CMP] = { .mode = COVBUF_MODE_CMP, .kind = COVBUF_RING, .name = "ring cmp" },
	[CMP] = { .mode = COVBUF_MODE_CMP, .name = "cmp" },
	[KCOV] = { .flags = COVBUF_OWNER_KCOV, .name = "kcov" },
	[KCOV_CMP] = { .mode = COVBUF_MODE_CMP, .flags = COVBUF_OWNER_KCOV, .name = "kcov cmp" },
	[GROW_CMP] = { .mode = COVBUF_MODE_CMP, .flags = COVBUF_OWNER_GROW, .name = "grow cmp" },
	[OWN] = { .name = "own" },
	[OWN_CMP] = { .mode = COVBUF_MODE_CMP, .name = "own cmp" },
	[OWN_UNIQUE] = { .flags = COVBUF_OWNER_UNIQUE | COVBUF_OWNER_GROW, .name = "own unique" },
	[OWN_RING] = { .kind = COVBUF_RING, .name = "own ring" },
	[OWN_KCOV] = { .flags = COVBUF_OWNER_KCOV, .name = "own kcov" },
};

struct test test;

/* ---- records --------------------------------------------------------------------------------- */

/* The hot path, each by itself, so that its instructions can be counted. */
HOT_TEXT static void append_pc(uint64_t pc)
{
	covbuf_trace_pc(pc);
}

HOT_TEXT static void append_pc_site(uint32_t *mark, uint32_t site, uint64_t pc)
{
	covbuf_trace_pc_site(mark, site, pc);
}

HOT_TEXT static void append_cmp(uint64_t type, uint64_t arg1, uint64_t arg2, uint64_t pc)
{
	covbuf_trace_cmp(type, arg1, arg2, pc);
}

static uint64_t next_stamp(uint32_t level)
{
	struct stamp stamp = { .level = level, .section = test.section[level], .round = check.round,
			       .number = check.source[0][level].emitted };

	return stamp_make(&stamp);
}

/* Of OWN_KCOV's enable that a reset ends, or perhaps so. */
static bool is_mergeable(uint32_t level)
{
	const struct started *started = &test.started[level][test.section[level]];

	if (!test.section[level])
		return covb_load(&test.owner[OWN_KCOV]->slot->sequence) == test.reset_sequence;
	return started->kind == OWN_KCOV && started->sequence == test.reset_sequence;
}

static void note_emitted(uint32_t level)
{
	check.source[0][level].emitted++;
	test.nr_mergeable += is_mergeable(level);
}

void body_emit(void)
{
	const struct covbuf_context *ctx = covbuf_context();
	uint32_t level = step_level();
	uint64_t pc = next_stamp(level);

	if (emit_collects(ctx, COVBUF_MODE_PC))
		append_pc(pc);
	else if (emit_collects(ctx, COVBUF_MODE_CMP))
		append_cmp(stamp_type(pc), stamp_arg1(pc), stamp_arg2(pc), pc);
	else
		return;
	note_emitted(level);
}

/* A site's record, made unless it was seen. */
void body_site(uint32_t site)
{
	const struct covbuf_context *ctx = covbuf_context();
	uint32_t level = step_level();

	if (!emit_collects(ctx, COVBUF_MODE_PC) || emit_seen(ctx, &test.marks[level], site))
		return;
	append_pc_site(&test.marks[level], site, next_stamp(level));
	note_emitted(level);
}

static void emit_marked(void)
{
	body_site(step_level());
}

void body_own_value(void)
{
	uint32_t level = step_level();

	if (!emit_collects(covbuf_context(), COVBUF_MODE_PC))
		return;
	covbuf_record(next_stamp(level));
	note_emitted(level);
}

/* Records of both modes without a look at what collects: of those, none need be kept. */
void body_raw(void)
{
	uint32_t level = step_level();
	uint64_t pc = next_stamp(level);

	test.nr_perhaps++;
	append_pc(pc);
	note_emitted(level);
	pc = next_stamp(level);
	test.nr_perhaps++;
	append_cmp(stamp_type(pc), stamp_arg1(pc), stamp_arg2(pc), pc);
	note_emitted(level);
}

void body_emit_many(uint32_t n)
{
	while (n--)
		body_emit();
}

/* Leave this many slots of the area on top; in the middle of a switch, where the cursor is elsewhere, as they are. */
void body_fill_but(uint32_t nr_slots)
{
	const struct covbuf_context *ctx = covbuf_context();
	const struct covb_frame *top = covb_load(&ctx->top);
	const uint64_t *cursor;

	if (top && top->kind == COVB_KIND_VOID) {
		body_emit(); /* which has it take its area */
		top = covb_load(&ctx->top);
	}
	if (!top)
		return;
	cursor = covb_load(&ctx->cursor[top->mode]);
	if (top->kind == COVBUF_RING)
		body_emit_many((uint32_t)(top->mask + 1) - nr_slots);
	else if (top->kind == COVBUF_LINEAR && cursor >= top->start && cursor < top->end)
		body_emit_many((uint32_t)(top->end - cursor) / (top->mode == COVBUF_MODE_CMP ? COVBUF_CMP_WORDS : 1) -
			       nr_slots);
}

/* ---- sections -------------------------------------------------------------------------------- */

uint64_t body_handle(uint32_t kind)
{
	return COVBUF_SUBSYSTEM_USER | (kind + 1);
}

static void note_started(uint32_t kind, covbuf_token token, uint64_t handle)
{
	uint32_t level = step_level();
	struct check_source *source = &check.source[0][level];

	if (++source->sections >= SECTIONS_MAX)
		check_fail("more sections than the test has room for");
	test.section[level] = source->sections % SECTIONS_MAX;
	source->section[test.section[level]] = (struct check_section){ token, handle };
	test.started[level][test.section[level]] = (struct started){
		.kind = kind, .enable = test.enable[kind], .sequence = covb_load(&test.owner[kind]->slot->sequence),
	};
}

covbuf_token body_start(uint32_t kind)
{
	covbuf_token token = covbuf_push(test.owner[kind]);

	if (token)
		note_started(kind, token, 0);
	return token;
}

static covbuf_token start_by_handle(uint32_t kind)
{
	covbuf_token token = covbuf_remote_start(body_handle(kind));

	if (token)
		note_started(kind, token, body_handle(kind));
	return token;
}

void body_stop(covbuf_token token, uint32_t outer)
{
	if (token && covbuf_pop(token))
		check_fail("a section cannot be stopped at level %u", step_level());
	test.section[step_level()] = outer;
}

void body_section(uint32_t kind)
{
	uint32_t outer = test.section[step_level()];
	covbuf_token token = body_start(kind);

	body_emit();
	body_stop(token, outer);
	body_emit();
}

void body_section_by_handle(uint32_t kind)
{
	uint32_t outer = test.section[step_level()];
	covbuf_token token = start_by_handle(kind);

	body_emit();
	body_stop(token, outer);
	body_emit();
}

/* One that is full when it stops. */
static void full_body_section(uint32_t kind)
{
	uint32_t outer = test.section[step_level()];
	covbuf_token token = body_start(kind);

	UNSTEPPED(body_fill_but(0));
	body_emit();
	body_stop(token, outer);
}

/* ---- the pool -------------------------------------------------------------------------------- */

void body_empty_pool(uint32_t leave)
{
	uint64_t *words, nr_words;

	for (uint32_t n = 0; n < NR_TICKETS; n++)
		if (!test.tickets[n] && covbuf_area_take(0, &words, &nr_words, &test.tickets[n]))
			break;
	for (uint32_t n = 0; n < NR_TICKETS && leave; n++)
		if (test.tickets[n]) {
			covbuf_area_give(test.tickets[n]);
			test.tickets[n] = 0;
			leave--;
		}
}

void body_fill_pool(void)
{
	for (uint32_t i = 0; i < NR_TICKETS; i++) {
		if (test.tickets[i])
			covbuf_area_give(test.tickets[i]);
		test.tickets[i] = 0;
	}
}

/* ---- owners: at level 0 only ----------------------------------------------------------------- */

static void note_enable(uint32_t kind)
{
	struct covb_frame *top = covbuf_context()->top;

	test.oldest[kind] = test.enable[kind];
	if (!test.owner[kind]->local)
		return;
	if (!top || top->token != test.owner[kind]->local_token)
		check_fail("what was enabled is not on top");
	note_started(kind, test.owner[kind]->local_token, 0);
}

/* Numbered before: what a handler starts in between is of this enable, or is not delivered. */
static void number_enable(uint32_t kind)
{
	if (!(covb_load(&test.owner[kind]->slot->sequence) & 1))
		test.enable[kind]++;
}

void body_enable(uint32_t kind)
{
	int err;

	number_enable(kind);
	err = covbuf_enable(test.owner[kind]);
	if (!err)
		note_enable(kind);
	else if (err != -COVB_ENOSPC || !test.may_lack_areas)
		check_fail("cannot enable: %d", err);
}

void body_reset(uint32_t kind)
{
	int err;

	test.enable[kind]++;
	err = covbuf_reset(test.owner[kind]);
	if (err)
		check_fail("cannot reset: %d", err);
	else
		note_enable(kind);
	test.nr_forgotten = test.nr_mergeable;
}

void body_disable(uint32_t kind)
{
	int err = covbuf_disable(test.owner[kind]);

	if (err)
		check_fail("cannot disable: %d", err);
	test.section[0] = test.outer;
}

void body_remote_enable(uint32_t kind)
{
	uint64_t handle = body_handle(kind);
	int err;

	number_enable(kind);
	err = covbuf_remote_enable(test.owner[kind], &handle, 1, 0);
	if (err)
		check_fail("cannot enable remotely: %d", err);
	test.oldest[kind] = test.enable[kind];
}

/* ---- what a reader does ---------------------------------------------------------------------- */

/* Which section a record says that it is of, and whether that may still be delivered. */
static void check_record(uint32_t owner, uint32_t mode, const uint64_t *record)
{
	const struct started *started;
	struct stamp s;

	if (!stamp_read(record[mode == COVBUF_MODE_CMP ? 3 : 0], &s) || !s.section || s.level >= NR_LEVELS)
		return;
	started = &test.started[s.level][s.section % SECTIONS_MAX];
	if (owner != test.owner[started->kind]->index)
		check_fail("a record of \"%s\" in an area of owner %u", kinds[started->kind].name, owner);
	if (started->enable < test.oldest[started->kind])
		check_fail("a record of \"%s\" from enable %u, delivered after enable %u", kinds[started->kind].name,
			   started->enable, test.oldest[started->kind]);
}

/* The same of what was merged; then it is forgotten. */
void body_take_target(uint32_t kind)
{
	const uint32_t step_words = kinds[kind].mode == COVBUF_MODE_CMP ? COVBUF_CMP_WORDS : 1;
	uint64_t *words, nr_words;

	covbuf_owner_target(test.owner[kind], &words, &nr_words);
	if (kind == OWN_KCOV && test.quiet_count != ~0ull && words[0] != test.quiet_count)
		check_fail("%lu records in a target that was quiet with %lu", words[0], test.quiet_count);
	for (uint64_t i = 0; i < words[0] && (i + 1) * step_words < nr_words; i++)
		check_record(test.owner[kind]->index, kinds[kind].mode, &words[1 + i * step_words]);
	check_target(words, nr_words, kinds[kind].mode);
}

/* A covbuf_batch_fn, of which nothing is stepped. */
int body_batch(const struct covbuf_batch *batch, void *floor)
{
	uint32_t step_words = batch->mode == COVBUF_MODE_CMP ? COVBUF_CMP_WORDS : 1;

	step_pause();
	for (uint64_t i = 0; i + step_words <= batch->nr_words; i += step_words)
		check_record(batch->owner, batch->mode, &batch->words[i]);
	check_batch(batch, floor);
	step_resume();
	return 0;
}

void body_drain(unsigned int flags)
{
	uint64_t dropped = check_dropped();
	struct covbuf_drained drained;
	struct check_floor floor;

	check_take_floor(&floor);
	if (covbuf_drain(test.segment, flags, body_batch, &floor, &drained))
		check_fail("cannot drain");
	/*
	 * Nothing is cut short here. But an append that found its ring full, and was interrupted by a consumer
	 * and appends before it put the index back, leaves a slot for the next one to fill.
	 */
	if (drained.lost - (check_dropped() - dropped) >= NR_LEVELS)
		check_fail("%lu slots were claimed and never filled", drained.lost);
}

/* ---- handlers -------------------------------------------------------------------------------- */

static void section_of_plain(void) { body_section(PLAIN); }
static void section_of_cmp(void) { body_section(CMP); }
static void section_of_kcov(void) { body_section(KCOV); }
static void section_of_kcov_cmp(void) { body_section(KCOV_CMP); }
static void section_of_own(void) { body_section(OWN); }
static void section_of_own_cmp(void) { body_section_by_handle(OWN_CMP); }
static void section_of_own_ring(void) { body_section(OWN_RING); }
static void section_of_own_kcov(void) { body_section_by_handle(OWN_KCOV); }
static void handle_of_plain(void) { body_section_by_handle(PLAIN); }
static void full_section(void) { full_body_section(PLAIN); }
static void full_ring_section(void) { full_body_section(RING); }
static void full_cmp_section(void) { full_body_section(CMP); }
static void give_areas(void) { UNSTEPPED(body_fill_pool()); body_emit(); }
static void take_areas(void) { UNSTEPPED(body_empty_pool(0)); body_emit(); UNSTEPPED(body_fill_pool()); }

/* What is interrupted finds its area full, and its ring behind the slot that it has claimed. */
static void fill(void) { UNSTEPPED(body_fill_but(0)); body_emit_many(2); }

static void nested_sections(void)
{
	uint32_t outer = test.section[step_level()];
	covbuf_token token = body_start(GROW);

	body_section(CMP);
	body_section(PLAIN);
	body_stop(token, outer);
}

void body_section_abandoned(void)
{
	uint32_t outer = test.section[step_level()];
	covbuf_token token = body_start(PLAIN);

	body_emit();
	body_start(RING);
	body_emit();
	body_stop(token, outer);
}

/* One section whose start finds the pool empty. */
void body_section_without(void)
{
	uint32_t outer = test.section[step_level()];
	covbuf_token token;

	UNSTEPPED(body_empty_pool(0));
	token = body_start(PLAIN);
	body_emit();
	body_stop(token, outer);
	UNSTEPPED(body_fill_pool());
}

/* A section that starts without an area and gets one. */
void body_section_late(void)
{
	uint32_t outer = test.section[step_level()];
	covbuf_token token;

	UNSTEPPED(body_empty_pool(0));
	token = body_start(GROW);
	body_start(GROW); /* abandoned */
	UNSTEPPED(body_fill_pool());
	body_emit_many(2);
	body_stop(token, outer);
}

void body_apart(void)
{
	covbuf_token token = covbuf_signal_enter(NULL);

	body_emit();
	covbuf_signal_leave(token);
	body_emit();
}

void body_ticket(void)
{
	uint64_t *words, nr_words, t;

	if (covbuf_area_take(0, &words, &nr_words, &t))
		return;
	for (uint32_t i = 0; i < 8; i++)
		if (words[i])
			check_fail("an area that was taken is not empty");
	if (covbuf_area_give(t) || covbuf_area_give(t) != -COVB_ESTALE)
		check_fail("an area is not given once");
}

void body_marked(void)
{
	emit_marked();
	emit_marked();
}

static void unique_sections(void)
{
	uint32_t outer = test.section[step_level()];
	covbuf_token token = body_start(UNIQUE), inner;

	emit_marked();
	inner = body_start(UNIQUE_PROCESS);
	emit_marked();
	body_stop(inner, outer);
	body_stop(token, outer);
	emit_marked();
}

/* What was seen before a reset is new after it. */
static void section_of_own_unique(void)
{
	uint32_t level = step_level(), outer = test.section[level];
	covbuf_token token = body_start(OWN_UNIQUE);

	if (token && test.seen_sequence && test.marks[level] == covbuf_context()->epoch &&
	    test.started[level][test.section[level]].sequence != test.seen_sequence)
		check_fail("a site counts as seen in an enable that has just begun");
	emit_marked();
	body_stop(token, outer);
}

void body_unwound(void)
{
	struct covbuf_mark mark;
	uint32_t outer = test.section[step_level()];

	covbuf_mark(&mark);
	body_start(PLAIN);
	body_emit();
	test.section[step_level()] = outer;
	if (covbuf_unwind(&mark))
		check_fail("cannot unwind");
	body_emit();
}

/* The consumer takes what there is in rings; then there is room for what follows. */
static void consume(void)
{
	UNSTEPPED(body_drain(COVBUF_DRAIN_LIVE));
	body_emit_many(2);
}

/* What a reader sees at this instruction: records that are whole, or none. */
static void look(void)
{
	for (uint32_t i = 0; i < covb_load_acquire(covb_engine.nr_areas); i++) {
		const struct covbuf_area *area = &covb_engine.areas[i];
		const uint64_t *words = (const uint64_t *)(covb_engine.base + area->offset_bytes);
		struct stamp s;

		if (COVBUF_FLAG_STATE(area->flag) != COVBUF_AREA_HELD || area->mode != COVBUF_MODE_CMP ||
		    area->kind == COVBUF_COUNTED)
			continue;
		for (uint32_t k = 0; k + COVBUF_CMP_WORDS <= area->nr_words; k += COVBUF_CMP_WORDS)
			if (stamp_read(words[k + 3], &s) && !stamp_whole(&words[k], COVBUF_MODE_CMP))
				check_fail("%#lx is seen when it is not whole", words[k + 3]);
	}
}

const struct handler handlers[] = {
	{ "record", body_emit, 0 },
	{ "section", section_of_plain, 0 },
	{ "section by handle", handle_of_plain, 0 },
	{ "cmp section", section_of_cmp, 0 },
	{ "merged section", section_of_kcov, 0 },
	{ "merged cmp section", section_of_kcov_cmp, 0 },
	{ "nested sections", nested_sections, 0 },
	{ "section of own", section_of_own, 0 },
	{ "section of own cmp", section_of_own_cmp, 0 },
	{ "section of own ring", section_of_own_ring, 0 },
	{ "section of own merged", section_of_own_kcov, 0 },
	{ "section of own unique", section_of_own_unique, 0 },
	{ "unique sections", unique_sections, 0 },
	{ "section without an area", body_section_without, 0 },
	{ "section that gets an area late", body_section_late, 0 },
	{ "abandoned section", body_section_abandoned, 0 },
	{ "full section", full_section, 0 },
	{ "full ring section", full_ring_section, 0 },
	{ "full cmp section", full_cmp_section, 0 },
	{ "give areas", give_areas, 0 },
	{ "take areas", take_areas, 0 },
	{ "apart", body_apart, 0 },
	{ "take and give", body_ticket, 0 },
	{ "unwind", body_unwound, 0 },
	{ "marked records", body_marked, 0 },
	{ "raw records", body_raw, 0 },
	{ "fill what is there", fill, 0 },
	{ "consume", consume, HANDLER_DRAINS },
	{ "look", look, HANDLER_LOOKS },
};
const uint32_t nr_handlers = sizeof(handlers) / sizeof(handlers[0]);
