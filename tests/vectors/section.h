/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Sections: start, stop, in what order, and what becomes of the records. */

static void section_records_reach_the_owners_target(void)
{
	uint64_t *words = target_of(vectors.pc);

	section(PC_HANDLE, 101, 3);
	COVB_EXPECT_EQ(words[0], 3);
	for (uint64_t i = 0; i < 3; i++)
		COVB_EXPECT_EQ(words[1 + i], 101 + i);
	COVB_EXPECT_EQ(target_of(vectors.cmp)[0], 0);
}

static void section_of_comparisons_has_four_words_a_record(void)
{
	static const uint64_t wanted[] = { COVBUF_CMP_SIZE(3), 7, 2, 3, COVBUF_CMP_SIZE(3), 8, 2, 3 };
	uint64_t *words = target_of(vectors.cmp);

	section(CMP_HANDLE, 7, 2);
	COVB_EXPECT_EQ(words[0], 2);
	for (uint32_t i = 0; i < 8; i++)
		COVB_EXPECT_EQ(words[1 + i], wanted[i]);
	COVB_EXPECT_EQ(target_of(vectors.pc)[0], 0);
}

/* Counted areas: taken by the start. Claimed areas: by the first record; by the start after a section that recorded. */
static void section_without_a_record_leaves_the_pool_as_it_was(void)
{
	uint64_t queued = vectors.pc->slot->queued;
	covbuf_token token = start(PC_HANDLE);

	COVB_EXPECT_EQ(free_area_count(), vectors.nr_free_now - COVB_PLAT_COUNTED);
	COVB_EXPECT_EQ(stop(token), 0);
	COVB_EXPECT_EQ(free_area_count(), vectors.nr_free_now);
	COVB_EXPECT_EQ(vectors.pc->slot->queued, queued);
	COVB_EXPECT_EQ(target_of(vectors.pc)[0], 0);
	section(CMP_HANDLE, 1, 1);
	token = start(PC_HANDLE);
	COVB_EXPECT_EQ(free_area_count(), vectors.nr_free_now - 1);
	COVB_EXPECT_EQ(stop(token), 0);
	COVB_EXPECT_EQ(free_area_count(), vectors.nr_free_now);
	COVB_EXPECT_EQ(vectors.pc->slot->queued, queued);
	token = start(PC_HANDLE);
	COVB_EXPECT_EQ(free_area_count(), vectors.nr_free_now - COVB_PLAT_COUNTED);
	COVB_EXPECT_EQ(stop(token), 0);
}

static void section_takes_its_area_with_its_first_record(void)
{
	covbuf_token token = start(PC_HANDLE);

	trace_pcs(1, 1);
	COVB_EXPECT_EQ(free_area_count(), vectors.nr_free_now - 1);
	COVB_EXPECT_EQ(world_context()->top->token, token);
	trace_pcs(2, 2);
	COVB_EXPECT_EQ(free_area_count(), vectors.nr_free_now - 1);
	COVB_EXPECT_EQ(stop(token), 0);
	COVB_EXPECT_EQ(stop(token), -COVB_EINVAL);
	COVB_EXPECT_EQ(free_area_count(), vectors.nr_free_now);
	COVB_EXPECT_EQ(target_of(vectors.pc)[0], 3);
	for (uint64_t i = 1; i <= 3; i++)
		COVB_EXPECT_EQ(target_of(vectors.pc)[i], i);
}

/* Outside of all, nothing is recorded, and nothing is lost. */
static void section_alone_records(void)
{
	trace_pcs(1, 2);
	section(PC_HANDLE, 101, 1);
	trace_pcs(3, 2);
	COVB_EXPECT_EQ(target_of(vectors.pc)[0], 1);
	COVB_EXPECT_EQ(target_of(vectors.pc)[1], 101);
	for (uint32_t i = 0; i < COVBUF_NR_LOSSES; i++)
		COVB_EXPECT_EQ(lost((enum covbuf_loss)i), 0);
}

static void section_that_is_nested_stops_first(void)
{
	uint64_t *words = target_of(vectors.pc);
	covbuf_token outer = start(PC_HANDLE), inner;

	trace_pcs(1, 2);
	inner = start(PC_HANDLE);
	COVB_EXPECT(outer && inner && outer != inner);
	trace_pcs(11, 1);
	COVB_EXPECT_EQ(stop(inner), 0);
	COVB_EXPECT_EQ(words[0], 1);
	trace_pcs(3, 1);
	COVB_EXPECT_EQ(stop(outer), 0);
	COVB_EXPECT_EQ(words[0], 4);
	COVB_EXPECT_EQ(words[1], 11);
	for (uint64_t i = 0; i < 3; i++)
		COVB_EXPECT_EQ(words[2 + i], 1 + i);
}

static void section_of_another_owner_pauses_the_outer_one(void)
{
	covbuf_token outer = start(PC_HANDLE);

	trace_pcs(1, 1);
	section(CMP_HANDLE, 50, 2); /* its PCs are not the outer one's */
	trace_pcs(2, 1);
	COVB_EXPECT_EQ(stop(outer), 0);
	COVB_EXPECT_EQ(target_of(vectors.cmp)[0], 2);
	COVB_EXPECT_EQ(target_of(vectors.pc)[0], 2);
	COVB_EXPECT_EQ(target_of(vectors.pc)[1], 1);
	COVB_EXPECT_EQ(target_of(vectors.pc)[2], 2);
}

static void section_stop_ends_what_was_left_open_above_it(void)
{
	uint64_t *words = target_of(vectors.pc);
	covbuf_token outer = start(PC_HANDLE), inner[2];

	trace_pcs(1, 1);
	for (uint64_t i = 0; i < 2; i++) {
		inner[i] = start(PC_HANDLE);
		trace_pcs(10 * (i + 1), 1);
	}
	COVB_EXPECT_EQ(stop(outer), 0);
	COVB_EXPECT_EQ(lost(COVBUF_LOST_ABANDONED), 2);
	COVB_EXPECT_EQ(words[0], 3); /* delivered all the same, latest first */
	COVB_EXPECT_EQ(words[1], 20);
	COVB_EXPECT_EQ(words[2], 10);
	COVB_EXPECT_EQ(words[3], 1);
	for (uint64_t i = 0; i < 2; i++)
		COVB_EXPECT_EQ(stop(inner[i]), -COVB_EINVAL);
}

static void section_stops_once(void)
{
	covbuf_token token = start(PC_HANDLE);

	COVB_EXPECT_EQ(stop(token + (1ull << 40)), -COVB_EINVAL);
	COVB_EXPECT_EQ(stop(token), 0);
	COVB_EXPECT_EQ(stop(token), -COVB_EINVAL);
}

static void section_of_a_handle_that_nobody_enabled_is_counted(void)
{
	COVB_EXPECT_EQ(start(HANDLE(3)), 0);
	COVB_EXPECT_EQ(start(HANDLE(4)), 0);
	COVB_EXPECT_EQ(lost(COVBUF_LOST_UNKNOWN), 2);
	COVB_EXPECT(!world_context()->top);
}

/* The handle was looked up, then the owner was disabled, or enabled again. */
static void section_of_another_generation_is_refused(void)
{
	struct covbuf_context *ctx = world_context();
	const uint32_t generation = vectors.pc->generation;

	COVB_EXPECT_EQ(covb_section_start(ctx, vectors.pc, generation - 1, PC_HANDLE, 0), 0);
	COVB_EXPECT_EQ(covb_section_start(ctx, vectors.pc, generation + 1, PC_HANDLE, 0), 0);
	COVB_EXPECT_EQ(lost(COVBUF_LOST_UNKNOWN), 2);
	COVB_EXPECT_EQ(free_area_count(), vectors.nr_free_now);
}

static void section_tokens_are_new_for_each_taking_of_an_area(void)
{
	covbuf_token first = start(PC_HANDLE), second;

	COVB_EXPECT_EQ(stop(first), 0);
	second = start(PC_HANDLE);
	COVB_EXPECT(first != second);
	COVB_EXPECT_EQ(first >> 32, second >> 32); /* of the same area */
	COVB_EXPECT_EQ(stop(first), -COVB_EINVAL);
	COVB_EXPECT_EQ(stop(second), 0);
}

/* What was recorded = what the target has + what did not fit into it + what did not fit into the area. */
static void section_counts_what_does_not_fit_into_its_area(void)
{
	section(PC_HANDLE, 1, AREA_RECORDS + 9);
	COVB_EXPECT_EQ(target_of(vectors.pc)[0], TARGET_RECORDS);
	COVB_EXPECT_EQ(vectors.pc->slot->merge_lost, AREA_RECORDS - TARGET_RECORDS);
	COVB_EXPECT_EQ(lost(COVBUF_LOST_FULL), 9);
}

static void section_of_comparisons_counts_what_does_not_fit_into_its_area(void)
{
	const uint32_t capacity = AREA_RECORDS / COVBUF_CMP_WORDS;

	section(CMP_HANDLE, 1, capacity + 2);
	COVB_EXPECT_EQ(target_of(vectors.cmp)[0], TARGET_RECORDS);
	COVB_EXPECT_EQ(vectors.cmp->slot->merge_lost, capacity - TARGET_RECORDS);
	COVB_EXPECT_EQ(lost(COVBUF_LOST_FULL), 2);
}

static void section_fills_its_area_to_the_last_record(void)
{
	section(PC_HANDLE, 1, AREA_RECORDS);
	COVB_EXPECT_EQ(vectors.pc->slot->merge_lost, AREA_RECORDS - TARGET_RECORDS);
	COVB_EXPECT_EQ(lost(COVBUF_LOST_FULL), 0);
}

static void section_without_an_area_counts_its_records(void)
{
	covbuf_token token;

	take_all();
	token = start(PC_HANDLE);
	COVB_EXPECT(token >> 63);
	COVB_EXPECT_EQ(world_context()->top->kind, COVB_KIND_VOID);
	trace_pcs(1, 5);
	COVB_EXPECT_EQ(stop(token), 0);
	COVB_EXPECT_EQ(stop(token), -COVB_EINVAL);
	COVB_EXPECT_EQ(lost(COVBUF_LOST_NO_AREA), 5);
	COVB_EXPECT_EQ(target_of(vectors.pc)[0], 0);
	give_all();
}

/*
 * Claimed areas: each has a frame of its own, as long as there are any. Counted areas: they are part of the
 * first, which remembers how many.
 */
static void section_without_an_area_in_another_one(void)
{
	struct covbuf_context *ctx = world_context();
	covbuf_token outer, inner;

	take_all();
	outer = start(PC_HANDLE);
	inner = start(PC_HANDLE);
	trace_pcs(1, 2);
	COVB_EXPECT_EQ(lost(COVBUF_LOST_NO_AREA), 2);
	if (COVB_PLAT_COUNTED) {
		COVB_EXPECT_EQ(inner, outer);
		COVB_EXPECT_EQ(ctx->top->misses, 1);
		for (uint32_t i = 1; i < 1000; i++)
			COVB_EXPECT_EQ(start(PC_HANDLE), outer);
		COVB_EXPECT_EQ(ctx->top->misses, 1000);
		COVB_EXPECT_EQ(lost(COVBUF_LOST_SHUT), 0);
	} else {
		COVB_EXPECT(inner && inner != outer);
		for (uint32_t i = 2; i < COVB_PLAT_NR_VOID_FRAMES; i++)
			COVB_EXPECT(start(PC_HANDLE));
		COVB_EXPECT_EQ(start(PC_HANDLE), 0);
		COVB_EXPECT_EQ(lost(COVBUF_LOST_NO_AREA), 3);
	}
	COVB_EXPECT_EQ(stop(outer), 0);
	COVB_EXPECT(!ctx->top);
	give_all();
}

/* Not part of a void one of another mode: what it counts is its own. Void frames are given back by their stops. */
static void section_without_an_area_of_each_mode(void)
{
	struct covbuf_context *ctx = world_context();
	const struct covb_context_private *priv = ctx->priv;
	covbuf_token outer, inner;

	take_all();
	for (uint32_t n = 0; n < 3 * COVB_PLAT_NR_VOID_FRAMES; n++) {
		outer = start(PC_HANDLE);
		inner = start(CMP_HANDLE);
		COVB_EXPECT(outer && inner && outer != inner);
		world_trace_pc(1); /* nobody's */
		world_trace_cmp(COVBUF_CMP_SIZE(0), 1, 2, 3);
		COVB_EXPECT_EQ(stop(inner), 0);
		world_trace_pc(1);
		COVB_EXPECT_EQ(stop(outer), 0);
	}
	COVB_EXPECT_EQ(lost(COVBUF_LOST_NO_AREA), 6 * COVB_PLAT_NR_VOID_FRAMES);
	for (uint32_t i = 0; i < COVB_PLAT_NR_VOID_FRAMES; i++)
		COVB_EXPECT_EQ(priv->voids[i].flag, 0);
	give_all();
}

/*
 * Void frames run out where modes alternate. Counted areas: what is on top counts for the section until its
 * stop. Claimed areas: it is not started, which is counted.
 */
static void section_without_an_area_or_a_frame(void)
{
	struct covbuf_context *ctx = world_context();
	/* counted: one is kept for what interrupts the lowest level */
	uint32_t reserved = COVB_PLAT_COUNTED && !covb_plat_level(ctx), nr = COVB_PLAT_NR_VOID_FRAMES - reserved;
	covbuf_token first = 0, token;

	take_all();
	for (uint32_t i = nr; i-- > 0;) {
		token = start(i % 2 ? PC_HANDLE : CMP_HANDLE);
		COVB_EXPECT(token);
		if (!first)
			first = token;
	}
	token = start(PC_HANDLE);
	if (reserved)
		COVB_EXPECT_EQ(((struct covb_context_private *)ctx->priv)->voids[nr].flag, 0);
	if (COVB_PLAT_COUNTED) {
		COVB_EXPECT_EQ(token, ctx->top->token);
		COVB_EXPECT_EQ(ctx->top->misses, 1);
		world_trace_pc(1);
		world_trace_cmp(COVBUF_CMP_SIZE(0), 1, 2, 3); /* nobody's */
		COVB_EXPECT_EQ(lost(COVBUF_LOST_NO_AREA), 1);
		covb_missed_stop(ctx, ctx->top);
		COVB_EXPECT_EQ(ctx->top->misses, 0);
	} else {
		COVB_EXPECT_EQ(token, 0);
	}
	world_trace_pc(1); /* nobody's: comparisons are on top */
	COVB_EXPECT_EQ(lost(COVBUF_LOST_NO_AREA), 1);
	world_trace_cmp(COVBUF_CMP_SIZE(0), 1, 2, 3);
	COVB_EXPECT_EQ(lost(COVBUF_LOST_NO_AREA), 2);
	COVB_EXPECT_EQ(stop(first), 0);
	COVB_EXPECT_EQ(lost(COVBUF_LOST_ABANDONED), nr - 1);
	COVB_EXPECT(!ctx->top);
	give_all();
}

/* Sleeps: disables. */
static void section_of_an_owner_that_was_disabled_is_stale(void)
{
	covbuf_token token = start(PC_HANDLE);

	trace_pcs(1, 3);
	COVB_EXPECT_EQ(covbuf_disable(vectors.pc), 0);
	trace_pcs(4, 1); /* it goes on until its stop */
	COVB_EXPECT_EQ(stop(token), 0);
	COVB_EXPECT_EQ(target_of(vectors.pc)[0], 0);
	COVB_EXPECT_EQ(lost(COVBUF_LOST_STALE), 4);
	COVB_EXPECT_EQ(start(PC_HANDLE), 0);
	COVB_EXPECT_EQ(lost(COVBUF_LOST_UNKNOWN), 1);
}

/* Sleeps: disables. Enabled again it is another enable, with the same handle or not. */
static void section_is_of_the_enable_that_it_began_in(void)
{
	covbuf_token token = start(PC_HANDLE);

	trace_pcs(1, 2);
	COVB_EXPECT_EQ(covbuf_disable(vectors.pc), 0);
	COVB_EXPECT_EQ(enable_handle(vectors.pc, PC_HANDLE), 0);
	COVB_EXPECT_EQ(stop(token), 0);
	COVB_EXPECT_EQ(lost(COVBUF_LOST_STALE), 2);
	section(PC_HANDLE, 7, 1);
	COVB_EXPECT_EQ(target_of(vectors.pc)[0], 1);
	COVB_EXPECT_EQ(target_of(vectors.pc)[1], 7);
}

static covbuf_token stopped_above;
static int stop_above_says;

static void stop_above(void)
{
	stop_above_says = stop(stopped_above);
}

/* Sleeps: may have to wait for the other level. */
static void section_stops_at_the_level_it_began_at(void)
{
	stopped_above = start(PC_HANDLE);
	trace_pcs(1, 1);
	world_above(stop_above);
	COVB_EXPECT_EQ(stop_above_says, -COVB_EBUSY);
	trace_pcs(2, 1);
	COVB_EXPECT_EQ(stop(stopped_above), 0);
	COVB_EXPECT_EQ(target_of(vectors.pc)[0], 2);
}

static void section_above(void)
{
	section(PC_HANDLE, 50, 2);
}

/* Sleeps, likewise. */
static void section_at_a_level_above_has_an_area_of_its_own(void)
{
	uint64_t *words = target_of(vectors.pc);
	covbuf_token token = start(PC_HANDLE);

	trace_pcs(1, 1);
	world_above(section_above);
	trace_pcs(2, 1);
	COVB_EXPECT_EQ(stop(token), 0);
	COVB_EXPECT_EQ(words[0], 4);
	COVB_EXPECT_EQ(words[1], 50);
	COVB_EXPECT_EQ(words[2], 51);
	COVB_EXPECT_EQ(words[3], 1);
	COVB_EXPECT_EQ(words[4], 2);
}
