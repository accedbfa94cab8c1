// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * The operations that a process may die in: the state they begin in, and what is then done.
 */
#define _GNU_SOURCE
#include <signal.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include "libcovbuf/core/engine.h"
#include "victim.h"

#define KIND(k) (1u << (k))

/* ---- what is done at any level --------------------------------------------------------------- */

static void emit(void)
{
	books_emit(victim.who, step_level());
}

static void emit_twice(void)
{
	emit();
	emit();
}

static void emit_marked(void)
{
	books_emit_site(victim.who, step_level(), &victim.marks[step_level()]);
	books_emit_site(victim.who, step_level(), &victim.marks[step_level()]);
}

/* A section, and the one that it was started in. */
struct section {
	covbuf_token token;
	uint32_t outer;
};

static struct section start(uint32_t kind)
{
	struct section section = { .token = covbuf_remote_start(victim_handle(kind)) };

	section.outer = books_enter(victim.who, step_level(), section.token);
	return section;
}

static void end(struct section section)
{
	books_leave(victim.who, step_level(), section.outer);
	covbuf_remote_stop(section.token);
}

static void section_of(uint32_t kind)
{
	struct section section = start(kind);

	emit();
	end(section);
	emit();
}

static void pushed(uint32_t kind)
{
	covbuf_token token = covbuf_push(victim.owner[kind]);
	uint32_t outer = books_enter(victim.who, step_level(), token);

	emit();
	books_leave(victim.who, step_level(), outer);
	covbuf_pop(token);
}

static void section_of_plain(void) { section_of(PLAIN); }
static void section_of_grow(void) { section_of(GROW); }
static void section_of_cmp(void) { section_of(CMP); }
static void section_of_ring(void) { section_of(RING); }
static void section_of_cmp_ring(void) { section_of(CMP_RING); }
static void section_of_unique(void) { section_of(UNIQUE); }
static void section_of_kcov(void) { section_of(KCOV); }
static void section_of_keep(void) { section_of(KEEP); }
static void pushed_plain(void) { pushed(PLAIN); }
static void pushed_cmp(void) { pushed(CMP); }

static void empty_section(void)
{
	covbuf_remote_stop(covbuf_remote_start(victim_handle(PLAIN)));
}

static void unknown_section(void)
{
	covbuf_token token = covbuf_remote_start(victim_handle(NR_KINDS));

	emit();
	covbuf_remote_stop(token);
}

static void nested_sections(void)
{
	struct section section = start(GROW);

	section_of(CMP);
	section_of(PLAIN);
	end(section);
}

static void abandoned_section(void)
{
	struct section section = start(PLAIN);

	emit();
	start(RING);
	emit();
	end(section);
}

static void unwound(void)
{
	struct covbuf_mark mark;

	covbuf_mark(&mark);
	covbuf_remote_start(victim_handle(PLAIN));
	emit();
	covbuf_unwind(&mark);
	emit();
}

static void apart(void)
{
	covbuf_token token = covbuf_signal_enter(NULL);

	emit();
	covbuf_signal_leave(token);
	emit();
}

static void take_and_give(void)
{
	uint64_t *words, nr_words, ticket;

	if (!covbuf_area_take(0, &words, &nr_words, &ticket))
		covbuf_area_give(ticket);
}

static void stop(void)
{
	covbuf_remote_stop(victim.token);
}

/* ---- states ---------------------------------------------------------------------------------- */

/* Leave this many slots of the area on top. */
static void fill_but(int nr_slots)
{
	const struct covbuf_context *ctx = covbuf_context();
	const struct covb_frame *top = ctx->top;
	uint32_t step = top->mode == COVBUF_MODE_CMP ? COVBUF_CMP_WORDS : 1;
	uint32_t nr_free = top->kind == COVBUF_RING ? (uint32_t)top->mask + 1 :
						      (uint32_t)(top->end - ctx->cursor[top->mode]) / step;

	books_emit_many(victim.who, 0, nr_free - (uint32_t)nr_slots);
}

/* Nothing is recorded yet, so it has no area. */
static void in_new_section(const struct operation *op)
{
	victim.token = covbuf_remote_start(victim_handle(op->kind));
}

static void in_section(const struct operation *op)
{
	in_new_section(op);
	emit();
	if (op->room >= 0)
		fill_but(op->room);
}

static void empty_pool(uint32_t leave)
{
	uint64_t *words, nr_words;
	uint32_t n = 0;

	while (n < 64 && !covbuf_area_take(0, &words, &nr_words, &victim.tickets[n]))
		n++;
	while (leave-- && n) {
		covbuf_area_give(victim.tickets[--n]);
		victim.tickets[n] = 0;
	}
}

static void fill_pool(void)
{
	for (uint32_t i = 0; i < 64; i++) {
		if (victim.tickets[i])
			covbuf_area_give(victim.tickets[i]);
		victim.tickets[i] = 0;
	}
}

static void without_areas(const struct operation *op)
{
	empty_pool(0);
	victim.token = covbuf_remote_start(victim_handle(op->kind));
}

/* After a section that recorded the next ones begin with an area. */
static void after_a_section(const struct operation *op)
{
	in_section(op);
	section_of_plain();
}

static void in_section_without_areas(const struct operation *op)
{
	in_section(op);
	empty_pool(0);
}

static void late_area(const struct operation *op)
{
	without_areas(op);
	fill_pool();
	take_and_give();
}

/* A section that filled areas and followed them by others. */
static void in_chain(const struct operation *op)
{
	in_section(op);
	for (uint32_t i = 0; i < 2; i++) {
		fill_but(0);
		emit();
	}
}

static void in_stale(const struct operation *op)
{
	in_section(op);
	books_emit_many(victim.who, 0, 3);
	covbuf_disable(victim.owner[op->kind]);
}

static void in_stale_chain(const struct operation *op)
{
	in_chain(op);
	covbuf_disable(victim.owner[op->kind]);
}

/* Sections of the kind have ended, and are queued. */
static void queued(const struct operation *op)
{
	for (uint32_t i = 0; i < 3; i++) {
		covbuf_token token = covbuf_remote_start(victim_handle(op->kind));

		books_emit_many(victim.who, 0, 3);
		covbuf_remote_stop(token);
	}
}

static void queued_and_disabled(const struct operation *op)
{
	queued(op);
	covbuf_disable(victim.owner[op->kind]);
}

/* As if somebody had merged meanwhile: three areas wait for whoever stops next. */
static void to_be_merged(const struct operation *op)
{
	uint32_t *merging = &victim.owner[op->kind]->slot->merging;

	covb_store(merging, 1u << 31 | covb_engine.proc);
	queued(op);
	covb_store(merging, 0);
	victim.token = covbuf_remote_start(victim_handle(op->kind));
	emit();
}

/* And are of an enable that is over when he does. */
static void merged_too_late(const struct operation *op)
{
	uint64_t handle = victim_handle(op->kind);
	uint32_t *merging = &victim.owner[op->kind]->slot->merging;

	covb_store(merging, 1u << 31 | covb_engine.proc);
	queued(op);
	covb_store(merging, 0);
	covbuf_disable(victim.owner[op->kind]);
	covbuf_remote_enable(victim.owner[op->kind], &handle, 1, 0);
	victim.token = covbuf_remote_start(handle);
	emit();
}

static void target_full(const struct operation *op)
{
	in_section(op);
	fill_but(0);
	covbuf_remote_stop(victim.token);
	victim.token = covbuf_remote_start(victim_handle(op->kind));
	books_emit_many(victim.who, 0, 1000);
}

static void enabled_locally(const struct operation *op)
{
	covbuf_enable(victim.owner[op->kind]);
	books_emit_many(victim.who, 0, 3);
}

/* The thread that grace periods are waited for in is there already. */
static void put_before(const struct operation *op)
{
	struct covbuf_owner *owner;

	if (!covbuf_owner_create(NULL, &owner))
		covbuf_owner_put(owner);
	enabled_locally(op);
}

/* Whose client has read it. */
static void put_before_with_target(const struct operation *op)
{
	struct covbuf_batch batch = { .mode = COVBUF_MODE_PC };
	uint64_t *words;

	put_before(op);
	covbuf_disable(victim.owner[op->kind]);
	covbuf_owner_target(victim.owner[op->kind], &words, &batch.nr_words);
	batch.words = words + 1;
	batch.nr_words = words[0];
	books_give_batch(&batch, NULL);
	covb_store(&words[0], 0);
}

static void put_before_with_queue(const struct operation *op)
{
	put_before(op);
	covbuf_disable(victim.owner[op->kind]);
}

static void enabled_in_section(const struct operation *op)
{
	enabled_locally(op);
	victim.token = covbuf_remote_start(victim_handle(PLAIN));
	emit();
}

/* Every area of the pool was an owner's target once. */
static void in_section_of_targets(const struct operation *op)
{
	for (uint32_t i = 0; i < covb_load(covb_engine.nr_areas); i++) {
		struct covbuf_area *area = &covb_engine.areas[i];

		if (COVBUF_FLAG_STATE(covb_load(&area->flag)) != COVBUF_AREA_FREE)
			continue;
		covb_store(&area->kind, COVBUF_COUNTED);
		covb_store(&area->nr_words, (uint32_t)(covbuf_class_bytes(area->area_class) / 8));
	}
	in_section(op);
}

/* ---- operations on owners -------------------------------------------------------------------- */

static const struct covbuf_owner_options merging = { .flags = COVBUF_OWNER_KCOV, .name = "another" };

static void create(void)
{
	struct covbuf_owner *owner;

	covbuf_owner_create(NULL, &owner);
}

static void create_with_target(void)
{
	struct covbuf_owner *owner;

	covbuf_owner_create(&merging, &owner);
}

static void enable(void)
{
	covbuf_enable(victim.owner[PLAIN]);
	emit();
}

static void remote_enable(void)
{
	uint64_t handles[40];

	for (uint32_t i = 0; i < 40; i++)
		handles[i] = COVBUF_SUBSYSTEM_USER | (1000 + i);
	covbuf_remote_enable(victim.owner[PLAIN], handles, 40, 7);
}

static void disable(void)
{
	covbuf_disable(victim.owner[PLAIN]);
}

static void disable_wait(void)
{
	covbuf_disable_wait(victim.owner[KCOV]);
}

static void reset(void)
{
	covbuf_reset(victim.owner[PLAIN]);
	emit();
}

static void reset_with_target(void)
{
	covbuf_reset(victim.owner[KCOV]);
}

static void put(void)
{
	covbuf_owner_put(victim.owner[PLAIN]);
}

static void put_with_target(void)
{
	covbuf_owner_put(victim.owner[KCOV]);
}

static void collect(void)
{
	covbuf_collect(victim.owner[PLAIN], books_give_batch, NULL);
}

/* ---- processes and threads ------------------------------------------------------------------- */

static void created(const struct operation *op)
{
	(void)op;
	covbuf_owner_create(NULL, &victim.owner[PLAIN]);
}

static void attach(void)
{
	covbuf_attach(victim.where[ASKED]);
}

static void attach_automatic(void)
{
	covbuf_attach(victim.where[AUTOMATIC]);
	books_emit_unborn(victim.who, 0);
}

static void detach(void)
{
	covbuf_detach();
}

static void close_context(void)
{
	covb_context_close(covbuf_context());
}

static void be_born(void)
{
	books_emit_unborn(victim.who, step_level());
	emit();
}

static void alive(const struct operation *op)
{
	(void)op;
	books_emit_unborn(victim.who, 0);
	books_emit_many(victim.who, 0, 3);
}

/* All slots are the dead's, with areas in their hands, and nobody has looked. */
static void among_the_dead(const struct operation *op)
{
	for (uint32_t i = 0; i < NR_PROCS - 1; i++) {
		pid_t pid = fork();

		if (!pid) {
			int err = covbuf_attach(victim.where[op->world]);
			struct covbuf_owner *owner;

			if (err || covbuf_owner_create(NULL, &owner) || covbuf_enable(owner))
				_exit(err != 0);
			books_emit_many(CHILD, i % BOOKS_LEVELS, 3);
			kill(getpid(), SIGKILL);
		}
		waitpid(pid, NULL, 0);
	}
}

/* ---- the list -------------------------------------------------------------------------------- */

#define IN_SECTION(name, body, kind, room, needs)                                                  \
	{ name, KIND(kind) | (needs), in_section, body, kind, room, ASKED, 0, false }
#define FROM(name, state, body, kind, needs, flags)                                                \
	{ name, KIND(kind) | (needs), state, body, kind, -1, ASKED, flags, false }

const struct operation operations[] = {
	IN_SECTION("append", emit, PLAIN, -1, 0),
	IN_SECTION("append the last", emit, PLAIN, 1, 0),
	IN_SECTION("append to a full area", emit, PLAIN, 0, 0),
	IN_SECTION("append cmp", emit, CMP, -1, 0),
	IN_SECTION("append the last cmp", emit, CMP, 1, 0),
	IN_SECTION("append cmp to a full area", emit, CMP, 0, 0),
	IN_SECTION("append and grow", emit_twice, GROW, 0, 0),
	IN_SECTION("append cmp and grow", emit_twice, GROW_CMP, 0, 0),
	IN_SECTION("append once", emit_marked, UNIQUE, -1, 0),
	IN_SECTION("append to a ring", emit, RING, -1, 0),
	IN_SECTION("append to a full ring", emit_twice, RING, 1, 0),
	IN_SECTION("append cmp to a ring", emit, CMP_RING, -1, 0),
	IN_SECTION("append cmp to a full ring", emit_twice, CMP_RING, 1, 0),
	FROM("first record", in_new_section, emit, PLAIN, 0, 0),
	FROM("first record, cmp", in_new_section, emit, CMP, 0, 0),
	FROM("first record, once", in_new_section, emit_marked, UNIQUE, 0, 0),
	FROM("first record of what grows", in_new_section, emit_twice, GROW, 0, 0),
	FROM("first record of what is kept", in_new_section, emit, KEEP, 0, 0),
	FROM("append without an area", without_areas, emit, PLAIN, 0, 0),
	FROM("append to an area that comes late", late_area, emit_twice, GROW, 0, 0),
	IN_SECTION("push and pop", pushed_plain, PLAIN, -1, 0),
	IN_SECTION("push and pop cmp", pushed_cmp, PLAIN, -1, KIND(CMP)),
	IN_SECTION("start and stop", section_of_plain, GROW, -1, KIND(PLAIN)),
	IN_SECTION("start and stop in a full area", section_of_plain, PLAIN, 0, 0),
	IN_SECTION("start and stop, growing", section_of_grow, GROW, 0, 0),
	IN_SECTION("start and stop, cmp", section_of_cmp, PLAIN, -1, KIND(CMP)),
	IN_SECTION("start and stop, ring", section_of_ring, RING, -1, 0),
	FROM("start and stop, ring of a target", in_section_of_targets, section_of_ring, RING, 0, 0),
	IN_SECTION("start and stop, cmp ring", section_of_cmp_ring, CMP, -1, KIND(CMP_RING)),
	IN_SECTION("start and stop, unique", section_of_unique, UNIQUE, -1, 0),
	IN_SECTION("start and stop, kept", section_of_keep, PLAIN, -1, KIND(KEEP)),
	IN_SECTION("start and stop, nothing recorded", empty_section, PLAIN, -1, 0),
	FROM("start and stop after a section", after_a_section, section_of_plain, PLAIN, 0, 0),
	FROM("the same, nothing recorded", after_a_section, empty_section, PLAIN, 0, 0),
	IN_SECTION("start of an unknown handle", unknown_section, PLAIN, -1, 0),
	IN_SECTION("nested sections", nested_sections, PLAIN, -1, KIND(GROW) | KIND(CMP)),
	IN_SECTION("abandoned section", abandoned_section, PLAIN, 2, KIND(RING)),
	IN_SECTION("unwind", unwound, PLAIN, -1, 0),
	IN_SECTION("signal apart", apart, PLAIN, -1, 0),
	FROM("start and stop without areas", in_section_without_areas, section_of_plain, PLAIN, 0, 0),
	IN_SECTION("take and give", take_and_give, PLAIN, -1, 0),
	FROM("hand over a chain", in_chain, stop, GROW, 0, 0),
	FROM("hand over a chain of cmp", in_chain, stop, GROW_CMP, 0, 0),
	IN_SECTION("hand over a full ring", stop, RING, 0, 0),
	FROM("hand over too late", in_stale, stop, PLAIN, 0, MAY_DROP),
	FROM("hand over cmp too late", in_stale, stop, CMP, 0, MAY_DROP),
	FROM("hand over a ring too late", in_stale, stop, RING, 0, MAY_DROP),
	FROM("hand over a chain too late", in_stale_chain, stop, GROW, 0, MAY_DROP),
	IN_SECTION("hand over what is kept", stop, KEEP, -1, 0),
	FROM("merge", in_section, section_of_kcov, PLAIN, KIND(KCOV), MAY_GIVE),
	FROM("merge several", to_be_merged, stop, KCOV, 0, MAY_GIVE),
	FROM("merge too late", merged_too_late, stop, KCOV, 0, MAY_GIVE | MAY_DROP),
	FROM("merge into a full target", target_full, stop, KCOV, 0, MAY_GIVE),
	FROM("create an owner", NULL, create, PLAIN, 0, SLEEPS),
	FROM("create an owner with a target", NULL, create_with_target, PLAIN, 0, SLEEPS),
	FROM("enable", NULL, enable, PLAIN, 0, SLEEPS),
	FROM("enable over what was left", queued_and_disabled, enable, PLAIN, 0, MAY_DROP | SLEEPS),
	FROM("enable remotely", queued_and_disabled, remote_enable, PLAIN, 0, MAY_DROP | SLEEPS),
	FROM("disable", enabled_locally, disable, PLAIN, 0, SLEEPS),
	FROM("disable remotely", queued, disable, PLAIN, 0, SLEEPS),
	FROM("disable and wait", queued, disable_wait, KCOV, 0, SLEEPS),
	FROM("reset", enabled_locally, reset, PLAIN, 0, MAY_DROP | SLEEPS),
	FROM("reset with areas queued", queued, reset, PLAIN, 0, MAY_DROP | SLEEPS),
	FROM("reset with a target", to_be_merged, reset_with_target, KCOV, 0, MAY_DROP | CLEARS | SLEEPS),
	FROM("put", put_before, put, PLAIN, 0, MAY_DROP | SLEEPS),
	FROM("put with areas queued", put_before_with_queue, put, PLAIN, 0, MAY_DROP | SLEEPS),
	FROM("put with a target", put_before_with_target, put_with_target, KCOV, 0, COLLECTS | SLEEPS),
	FROM("collect", queued, collect, PLAIN, 0, MAY_GIVE | COLLECTS | SLEEPS),
	{ "birth, and enable", 0, created, enable, PLAIN, -1, ASKED, SLEEPS, false },
	{ "birth where others lost records", 0, created, enable, PLAIN, -1, ASKED, LOST_BEFORE | SLEEPS, false },
	{ "birth by a record", 0, NULL, be_born, PLAIN, -1, AUTOMATIC, 0, false },
	{ "thread exit", 0, alive, close_context, PLAIN, -1, AUTOMATIC, 0, false },
	FROM("thread exit in sections", enabled_in_section, close_context, GROW, KIND(PLAIN), 0),
	{ "attach", 0, NULL, attach, PLAIN, -1, ASKED, SLEEPS, true },
	{ "attach, and birth", 0, NULL, attach_automatic, PLAIN, -1, AUTOMATIC, SLEEPS, true },
	{ "attach among the dead", 0, among_the_dead, attach, PLAIN, -1, ASKED, NO_CONSUMER | MAY_GIVE | SLEEPS, true },
	FROM("detach", enabled_in_section, detach, GROW, KIND(PLAIN), SLEEPS | DETACHES),
};
const uint32_t nr_operations = sizeof(operations) / sizeof(operations[0]);

const struct handler handlers[] = {
	{ "append", emit, 0 },
	{ "start and stop", section_of_plain, 0 },
	{ "start and stop, cmp", section_of_cmp, 0 },
	{ "start and stop, ring", section_of_ring, 0 },
	{ "merge", section_of_kcov, MAY_GIVE },
	{ "nested sections", nested_sections, 0 },
	{ "abandoned section", abandoned_section, 0 },
	{ "unwind", unwound, 0 },
	{ "signal apart", apart, 0 },
	{ "take and give", take_and_give, 0 },
};
const uint32_t nr_handlers = sizeof(handlers) / sizeof(handlers[0]);

#define OF_HANDLERS (KIND(PLAIN) | KIND(CMP) | KIND(RING) | KIND(KCOV) | KIND(GROW))

struct operation handler_alone(const struct handler *handler)
{
	const struct operation op = FROM("handler", in_section, handler->body, PLAIN, OF_HANDLERS, handler->flags);

	return op;
}

struct operation with_handlers(const struct operation *op)
{
	struct operation with = *op;

	with.kinds |= OF_HANDLERS;
	return with;
}
