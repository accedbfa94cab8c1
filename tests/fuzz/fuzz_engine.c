// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * The engine attached to a segment that holds anything, and changes under it: attach, record, nest, hand
 * over, merge, collect, detach. It may record nonsense, or nothing; it writes nowhere but into the segment,
 * keeps its own memory in order, and comes back from every call.
 *
 * What a peer can do that may write to the segment, and such an input ends there: zero guard words, so that an
 * append runs on, through areas behind it that are empty, and into the guard page behind the segment; and say
 * that it merges and lives, which calls that wait for mergers believe.
 */
#define _GNU_SOURCE
#include <setjmp.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include <covbuf/covbuf.h>

#include "../../libcovbuf/platform/user/user.h"
#include "image.h"

#define FLAG_LONG (1u << 0)    /* more records than an area holds */
#define FLAG_RING (1u << 1)
#define FLAG_CMP (1u << 2)
#define FLAG_UNIQUE (1u << 3)
#define FLAG_KCOV (1u << 4)
#define FLAG_KEEP (1u << 5)

#define GUARD_BYTES COVBUF_PART_BYTES
#define HANDLE (COVBUF_SUBSYSTEM_USER | 7)

static struct covbuf_segment *segment;
static struct covbuf_context unborn;
static volatile uint64_t sum;
static sigjmp_buf beyond;
static int nr_locked, nr_waits;

int LLVMFuzzerInitialize(int *argc, char ***argv);
void __real_covb_plat_lock(void);
void __wrap_covb_plat_lock(void);
void __real_covb_plat_unlock(void);
void __wrap_covb_plat_unlock(void);

void __wrap_covb_plat_lock(void)
{
	__real_covb_plat_lock();
	nr_locked++;
}

void __wrap_covb_plat_unlock(void)
{
	nr_locked--;
	__real_covb_plat_unlock();
}

/* Waiting for a merger. */
void covb_plat_relax(void);
void __wrap_covb_plat_relax(void);

void __wrap_covb_plat_relax(void)
{
	if (++nr_waits > 4)
		siglongjmp(beyond, 1);
}

static struct sigaction before;

static void on_fault(int signal_number, siginfo_t *info, void *context)
{
	const char *at = info->si_addr, *end = segment ? segment->base + segment->layout.limit_bytes : NULL;

	if (end && at >= end && at < end + GUARD_BYTES)
		siglongjmp(beyond, 1);
	before.sa_sigaction(signal_number, info, context);
}

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
	const struct sigaction ours = { .sa_sigaction = on_fault, .sa_flags = SA_SIGINFO | SA_NODEFER | SA_ONSTACK };

	(void)argc, (void)argv;
	image_init();
	unborn = *covbuf_context();
	sigaction(SIGSEGV, NULL, &before);
	sigaction(SIGSEGV, &ours, NULL);
	return 0;
}

/* As if the process had not attached yet. */
static void forget_engine(void)
{
	struct covb_engine *e = &covb_engine;

	while (nr_locked)
		covb_plat_unlock();
	covb_handles_free();
	if (e->frames) {
		munmap(e->frames, e->nr_areas_max * sizeof(*e->frames));
		munmap(e->privates, e->nr_contexts * sizeof(*e->privates));
		munmap(e->owners, e->nr_owners * sizeof(*e->owners));
	}
	*e = (struct covb_engine){ .nr_sites = e->nr_sites };
	*covbuf_context() = unborn;
	covb_segment = NULL;
}

static int visit(const struct covbuf_batch *batch, void *arg)
{
	(void)arg;
	for (uint64_t i = 0; i < batch->nr_words; i++)
		sum += batch->words[i];
	return 0;
}

static void record(uint8_t flags)
{
	static uint32_t marks[64];
	uint32_t nr = flags & FLAG_LONG ? 9000 : 40;

	for (uint32_t i = 1; i < nr; i++) {
		if (flags & FLAG_CMP)
			covbuf_trace_cmp(COVBUF_CMP_SIZE(3), i, ~0ull, 0x401000 + i);
		else if (flags & FLAG_UNIQUE)
			covbuf_trace_pc_site(&marks[i % 64], i % 64, 0x401000 + i);
		else
			covbuf_trace_pc(0x401000 + i);
	}
}

static struct covbuf_owner *make_owner(uint8_t flags)
{
	struct covbuf_owner_options options = {
		.mode = flags & FLAG_CMP ? COVBUF_MODE_CMP : COVBUF_MODE_PC,
		.kind = flags & FLAG_RING ? COVBUF_RING : COVBUF_LINEAR,
		.flags = flags & FLAG_RING ? 0 : COVBUF_OWNER_GROW,
		.name = "fuzz",
	};
	struct covbuf_owner *owner = NULL;

	if (flags & FLAG_UNIQUE)
		options.flags |= flags & FLAG_KEEP ? COVBUF_OWNER_UNIQUE_CONTEXT : COVBUF_OWNER_UNIQUE;
	if (flags & FLAG_KEEP)
		options.flags |= COVBUF_OWNER_KEEP;
	if ((flags & FLAG_KCOV) && !(flags & (FLAG_RING | FLAG_KEEP)))
		options.flags |= COVBUF_OWNER_KCOV;
	return covbuf_owner_create(&options, &owner) ? NULL : owner;
}

static void local(struct covbuf_owner *owner, uint8_t flags)
{
	if (!covbuf_enable(owner)) {
		record(flags);
		covbuf_reset(owner);
		record(flags);
	}
	covbuf_disable(owner);
}

static void sections(struct covbuf_owner *owner, uint8_t flags)
{
	const uint64_t handle = HANDLE;
	covbuf_token outer, inner;

	covbuf_remote_enable(owner, &handle, 1, 9);
	for (int round = 0; round < 3; round++) {
		outer = covbuf_remote_start(HANDLE);
		record(flags);
		inner = covbuf_remote_start(9);
		record(flags & ~FLAG_LONG);
		if (round == 1)
			covbuf_remote_stop(outer);
		covbuf_remote_stop(inner);
		record(flags & ~FLAG_LONG);
		covbuf_remote_stop(outer);
	}
	covbuf_disable(owner);
}

static void jump_and_nest(struct covbuf_owner *owner, uint8_t flags)
{
	struct covbuf_mark mark;
	covbuf_token token;

	if (covbuf_enable(owner))
		return;
	covbuf_mark(&mark);
	token = covbuf_push(owner);
	record(flags);
	covbuf_unwind(&mark);
	covbuf_pop(token);
	token = covbuf_signal_enter(owner);
	record(flags & ~FLAG_LONG);
	covbuf_signal_leave(token);
	covbuf_disable(owner);
}

static void take_and_give(void)
{
	uint64_t *words, nr_words, tickets[NR_PARTS];
	uint32_t nr = 0;

	while (nr < NR_PARTS && !covbuf_area_take(nr & 1, &words, &nr_words, &tickets[nr])) {
		expect((char *)words >= segment->base && (char *)(words + nr_words) <= segment->base + IMAGE_BYTES,
		       "an area beyond the segment");
		words[nr_words - 1] = 1;
		nr++;
	}
	while (nr--)
		covbuf_area_give(tickets[nr]);
}

static void run(unsigned int op, struct covbuf_owner *owner, uint8_t flags)
{
	uint64_t lost[COVBUF_NR_LOSSES];

	if (op == 1)
		local(owner, flags);
	else if (op == 2)
		sections(owner, flags);
	else if (op == 3)
		jump_and_nest(owner, flags);
	else if (op == 4)
		take_and_give();
	else if (op == 5)
		covbuf_collect(owner, visit, NULL);
	else if (op == 6)
		covbuf_wait(0);
	else if (op == 7)
		record(flags);
	else if (op == 8)
		covbuf_enable(owner); /* and never disabled */
	else if (op == 9)
		covbuf_losses(lost);
	else if (op == 10)
		covb_engine_sync_modules();
}

static void use(const struct input_head *head)
{
	struct covbuf_owner *owner;

	if (covbuf_attach_segment(segment))
		return;
	owner = make_owner(head->flags);
	for (unsigned int i = 0; i < 4; i++)
		if (owner || (head->ops >> 4 * i & 15) == 7)
			run(head->ops >> 4 * i & 15, owner, head->flags);
	covbuf_detach();
}

void fuzz_one(const uint8_t *input, size_t nr_bytes)
{
	struct input_head head;

	image_load(NULL, 0);
	segment = image_open(COVBUF_OPEN_ATTACH);
	image_follow(segment);
	head = image_load(input, nr_bytes);
	nr_waits = 0;
	if (!sigsetjmp(beyond, 0))
		use(&head);
	forget_engine();
	image_changed(IMAGE_BYTES);
	segment->refs = 1;
	covbuf_segment_close(segment);
	segment = NULL;
}
