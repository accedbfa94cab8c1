/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* An area's flag: one winner for each move, and a generation that tells one taking of it from the next. */

static void flag_take_names_the_holder_and_raises_the_generation(void)
{
	struct covbuf_area area = { .flag = COVBUF_FLAG(7, 0, COVBUF_AREA_FREE) };
	uint64_t flag = 0;

	COVB_EXPECT(covb_flag_take(&area, 5, &flag));
	COVB_EXPECT_EQ(flag, COVBUF_FLAG(8, 5, COVBUF_AREA_HELD));
	COVB_EXPECT_EQ(area.flag, flag);
}

static void flag_take_refuses_what_is_not_free(void)
{
	for (uint32_t state = COVBUF_AREA_NONE; state <= COVBUF_AREA_RETIRED; state++) {
		struct covbuf_area area = { .flag = COVBUF_FLAG(7, 3, state) };
		uint64_t flag = 1;

		if (state == COVBUF_AREA_FREE)
			continue;
		COVB_EXPECT(!covb_flag_take(&area, 5, &flag));
		COVB_EXPECT_EQ(flag, 1);
		COVB_EXPECT_EQ(area.flag, COVBUF_FLAG(7, 3, state));
	}
}

static void flag_move_keeps_the_generation(void)
{
	struct covbuf_area area = { .flag = COVBUF_FLAG(7, 3, COVBUF_AREA_HELD) };
	uint64_t flag = area.flag;

	COVB_EXPECT(covb_flag_move(&area, &flag, 4, COVBUF_AREA_QUEUED));
	COVB_EXPECT_EQ(flag, COVBUF_FLAG(7, 4, COVBUF_AREA_QUEUED));
	COVB_EXPECT_EQ(area.flag, flag);
}

static void flag_move_refuses_who_does_not_hold_it(void)
{
	struct covbuf_area area = { .flag = COVBUF_FLAG(8, 3, COVBUF_AREA_HELD) };
	uint64_t flag = COVBUF_FLAG(7, 3, COVBUF_AREA_HELD);

	COVB_EXPECT(!covb_flag_move(&area, &flag, 3, COVBUF_AREA_QUEUED));
	COVB_EXPECT_EQ(flag, COVBUF_FLAG(7, 3, COVBUF_AREA_HELD));
	COVB_EXPECT_EQ(area.flag, COVBUF_FLAG(8, 3, COVBUF_AREA_HELD));
}

static void flag_give_twice_is_refused(void)
{
	struct covbuf_area area = { .flag = COVBUF_FLAG(7, 0, COVBUF_AREA_FREE) };
	uint64_t flag = 0;

	COVB_EXPECT(covb_flag_take(&area, 5, &flag));
	COVB_EXPECT(covb_flag_give(&area, flag));
	COVB_EXPECT_EQ(area.flag, COVBUF_FLAG(8, 0, COVBUF_AREA_FREE));
	COVB_EXPECT(!covb_flag_give(&area, flag));
	COVB_EXPECT_EQ(area.flag, COVBUF_FLAG(8, 0, COVBUF_AREA_FREE));
}

static void flag_give_does_not_take_it_from_the_next_holder(void)
{
	struct covbuf_area area = { .flag = COVBUF_FLAG(7, 0, COVBUF_AREA_FREE) };
	uint64_t flag = 0, again = 0;

	COVB_EXPECT(covb_flag_take(&area, 5, &flag));
	COVB_EXPECT(covb_flag_give(&area, flag));
	COVB_EXPECT(covb_flag_take(&area, 5, &again));
	COVB_EXPECT(flag != again);
	COVB_EXPECT(!covb_flag_give(&area, flag));
	COVB_EXPECT_EQ(area.flag, again);
}

static void flag_has_its_fields_to_the_last_bit(void)
{
	const uint64_t generation = (1ull << 48) - 1;
	struct covbuf_area area = { .flag = COVBUF_FLAG(generation, 0, COVBUF_AREA_FREE) };
	uint64_t flag = 0;

	COVB_EXPECT_EQ(COVBUF_FLAG_GENERATION(area.flag), generation);
	COVB_EXPECT(covb_flag_take(&area, COVBUF_MAX_PROCS - 1, &flag));
	COVB_EXPECT_EQ(COVBUF_FLAG_GENERATION(flag), 0);
	COVB_EXPECT_EQ(COVBUF_FLAG_HOLDER(flag), COVBUF_MAX_PROCS - 1);
	COVB_EXPECT_EQ(COVBUF_FLAG_STATE(flag), COVBUF_AREA_HELD);
}
