/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Areas in KCOV's layout, where nothing that interrupts an append appends to the same area: word 0 is the
 * number of records, which follow. What stack.c, append.c and target.c are elsewhere.
 *
 * A cursor points at the count of an area; a shut one at a count that is more than fits anywhere, so that
 * an append needs no test for it. How many records fit, and which task and level they come from, stand
 * beside it, and all of it together is what a push changes and a pop puts back. Whatever interrupts a
 * switch, and pushes and pops in turn, leaves what it found, so each switch puts back what it read before
 * it changed anything, and not what it could work out from the frames: in the middle of a switch the two
 * are not the same.
 */
#include "engine.h"

/* What shut cursors point at. */
uint64_t covb_shut_word[1] = { ~0ull };

/* What a section without an area appends to: no capacity goes with it. */
uint64_t covb_void_word[1];

COVBUF_NOINSTR void covb_context_shut(struct covbuf_context *ctx)
{
	for (uint32_t i = 0; i < COVBUF_NR_MODES; i++)
		covb_store(&ctx->cursor[i], covb_shut_word);
}

static COVBUF_NOINSTR uint64_t capacity_of(const struct covb_frame *frame)
{
	uint64_t nr_words = (uint64_t)(frame->end - frame->start);

	if (nr_words > frame->limit_words)
		nr_words = frame->limit_words;
	if (!nr_words)
		return 0;
	return (nr_words - 1) / (frame->mode == COVBUF_MODE_CMP ? COVBUF_CMP_WORDS : 1);
}

COVBUF_NOINSTR void covb_frame_prepare(struct covb_frame *frame, uint32_t mode, uint32_t kind)
{
	frame->mode = (uint8_t)mode;
	frame->kind = (uint8_t)kind;
	frame->misses = 0;
	frame->refused_at = 0;
	frame->seen = NULL;
	if (kind == COVB_KIND_VOID) {
		frame->start = covb_void_word;
		frame->end = covb_void_word;
	}
}

/*
 * A section without an area, in one without an area either, is part of that one: it counts the same, and is
 * remembered there until its stop. So sections that find no area nest to any depth. False: it stands alone.
 */
COVBUF_NOINSTR bool covb_void_again(struct covbuf_context *ctx, struct covb_frame *frame)
{
	struct covb_frame *top = covb_load(&ctx->top);

	if (!top || top->kind != COVB_KIND_VOID || top->mode != frame->mode || top->level != covb_plat_level(ctx))
		return false;
	covb_void_give(ctx, frame);
	covb_missed_start(top);
	return true;
}

static COVBUF_NOINSTR void read_open(const struct covbuf_context *ctx, struct covb_open *open)
{
	for (uint32_t i = 0; i < COVBUF_NR_MODES; i++)
		open->cursor[i] = covb_load(&ctx->cursor[i]);
	open->capacity = covb_load(&ctx->capacity);
	open->seen = covb_load(&ctx->seen);
	open->nr_seen = covb_load(&ctx->nr_seen);
	open->collects = covb_load(&ctx->collects);
}

/* Nothing that comes in between finds a cursor that is not of this capacity and level. */
static COVBUF_NOINSTR void set_open(struct covbuf_context *ctx, const struct covb_open *open, struct covb_frame *top)
{
	covb_context_shut(ctx);
	covb_barrier(); /* same CPU: shut, then changed */
	covb_store(&ctx->top, top);
	covb_store(&ctx->capacity, open->capacity);
	covb_store(&ctx->seen, open->seen);
	covb_store(&ctx->nr_seen, open->nr_seen);
	covb_store(&ctx->collects, open->collects);
	covb_barrier(); /* same CPU: changed, then opened */
	for (uint32_t i = 0; i < COVBUF_NR_MODES; i++)
		covb_store(&ctx->cursor[i], open->cursor[i]);
}

/* A start that pushed no frame is remembered where it would have stood. */
COVBUF_NOINSTR void covb_missed_start(struct covb_frame *frame)
{
	frame->misses++;
	frame->refused_modes = frame->refused_modes << 1 | (frame->refused_modes & 1);
}

static COVBUF_NOINSTR void count_only(struct covbuf_context *ctx, struct covb_frame *top)
{
	struct covb_open open = {
		.cursor = { covb_shut_word, covb_shut_word }, .collects = covb_plat_collects(top->level),
	};

	open.cursor[top->refused_modes & 1] = covb_void_word;
	set_open(ctx, &open, top);
}

/*
 * A section that finds not even a frame: until its stop what is on top counts what it is given as lost, as a
 * frame without an area would, and records nothing. So do sections within it, each in its own mode, if no more
 * than 64 nest. False: nothing of this level is on top.
 */
COVBUF_NOINSTR bool covb_refuse(struct covbuf_context *ctx, uint32_t mode)
{
	struct covb_frame *top = covb_load(&ctx->top);

	if (!top || top->level != covb_plat_level(ctx))
		return false;
	covb_missed_start(top);
	top->refused_modes = (top->refused_modes & ~1ull) | mode;
	if (!top->refused_at) {
		top->refused_at = top->misses;
		read_open(ctx, &top->refused);
	}
	count_only(ctx, top);
	return true;
}

COVBUF_NOINSTR void covb_missed_stop(struct covbuf_context *ctx, struct covb_frame *frame)
{
	frame->refused_modes >>= 1;
	if (frame->misses-- == frame->refused_at) {
		frame->refused_at = 0;
		set_open(ctx, &frame->refused, frame);
	} else if (frame->refused_at) {
		count_only(ctx, frame);
	}
}

COVBUF_NOINSTR void covb_context_push(struct covbuf_context *ctx, struct covb_frame *frame, uint32_t mode,
				      uint32_t epoch)
{
	struct covb_open open = {
		.cursor = { covb_shut_word, covb_shut_word },
		.capacity = capacity_of(frame), .collects = covb_plat_collects(frame->level),
		.seen = frame->seen, .nr_seen = frame->nr_seen,
	};

	(void)epoch;
	open.cursor[mode] = frame->start;
	read_open(ctx, &frame->interrupted);
	frame->prev = covb_load(&ctx->top);
	set_open(ctx, &open, frame);
}

/* *cursor: of no use here; the area has its count. */
COVBUF_NOINSTR struct covb_frame *covb_context_pop(struct covbuf_context *ctx, struct covb_frame *frame,
						   uint64_t **cursor)
{
	*cursor = NULL;
	set_open(ctx, &frame->interrupted, frame->prev);
	return frame;
}

/* KCOV's: the size that an enable asks for holds for tasks; softirqs have areas of a size of their own. */
COVBUF_NOINSTR uint32_t covb_section_prepare(struct covbuf_context *ctx, struct covb_frame *frame, uint32_t owner_epoch)
{
	(void)ctx;
	(void)owner_epoch;
	frame->limit_words = frame->level ? UINT64_MAX : covb_load(&covb_engine.owners[frame->owner].section_words);
	return 0;
}

uint32_t covb_epoch_next(void)
{
	return 0;
}

/* ---- the target ------------------------------------------------------------------------------ */

int covb_target_create(struct covbuf_owner *owner, uint64_t nr_words)
{
	uint64_t *words;

	if (nr_words < 2)
		return -COVB_EINVAL;
	owner->frame = covb_plat_zalloc(sizeof(*owner->frame));
	if (!owner->frame)
		return -COVB_ENOMEM;
	words = covb_plat_target_alloc(nr_words);
	if (!words) {
		covb_plat_free(owner->frame);
		owner->frame = NULL;
		return -COVB_ENOMEM;
	}
	owner->target_words = nr_words;
	covb_store(&owner->target, words);
	return 0;
}

/* Nobody merges, and nobody that finds the owner now will: see covb_merge(). */
void covb_target_destroy(struct covbuf_owner *owner)
{
	uint64_t *words = owner->target;

	if (!words)
		return;
	covb_store(&owner->target, (uint64_t *)NULL);
	covb_plat_target_free(words);
	covb_plat_free(owner->frame);
	owner->frame = NULL;
}

/* No area's and no void frame's: those have a number, and bit 63. */
#define LOCAL_TOKEN(owner) (1ull << 62 | (uint64_t)(owner)->index << 32 | (owner)->generation)

/* The calling task records into the target itself. */
uint64_t covb_local_start(struct covbuf_context *ctx, struct covbuf_owner *owner)
{
	struct covb_frame *frame = owner->frame;

	covb_frame_prepare(frame, COVB_CONFIG_MODE(owner->config), COVBUF_COUNTED);
	frame->start = owner->target + owner->seen_words;
	frame->end = owner->target + owner->target_words;
	/* unique: a bit per site in the words before the count */
	frame->seen = owner->seen_words ? (uint32_t *)owner->target : NULL;
	frame->nr_seen = owner->seen_words > UINT32_MAX / 64 ? UINT32_MAX : (uint32_t)(owner->seen_words * 64);
	frame->limit_words = UINT64_MAX;
	frame->area = ~0u;
	frame->owner = owner->index;
	frame->sequence = covb_load(&owner->slot->sequence);
	frame->handle = 0;
	frame->level = covb_plat_level(ctx);
	frame->flags = COVB_FRAME_LOCAL;
	frame->token = LOCAL_TOKEN(owner);
	frame->count_at_start = covb_load(frame->start);
	covb_context_push(ctx, frame, frame->mode, 0);
	return frame->token;
}

/* As far as the client lets us know: it may have set the count to anything. */
COVBUF_NOINSTR void covb_local_stopped(struct covb_frame *frame)
{
	struct covbuf_owner *owner = &covb_engine.owners[frame->owner];
	uint64_t count = covb_load(frame->start), capacity = capacity_of(frame);

	if (count > capacity)
		count = capacity;
	if (count >= frame->count_at_start)
		count -= frame->count_at_start;
	covb_store(&owner->records, owner->records + count);
}
