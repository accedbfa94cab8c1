/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Contexts: opened, with a stack of frames, closed. */

static bool is_shut(const struct covbuf_context *ctx)
{
	struct covbuf_context shut = { .hint = 0 };

	covb_context_shut(&shut);
	return ctx->cursor[0] == shut.cursor[0] && ctx->cursor[1] == shut.cursor[1];
}

static void context_open_takes_a_slot_and_close_leaves_it(void)
{
	struct covbuf_context ctx = { .hint = 0 };
	const struct covb_context_private *priv;

	covb_context_shut(&ctx);
	if (!COVB_EXPECT(covb_context_open(&ctx)))
		return;
	priv = ctx.priv;
	COVB_EXPECT(priv != world_context()->priv);
	COVB_EXPECT(priv->slot == &covb_engine.contexts[priv->index]);
	COVB_EXPECT_EQ(priv->slot->state & 0xff, COVBUF_CONTEXT_LIVE);
	COVB_EXPECT(covb_context_open(&ctx)); /* it is */
	COVB_EXPECT(ctx.priv == priv);
	covb_context_close(&ctx);
	COVB_EXPECT(!ctx.priv && is_shut(&ctx));
	COVB_EXPECT_EQ(priv->slot->state & 0xff, COVB_PLAT_COUNTED ? COVBUF_CONTEXT_NONE : COVBUF_CONTEXT_ENDED);
	COVB_EXPECT(!covb_context_open(&ctx)); /* closed for good */
}

static void context_slot_has_a_generation_and_its_losses_are_kept(void)
{
	struct covbuf_context a = { .hint = 0 };
	struct covbuf_context_slot *slot;
	uint64_t generation;

	if (!COVB_EXPECT(covb_context_open(&a)))
		return;
	slot = ((struct covb_context_private *)a.priv)->slot;
	generation = slot->state >> 24;
	covb_count(&a, COVBUF_LOST_UNKNOWN);
	COVB_EXPECT_EQ(slot->lost[COVBUF_LOST_UNKNOWN], 1);
	covb_context_close(&a);
	COVB_EXPECT_EQ(lost(COVBUF_LOST_UNKNOWN), 1);
	for (uint32_t n = 0; n <= covb_engine.nr_contexts; n++) { /* until it is taken again */
		struct covbuf_context b = { .hint = 0 };

		if (!COVB_EXPECT(covb_context_open(&b)))
			return;
		covb_context_close(&b);
		if (slot->state >> 24 != generation)
			break;
	}
	COVB_EXPECT_EQ(slot->state >> 24, generation + 1);
	COVB_EXPECT_EQ(slot->lost[COVBUF_LOST_UNKNOWN], 0);
	COVB_EXPECT_EQ(lost(COVBUF_LOST_UNKNOWN), 1);
}

/* Sleeps: allocates. */
static void context_beyond_the_last_slot_is_counted(void)
{
	const uint32_t nr = covb_engine.nr_contexts;
	struct covbuf_context *all = covb_plat_zalloc(nr * sizeof(*all));
	uint64_t nr_lost = *covb_engine.lost_contexts;
	uint32_t n = 0;

	if (!COVB_EXPECT(all))
		return;
	while (n < nr && covb_context_open(&all[n]))
		n++;
	COVB_EXPECT_EQ(n, nr - 1); /* one is the caller's */
	COVB_EXPECT_EQ(*covb_engine.lost_contexts, nr_lost + 1);
	COVB_EXPECT(!all[n].priv);
	covb_context_close(&all[--n]);
	COVB_EXPECT(covb_context_open(&all[nr - 1]));
	covb_context_close(&all[nr - 1]);
	while (n)
		covb_context_close(&all[--n]);
	covb_plat_free(all);
}

static void context_push_and_pop_restore_what_was_there(void)
{
	struct covbuf_context *ctx = world_context(), before = *ctx;
	struct covb_frame *outer = covb_pool_take(ctx, 0), *inner = covb_pool_take(ctx, 0);
	uint64_t *cursor, *below;

	if (!COVB_EXPECT(outer && inner))
		return;
	outer->level = inner->level = covb_plat_level(ctx);
	outer->flags = inner->flags = 0;
	outer->held = inner->held = NULL;
	outer->limit_words = inner->limit_words = UINT64_MAX;
	covb_frame_prepare(outer, COVBUF_MODE_PC, AREA_KIND);
	covb_frame_prepare(inner, COVBUF_MODE_CMP, AREA_KIND);
	covb_context_push(ctx, outer, COVBUF_MODE_PC, 0);
	COVB_EXPECT(ctx->top == outer && !outer->prev);
	COVB_EXPECT(ctx->cursor[COVBUF_MODE_PC] == outer->start);
	COVB_EXPECT(ctx->cursor[COVBUF_MODE_CMP] != outer->start);
	world_trace_pc(1);
	below = ctx->cursor[COVBUF_MODE_PC];
	covb_context_push(ctx, inner, COVBUF_MODE_CMP, 0);
	COVB_EXPECT(ctx->top == inner && inner->prev == outer);
	COVB_EXPECT(ctx->cursor[COVBUF_MODE_CMP] == inner->start);
	COVB_EXPECT(ctx->cursor[COVBUF_MODE_PC] != below);
	COVB_EXPECT(covb_context_pop(ctx, ctx->top, &cursor) == inner);
	COVB_EXPECT(cursor == (COVB_PLAT_COUNTED ? NULL : inner->start));
	COVB_EXPECT(ctx->top == outer && ctx->cursor[COVBUF_MODE_PC] == below);
	COVB_EXPECT(covb_context_pop(ctx, ctx->top, &cursor) == outer);
	COVB_EXPECT(cursor == (COVB_PLAT_COUNTED ? NULL : outer->start + 1));
	COVB_EXPECT(!ctx->top && is_shut(ctx));
	COVB_EXPECT(ctx->capacity == before.capacity && ctx->collects == before.collects);
	covb_pool_give(ctx, inner);
	covb_pool_discard(ctx, outer, NULL);
}

static void context_finds_a_section_by_its_token(void)
{
	struct covbuf_context *ctx = world_context();
	covbuf_token outer = start(PC_HANDLE), inner = start(CMP_HANDLE);

	COVB_EXPECT(outer && inner && outer != inner);
	COVB_EXPECT(covb_context_find(ctx, inner) == ctx->top);
	COVB_EXPECT(covb_context_find(ctx, outer) == ctx->top->prev);
	COVB_EXPECT(!covb_context_find(ctx, inner + 1));
	COVB_EXPECT_EQ(stop(inner), 0);
	COVB_EXPECT(!covb_context_find(ctx, inner));
	COVB_EXPECT_EQ(stop(outer), 0);
}

/* What was open is handed over, and counted. */
static void context_close_ends_its_sections(void)
{
	struct covbuf_context ctx = { .hint = 0 };

	covb_context_shut(&ctx);
	if (!COVB_EXPECT(covb_context_open(&ctx)))
		return;
	for (uint64_t i = 1; i <= 2; i++) {
		COVB_EXPECT(covb_section_start(&ctx, vectors.pc, vectors.pc->generation, PC_HANDLE, 0));
		/* a first record would have it take its area */
		COVB_EXPECT(COVB_PLAT_COUNTED || covb_chain_grow(&ctx, ctx.top));
		put_records(ctx.top, 10 * i, i);
	}
	covb_context_close(&ctx);
	COVB_EXPECT(!ctx.top && is_shut(&ctx));
	COVB_EXPECT_EQ(lost(COVBUF_LOST_ABANDONED), 2);
	COVB_EXPECT_EQ(target_of(vectors.pc)[0], 3);
	COVB_EXPECT_EQ(target_of(vectors.pc)[1], 20); /* the inner one first */
	COVB_EXPECT_EQ(target_of(vectors.pc)[2], 21);
	COVB_EXPECT_EQ(target_of(vectors.pc)[3], 10);
}
