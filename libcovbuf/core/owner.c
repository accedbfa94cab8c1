/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Owners: what a user opens, and when it collects.
 *
 * The shared half, in the segment, has what others must see: the sequence, which is odd while the owner
 * is enabled and never goes back, and the queue. The private half has the rest, in an array that is
 * never freed, so a section that looks at an owner too late reads an old one, not freed memory. All
 * changes happen at sleeping level under one lock.
 */
#include "engine.h"

static struct covbuf_context *open_context(void)
{
	struct covbuf_context *ctx = covb_plat_context();

	return ctx && covb_context_open(ctx) ? ctx : NULL;
}

/* Odd: enabled. */
static void raise_sequence(struct covbuf_owner *owner)
{
	/* release: partner is the acquire in read_owner() of section.c; config and epoch are there before it is odd */
	covb_store_release(&owner->slot->sequence, covb_load(&owner->slot->sequence) + 1);
}

static bool is_enabled(const struct covbuf_owner *owner)
{
	return covb_load(&owner->slot->sequence) & 1;
}

/* ---- making and dropping --------------------------------------------------------------------- */

#define OWNER_STATE(generation, proc, state)                                                       \
	((uint64_t)(generation) << 24 | (uint64_t)(proc) << 8 | (uint64_t)(state))

/*
 * Not an owner of the process that this one was forked from: that one's sequence, queue and target are not
 * ours to change. After a detach it still is.
 */
static bool is_ours(const struct covbuf_owner *owner)
{
	return ((uint32_t)(owner->state >> 8) & 0xffff) == covb_engine.proc && (covb_plat_alive() || !covb_attached());
}

/* From where the last search ended, or a slot came back below it; then those before it, which others may have left. */
static struct covbuf_owner *claim_owner_slot(void)
{
	uint32_t i = covb_load(&covb_engine.owner_hint);

	for (uint32_t n = 0; n < covb_engine.nr_owners; n++, i++) {
		struct covbuf_owner_slot *slot;
		uint64_t seen;

		if (i >= covb_engine.nr_owners)
			i = 0;
		slot = &covb_engine.owner_slots[i];
		seen = covb_load(&slot->state);

		if ((seen & 0xff) != COVBUF_OWNER_NONE)
			continue;
		/* acquire: partner is the release in retire(); the slot is in order before it is free */
		if (covb_cas_acquire(&slot->state, &seen,
				     OWNER_STATE((seen >> 24) + 1, covb_engine.proc, COVBUF_OWNER_LIVE))) {
			struct covbuf_owner *owner = &covb_engine.owners[i];

			/* written once: a late section of the last owner may be reading them */
			if (!owner->slot) {
				owner->slot = slot;
				owner->index = i;
			}
			covb_store(&owner->state,
				   OWNER_STATE((seen >> 24) + 1, covb_engine.proc, COVBUF_OWNER_LIVE));
			covb_store(&covb_engine.owner_hint, i + 1);
			return owner;
		}
	}
	return NULL;
}

/*
 * After a grace period: nobody at sleeping level still looks at it. In a fork child, which has a copy of
 * its parent's callbacks, it is the parent's to do, and may be done.
 */
static void retire(struct covb_rcu_head *head)
{
	struct covbuf_owner *owner =
		(struct covbuf_owner *)((char *)head - offsetof(struct covbuf_owner, rcu));
	uint64_t seen = owner->state;

	if (!is_ours(owner) ||
	    !covb_cas_release(&owner->slot->state, &seen, (seen & ~0xffull) | COVBUF_OWNER_NONE))
		return;
	/* without the lock: a hint, and any is safe */
	if (owner->index < covb_load(&covb_engine.owner_hint))
		covb_store(&covb_engine.owner_hint, owner->index);
}

static void describe(struct covbuf_owner *owner, const struct covbuf_owner_options *options)
{
	struct covbuf_owner_slot *slot = owner->slot;
	const char *name = options->name ? options->name : "";
	uint32_t i;

	if (covb_load(&slot->sequence) & 1) /* left behind by a process that died */
		raise_sequence(owner);
	owner->generation++;
	owner->refs = 1;
	owner->nr_handles = 0;
	owner->remote = false;
	owner->local = NULL;
	owner->local_token = 0;
	owner->common_handle = 0;
	covb_store(&owner->target, (uint64_t *)NULL);
	covb_store_release(&owner->config, COVB_CONFIG(owner->generation, options->mode, options->kind,
						      options->area_class, options->flags));
	covb_store(&slot->mode, options->mode);
	covb_store(&slot->kind, options->kind);
	covb_store(&slot->area_class, options->area_class);
	covb_store(&slot->flags, options->flags);
	covb_store(&slot->common_handle, 0);
	covb_store(&slot->target, 0);
	covb_store(&slot->nr_handles, 0);
	for (i = 0; i + 1 < sizeof(slot->name) && name[i]; i++)
		slot->name[i] = name[i];
	slot->name[i] = 0;
}

#define KNOWN_FLAGS                                                                                \
	(COVBUF_OWNER_GROW | COVBUF_OWNER_UNIQUE | COVBUF_OWNER_UNIQUE_CONTEXT |                   \
	 COVBUF_OWNER_KCOV | COVBUF_OWNER_KEEP)
COVBUF_STATIC_ASSERT(KNOWN_FLAGS + COVB_FRAME_LOCAL + COVB_FRAME_DIRTY + COVB_FRAME_FILTER == 0xff,
		     "a frame has them and its own, in a byte");

static bool options_ok(const struct covbuf_owner_options *options)
{
	if (options->mode >= COVBUF_NR_MODES ||
	    options->kind > (COVB_PLAT_COUNTED ? COVBUF_COUNTED : COVBUF_RING) ||
	    options->area_class >= COVBUF_NR_CLASSES || (options->flags & ~KNOWN_FLAGS))
		return false;
	if ((options->flags & COVBUF_OWNER_KCOV) && (options->flags & COVBUF_OWNER_KEEP))
		return false;
	if (options->kind == COVBUF_RING && (options->flags & (COVBUF_OWNER_GROW | COVBUF_OWNER_KCOV)))
		return false;
	if (options->target_words && !(options->flags & COVBUF_OWNER_KCOV))
		return false;
	for (uint32_t i = 0; i < sizeof(options->reserved) / sizeof(options->reserved[0]); i++)
		if (options->reserved[i])
			return false;
	return true;
}

int covbuf_owner_create(const struct covbuf_owner_options *options, struct covbuf_owner **out)
{
	static const struct covbuf_owner_options plain;
	struct covbuf_owner *owner;
	int err = 0;

	if (!covb_attached() || !covb_plat_alive())
		return -COVB_ENOTCONN;
	if (!options)
		options = &plain;
	if (!options_ok(options))
		return -COVB_EINVAL;
	covb_plat_lock();
	/* again: a detach has given the process's slot up, or will see this owner */
	err = covb_plat_alive() ? 0 : -COVB_ENOTCONN;
	owner = err ? NULL : claim_owner_slot();
	if (!owner) {
		covb_plat_unlock();
		return err ? err : -COVB_ENOSPC;
	}
	covb_merge_wait(owner); /* the last owner's: there is nobody who could wait for it later */
	describe(owner, options);
	covb_queue_drop(owner);
	covb_plat_unlock(); /* nobody knows of it yet; a target may be large, and takes its time */
	if (options->flags & COVBUF_OWNER_KCOV)
		err = covb_target_create(owner, options->target_words);
	if (err)
		retire(&owner->rcu);
	else
		*out = owner;
	return err;
}

/* The private half of an owner that another process made: everything is recorded for it. */
COVBUF_NOINSTR struct covbuf_owner *covb_owner_adopt(uint32_t index)
{
	const struct covbuf_auto *automatic = &covb_engine.automatic;
	struct covbuf_owner *owner;
	uint64_t none = 0;

	if (index >= covb_engine.nr_owners)
		return NULL;
	owner = &covb_engine.owners[index];
	/* acquire: partner is the release of the config below; slot and generation are there before it is */
	if (covb_load_acquire(&owner->config))
		return owner;
	/* the same values whoever writes them */
	covb_store(&owner->slot, &covb_engine.owner_slots[index]);
	covb_store(&owner->index, index);
	covb_store(&owner->state, covb_load(&covb_engine.owner_slots[index].state));
	covb_store(&owner->generation, 1);
	covb_store(&owner->epoch, 1);
	covb_barrier();
	/* release: as said; acquire: who was too late has the same values, from who was not */
	covb_cas_acq_rel(&owner->config, &none,
			 COVB_CONFIG(1, automatic->mode, automatic->kind, automatic->area_class,
				     (automatic->flags & COVBUF_AUTO_UNIQUE ? COVBUF_OWNER_UNIQUE : 0) |
					     (automatic->flags & COVBUF_AUTO_UNIQUE_CONTEXT ?
						      COVBUF_OWNER_UNIQUE_CONTEXT : 0) |
					     (automatic->flags & COVBUF_AUTO_GROW ? COVBUF_OWNER_GROW : 0) |
					     (automatic->flags & COVBUF_AUTO_KEEP ? COVBUF_OWNER_KEEP : 0)));
	return owner;
}

struct covbuf_owner *covbuf_owner_get(struct covbuf_owner *owner)
{
	covb_fetch_add(&owner->refs, 1); /* relaxed: the caller has a reference */
	return owner;
}

/* ---- handles --------------------------------------------------------------------------------- */

static bool handle_ok(uint64_t handle, bool common)
{
	if (handle & ~(COVBUF_SUBSYSTEM_MASK | COVBUF_INSTANCE_MASK))
		return false;
	if ((handle & COVBUF_SUBSYSTEM_MASK) == COVBUF_SUBSYSTEM_COMMON)
		return common && (handle & COVBUF_INSTANCE_MASK);
	return !common;
}

static void remove_handles(struct covbuf_owner *owner)
{
	for (uint32_t i = 0; i < owner->nr_handles; i++)
		covb_handle_remove(owner->handles[i]);
	owner->nr_handles = 0;
	covb_store(&owner->slot->nr_handles, 0);
	if (owner->common_handle) {
		struct covbuf_context *ctx = covb_plat_context();

		if (ctx && ctx->common_handle == owner->common_handle)
			ctx->common_handle = 0;
		owner->common_handle = 0;
		covb_store(&owner->slot->common_handle, 0);
	}
	owner->remote = false;
}

static int add_handle(struct covbuf_owner *owner, uint64_t handle)
{
	int err = covb_handle_add(handle, owner);

	if (!err)
		owner->handles[owner->nr_handles++] = handle;
	return err;
}

static int add_handles(struct covbuf_owner *owner, const uint64_t *handles, uint32_t nr_handles, uint64_t common)
{
	int err = 0;

	for (uint32_t i = 0; i < nr_handles && !err; i++)
		err = add_handle(owner, handles[i]);
	if (common && !err)
		err = add_handle(owner, common);
	if (err)
		remove_handles(owner);
	return err;
}

/* ---- enable and disable ---------------------------------------------------------------------- */

/* Before an enable: no merge of the last one goes on. Without the lock, since a fork wants it; begin() looks again. */
static int wait_for_mergers(struct covbuf_owner *owner)
{
	struct covbuf_context *ctx = covb_plat_context();
	struct covb_context_private *priv = ctx ? covb_load(&ctx->priv) : NULL;

	if (COVB_PLAT_COUNTED || !covb_load(&owner->target) || is_enabled(owner) || !is_ours(owner))
		return 0;
	if (priv && priv->merging == owner->index + 1)
		return -COVB_EDEADLK;
	covb_merge_wait(owner);
	return 0;
}

static void begin(struct covbuf_owner *owner)
{
	if (is_enabled(owner))
		return;
	/* release: after the sequence became even; partner is the acquire in read_owner() of section.c */
	covb_store_release(&owner->epoch, covb_epoch_next());
	covb_queue_drop(owner); /* what an earlier enable left uncollected is stale from now on */
	if (!COVB_PLAT_COUNTED && owner->target)
		covb_merge_wait(owner); /* who merges for that enable still; who begins now drops what it finds */
	raise_sequence(owner);
}

static int start_local(struct covbuf_owner *owner, struct covbuf_context *ctx)
{
	uint64_t token = covb_local_start(ctx, owner);

	if (!token)
		return -COVB_ENOSPC;
	owner->local = ctx;
	owner->local_token = token;
	return 0;
}

int covbuf_enable(struct covbuf_owner *owner)
{
	struct covbuf_context *ctx = open_context();
	bool was_enabled;
	int err;

	if (!ctx)
		return covb_attached() ? -COVB_ESHUTDOWN : -COVB_ENOTCONN;
	err = wait_for_mergers(owner);
	if (err)
		return err;
	covb_plat_lock();
	if (!is_ours(owner)) {
		err = -COVB_EPERM;
		goto unlock;
	}
	if (owner->local) {
		err = -COVB_EBUSY;
		goto unlock;
	}
	was_enabled = is_enabled(owner);
	begin(owner);
	err = start_local(owner, ctx);
	if (err && !was_enabled)
		raise_sequence(owner);
unlock:
	covb_plat_unlock();
	return err;
}

int covbuf_remote_enable(struct covbuf_owner *owner, const uint64_t *handles, uint32_t nr_handles,
			 uint64_t common_handle)
{
	struct covbuf_context *ctx = open_context();
	int err;

	if (!ctx)
		return covb_attached() ? -COVB_ESHUTDOWN : -COVB_ENOTCONN;
	if (nr_handles > COVBUF_REMOTE_MAX_HANDLES || (nr_handles && !handles))
		return -COVB_EINVAL;
	if (!COVB_PLAT_COUNTED && !nr_handles && !common_handle) /* KCOV allows it */
		return -COVB_EINVAL;
	for (uint32_t i = 0; i < nr_handles; i++)
		if (!handle_ok(handles[i], false))
			return -COVB_EINVAL;
	if (common_handle && !handle_ok(common_handle, true))
		return -COVB_EINVAL;
	err = wait_for_mergers(owner);
	if (err)
		return err;
	covb_plat_lock();
	if (!is_ours(owner)) {
		err = -COVB_EPERM;
		goto unlock;
	}
	if (owner->remote) {
		err = -COVB_EBUSY;
		goto unlock;
	}
	err = add_handles(owner, handles, nr_handles, common_handle);
	if (err)
		goto unlock;
	owner->remote = true;
	covb_store(&owner->slot->nr_handles, owner->nr_handles);
	if (common_handle) {
		owner->common_handle = common_handle;
		covb_store(&owner->slot->common_handle, common_handle);
		ctx->common_handle = common_handle;
	}
	begin(owner);
unlock:
	covb_plat_unlock();
	return err;
}

/* Under the lock. */
static int stop_local(struct covbuf_owner *owner, struct covbuf_context *ctx)
{
	struct covb_frame *top;
	int err;

	if (!owner->local)
		return 0;
	if (owner->local != ctx)
		return -COVB_EINVAL;
	/* counted: a program does not know what modules left open in its task; it ends as abandoned */
	top = covb_load(&ctx->top);
	if (!COVB_PLAT_COUNTED && (!top || top->token != owner->local_token))
		return -COVB_EBUSY;
	err = covb_section_stop(ctx, owner->local_token);
	if (err)
		return err;
	owner->local = NULL;
	owner->local_token = 0;
	return 0;
}

/*
 * What found a handle of this enable and did not get far finds the owner changed, though it may be enabled
 * again, with other handles. The sequence is even.
 */
static void raise_generation(struct covbuf_owner *owner)
{
	uint64_t config = owner->config & UINT32_MAX;

	covb_store(&owner->generation, owner->generation + 1);
	/* release: after the sequence has become even; partner is the acquire in read_owner() of section.c */
	covb_store_release(&owner->config, (uint64_t)owner->generation << 32 | config);
}

static int disable_locked(struct covbuf_owner *owner)
{
	int err;

	if (!is_ours(owner))
		return -COVB_EPERM;
	if (!is_enabled(owner))
		return -COVB_EINVAL;
	/* first the local area, which belongs to this enable; then the sequence, which ends it */
	err = stop_local(owner, covb_plat_context());
	if (err)
		return err;
	remove_handles(owner);
	raise_sequence(owner);
	raise_generation(owner);
	return 0;
}

/*
 * The context that enabled it is closed: it collects nothing any more, from here on. Any level; beside
 * nothing else that changes the owner. The rest is covb_owner_settle()'s.
 */
COVBUF_NOINSTR void covb_owner_cut(struct covbuf_owner *owner)
{
	if (is_enabled(owner))
		raise_sequence(owner);
}

/* What a disable does besides, for an owner that was cut. It does not wait. Sleeping level. */
void covb_owner_settle(struct covbuf_owner *owner)
{
	covb_plat_lock();
	owner->local = NULL;
	owner->local_token = 0;
	owner->common_handle = 0; /* its context is gone; another's is not ours to change */
	covb_store(&owner->slot->common_handle, 0);
	remove_handles(owner);
	raise_generation(owner);
	covb_plat_unlock();
}

/* Sleeping level. */
int covb_owner_configure(struct covbuf_owner *owner, const struct covb_enable *enable)
{
	int err = 0;

	covb_plat_lock();
	if (is_enabled(owner)) {
		err = -COVB_EBUSY;
	} else {
		/* release: after the sequence became even; partner is the acquire in read_owner() of section.c */
		covb_store_release(&owner->config,
				   COVB_CONFIG(owner->generation, enable->mode, COVB_CONFIG_KIND(owner->config),
					       enable->area_class, COVB_CONFIG_FLAGS(owner->config)));
		covb_store(&owner->slot->mode, enable->mode);
		covb_store(&owner->slot->area_class, enable->area_class);
		owner->seen_words = enable->seen_words;
		covb_store(&owner->section_words, enable->section_words);
	}
	covb_plat_unlock();
	return err;
}

int covbuf_disable(struct covbuf_owner *owner)
{
	int err;

	covb_plat_lock();
	err = disable_locked(owner);
	covb_plat_unlock();
	return err;
}

/* Counted areas: a section that found none gets none. */
static bool may_record(const struct covb_frame *frame)
{
	return frame->kind != COVB_KIND_VOID || (!COVB_PLAT_COUNTED && !(frame->flags & COVB_FRAME_FILTER));
}

/* The caller has a section of the owner open, or a signal handler of it interrupted a merge. */
static bool would_deadlock(const struct covbuf_owner *owner)
{
	struct covbuf_context *ctx = covb_plat_context();
	struct covb_context_private *priv = ctx ? covb_load(&ctx->priv) : NULL;
	const struct covb_frame *frame = ctx ? covb_load(&ctx->top) : NULL;

	if (priv && priv->merging == owner->index + 1)
		return true;
	for (; frame; frame = frame->prev)
		if (may_record(frame) && frame->owner == owner->index && !(frame->flags & COVB_FRAME_LOCAL))
			return true;
	return false;
}

int covbuf_disable_wait(struct covbuf_owner *owner)
{
	int err;

	if (would_deadlock(owner))
		return -COVB_EDEADLK;
	err = covbuf_disable(owner);
	if (!err)
		covb_merge_wait(owner);
	return err;
}

int covbuf_reset(struct covbuf_owner *owner)
{
	struct covbuf_context *ctx = covb_plat_context();
	bool local;
	int err;

	covb_plat_lock();
	local = owner->local != NULL;
	if (!is_ours(owner))
		err = -COVB_EPERM;
	else
		err = is_enabled(owner) ? stop_local(owner, ctx) : -COVB_EINVAL;
	if (err)
		goto unlock;
	raise_sequence(owner);
	covb_merge_wait(owner);
	covb_target_clear(owner);
	begin(owner);
	if (local)
		err = start_local(owner, ctx);
unlock:
	covb_plat_unlock();
	return err;
}

void covbuf_owner_put(struct covbuf_owner *owner)
{
	/* acq_rel: partner is itself; what was done with the other references is done before the owner goes */
	if (covb_fetch_add_acq_rel(&owner->refs, -1u) != 1 || !is_ours(owner))
		return;
	covb_plat_lock();
	if (is_enabled(owner) && disable_locked(owner)) {
		/* another thread collects for it: its area goes back as stale when that thread pops it */
		remove_handles(owner);
		raise_sequence(owner);
	}
	owner->local = NULL;
	/* one enable further: a section that is on its way to the queue now does not end as just disabled */
	raise_sequence(owner);
	raise_sequence(owner);
	covb_merge_wait(owner);
	covb_queue_drop(owner);
	covb_target_destroy(owner);
	covb_plat_unlock();
	covb_plat_call_rcu(&owner->rcu, retire);
}
