/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Merging, for owners that want KCOV's single area: word 0 is the number of records, which follow.
 *
 * Whoever finds the merge flag clear sets it, moves what is queued into the target, clears the flag and
 * looks at the queue again. Whoever finds it set leaves. Between clear and look, and between push and
 * test of the flag, stands a full fence: with anything weaker an area can be left on the queue with
 * nobody coming back for it.
 *
 * The reader may store 0 to word 0 at any time, so the count is tested before it is added to, and read
 * anew for each area.
 */
#include "engine.h"
#include "line.h"

/* Copied, counted and zeroed together: it stays in the nearest cache meanwhile. Whole lines. */
#define BLOCK_WORDS 256

/* Some slots of a line hold nothing, or not all records fit. Returns where the next one goes. */
static COVB_LONG uint64_t *copy_slots(uint64_t *next, const uint64_t *end, const uint64_t *words, uint32_t step,
				      uint64_t *lost)
{
	for (uint32_t i = 0; i < COVB_LINE_WORDS; i += step) {
		uint64_t key = covb_load(&words[i + step - 1]);

		if (!key)
			continue;
		if (next == end) {
			++*lost;
			continue;
		}
		for (uint32_t j = 0; j + 1 < step; j++)
			covb_store(next++, covb_load(&words[i + j]));
		covb_store(next++, key);
	}
	return next;
}

/* step is known when this is compiled. */
COVBUF_INLINE COVBUF_NOINSTR uint64_t *copy_lines(uint64_t *next, const uint64_t *end, const uint64_t *words,
						  uint64_t nr_words, uint32_t step, uint64_t *lost)
{
	for (uint64_t i = 0; i < nr_words; i += COVB_LINE_WORDS) {
		const struct covb_line line = covb_line_load(words + i);

		if (COVBUF_LIKELY(covb_line_full(&line, step) && end - next >= COVB_LINE_WORDS)) {
			covb_line_store(next, &line);
			next += COVB_LINE_WORDS;
		} else if (covb_line_any(&line)) {
			next = copy_slots(next, end, words + i, step, lost);
		}
	}
	return next;
}

static COVBUF_NOINSTR uint32_t step_of(const struct covb_frame *frame)
{
	return frame->mode == COVBUF_MODE_CMP ? COVBUF_CMP_WORDS : 1;
}

/*
 * Records of an area into the target. Block by block the count says so before the records go: if the process is
 * killed in between, those of one block are there twice, and none is missing.
 */
static COVB_LONG void move_records(struct covbuf_owner *owner, const struct covb_frame *from, uint64_t nr_words)
{
	const uint32_t step = step_of(from);
	const uint64_t capacity = (owner->target_words - 1) / step;
	uint64_t count = covb_load(&owner->target[0]);
	uint64_t *const records = owner->target + 1, *const end = records + capacity * step;
	uint64_t *next = records + (count < capacity ? count : capacity) * step;

	for (uint64_t i = 0; i < nr_words; i += BLOCK_WORDS) {
		uint64_t *block = from->start + i;
		uint64_t nr = nr_words - i < BLOCK_WORDS ? nr_words - i : BLOCK_WORDS, lost = 0;

		if (step == 1)
			next = copy_lines(next, end, block, nr, 1, &lost);
		else
			next = copy_lines(next, end, block, nr, COVBUF_CMP_WORDS, &lost);
		/* release: partner is the client's acquire of word 0; the records are there before the count says so */
		covb_store_release(&owner->target[0], (uint64_t)(next - records) / step);
		if (lost)
			covb_fetch_add(&owner->slot->merge_lost, lost);
		covb_words_zero(block, nr, step);
	}
}

/*
 * The records of an area that has a count. Where the client has set its own to more than fits, nothing does: KCOV's
 * rule. Returns how many did not fit.
 */
static COVBUF_NOINSTR uint64_t copy_counted(struct covbuf_owner *owner, const struct covb_frame *from)
{
	const uint32_t step = step_of(from);
	const uint64_t capacity = (owner->target_words - 1) / step;
	uint64_t nr = covb_load(&from->start[0]), count = covb_load(&owner->target[0]), fit = nr;

	if (count > capacity)
		return nr;
	if (fit > capacity - count)
		fit = capacity - count;
	if (fit)
		covb_plat_copy(owner->target + 1 + count * step, from->start + 1, fit * step);
	covb_store(&owner->records, owner->records + fit);
	/* release: as in move_records() */
	covb_store_release(&owner->target[0], count + fit);
	return nr - fit;
}

static COVBUF_NOINSTR uint32_t reversed(uint32_t head)
{
	uint32_t list = 0, area, next;

	for (uint32_t n = 0; n < covb_engine.nr_areas_max && covb_queue_next(head, &area, &next); n++) {
		covb_store(&covb_engine.areas[area].next, list);
		list = area + 1;
		head = next;
	}
	return list;
}

static COVBUF_NOINSTR uint64_t used_words(const struct covbuf_area *area, const struct covb_frame *frame)
{
	return covb_words_used(frame->start, (uint64_t)(frame->end - frame->start), covb_load(&area->filled_words),
			       step_of(frame));
}

static COVBUF_NOINSTR void merge_queue(struct covbuf_owner *owner)
{
	struct covbuf_context nobody = { .hint = 0 };
	uint32_t list = reversed(covb_queue_take_all(owner->slot));
	struct covb_frame frame;
	uint32_t area;

	for (uint32_t n = 0; n < covb_engine.nr_areas_max && covb_queue_next(list, &area, &list); n++) {
		if (!covb_queue_claim(area, &frame))
			continue;
		/* of the slot's last owner; it comes back when the process ends: nothing here waits for a consumer */
		if (covb_ring_busy(&covb_engine.areas[area]))
			continue;
		if (covb_load(&covb_engine.areas[area].sequence) != covb_load(&owner->slot->sequence)) {
			covb_pool_discard(&nobody, &frame, &owner->slot->stale);
			continue;
		}
		if (COVB_PLAT_COUNTED) {
			covb_fetch_add(&owner->slot->merge_lost, copy_counted(owner, &frame));
			covb_store(&frame.start[0], 0);
		} else {
			move_records(owner, &frame, used_words(&covb_engine.areas[area], &frame));
		}
		covb_pool_give(&nobody, &frame);
	}
}

static COVBUF_NOINSTR uint32_t merger(const struct covb_context_private *priv)
{
	return COVB_MERGER(priv ? (priv->slot - covb_engine.contexts + 1) & 0x7ffff : 0, covb_engine.proc);
}

/* Which owner this thread merges for. Returns what it was: a handler may merge while another merge is interrupted. */
static COVBUF_NOINSTR uint32_t set_merging(struct covb_context_private *priv, uint32_t value)
{
	uint32_t before = priv ? priv->merging : 0;

	if (priv)
		priv->merging = value;
	covb_barrier();
	return before;
}

/*
 * Whether what is queued is the mergers'. Where areas are counted every owner has a target, and the queue of
 * one that was dropped meanwhile is emptied too: there is no collector who would.
 */
static COVBUF_NOINSTR bool may_merge(const struct covbuf_owner *owner)
{
	return COVB_PLAT_COUNTED || covb_load(&owner->target);
}

/* Set the merge flag. False: somebody has it, who will look at the queue before leaving it. *before: for end_merge(). */
static COVBUF_NOINSTR bool begin_merge(struct covbuf_owner *owner, struct covb_context_private *priv, uint32_t *before)
{
	uint32_t nobody = 0;

	if (covb_load(&owner->slot->merging))
		return false;
	*before = set_merging(priv, owner->index + 1);
	/* acquire: partner is the release in end_merge(); the last merger's words and count are there */
	if (!covb_cas_acquire(&owner->slot->merging, &nobody, merger(priv))) {
		set_merging(priv, *before);
		return false;
	}
	/*
	 * Full fence: partner is the one in covb_merge_wait(). Either the one who disables sees that we
	 * merge, or we see the sequence that it raised, and drop what we find.
	 */
	covb_mb_after_cas();
	return true;
}

/* Returns whether something is queued by now. */
static COVBUF_NOINSTR bool end_merge(struct covbuf_owner *owner, struct covb_context_private *priv, uint32_t before)
{
	covb_store_release(&owner->slot->merging, 0);
	set_merging(priv, before);
	covb_mb(); /* partner: the fence in covb_merge(), in whoever pushed and found the flag set */
	return covb_load(&owner->slot->queue);
}

/* Merge what is queued, unless somebody is at it. Any level. */
COVB_LONG void covb_merge(struct covbuf_owner *owner)
{
	struct covbuf_context *ctx = covb_plat_context();
	struct covb_context_private *priv = ctx ? covb_load(&ctx->priv) : NULL;
	uint32_t before;

	do {
		covb_mb_after_cas(); /* of the push. Partner: the fence in end_merge(), in whoever clears the flag */
		if (!may_merge(owner) || !begin_merge(owner, priv, &before))
			return;
		/* the owner may have been dropped, and made anew without a target, before we had the flag */
		if (may_merge(owner))
			merge_queue(owner);
	} while (end_merge(owner, priv, before));
}

/*
 * Counted areas: merge one that was popped and is still its holder's; its count is 0 then. False: somebody
 * merges, or something is queued, behind which it belongs.
 */
COVBUF_NOINSTR bool covb_merge_one(struct covbuf_context *ctx, struct covbuf_owner *owner, struct covb_frame *frame)
{
	struct covb_context_private *priv = ctx->priv;
	uint64_t lost;
	uint32_t before;

	if (covb_load(&owner->slot->queue) || !begin_merge(owner, priv, &before))
		return false;
	if (covb_load(&owner->slot->sequence) == frame->sequence) {
		lost = copy_counted(owner, frame);
		if (COVBUF_UNLIKELY(lost))
			covb_fetch_add(&owner->slot->merge_lost, lost);
	} else {
		covb_fetch_add(&owner->slot->stale, covb_load(&frame->start[0]));
	}
	covb_store(&frame->start[0], 0);
	if (end_merge(owner, priv, before))
		covb_merge(owner);
	return true;
}

/*
 * After a longjmp() out of merges: the context is in none but the one that was interrupted when the mark
 * was made. What the merge had taken off the queue comes back when the process ends.
 */
COVBUF_NOINSTR void covb_merge_leave(struct covbuf_context *ctx, uint32_t before)
{
	struct covb_context_private *priv = covb_load(&ctx->priv);
	const uint32_t mine = priv ? merger(priv) : 0;
	uint32_t nr_owners = before ? 1 : covb_engine.nr_owners; /* handlers may have been in merges of several */

	if (!priv || priv->merging == before)
		return;
	for (uint32_t i = 0; i < nr_owners; i++) {
		struct covbuf_owner *owner = &covb_engine.owners[before ? priv->merging - 1 : i];
		uint32_t seen = mine;

		/* what was queued meanwhile was left to us */
		if (owner->slot && covb_cas_release(&owner->slot->merging, &seen, 0))
			covb_merge(owner);
	}
	set_merging(priv, before);
}

/* Wait until nobody merges: one copy at most. A merger that died is not waited for. Sleeping level. */
void covb_merge_wait(struct covbuf_owner *owner)
{
	uint32_t who;

	covb_mb(); /* after the sequence was raised: a merger that starts now sees the new one */
	/* acquire: partner is the merger's release; its last word is written when it says so */
	while ((who = covb_load_acquire(&owner->slot->merging)) != 0) {
		if (covb_plat_process_gone(COVB_MERGER_PROC(who)))
			covb_cas(&owner->slot->merging, &who, 0);
		covb_plat_relax();
	}
}

/* ---- the target ------------------------------------------------------------------------------ */

void covb_target_clear(struct covbuf_owner *owner)
{
	if (!owner->target)
		return;
	for (uint64_t i = 0; i < owner->seen_words; i++)
		covb_store(&owner->target[i], 0);
	covb_store_release(&owner->target[owner->seen_words], 0);
}

int covbuf_owner_target(struct covbuf_owner *owner, uint64_t **words, uint64_t *nr_words)
{
	if (!owner->target)
		return -COVB_EINVAL;
	*words = owner->target;
	*nr_words = owner->target_words;
	return 0;
}
