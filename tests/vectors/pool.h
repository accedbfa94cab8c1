/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The pool of areas. */

static void pool_take_finds_an_area_that_is_empty(void)
{
	struct covb_frame *frame = covb_pool_take(world_context(), 0);
	const struct covbuf_area *area;

	if (!COVB_EXPECT(frame))
		return;
	area = &covb_engine.areas[frame->area];
	COVB_EXPECT_EQ(area->flag, frame->flag);
	COVB_EXPECT_EQ(COVBUF_FLAG_STATE(frame->flag), COVBUF_AREA_HELD);
	COVB_EXPECT_EQ(COVBUF_FLAG_HOLDER(frame->flag), covb_engine.proc);
	COVB_EXPECT(frame->start && frame == &covb_engine.frames[frame->area]);
	COVB_EXPECT_EQ(frame->end - frame->start, covb_frame_words(0));
	COVB_EXPECT_EQ(frame->start[0], 0);
	if (!COVB_PLAT_COUNTED)
		for (uint32_t i = 0; i < COVBUF_GUARD_WORDS; i++)
			COVB_EXPECT_EQ(frame->end[i], COVBUF_GUARD_VALUE);
	COVB_EXPECT_EQ(free_area_count(), vectors.nr_free_now - 1);
	covb_pool_give(world_context(), frame);
}

static void pool_gives_each_area_once_until_it_is_empty(void)
{
	uint32_t wanted = covb_engine.classes[0].wanted;

	take_all();
	COVB_EXPECT_EQ(vectors.nr_taken, vectors.nr_free_now);
	COVB_EXPECT_EQ(free_area_count(), 0);
	for (uint32_t i = 0; i < vectors.nr_taken; i++)
		for (uint32_t j = 0; j < i; j++)
			COVB_EXPECT(vectors.taken[i] != vectors.taken[j]);
	COVB_EXPECT_EQ(covb_engine.classes[0].wanted, wanted + 1);
	COVB_EXPECT(!covb_pool_take(world_context(), 0));
	COVB_EXPECT_EQ(covb_engine.classes[0].wanted, wanted + 2);
	give_all();
}

static void pool_that_was_empty_finds_the_one_that_came_back(void)
{
	struct covbuf_context nobody = { .hint = 0 };
	struct covb_frame *frame;
	uint32_t last;

	take_all();
	last = vectors.nr_taken - 1;
	covb_pool_give(&nobody, vectors.taken[last]);
	frame = covb_pool_take(world_context(), 0);
	COVB_EXPECT(frame == vectors.taken[last]);
	COVB_EXPECT(!covb_pool_take(world_context(), 0));
	give_all();
}

/* Not the first that is free, but the one that was last here. */
static void pool_hint_brings_the_same_area_back(void)
{
	struct covbuf_context *ctx = world_context();
	struct covb_frame *a = covb_pool_take(ctx, 0), *b = covb_pool_take(ctx, 0), *again;

	if (!COVB_EXPECT(a && b && a != b))
		return;
	covb_pool_give(ctx, b);
	covb_pool_give(ctx, a);
	COVB_EXPECT_EQ(ctx->hint, a->area);
	again = covb_pool_take(ctx, 0);
	COVB_EXPECT(again == a);
	covb_pool_give(ctx, again);
	ctx->hint = b->area;
	again = covb_pool_take(ctx, 0);
	COVB_EXPECT(again == b);
	covb_pool_give(ctx, again);
}

static void pool_hint_may_be_any_number(void)
{
	static const uint32_t hints[] = { 0, NR_AREAS - 1, NR_AREAS, 4096, ~0u };
	struct covbuf_context *ctx = world_context();

	for (uint32_t i = 0; i < sizeof(hints) / sizeof(hints[0]); i++) {
		struct covb_frame *frame;

		ctx->hint = hints[i];
		covb_engine.classes[0].hint = hints[i];
		frame = covb_pool_take(ctx, 0);
		if (COVB_EXPECT(frame))
			covb_pool_give(ctx, frame);
	}
}

static void pool_has_nothing_of_another_class(void)
{
	COVB_EXPECT(!covb_pool_take(world_context(), 3));
	COVB_EXPECT(!covb_pool_take(world_context(), COVBUF_NR_CLASSES));
	COVB_EXPECT(!covb_pool_take(world_context(), ~0u));
	COVB_EXPECT_EQ(free_area_count(), vectors.nr_free_now);
}

static void pool_give_twice_is_refused(void)
{
	struct covbuf_context *ctx = world_context();
	struct covb_frame *frame = covb_pool_take(ctx, 0), *again;
	uint64_t flag;

	if (!COVB_EXPECT(frame))
		return;
	flag = frame->flag;
	covb_pool_give(ctx, frame);
	ctx->hint = ~0u;
	covb_pool_give(ctx, frame);
	COVB_EXPECT_EQ(ctx->hint, ~0u); /* nothing of ours came back */
	COVB_EXPECT_EQ(free_area_count(), vectors.nr_free_now);
	ctx->hint = frame->area;
	again = covb_pool_take(ctx, 0);
	COVB_EXPECT(again == frame);
	COVB_EXPECT_EQ(COVBUF_FLAG_GENERATION(frame->flag), COVBUF_FLAG_GENERATION(flag) + 1);
	COVB_EXPECT(!covb_flag_give(&covb_engine.areas[frame->area], flag));
	COVB_EXPECT_EQ(free_area_count(), vectors.nr_free_now - 1);
	covb_pool_give(ctx, frame);
}

static void pool_discard_counts_and_empties(void)
{
	struct covbuf_context *ctx = world_context();
	struct covb_frame *frame = covb_pool_take(ctx, 0);
	uint64_t counter = 10;

	if (!COVB_EXPECT(frame))
		return;
	covb_frame_prepare(frame, COVBUF_MODE_PC, AREA_KIND);
	put_records(frame, 100, 3);
	covb_pool_discard(ctx, frame, &counter);
	COVB_EXPECT_EQ(counter, 13);
	COVB_EXPECT_EQ(frame->start[0], 0);
	COVB_EXPECT_EQ(free_area_count(), vectors.nr_free_now);
}
