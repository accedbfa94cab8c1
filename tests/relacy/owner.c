/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Owners that come and go while somebody starts sections for them. Rows 22 to 27 of docs/ordering.md.
 */
#include "scenario.h"

/* What each odd sequence of the owner slots stands for; written before it is odd. */
static struct {
	uint32_t mode, epoch;
} expected[3][16];

/* The section on top is of an enable that was, and has what belongs to it. */
static void check_frame(void)
{
	const struct covb_frame *frame = covbuf_context()->top;
	uint32_t i = frame->owner;
	uint64_t sequence = frame->sequence;

	CHECK(i < 3 && (sequence & 1) && sequence < 16);
	CHECK(frame->mode == expected[i][sequence].mode);
	if (frame->kind != COVB_KIND_VOID && frame->mode == COVBUF_MODE_PC)
		CHECK(frame->epoch == expected[i][sequence].epoch);
}

static void expect(uint32_t i, uint64_t sequence, uint32_t mode, uint32_t epoch)
{
	expected[i][sequence].mode = mode;
	expected[i][sequence].epoch = epoch;
}

static bool start_and_check(uint32_t section, uint64_t handle)
{
	covbuf_token token = covbuf_remote_start(handle);

	if (!token)
		return false;
	tally.handle[section] = handle;
	check_frame();
	if (covbuf_context()->top->mode == COVBUF_MODE_PC)
		emit(section);
	CHECK(!covbuf_remote_stop(token));
	return true;
}

/* ---- enabled again ----------------------------------------------------------------------------- */

static void unique_before(void)
{
	begin(2);
	memset(expected, 0, sizeof(expected));
	owner = make_owner(COVBUF_MODE_PC, COVBUF_LINEAR, COVBUF_OWNER_UNIQUE, 1);
	expect(0, owner->slot->sequence, COVBUF_MODE_PC, owner->epoch);
	open_contexts();
}

static void enable_again(void)
{
	const uint64_t handle = HANDLE(1);

	CHECK(!covbuf_disable(owner));
	expect(0, owner->slot->sequence + 1, COVBUF_MODE_PC, covb_engine.epoch + 1);
	CHECK(!covbuf_remote_enable(owner, &handle, 1, 0));
}

static void sections(void)
{
	start_and_check(0, HANDLE(1));
	start_and_check(1, HANDLE(1));
}

static void consume(void)
{
	drain(0);
}

COVB_MODEL_SCENARIO(enable_again, .before = unique_before, .thread = { sections, enable_again, consume },
		    .after = check_all);

/*
 * With another configuration, as KCOV's clients may ask for. Who has the owner itself, and no handle, finds
 * whichever generation there is.
 */
static void configure_again(void)
{
	const struct covb_enable cmp = { .mode = COVBUF_MODE_CMP };
	const uint64_t handle = HANDLE(1);

	CHECK(!covbuf_disable(owner));
	CHECK(!covb_owner_configure(owner, &cmp));
	expect(0, owner->slot->sequence + 1, COVBUF_MODE_CMP, 0);
	CHECK(!covbuf_remote_enable(owner, &handle, 1, 0));
}

static void push_and_check(void)
{
	covbuf_token token = covbuf_push(owner);

	if (!token)
		return;
	check_frame();
	CHECK(!covbuf_pop(token));
}

static void pushes(void)
{
	push_and_check();
	push_and_check();
}

COVB_MODEL_SCENARIO(configured_again, .before = unique_before, .thread = { pushes, configure_again, sections },
		    .after = check_all);
COVB_MODEL_SCENARIO(pushed, .before = unique_before, .thread = { pushes, enable_again }, .after = check_all);

/* ---- another owner in the same place ----------------------------------------------------------- */

static void replace_owner(void)
{
	covbuf_owner_put(owner);
	/* put: disabled, and one enable further */
	expect(0, 5, COVBUF_MODE_CMP, 0);
	owner = make_owner(COVBUF_MODE_CMP, COVBUF_LINEAR, 0, 1);
	CHECK(owner->index == 0 && covb_engine.owner_slots[0].sequence == 5);
}

COVB_MODEL_SCENARIO(owner_replaced, .before = unique_before, .thread = { sections, replace_owner, consume },
		    .after = check_all);

/* Two that want one: who gets the slot that was left. */
static void make_other(void)
{
	struct covbuf_owner_options options = { .mode = COVBUF_MODE_PC };
	struct covbuf_owner *made;

	if (covbuf_owner_create(&options, &made))
		return;
	CHECK(made->refs == 1 && !made->nr_handles && !made->remote && made->config);
	covbuf_owner_put(made);
}

static void two_owners_before(void)
{
	unique_before();
	other_owner = make_owner(COVBUF_MODE_PC, COVBUF_LINEAR, 0, 0);
	make_owner(COVBUF_MODE_PC, COVBUF_LINEAR, 0, 0);
}

static void put_other(void)
{
	covbuf_owner_put(other_owner);
}

COVB_MODEL_SCENARIO(owner_slot_left, .before = two_owners_before, .thread = { make_other, put_other, make_other },
		    .after = check_all);

/* ---- references -------------------------------------------------------------------------------- */

/* What is done with a reference is done before the owner goes: whoever puts the last one takes the target away. */
static void use_and_put(void)
{
	uint64_t *words, nr_words;

	CHECK(!covbuf_owner_target(other_owner, &words, &nr_words));
	CHECK(!covb_load(&words[0]));
	covbuf_owner_put(other_owner);
}

static void references_before(void)
{
	unique_before();
	other_owner = make_owner(COVBUF_MODE_PC, COVBUF_LINEAR, COVBUF_OWNER_KCOV, 0);
	covbuf_owner_get(other_owner);
}

static void references_after(void)
{
	CHECK((covb_engine.owner_slots[1].state & 0xff) == COVBUF_OWNER_NONE);
	check_all();
}

COVB_MODEL_SCENARIO(references, .before = references_before, .thread = { use_and_put, use_and_put },
		    .after = references_after);

/* ---- handles ----------------------------------------------------------------------------------- */

static uint64_t handle_a, handle_b, handle_c;

static uint64_t slot_of(uint64_t handle)
{
	return handle * 0x9e3779b97f4a7c15ull >> 58;
}

/* Another handle for which the table's first choice is that slot. */
static uint64_t handle_in(uint64_t slot, uint64_t than)
{
	uint64_t i = 1;

	while (slot_of(HANDLE(i)) != slot || HANDLE(i) == than)
		i++;
	return HANDLE(i);
}

/*
 * Two handles that lie in the same slot of the table, one after the other; and one that lies in the slot behind
 * it and stays, so that between the two the slot is no run's end.
 */
static void same_slot_before(void)
{
	begin(2);
	handle_a = HANDLE(1);
	handle_b = handle_in(slot_of(handle_a), handle_a);
	handle_c = handle_in((slot_of(handle_a) + 1) & 63, 0);
	owner = make_owner(COVBUF_MODE_PC, COVBUF_LINEAR, 0, 0);
	other_owner = make_owner(COVBUF_MODE_PC, COVBUF_LINEAR, 0, 0);
	CHECK(!covbuf_remote_enable(owner, &handle_a, 1, 0));
	CHECK(!covbuf_remote_enable(make_owner(COVBUF_MODE_PC, COVBUF_LINEAR, 0, 0), &handle_c, 1, 0));
	open_contexts();
}

static void move_slot(void)
{
	CHECK(!covbuf_disable(owner));
	CHECK(!covbuf_remote_enable(other_owner, &handle_b, 1, 0));
}

static void move_slot_back(void)
{
	move_slot();
	CHECK(!covbuf_disable(other_owner));
	CHECK(!covbuf_remote_enable(owner, &handle_a, 1, 0));
}

static void start_of(uint32_t section, uint64_t handle, const struct covbuf_owner *of)
{
	covbuf_token token = covbuf_remote_start(handle);

	if (!token)
		return;
	CHECK(covbuf_context()->top->owner == of->index);
	tally.handle[section] = handle;
	emit(section);
	CHECK(!covbuf_remote_stop(token));
}

static void start_a(void)
{
	start_of(0, handle_a, owner);
}

static void start_b(void)
{
	start_of(1, handle_b, other_owner);
	start_of(2, handle_b, other_owner);
}

/* What stays is found, whatever becomes of the slot before it. */
static void start_c(void)
{
	CHECK(run_section(3, handle_c, 1));
}

COVB_MODEL_SCENARIO(handle_stays, .before = same_slot_before, .thread = { start_c, move_slot_back },
		    .after = check_all);
COVB_MODEL_SCENARIO(handle_slot_reused, .before = same_slot_before, .thread = { start_a, move_slot, start_b },
		    .after = check_all);
COVB_MODEL_SCENARIO(handle_moved_back, .before = same_slot_before, .thread = { start_a, move_slot_back },
		    .after = check_all, .times = 20);

/* The table is made, or made anew, while somebody looks. */
static void no_table_before(void)
{
	begin(2);
	owner = make_owner(COVBUF_MODE_PC, COVBUF_LINEAR, 0, 0);
	open_contexts();
}

static void first_enable(void)
{
	const uint64_t handle = HANDLE(1);

	CHECK(!covbuf_remote_enable(owner, &handle, 1, 0));
}

static void start_1(void)
{
	run_section(0, HANDLE(1), 1);
	run_section(1, HANDLE(1), 1);
}

COVB_MODEL_SCENARIO(first_handle, .before = no_table_before, .thread = { start_1, first_enable },
		    .after = check_all);

static void half_full_before(void)
{
	uint64_t handles[31];

	begin(2);
	for (uint32_t i = 0; i < 31; i++)
		handles[i] = HANDLE(i + 1);
	owner = make_owner(COVBUF_MODE_PC, COVBUF_LINEAR, 0, 0);
	other_owner = make_owner(COVBUF_MODE_PC, COVBUF_LINEAR, 0, 0);
	CHECK(!covbuf_remote_enable(owner, handles, 31, 0));
	open_contexts();
}

static void two_more(void)
{
	const uint64_t handles[] = { HANDLE(40), HANDLE(41) };

	CHECK(!covbuf_remote_enable(other_owner, handles, 2, 0));
}

/* Those that were there before are found all the time. */
static void start_old(void)
{
	CHECK(run_section(0, HANDLE(1), 1));
	run_section(1, HANDLE(41), 1);
}

COVB_MODEL_SCENARIO(table_grows, .before = half_full_before, .thread = { start_old, two_more },
		    .after = check_all);
