/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The table of handles. */

static bool finds(uint64_t handle, const struct covbuf_owner *owner)
{
	uint32_t generation = ~owner->generation;

	return covb_handle_find(handle, &generation) == owner && generation == owner->generation;
}

static bool finds_none(uint64_t handle)
{
	uint32_t generation = 7;

	return !covb_handle_find(handle, &generation) && generation == 7;
}

static int add(uint64_t handle)
{
	int err;

	covb_plat_lock();
	err = covb_handle_add(handle, vectors.pc);
	covb_plat_unlock();
	return err;
}

static void remove_handle(uint64_t handle)
{
	covb_plat_lock();
	covb_handle_remove(handle);
	covb_plat_unlock();
}

/* Handles that a table of 64 slots has at one place; see first_slot() of handle.c. nr at most 8. */
static void find_colliding(uint64_t *handles, uint32_t nr)
{
	uint64_t first = HANDLE(1000) * 0x9e3779b97f4a7c15ull >> 58;
	uint32_t found = 0;

	for (uint64_t n = 1000; found < nr; n++)
		if (HANDLE(n) * 0x9e3779b97f4a7c15ull >> 58 == first)
			handles[found++] = HANDLE(n);
}

static void handle_is_found_with_its_owner_and_generation(void)
{
	COVB_EXPECT(finds(PC_HANDLE, vectors.pc));
	COVB_EXPECT(finds(CMP_HANDLE, vectors.cmp));
	COVB_EXPECT(finds_none(HANDLE(3)));
}

static void handle_numbers_that_mark_slots_are_none(void)
{
	COVB_EXPECT(finds_none(0));
	COVB_EXPECT(finds_none(~0ull));
}

static void handle_is_added_once(void)
{
	COVB_EXPECT_EQ(add(HANDLE(3)), 0);
	COVB_EXPECT_EQ(add(HANDLE(3)), -COVB_EEXIST);
	COVB_EXPECT_EQ(add(CMP_HANDLE), -COVB_EEXIST);
	COVB_EXPECT(finds(HANDLE(3), vectors.pc));
	COVB_EXPECT(finds(CMP_HANDLE, vectors.cmp));
	remove_handle(HANDLE(3));
}

static void handle_that_was_removed_is_not_found(void)
{
	COVB_EXPECT_EQ(add(HANDLE(3)), 0);
	remove_handle(HANDLE(3));
	COVB_EXPECT(finds_none(HANDLE(3)));
	remove_handle(HANDLE(3));
	COVB_EXPECT_EQ(add(HANDLE(3)), 0);
	COVB_EXPECT(finds(HANDLE(3), vectors.pc));
	remove_handle(HANDLE(3));
}

static void handle_is_found_behind_one_that_was_removed(void)
{
	uint64_t h[4];

	find_colliding(h, 4);
	for (uint32_t i = 0; i < 3; i++)
		COVB_EXPECT_EQ(add(h[i]), 0);
	remove_handle(h[0]);
	COVB_EXPECT(finds_none(h[0]));
	COVB_EXPECT(finds(h[1], vectors.pc));
	COVB_EXPECT(finds(h[2], vectors.pc));
	COVB_EXPECT_EQ(add(h[2]), -COVB_EEXIST);
	COVB_EXPECT_EQ(add(h[3]), 0); /* in the place of the first */
	remove_handle(h[1]);
	COVB_EXPECT(finds(h[2], vectors.pc));
	COVB_EXPECT(finds(h[3], vectors.pc));
	remove_handle(h[2]); /* the end of the run: the removed before it go too */
	COVB_EXPECT(finds(h[3], vectors.pc));
	remove_handle(h[3]);
	for (uint32_t i = 0; i < 4; i++)
		COVB_EXPECT(finds_none(h[i]));
}

static void handle_takes_the_place_of_one_that_was_removed(void)
{
	const struct covb_handle_table *table = covb_engine.handles;
	uint32_t nr_wrong = 0;
	uint64_t h[2];

	find_colliding(h, 2);
	COVB_EXPECT_EQ(add(h[0]), 0);
	COVB_EXPECT_EQ(add(h[1]), 0);
	for (uint32_t i = 0; i < 200; i++) { /* if each went behind the other they would walk through the table */
		remove_handle(h[i % 2]);
		nr_wrong += add(h[i % 2]) != 0;
	}
	COVB_EXPECT_EQ(nr_wrong, 0);
	COVB_EXPECT(covb_engine.handles == table);
	remove_handle(h[0]);
	remove_handle(h[1]);
}

/* While nothing else is in it: before a handle that stays, removed ones stay too. */
static void handle_table_does_not_grow_by_handles_that_come_and_go(void)
{
	const struct covb_handle_table *table = covb_engine.handles;
	uint64_t handle = 3;

	COVB_EXPECT_EQ(covbuf_disable(vectors.pc), 0);
	COVB_EXPECT_EQ(covbuf_disable(vectors.cmp), 0);
	for (; handle < 3000; handle++) {
		if (add(HANDLE(handle)))
			break;
		remove_handle(HANDLE(handle));
	}
	COVB_EXPECT_EQ(handle, 3000);
	COVB_EXPECT(covb_engine.handles == table);
}

/* Half of what is there has been removed when the table grows. */
static void handle_table_grows_and_keeps_what_is_there(void)
{
	const struct covb_handle_table *table = covb_engine.handles;
	uint32_t nr_wrong = 0;

	for (uint64_t n = 100; n < 500; n++) {
		nr_wrong += add(HANDLE(n)) != 0;
		if (n % 2)
			remove_handle(HANDLE(n));
	}
	COVB_EXPECT_EQ(nr_wrong, 0);
	COVB_EXPECT(covb_engine.handles != table);
	for (uint64_t n = 100; n < 500; n++)
		nr_wrong += n % 2 ? !finds_none(HANDLE(n)) : !finds(HANDLE(n), vectors.pc);
	COVB_EXPECT_EQ(nr_wrong, 0);
	COVB_EXPECT(finds(PC_HANDLE, vectors.pc));
	COVB_EXPECT(finds(CMP_HANDLE, vectors.cmp));
	for (uint64_t n = 100; n < 500; n += 2)
		remove_handle(HANDLE(n));
}
