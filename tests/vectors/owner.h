/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Owners: made, enabled, disabled, reset, dropped. All of it sleeps. */

static bool is_odd(const struct covbuf_owner *owner)
{
	return owner->slot->sequence & 1;
}

static void owner_options_that_make_no_sense_are_refused(void)
{
	const struct covbuf_owner_options bad[] = {
		{ .mode = COVBUF_NR_MODES },
		{ .kind = COVBUF_COUNTED + 1 },
		{ .area_class = COVBUF_NR_CLASSES },
		{ .flags = 1u << 30 },
		{ .kind = COVBUF_RING, .flags = COVBUF_OWNER_GROW },
		{ .kind = COVBUF_RING, .flags = COVBUF_OWNER_KCOV, .target_words = 16 },
		{ .target_words = 100 },
		{ .reserved = { 0, 0, 0, 1 } },
		{ .flags = COVBUF_OWNER_KCOV | COVBUF_OWNER_KEEP, .target_words = 16 },
		{ .flags = COVBUF_OWNER_KCOV, .target_words = 1 },
	};
	struct covbuf_owner *owner = vectors.pc;

	for (uint32_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		COVB_EXPECT_EQ(covbuf_owner_create(&bad[i], &owner), -COVB_EINVAL);
	COVB_EXPECT(owner == vectors.pc);
}

/* Claimed areas: an area's kind is the collector's choice. Counted: there is one kind. */
static void owner_of_counted_areas(void)
{
	const struct covbuf_owner_options options = { .kind = COVBUF_COUNTED };
	struct covbuf_owner *owner;
	int err = covbuf_owner_create(&options, &owner);

	COVB_EXPECT_EQ(err, COVB_PLAT_COUNTED ? 0 : -COVB_EINVAL);
	if (!err)
		covbuf_owner_put(owner);
}

static void owner_target_is_as_large_as_asked_for(void)
{
	uint64_t *words, nr_words;

	COVB_EXPECT_EQ(covbuf_owner_target(vectors.cmp, &words, &nr_words), 0);
	COVB_EXPECT(words == target_of(vectors.cmp));
	COVB_EXPECT_EQ(nr_words, CMP_TARGET_WORDS);
}

static void owner_slot_comes_back_after_a_grace_period(void)
{
	const uint32_t nr = covb_engine.nr_owners;
	struct covbuf_owner **all = covb_plat_zalloc(nr * sizeof(*all)), *more = NULL;
	const struct covbuf_owner_slot *slot;
	uint32_t n = 0, generation;
	uint64_t sequence;

	if (!COVB_EXPECT(all))
		return;
	while (n < nr && !covbuf_owner_create(NULL, &all[n]))
		n++;
	COVB_EXPECT_EQ(n, nr - 2);
	COVB_EXPECT_EQ(covbuf_owner_create(NULL, &more), -COVB_ENOSPC);
	slot = all[--n]->slot;
	sequence = slot->sequence;
	generation = all[n]->generation;
	covbuf_owner_put(all[n]);
	world_grace();
	COVB_EXPECT_EQ(covbuf_owner_create(NULL, &more), 0);
	COVB_EXPECT(more && more->slot == slot);
	COVB_EXPECT(slot->sequence > sequence && !(slot->sequence & 1)); /* it never goes back */
	COVB_EXPECT(more && more->generation == generation + 1);
	if (more)
		covbuf_owner_put(more);
	while (n)
		covbuf_owner_put(all[--n]);
	covb_plat_free(all);
}

static void owner_sequence_is_odd_while_it_is_enabled(void)
{
	struct covbuf_owner *owner = make_owner(COVBUF_MODE_PC, PC_TARGET_WORDS);
	uint64_t sequence;

	if (!owner)
		return;
	sequence = owner->slot->sequence;
	COVB_EXPECT(!is_odd(owner));
	COVB_EXPECT_EQ(enable_handle(owner, HANDLE(3)), 0);
	COVB_EXPECT_EQ(owner->slot->sequence, sequence + 1);
	COVB_EXPECT_EQ(covbuf_enable(owner), 0); /* the same enable */
	COVB_EXPECT_EQ(owner->slot->sequence, sequence + 1);
	COVB_EXPECT_EQ(covbuf_disable(owner), 0);
	COVB_EXPECT_EQ(owner->slot->sequence, sequence + 2);
	covbuf_owner_put(owner);
}

static void owner_generation_is_raised_by_each_disable(void)
{
	const uint32_t generation = vectors.pc->generation;

	COVB_EXPECT_EQ(covbuf_disable(vectors.pc), 0);
	COVB_EXPECT_EQ(vectors.pc->generation, generation + 1);
	COVB_EXPECT_EQ(COVB_CONFIG_GENERATION(vectors.pc->config), generation + 1);
	COVB_EXPECT_EQ(COVB_CONFIG_MODE(vectors.cmp->config), COVBUF_MODE_CMP);
	COVB_EXPECT_EQ(enable_handle(vectors.pc, HANDLE(3)), 0);
	COVB_EXPECT(finds(HANDLE(3), vectors.pc));
	COVB_EXPECT(finds_none(PC_HANDLE));
	COVB_EXPECT_EQ(covb_section_start(world_context(), vectors.pc, generation, PC_HANDLE, 0), 0);
	COVB_EXPECT_EQ(lost(COVBUF_LOST_UNKNOWN), 1);
}

static void owner_is_enabled_once_and_disabled_once(void)
{
	struct covbuf_owner *owner = make_owner(COVBUF_MODE_PC, PC_TARGET_WORDS);

	if (!owner)
		return;
	COVB_EXPECT_EQ(covbuf_disable(owner), -COVB_EINVAL);
	COVB_EXPECT_EQ(covbuf_reset(owner), -COVB_EINVAL);
	COVB_EXPECT_EQ(covbuf_enable(owner), 0);
	COVB_EXPECT_EQ(covbuf_enable(owner), -COVB_EBUSY);
	COVB_EXPECT_EQ(enable_handle(owner, HANDLE(3)), 0);
	COVB_EXPECT_EQ(enable_handle(owner, HANDLE(4)), -COVB_EBUSY);
	COVB_EXPECT(finds_none(HANDLE(4)));
	COVB_EXPECT_EQ(covbuf_disable(owner), 0);
	COVB_EXPECT_EQ(covbuf_disable(owner), -COVB_EINVAL);
	COVB_EXPECT(finds_none(HANDLE(3)));
	covbuf_owner_put(owner);
}

static void owner_local_records_reach_the_target(void)
{
	struct covbuf_owner *owner = make_owner(COVBUF_MODE_PC, PC_TARGET_WORDS);
	uint64_t *words;

	if (!owner)
		return;
	words = target_of(owner);
	COVB_EXPECT_EQ(covbuf_enable(owner), 0);
	trace_pcs(1, 2);
	section(PC_HANDLE, 100, 1); /* somebody else's */
	trace_pcs(3, 1);
	COVB_EXPECT_EQ(covbuf_disable_wait(owner), 0);
	COVB_EXPECT_EQ(words[0], 3);
	for (uint64_t i = 1; i <= 3; i++)
		COVB_EXPECT_EQ(words[i], i);
	COVB_EXPECT(!world_context()->top);
	covbuf_owner_put(owner);
}

static void owner_local_records_beyond_the_target_are_counted(void)
{
	struct covbuf_owner *owner = make_owner(COVBUF_MODE_PC, PC_TARGET_WORDS);

	if (!owner)
		return;
	COVB_EXPECT_EQ(covbuf_enable(owner), 0);
	trace_pcs(1, TARGET_RECORDS + 3);
	COVB_EXPECT_EQ(covbuf_disable_wait(owner), 0);
	COVB_EXPECT_EQ(target_of(owner)[0], TARGET_RECORDS);
	COVB_EXPECT_EQ(target_of(owner)[TARGET_RECORDS], TARGET_RECORDS);
	/* counted: into the target itself; claimed: merged at the end */
	COVB_EXPECT_EQ(lost(COVBUF_LOST_FULL), COVB_PLAT_COUNTED ? 3 : 0);
	COVB_EXPECT_EQ(owner->slot->merge_lost, COVB_PLAT_COUNTED ? 0 : 3);
	covbuf_owner_put(owner);
}

static void owner_handles_are_checked(void)
{
	static const uint64_t bad[] = { 0, 5, HANDLE(1) | 1ull << 40 };
	static const uint64_t bad_common[] = { HANDLE(9), 1ull << 40, 1ull << 32 };
	struct covbuf_owner *owner = make_owner(COVBUF_MODE_PC, PC_TARGET_WORDS);
	uint64_t handle = HANDLE(9);

	if (!owner)
		return;
	for (uint32_t i = 0; i < 3; i++) {
		COVB_EXPECT_EQ(enable_handle(owner, bad[i]), -COVB_EINVAL);
		COVB_EXPECT_EQ(covbuf_remote_enable(owner, &handle, 1, bad_common[i]), -COVB_EINVAL);
	}
	COVB_EXPECT_EQ(covbuf_remote_enable(owner, NULL, 1, 0), -COVB_EINVAL);
	COVB_EXPECT_EQ(covbuf_remote_enable(owner, &handle, COVBUF_REMOTE_MAX_HANDLES + 1, 0), -COVB_EINVAL);
	COVB_EXPECT_EQ(covbuf_remote_enable(owner, NULL, 0, 0), COVB_PLAT_COUNTED ? 0 : -COVB_EINVAL);
	COVB_EXPECT_EQ(is_odd(owner), COVB_PLAT_COUNTED);
	covbuf_owner_put(owner);
}

static void owner_handles_are_taken_all_or_none(void)
{
	const uint64_t handles[] = { HANDLE(11), HANDLE(12), PC_HANDLE, HANDLE(13) };
	struct covbuf_owner *owner = make_owner(COVBUF_MODE_PC, PC_TARGET_WORDS);

	if (!owner)
		return;
	COVB_EXPECT_EQ(covbuf_remote_enable(owner, handles, 4, 7), -COVB_EEXIST);
	COVB_EXPECT(!is_odd(owner) && !owner->nr_handles);
	COVB_EXPECT(finds_none(HANDLE(11)) && finds_none(HANDLE(12)) && finds_none(7));
	COVB_EXPECT(finds(PC_HANDLE, vectors.pc));
	COVB_EXPECT_EQ(covbuf_disable(vectors.pc), 0);
	COVB_EXPECT_EQ(covbuf_remote_enable(owner, handles, 4, 7), 0);
	for (uint32_t i = 0; i < 4; i++)
		COVB_EXPECT(finds(handles[i], owner));
	COVB_EXPECT(finds(7, owner));
	covbuf_owner_put(owner);
	COVB_EXPECT(finds_none(PC_HANDLE) && finds_none(7));
}

static void owner_common_handle_is_its_contexts_until_the_disable(void)
{
	struct covbuf_owner *owner = make_owner(COVBUF_MODE_PC, PC_TARGET_WORDS);
	struct covbuf_context *ctx = world_context();

	if (!owner)
		return;
	COVB_EXPECT_EQ(covbuf_remote_enable(owner, NULL, 0, 7), 0);
	COVB_EXPECT_EQ(ctx->common_handle, 7);
	section(7, 1, 2);
	COVB_EXPECT_EQ(target_of(owner)[0], 2);
	COVB_EXPECT_EQ(covbuf_disable(owner), 0);
	COVB_EXPECT_EQ(ctx->common_handle, 0);
	covbuf_owner_put(owner);
}

static void owner_reset_begins_anew_and_stays_enabled(void)
{
	uint64_t sequence = vectors.pc->slot->sequence;
	covbuf_token token;

	section(PC_HANDLE, 1, 3);
	token = start(PC_HANDLE);
	trace_pcs(10, 2);
	COVB_EXPECT_EQ(covbuf_reset(vectors.pc), 0);
	COVB_EXPECT_EQ(vectors.pc->slot->sequence, sequence + 2);
	COVB_EXPECT_EQ(target_of(vectors.pc)[0], 0);
	COVB_EXPECT_EQ(stop(token), 0);
	COVB_EXPECT_EQ(target_of(vectors.pc)[0], 0);
	COVB_EXPECT_EQ(lost(COVBUF_LOST_STALE), 2);
	section(PC_HANDLE, 20, 1);
	COVB_EXPECT_EQ(target_of(vectors.pc)[0], 1);
	COVB_EXPECT_EQ(target_of(vectors.pc)[1], 20);
}

static void owner_reset_goes_on_where_it_was_enabled(void)
{
	struct covbuf_owner *owner = make_owner(COVBUF_MODE_PC, PC_TARGET_WORDS);

	if (!owner)
		return;
	COVB_EXPECT_EQ(covbuf_enable(owner), 0);
	trace_pcs(1, 2);
	COVB_EXPECT_EQ(covbuf_reset(owner), 0);
	trace_pcs(3, 1);
	COVB_EXPECT_EQ(covbuf_disable_wait(owner), 0);
	COVB_EXPECT_EQ(target_of(owner)[0], 1);
	COVB_EXPECT_EQ(target_of(owner)[1], 3);
	covbuf_owner_put(owner);
}

static void owner_waiting_disable_in_its_own_section_is_refused(void)
{
	covbuf_token token = start(PC_HANDLE);

	COVB_EXPECT_EQ(covbuf_disable_wait(vectors.pc), -COVB_EDEADLK);
	COVB_EXPECT(is_odd(vectors.pc));
	COVB_EXPECT_EQ(stop(token), 0);
	COVB_EXPECT_EQ(covbuf_disable_wait(vectors.pc), 0);
}

/* Claimed areas: refused. Counted: a program does not know what modules left open in its task. */
static void owner_disable_under_an_open_section(void)
{
	struct covbuf_owner *owner = make_owner(COVBUF_MODE_PC, PC_TARGET_WORDS);
	covbuf_token token;

	if (!owner)
		return;
	COVB_EXPECT_EQ(covbuf_enable(owner), 0);
	token = start(PC_HANDLE);
	trace_pcs(1, 1);
	if (COVB_PLAT_COUNTED) {
		COVB_EXPECT_EQ(covbuf_disable(owner), 0);
		COVB_EXPECT_EQ(lost(COVBUF_LOST_ABANDONED), 1);
		COVB_EXPECT_EQ(stop(token), -COVB_EINVAL);
	} else {
		COVB_EXPECT_EQ(covbuf_disable(owner), -COVB_EBUSY);
		COVB_EXPECT_EQ(stop(token), 0);
		COVB_EXPECT_EQ(covbuf_disable(owner), 0);
	}
	COVB_EXPECT_EQ(target_of(vectors.pc)[0], 1);
	covbuf_owner_put(owner);
}

static void owner_last_put_disables(void)
{
	struct covbuf_owner *owner = make_owner(COVBUF_MODE_PC, PC_TARGET_WORDS);
	covbuf_token token;

	if (!owner)
		return;
	COVB_EXPECT_EQ(enable_handle(owner, HANDLE(3)), 0);
	token = start(HANDLE(3));
	trace_pcs(1, 2);
	covbuf_owner_put(covbuf_owner_get(owner));
	COVB_EXPECT(is_odd(owner) && target_of(owner));
	covbuf_owner_put(owner);
	COVB_EXPECT(finds_none(HANDLE(3)) && !target_of(owner));
	COVB_EXPECT_EQ(stop(token), 0);
	COVB_EXPECT_EQ(lost(COVBUF_LOST_STALE), 2);
}

static void owner_is_configured_while_it_is_disabled(void)
{
	const struct covb_enable cmp = { .mode = COVBUF_MODE_CMP, .section_words = UINT64_MAX };

	COVB_EXPECT_EQ(covb_owner_configure(vectors.pc, &cmp), -COVB_EBUSY);
	COVB_EXPECT_EQ(COVB_CONFIG_MODE(vectors.pc->config), COVBUF_MODE_PC);
	COVB_EXPECT_EQ(covbuf_disable(vectors.pc), 0);
	COVB_EXPECT_EQ(covb_owner_configure(vectors.pc, &cmp), 0);
	COVB_EXPECT_EQ(COVB_CONFIG_MODE(vectors.pc->config), COVBUF_MODE_CMP);
	COVB_EXPECT_EQ(COVB_CONFIG_GENERATION(vectors.pc->config), vectors.pc->generation);
	COVB_EXPECT_EQ(enable_handle(vectors.pc, PC_HANDLE), 0);
	section(PC_HANDLE, 1, 2);
	COVB_EXPECT_EQ(target_of(vectors.pc)[0], 2);
	COVB_EXPECT_EQ(target_of(vectors.pc)[1], COVBUF_CMP_SIZE(3));
}

/* Where a section may use less of an area than there is. Claimed areas are used to their ends. */
static void owner_limits_the_words_of_a_section(void)
{
	const struct covb_enable few = { .mode = COVBUF_MODE_PC, .section_words = 5 };

	COVB_EXPECT_EQ(covbuf_disable(vectors.pc), 0);
	COVB_EXPECT_EQ(covb_owner_configure(vectors.pc, &few), 0);
	COVB_EXPECT_EQ(enable_handle(vectors.pc, PC_HANDLE), 0);
	section(PC_HANDLE, 1, 7);
	COVB_EXPECT_EQ(target_of(vectors.pc)[0], COVB_PLAT_COUNTED ? 4 : 7);
	COVB_EXPECT_EQ(lost(COVBUF_LOST_FULL), COVB_PLAT_COUNTED ? 3 : 0);
}

/* As for a task that has gone: collecting ends at once, the rest later. */
static void owner_that_is_cut_collects_nothing_more(void)
{
	const uint32_t generation = vectors.pc->generation;
	covbuf_token token = start(PC_HANDLE);

	trace_pcs(1, 2);
	covb_owner_cut(vectors.pc);
	COVB_EXPECT(!is_odd(vectors.pc));
	COVB_EXPECT_EQ(start(PC_HANDLE), 0);
	COVB_EXPECT_EQ(lost(COVBUF_LOST_UNKNOWN), 1);
	COVB_EXPECT_EQ(stop(token), 0);
	COVB_EXPECT_EQ(lost(COVBUF_LOST_STALE), 2);
	covb_owner_cut(vectors.pc);
	COVB_EXPECT(!is_odd(vectors.pc));
	COVB_EXPECT(finds(PC_HANDLE, vectors.pc));
	covb_owner_settle(vectors.pc);
	COVB_EXPECT(finds_none(PC_HANDLE));
	COVB_EXPECT_EQ(vectors.pc->generation, generation + 1);
	COVB_EXPECT_EQ(covbuf_disable(vectors.pc), -COVB_EINVAL);
	COVB_EXPECT_EQ(enable_handle(vectors.pc, PC_HANDLE), 0);
}
