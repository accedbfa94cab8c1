/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Sections: what a context does on behalf of an owner.
 *
 * start: see that the owner is enabled, push a frame, which mostly has no area until the section's first
 * record. stop: pop, hand over. An owner needs no reference while its sections run: its slot is type-stable,
 * and its sequence, which never goes back, tells at the stop and to the reader whether the section is still
 * wanted.
 */
#include "engine.h"

/* Two fields of 32 bits at once, or mode, kind, flags and next, which are not needed before the area is queued. */
static COVBUF_NOINSTR void store_pair(void *first, uint64_t value)
{
	typedef uint64_t __attribute__((__may_alias__)) pair;

	COVB_STORE_NEW((pair *)first, value);
}

COVBUF_STATIC_ASSERT(offsetof(struct covbuf_area, mode) % 8 == 0 && offsetof(struct covbuf_area, kind) % 8 == 1 &&
		     offsetof(struct covbuf_area, owner) % 8 == 0 && offsetof(struct covbuf_area, context) % 8 == 4 &&
		     offsetof(struct covbuf_area, pid) % 8 == 0 && offsetof(struct covbuf_area, tid) % 8 == 4 &&
		     offsetof(struct covbuf_area, module_generation) % 8 == 0 &&
		     offsetof(struct covbuf_area, serial) % 8 == 4, "pairs, little-endian");

/* Write down whose area this is, for readers; then make it what that says. */
COVBUF_NOINSTR void covb_area_describe(struct covbuf_context *ctx, struct covb_frame *frame)
{
	struct covb_context_private *priv = ctx->priv;
	struct covbuf_area *area = &covb_engine.areas[frame->area];
	uint64_t nr_words = (uint64_t)(frame->end - frame->start);

	if (COVBUF_UNLIKELY(frame->kind == COVBUF_RING))
		nr_words = (frame->mask + 1) * (frame->mode == COVBUF_MODE_CMP ? COVBUF_CMP_WORDS : 1);
	COVB_STORE_NEW(&area->nr_words, (uint32_t)nr_words);
	store_pair(&area->mode, (uint64_t)frame->kind << 8 | frame->mode);
	store_pair(&area->owner, (uint64_t)(priv->index + 1) << 32 | (frame->owner + 1));
	covb_store(&area->sequence, frame->sequence);
	covb_store(&area->handle, frame->handle);
	store_pair(&area->pid, (uint64_t)priv->tid << 32 | priv->pid);
	store_pair(&area->module_generation, (uint64_t)frame->serial << 32 | covb_load(covb_engine.module_generation));
	COVB_STORE_NEW(&area->filled_words, 0);
	covb_store(&area->token, frame->token);
	COVB_STORE_NEW(&area->images, covb_load(&covb_engine.images));
	/*
	 * Described, then written to: an observer that has seen a record and then looks at the description
	 * again sees this one. Partner: the acquire between the two in shm/view_words.c. Without it records
	 * could be taken for the area's last user's.
	 */
	covb_wmb();
	if (!COVB_PLAT_COUNTED && COVBUF_UNLIKELY(frame->kind == COVBUF_RING))
		covb_ring_make(frame);
}

static COVBUF_NOINSTR struct covb_frame *get_area(struct covbuf_context *ctx, uint64_t config)
{
	struct covb_frame *frame = covb_pool_take(ctx, COVB_CONFIG_CLASS(config));

	if (!frame)
		return NULL;
	frame->token = (uint64_t)(frame->area + 1) << 32 | (uint32_t)COVBUF_FLAG_GENERATION(covb_load(&frame->flag));
	covb_frame_prepare(frame, COVB_CONFIG_MODE(config), COVB_CONFIG_KIND(config));
	return frame;
}

/* Make the frame one without an area; the first record that finds one in the pool puts that in its place. */
static COVBUF_NOINSTR void set_void(struct covb_frame *frame, uint64_t config)
{
	frame->area_class = (uint8_t)COVB_CONFIG_CLASS(config);
	frame->wanted_kind = (uint8_t)COVB_CONFIG_KIND(config);
	if (COVB_PLAT_COUNTED) {
		covb_frame_prepare(frame, COVB_CONFIG_MODE(config), COVB_KIND_VOID);
		return;
	}
	frame->successor = NULL;
	frame->mode = (uint8_t)COVB_CONFIG_MODE(config); /* the rest is prepared */
}

/* What a section needs to know of its owner, as it was at one time. */
struct owner_now {
	uint64_t sequence, config;
	uint32_t epoch;
};

/* False: the owner is not enabled, or it is another one by now. */
static COVBUF_NOINSTR bool read_owner(const struct covbuf_owner *owner, uint32_t generation, struct owner_now *now)
{
	/*
	 * acquire, then acquire: the sequence before the config and again after it. Partner: the release
	 * in raise_sequence() of owner.c; config and epoch change only while the sequence is even, so the same
	 * odd value twice means that these are its.
	 */
	const struct covbuf_owner_slot *slot = owner->slot;

	now->sequence = covb_load_acquire(&slot->sequence);
	now->config = covb_load_acquire(&owner->config);
	now->epoch = COVB_PLAT_COUNTED ? 0 : covb_load_acquire(&owner->epoch);
	return (now->sequence & 1) && COVB_CONFIG_GENERATION(now->config) == generation &&
	       covb_load(&slot->sequence) == now->sequence &&
	       /* after the sequence: then it was one of the owner that the handle meant */
	       (COVB_PLAT_COUNTED || COVBUF_LIKELY(!covb_engine.inherited) || covb_load(&slot->state) == owner->state);
}

/* What is the same of a frame whether it has an area or not. */
static COVBUF_NOINSTR void fill_in(struct covbuf_context *ctx, struct covb_frame *frame,
				   const struct covbuf_owner *owner, const struct owner_now *now, uint64_t handle,
				   uint16_t flags)
{
	const uint32_t kept = COVB_PLAT_COUNTED ? 0 : COVB_FRAME_GROW | COVB_FRAME_KEEP;

	covb_store(&frame->owner, owner->index);
	covb_store(&frame->level, covb_plat_level());
	frame->sequence = now->sequence;
	frame->handle = handle;
	if (!COVB_PLAT_COUNTED) {
		frame->held = NULL;
		frame->serial = 0;
		frame->grown_seen = 0;
		frame->refusals = 0;
	}
	frame->flags = (uint16_t)((COVB_CONFIG_FLAGS(now->config) & kept) | flags);
	covb_section_prepare(ctx, frame, now->epoch, COVB_CONFIG_FLAGS(now->config));
}

/* With an area, or a frame that counts what it is given until there is one. */
static COVBUF_NOINSTR covbuf_token start_at_once(struct covbuf_context *ctx, const struct covbuf_owner *owner,
					    const struct owner_now *now, uint64_t handle, uint16_t flags)
{
	struct covb_frame *frame;

	if (!COVB_PLAT_COUNTED)
		covb_prefetch_write(&owner->slot->queue); /* for a short section's stop */
	frame = get_area(ctx, now->config);
	if (!frame) {
		frame = covb_context_void(ctx);
		if (frame)
			set_void(frame, now->config);
	}
	if (COVB_PLAT_COUNTED && frame && frame->kind == COVB_KIND_VOID && covb_void_again(ctx, frame))
		return covb_load(&ctx->top)->token;
	if (COVB_PLAT_COUNTED && !frame && covb_refuse(ctx, COVB_CONFIG_MODE(now->config)))
		return covb_load(&ctx->top)->token;
	if (!frame) {
		/* counted: NO_AREA counts records only there */
		covb_count(ctx, COVB_PLAT_COUNTED ? COVBUF_LOST_SHUT : COVBUF_LOST_NO_AREA);
		return 0;
	}
	fill_in(ctx, frame, owner, now, handle, flags);
	/* counted: what the merger needs to know of an area is written down when it is queued */
	if (!COVB_PLAT_COUNTED && COVBUF_LIKELY(frame->kind != COVB_KIND_VOID))
		covb_area_describe(ctx, frame);
	covb_context_push(ctx, frame);
	return frame->token;
}

/*
 * Whether the section may begin without an area, and have one when it records something. Most sections that
 * mark sites never do. Those of a context are mostly alike: after one that did they begin with one, which is
 * cheaper for those that do.
 */
static COVBUF_NOINSTR bool may_wait(const struct covbuf_context *ctx, uint64_t config, uint16_t flags)
{
	const struct covb_context_private *priv = ctx->priv;

	return !COVB_PLAT_COUNTED && !(flags & COVB_FRAME_LOCAL) && COVB_CONFIG_KIND(config) == COVBUF_LINEAR &&
	       !priv->recorded;
}

/*
 * Start a section for the owner if it is enabled and still of this generation. The context is open.
 * Any level; lock-free. 0: it was not started, and that is counted.
 */
COVBUF_NOINSTR covbuf_token covb_section_start(struct covbuf_context *ctx, struct covbuf_owner *owner,
					       uint32_t generation, uint64_t handle, uint16_t flags)
{
	struct owner_now now;
	struct covb_frame *frame;

	if (!read_owner(owner, generation, &now)) {
		covb_count(ctx, COVBUF_LOST_UNKNOWN);
		return 0;
	}
	if (may_wait(ctx, now.config, flags)) {
		frame = covb_context_next_void(ctx);
		if (COVBUF_LIKELY(frame)) {
			set_void(frame, now.config);
			fill_in(ctx, frame, owner, &now, handle, flags);
			covb_context_push(ctx, frame);
			return frame->token;
		}
	}
	return start_at_once(ctx, owner, &now, handle, flags);
}

/* Popped by somebody else than its own stop: an append in it may have been cut short. */
COVB_RARE void covb_section_abandoned(struct covbuf_context *ctx, struct covb_frame *frame)
{
	frame->flags |= COVB_FRAME_DIRTY;
	if (!(frame->flags & COVB_FRAME_FILTER))
		covb_count(ctx, COVBUF_LOST_ABANDONED);
}

/* Pop what was left above the section's frame. */
static COVB_RARE int abandon_above(struct covbuf_context *ctx, uint64_t token)
{
	struct covb_frame *frame = covb_context_find(ctx, token);
	uint64_t *cursor;

	if (!frame)
		return -COVB_EINVAL;
	if (frame->level != covb_plat_level())
		return -COVB_EBUSY;
	while ((frame = covb_load(&ctx->top)) != NULL && frame->token != token) {
		frame = covb_context_pop(ctx, &cursor);
		covb_section_abandoned(ctx, frame);
		covb_handoff(ctx, frame, cursor);
	}
	return 0;
}

/* Pop down to and including the section's frame, and hand over all that was popped. */
COVBUF_NOINSTR int covb_section_stop(struct covbuf_context *ctx, uint64_t token)
{
	struct covb_frame *frame = covb_load(&ctx->top);
	uint64_t *cursor;
	int err = 0;

	if (COVBUF_UNLIKELY(!frame || frame->token != token))
		err = abandon_above(ctx, token);
	else if (COVBUF_UNLIKELY(frame->level != covb_plat_level()))
		err = -COVB_EBUSY;
	if (COVBUF_UNLIKELY(err))
		return err;
	frame = covb_context_pop(ctx, &cursor);
	if (COVBUF_UNLIKELY(!frame))
		return -COVB_EINVAL;
	covb_handoff(ctx, frame, cursor);
	return 0;
}
