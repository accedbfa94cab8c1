/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* An owner's queue: pushed one by one, taken as a whole, newest first. */

static void queue_gives_newest_first(void)
{
	struct covbuf_owner_slot *slot = vectors.pc->slot;
	static const uint32_t pushed[] = { 3, 0, 2 };
	uint64_t queued = slot->queued;
	uint32_t head, area, next;

	for (uint32_t i = 0; i < 3; i++)
		covb_queue_push(slot, covb_engine.areas, pushed[i]);
	COVB_EXPECT_EQ(slot->queued, queued + 3);
	head = covb_queue_take_all(slot);
	COVB_EXPECT_EQ(slot->queue, 0);
	for (uint32_t i = 3; i-- > 0; head = next) {
		if (!COVB_EXPECT(covb_queue_next(head, &area, &next)))
			return;
		COVB_EXPECT_EQ(area, pushed[i]);
	}
	COVB_EXPECT_EQ(head, 0);
	COVB_EXPECT(!covb_queue_next(head, &area, &next));
}

static void queue_that_is_empty_gives_nothing(void)
{
	struct covbuf_owner_slot *slot = vectors.pc->slot;

	COVB_EXPECT_EQ(covb_queue_take_all(slot), 0);
	covb_queue_push(slot, covb_engine.areas, 1);
	COVB_EXPECT_EQ(covb_queue_take_all(slot), 2);
	COVB_EXPECT_EQ(covb_queue_take_all(slot), 0);
}

static void queue_walk_ends_at_a_link_that_names_no_area(void)
{
	uint32_t area = 77, next = 77;

	COVB_EXPECT(!covb_queue_next(*covb_engine.nr_areas + 1, &area, &next));
	COVB_EXPECT(!covb_queue_next(~0u, &area, &next));
	COVB_EXPECT_EQ(area, 77);
	COVB_EXPECT_EQ(next, 77);
}

static void queue_claim_wants_an_area_that_is_queued(void)
{
	struct covb_frame *held = covb_pool_take(world_context(), 0), frame = { .start = NULL };
	struct covbuf_area *area;

	if (!COVB_EXPECT(held))
		return;
	area = &covb_engine.areas[held->area];
	COVB_EXPECT(!covb_queue_claim(held->area, &frame));
	COVB_EXPECT_EQ(area->flag, held->flag);
	COVB_EXPECT(covb_flag_move(area, &held->flag, covb_engine.proc, COVBUF_AREA_QUEUED));
	COVB_EXPECT(covb_queue_claim(held->area, &frame));
	COVB_EXPECT_EQ(COVBUF_FLAG_STATE(area->flag), COVBUF_AREA_READING);
	COVB_EXPECT(frame.start == held->start);
	COVB_EXPECT(!covb_queue_claim(held->area, &frame));
	covb_pool_give(world_context(), &frame);
}
