/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The engine of a process: when it starts, what it attaches to, how it ends.
 *
 * The constructor attaches to the segment that COVBUF_SEGMENT names. An instrumented library whose
 * constructor runs earlier does the same. Without a segment every context shuts at its first callback.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "user.h"

struct covbuf_segment *covb_segment;

COVBUF_NOINSTR uint64_t *covb_plat_locate(uint64_t offset_bytes, uint64_t bytes)
{
	if (offset_bytes % COVBUF_AREA_MIN_BYTES || offset_bytes < COVBUF_PART_BYTES ||
	    offset_bytes > covb_engine.limit_bytes || bytes > covb_engine.limit_bytes - offset_bytes)
		return NULL;
	return (uint64_t *)(covb_engine.base + offset_bytes);
}

/* Zeroed address space; storage comes with use. */
static void *reserve(uint64_t bytes)
{
	void *p = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	return p == MAP_FAILED ? NULL : p;
}

static void release(void *p, uint64_t bytes)
{
	if (p)
		munmap(p, bytes);
}

static void free_private(struct covb_engine *e)
{
	release(e->frames, e->nr_areas_max * sizeof(*e->frames));
	release(e->privates, e->nr_contexts * sizeof(*e->privates));
	release(e->owners, e->nr_owners * sizeof(*e->owners));
	e->frames = NULL;
	e->privates = NULL;
	e->owners = NULL;
}

static int make_private(struct covb_engine *e, const struct covb_layout *layout)
{
	e->nr_procs = layout->procs.nr;
	e->nr_contexts = layout->contexts.nr;
	e->nr_owners = layout->owners.nr < 65536 ? layout->owners.nr : 65536;
	e->nr_areas_max = layout->areas.nr;
	e->frames = reserve(e->nr_areas_max * sizeof(*e->frames));
	e->privates = reserve(e->nr_contexts * sizeof(*e->privates));
	e->owners = reserve(e->nr_owners * sizeof(*e->owners));
	if (e->frames && e->privates && e->owners)
		return 0;
	free_private(e);
	return -ENOMEM;
}

static void use_segment(struct covb_engine *e, struct covbuf_segment *segment)
{
	struct covbuf_header *header = segment->header;

	e->base = segment->base;
	e->limit_bytes = segment->layout.limit_bytes;
	e->areas = segment->areas;
	e->owner_slots = segment->owners;
	e->procs = segment->procs;
	e->contexts = segment->contexts;
	e->classes = header->classes;
	e->nr_areas = &header->nr_areas;
	e->wake = &header->wake;
	e->nr_waiting = &header->nr_waiting;
	e->queued_hints = header->queued_hints;
	e->module_generation = &header->module_generation;
	e->lost_contexts = &header->lost_contexts;
	e->automatic = segment->layout.automatic;
}

/* A thread that was shut before there was a segment may record now: this one, at least. */
static void revive_caller(void)
{
	struct covbuf_context *ctx = covbuf_context();

	if (!ctx->priv && !ctx->top)
		covb_context_forget(ctx, true);
}

void covb_engine_sync_modules(void)
{
	uint32_t generation;

	covb_modules_sync(covb_segment, covb_engine.proc, &generation);
	covb_store(&covb_engine.images, covb_load(&covb_segment->images));
}

static int attach_locked(struct covbuf_segment *segment)
{
	struct covb_engine *e = &covb_engine;
	uint32_t proc;
	int err;

	if (covb_attached() || e->frames)
		return -EALREADY;
	if (!segment->base)
		return -EINVAL;
	err = covb_threads_init();
	if (!err)
		err = covb_fork_init();
	if (!err)
		err = covb_alive_init();
	if (!err)
		err = make_private(e, &segment->layout);
	if (err)
		return err;
	err = covb_process_join(segment, &proc);
	if (err) {
		free_private(e);
		return err;
	}
	e->proc = proc;
	e->epoch = 1; /* what an adopted owner begins with; a fork child goes on from there */
	use_segment(e, segment);
	covb_segment = segment;
	covb_engine_sync_modules();
	covb_images_refresh();
	covb_alive_set();
	/* release: partner is the acquire in covb_attached(); everything above is there */
	covb_store_release(&e->state, COVB_ENGINE_ATTACHED);
	return 0;
}

int covbuf_attach_segment(struct covbuf_segment *segment)
{
	int err;

	if (!segment)
		return -EINVAL;
	covb_plat_lock();
	err = attach_locked(segment);
	if (!err)
		__atomic_fetch_add(&segment->refs, 1, __ATOMIC_RELAXED);
	covb_plat_unlock();
	if (!err)
		revive_caller();
	return err;
}

static const char *advise(int err)
{
	switch (err) {
	case -ENOMEM:
		return "; raise the limit of address space (ulimit -v), or lower the segment's";
	case -ENOSPC:
		return "; it has no room for another process";
	default:
		return "";
	}
}

static int attach(const char *where, struct covbuf_message *why)
{
	struct covbuf_segment *segment;
	int err = covbuf_segment_open(where, COVBUF_OPEN_ATTACH, &segment, why);

	if (err)
		return err;
	err = covbuf_attach_segment(segment);
	covbuf_segment_close(segment);
	if (err)
		covb_say(why, err, "cannot attach to the segment: %s%s", strerror(-err), advise(err));
	return err;
}

int covbuf_attach(const char *where)
{
	return attach(where, NULL);
}

int covbuf_attach_new(uint64_t limit_bytes)
{
	struct covbuf_segment_options options = { .limit_bytes = limit_bytes };
	struct covbuf_segment *segment;
	int err = covbuf_segment_create(NULL, &options, &segment, NULL);

	if (err)
		return err;
	err = covbuf_attach_segment(segment);
	covbuf_segment_close(segment);
	return err;
}

static bool holds_an_area(const struct covb_engine *e)
{
	uint32_t nr_areas = covb_load_acquire(e->nr_areas);

	for (uint32_t i = 0; i < nr_areas && i < e->nr_areas_max; i++) {
		uint64_t flag = covb_load(&e->areas[i].flag);
		uint32_t state = COVBUF_FLAG_STATE(flag);

		if (COVBUF_FLAG_HOLDER(flag) == e->proc && state != COVBUF_AREA_ENDED && state != COVBUF_AREA_QUEUED)
			return true;
	}
	return false;
}

static bool has_a_context(const struct covb_engine *e)
{
	for (uint32_t i = 0; i < e->nr_contexts; i++) {
		uint64_t state = covb_load(&e->contexts[i].state);

		if ((state & 0xff) == COVBUF_CONTEXT_LIVE && ((state >> 8) & 0xffff) == e->proc)
			return true;
	}
	return false;
}

static bool has_an_owner(const struct covb_engine *e)
{
	for (uint32_t i = 0; i < e->nr_owners; i++) {
		uint64_t state = covb_load(&e->owner_slots[i].state);

		if ((state & 0xff) == COVBUF_OWNER_LIVE && ((state >> 8) & 0xffff) == e->proc &&
		    !(e->automatic.enabled && e->automatic.owner == i))
			return true;
	}
	return false;
}

int covbuf_detach(void)
{
	if (!covb_attached())
		return -ENOTCONN;
	covb_context_close(covbuf_context());
	covb_plat_lock();
	covb_store(covb_alive_word, 0);
	covb_store_release(&covb_engine.state, COVB_ENGINE_OFF);
	/*
	 * Full fence: partner is the one in get_private() in core/context.c. Either a thread that opens a context
	 * now sees that we are off, or we see its context.
	 */
	covb_mb();
	/* what other threads hold, and owners, are taken back from the slot when the process has ended */
	if (!holds_an_area(&covb_engine) && !has_a_context(&covb_engine) && !has_an_owner(&covb_engine))
		covb_process_leave(covb_segment, covb_engine.proc);
	covb_plat_unlock();
	return 0;
}

int covbuf_segment_fd(void)
{
	return covb_attached() ? covbuf_segment_descriptor(covb_segment) : -ENOTCONN;
}

struct covbuf_segment *covbuf_attached_segment(void)
{
	return covb_attached() ? covb_segment : NULL;
}

const char *covbuf_version(void)
{
	return COVBUF_VERSION_TEXT;
}

/* ---- the beginning --------------------------------------------------------------------------- */

static void init(void)
{
	const char *where = secure_getenv("COVBUF_SEGMENT");
	struct covbuf_message why = { "" };
	int err;

	if (!covb_engine_is_the_only()) {
		covb_store_release(&covb_engine.state, COVB_ENGINE_OFF);
		return;
	}
	err = where && *where ? attach(NULL, &why) : 0;
	if (err)
		fprintf(stderr, "libcovbuf: nothing is recorded: %s\n", *why.text ? why.text : strerror(-err));
	if (!covb_attached())
		covb_store_release(&covb_engine.state, COVB_ENGINE_OFF);
}

static pthread_once_t once = PTHREAD_ONCE_INIT;

void covb_init(void)
{
	pthread_once(&once, init);
}

/* 101: the first that an application may use. */
__attribute__((constructor(101))) static void construct(void)
{
	covb_init();
}

/* ---- fork ------------------------------------------------------------------------------------ */

/* Of the module table at the fork. Another thread's load or unload would be after it, and not the child's. */
static uint32_t fork_generation;

void covb_engine_before_fork(void)
{
	if (covb_attached())
		fork_generation = covb_load_acquire(covb_engine.module_generation);
}

/* The child has one thread, and its lock is held by nobody. */
void covb_engine_after_fork(void)
{
	struct covb_engine *e = &covb_engine;
	struct covbuf_context *ctx = covbuf_context();
	bool follow = e->automatic.enabled && (e->automatic.flags & COVBUF_AUTO_FOLLOW);
	uint64_t images = e->images;
	uint32_t proc;

	e->proc = 0; /* what the parent's slot names is not ours */
	if (!covb_attached())
		return;
	e->inherited = true;
	covb_context_forget(ctx, false);
	covb_process_forget(covb_segment);
	for (uint32_t i = 0; i < e->nr_owners && follow; i++)
		if (covb_load(&e->owners[i].config))
			e->owners[i].local = NULL;
	if (!follow || covb_process_join(covb_segment, &proc)) {
		covb_store_release(&e->state, COVB_ENGINE_OFF);
		return;
	}
	e->proc = proc;
	/* zeroed: what is marked as held there the parent holds. Where that fails those areas are left to others */
	madvise(e->frames, e->nr_areas_max * sizeof(*e->frames), MADV_DONTNEED);
	/* likewise: the number of epochs given out may have been copied before they were used, the marks after */
	madvise(e->privates, e->nr_contexts * sizeof(*e->privates), MADV_DONTNEED);
	/* the guards hold the parent's marks: an epoch of its own makes every site new */
	if (covb_load(&e->owners[e->automatic.owner].config))
		covb_store(&e->owners[e->automatic.owner].epoch, covb_epoch_next());
	covb_modules_inherit(covb_segment, images, fork_generation);
	covb_store(&e->images, covb_load(&covb_segment->images));
	covb_alive_set();
	covb_context_forget(ctx, true);
}
