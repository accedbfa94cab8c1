/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Merging what sections finished into an owner's target. What another one would do meanwhile is done to the slot by hand. */

static void merge_counts_what_does_not_fit(void)
{
	uint64_t *words = target_of(vectors.pc);

	for (uint64_t round = 0; round < 5; round++)
		section(PC_HANDLE, round * 10 + 1, 4);
	COVB_EXPECT_EQ(words[0], TARGET_RECORDS);
	for (uint64_t i = 0; i < TARGET_RECORDS; i++)
		COVB_EXPECT_EQ(words[1 + i], i / 4 * 10 + i % 4 + 1);
	COVB_EXPECT_EQ(vectors.pc->slot->merge_lost, 5);
}

static void merge_of_comparisons_counts_what_does_not_fit(void)
{
	uint64_t *words = target_of(vectors.cmp);

	for (uint64_t round = 0; round < 4; round++)
		section(CMP_HANDLE, round * 10 + 1, 4);
	COVB_EXPECT_EQ(words[0], TARGET_RECORDS);
	for (uint64_t i = 0; i < TARGET_RECORDS; i++) {
		COVB_EXPECT_EQ(words[1 + 4 * i], COVBUF_CMP_SIZE(3));
		COVB_EXPECT_EQ(words[2 + 4 * i], i / 4 * 10 + i % 4 + 1);
		COVB_EXPECT_EQ(words[4 + 4 * i], 3);
	}
	COVB_EXPECT_EQ(vectors.cmp->slot->merge_lost, 1);
}

static void merge_begins_anew_where_the_reader_stored_zero(void)
{
	uint64_t *words = target_of(vectors.pc);

	section(PC_HANDLE, 1, 10);
	words[0] = 0;
	section(PC_HANDLE, 101, 10);
	COVB_EXPECT_EQ(words[0], 10);
	COVB_EXPECT_EQ(words[1], 101);
	COVB_EXPECT_EQ(words[10], 110);
	COVB_EXPECT_EQ(vectors.pc->slot->merge_lost, 0);
}

static void merge_fills_the_target_to_the_last_record(void)
{
	uint64_t *words = target_of(vectors.pc);

	section(PC_HANDLE, 1, TARGET_RECORDS);
	COVB_EXPECT_EQ(words[0], TARGET_RECORDS);
	COVB_EXPECT_EQ(words[TARGET_RECORDS], TARGET_RECORDS);
	COVB_EXPECT_EQ(vectors.pc->slot->merge_lost, 0);
	section(PC_HANDLE, 100, 1);
	COVB_EXPECT_EQ(words[0], TARGET_RECORDS);
	COVB_EXPECT_EQ(vectors.pc->slot->merge_lost, 1);
}

/* Counted areas leave it as it is, as KCOV does; claimed ones make it as many as fit. Neither writes anything else. */
static void merge_does_not_believe_a_count_beyond_the_target(void)
{
	static const uint64_t counts[] = { TARGET_RECORDS + 1, 1ull << 32, ~0ull };
	uint64_t *words = target_of(vectors.pc);

	for (uint32_t i = 0; i < sizeof(counts) / sizeof(counts[0]); i++) {
		words[0] = counts[i];
		section(PC_HANDLE, 101, 2);
		COVB_EXPECT_EQ(words[0], COVB_PLAT_COUNTED ? counts[i] : TARGET_RECORDS);
		COVB_EXPECT_EQ(vectors.pc->slot->merge_lost, 2 * (i + 1));
	}
	for (uint32_t i = 1; i < PC_TARGET_WORDS; i++)
		COVB_EXPECT_EQ(words[i], 0);
}

static void merge_leaves_it_to_who_merges_and_keeps_the_order(void)
{
	struct covbuf_owner_slot *slot = vectors.pc->slot;
	uint64_t *words = target_of(vectors.pc);

	slot->merging = 1u << 31;
	for (uint64_t i = 1; i <= 3; i++)
		section(PC_HANDLE, i, 1);
	COVB_EXPECT_EQ(words[0], 0);
	COVB_EXPECT(slot->queue);
	slot->merging = 0;
	section(PC_HANDLE, 4, 1);
	COVB_EXPECT_EQ(slot->queue, 0);
	COVB_EXPECT_EQ(slot->merging, 0);
	COVB_EXPECT_EQ(words[0], 4);
	for (uint64_t i = 1; i <= 4; i++)
		COVB_EXPECT_EQ(words[i], i);
}

static void merge_drops_what_is_of_an_earlier_enable(void)
{
	struct covbuf_owner_slot *slot = vectors.pc->slot;
	uint64_t *words = target_of(vectors.pc);

	slot->merging = 1u << 31;
	section(PC_HANDLE, 1, 3);
	slot->merging = 0;
	slot->sequence += 2;
	section(PC_HANDLE, 10, 1);
	COVB_EXPECT_EQ(words[0], 1);
	COVB_EXPECT_EQ(words[1], 10);
	COVB_EXPECT_EQ(slot->stale, 3);
	COVB_EXPECT_EQ(slot->queue, 0);
}

/* The next taker finds them empty. */
static void merge_gives_areas_back_empty(void)
{
	section(PC_HANDLE, 1, 20);
	section(CMP_HANDLE, 1, 20);
	take_all();
	COVB_EXPECT_EQ(vectors.nr_taken, vectors.nr_free_now);
	for (uint32_t i = 0; i < vectors.nr_taken; i++) {
		uint64_t found = 0;

		/* where an area is counted, what lies behind a count of 0 is of no meaning */
		for (uint32_t k = 0; k < (COVB_PLAT_COUNTED ? 1 : 128); k++)
			found |= vectors.taken[i]->start[k];
		COVB_EXPECT_EQ(found, 0);
	}
	give_all();
}
