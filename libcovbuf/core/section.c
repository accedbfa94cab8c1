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
	frame->flags = (uint8_t)COVB_CONFIG_FLAGS(config);
	if (!COVB_PLAT_COUNTED) {
		frame->held = NULL;
		frame->serial = 0;
	}
	return frame;
}

/*
 * Make the frame one without an area; the first record that finds one in the pool puts that in its place. While it is
 * free it holds none, and area, start and end are set; but a successor may still be named.
 */
static COVBUF_NOINSTR void set_void(struct covb_frame *frame, uint64_t config)
{
	frame->without_area = COVB_WITHOUT_AREA(config);
	if (COVB_PLAT_COUNTED)
		covb_frame_prepare(frame, COVB_CONFIG_MODE(config), COVB_KIND_VOID);
	else
		frame->successor = NULL;
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
	return COVBUF_LIKELY(now->sequence & 1) && COVBUF_LIKELY(COVB_CONFIG_GENERATION(now->config) == generation) &&
	       covb_load(&slot->sequence) == now->sequence &&
	       /* after the sequence: then it was one of the owner that the handle meant */
	       (COVB_PLAT_COUNTED || COVBUF_LIKELY(!covb_engine.inherited) || covb_load(&slot->state) == owner->state);
}

/* What is the same of a frame whether it has an area or not. */
static COVBUF_NOINSTR void fill_in(struct covbuf_context *ctx, struct covb_frame *frame,
				   const struct covbuf_owner *owner, uint64_t sequence, uint64_t handle)
{
	if (!COVB_PLAT_COUNTED) {
		frame->grown_seen = 0;
		frame->refusals = 0;
	}
	covb_store(&frame->owner, owner->index);
	covb_store(&frame->level, covb_plat_level(ctx));
	frame->sequence = sequence;
	frame->handle = handle;
}

/*
 * Whether a section of linear areas may begin without one, and have one when it records something. Most sections that
 * mark sites never do. Those of a context are mostly alike: after one that did they begin with one, which is
 * cheaper for those that do.
 */
static COVBUF_NOINSTR bool may_wait(const struct covbuf_context *ctx)
{
	const struct covb_context_private *priv = ctx->priv;

	return !COVB_PLAT_COUNTED && !priv->recorded;
}

/* Any section. Not inlined, so that one that is plain and waits spends nothing for it. */
static COVB_WARM COVB_LONG covbuf_token start_any(struct covbuf_context *ctx, const struct covbuf_owner *owner,
						  uint64_t handle, uint64_t sequence, uint64_t config,
						  uint32_t epoch)
{
	struct covb_frame *frame = NULL;

	if (!(config & COVB_CONFIG(0, 0, 0xff, 0, COVB_FRAME_LOCAL)) && may_wait(ctx)) {
		frame = covb_context_next_void(ctx);
		if (!frame)
			frame = covb_context_void(ctx);
	}
	if (!frame) {
		if (!COVB_PLAT_COUNTED)
			covb_prefetch_write(&owner->slot->queue); /* for a short section's stop */
		frame = get_area(ctx, config);
	}
	if (!frame)
		frame = covb_context_void(ctx);
	if (frame && frame->kind == COVB_KIND_VOID)
		set_void(frame, config);
	if (COVB_PLAT_COUNTED && frame && frame->kind == COVB_KIND_VOID && covb_void_again(ctx, frame))
		return covb_load(&ctx->top)->token;
	if (COVB_PLAT_COUNTED && !frame && covb_refuse(ctx, COVB_CONFIG_MODE(config)))
		return covb_load(&ctx->top)->token;
	if (!frame) {
		/* counted: NO_AREA counts records only there */
		covb_count(ctx, COVB_PLAT_COUNTED ? COVBUF_LOST_SHUT : COVBUF_LOST_NO_AREA);
		return 0;
	}
	fill_in(ctx, frame, owner, sequence, handle);
	epoch = covb_section_prepare(ctx, frame, epoch);
	/* counted: what the merger needs to know of an area is written down when it is queued */
	if (!COVB_PLAT_COUNTED && COVBUF_LIKELY(frame->kind != COVB_KIND_VOID))
		covb_area_describe(ctx, frame);
	covb_context_push(ctx, frame, COVB_CONFIG_MODE(config), epoch);
	return frame->token;
}

/* A plain section is one of program counters in linear areas, each site in all threads' marks, or in none. */
#define NOT_PLAIN COVB_CONFIG(0, 0xff, 0xff, 0, COVBUF_OWNER_UNIQUE_CONTEXT | COVB_FRAME_LOCAL)
COVBUF_STATIC_ASSERT(COVBUF_MODE_PC == 0 && COVBUF_LINEAR == 0, "plain");

/*
 * Start a section for the owner if it is enabled and still of this generation. The context is open. flags: of the
 * frame, beside the owner's. Any level; lock-free. 0: it was not started, and that is counted.
 */
COVBUF_NOINSTR covbuf_token covb_section_start(struct covbuf_context *ctx, struct covbuf_owner *owner,
					       uint32_t generation, uint64_t handle, uint8_t flags)
{
	struct owner_now now;
	struct covb_frame *frame;
	covbuf_token token;

	if (COVBUF_UNLIKELY(!read_owner(owner, generation, &now))) {
		covb_count(ctx, COVBUF_LOST_UNKNOWN);
		return 0;
	}
	now.config |= COVB_CONFIG(0, 0, 0, 0, flags);
	if (COVBUF_LIKELY(!(now.config & NOT_PLAIN) && may_wait(ctx))) {
		frame = covb_context_next_void(ctx);
		if (COVBUF_LIKELY(frame)) {
			token = frame->token;
			set_void(frame, now.config);
			fill_in(ctx, frame, owner, now.sequence, handle);
			covb_context_push(ctx, frame, COVBUF_MODE_PC,
					  COVB_CONFIG_FLAGS(now.config) & COVBUF_OWNER_UNIQUE ? now.epoch :
												COVBUF_EPOCH_NONE);
			return token;
		}
	}
	return start_any(ctx, owner, handle, now.sequence, now.config, now.epoch);
}

/* Popped by somebody else than its own stop: an append in it may have been cut short. */
COVB_RARE void covb_section_abandoned(struct covbuf_context *ctx, struct covb_frame *frame)
{
	frame->flags |= COVB_FRAME_DIRTY;
	if (!(frame->flags & COVB_FRAME_FILTER))
		covb_count(ctx, COVBUF_LOST_ABANDONED);
}

/* The section's frame is not on top: what was left above it goes first. */
static COVB_RARE int stop_below(struct covbuf_context *ctx, uint64_t token)
{
	struct covb_frame *frame = covb_context_find(ctx, token);
	uint64_t *cursor;
	bool found = false;

	if (!frame)
		return -COVB_EINVAL;
	if (frame->level != covb_plat_level(ctx))
		return -COVB_EBUSY;
	while (!found && (frame = covb_load(&ctx->top)) != NULL) {
		found = frame->token == token;
		frame = covb_context_pop(ctx, frame, &cursor);
		if (!found)
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

	if (COVBUF_UNLIKELY(!frame || frame->token != token))
		return stop_below(ctx, token);
	if (COVBUF_UNLIKELY(frame->level != covb_plat_level(ctx)))
		return -COVB_EBUSY;
	frame = covb_context_pop(ctx, frame, &cursor);
	return covb_handoff(ctx, frame, cursor);
}
