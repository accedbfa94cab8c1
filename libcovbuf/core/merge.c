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

#define BLOCK_WORDS 8 /* what is looked at at once; areas are multiples of it */

/* Records that lie side by side, on their way to the target. */
struct run {
	const uint64_t *first;
	uint64_t nr_words;
};

/* Copy a run to where the target is filled up to. Returns how many records did not fit. */
static COVBUF_NOINSTR uint64_t copy_run(struct covbuf_owner *owner, struct run *run, uint64_t *count, uint32_t step)
{
	const uint64_t capacity = (owner->target_words - 1) / step;
	uint64_t n = run->nr_words / step, lost = 0;

	if (n > capacity - *count) {
		lost = n - (capacity - *count);
		n = capacity - *count;
	}
	if (n)
		covb_plat_copy(owner->target + 1 + *count * step, run->first, n * step);
	*count += n;
	run->nr_words = 0;
	return lost;
}

static COVBUF_NOINSTR uint32_t count_zeroes(const uint64_t *words)
{
	uint32_t even = 0, odd = 0; /* two sums, neither of which waits for the other */

#pragma GCC unroll 8
	for (uint32_t i = 0; i < BLOCK_WORDS; i += 2) {
		even += covb_load(&words[i]) == 0;
		odd += covb_load(&words[i + 1]) == 0;
	}
	return even + odd;
}

/*
 * Records of an area into the target. Returns how many did not fit. *nr_used: all words behind so many
 * are zero.
 */
static COVBUF_NOINSTR uint64_t copy_records(struct covbuf_owner *owner, const struct covb_frame *from,
					    uint64_t *nr_used)
{
	const uint32_t step = from->mode == COVBUF_MODE_CMP ? COVBUF_CMP_WORDS : 1;
	const uint64_t capacity = (owner->target_words - 1) / step;
	uint64_t count = covb_load(&owner->target[0]), lost = 0;
	struct run run = { .nr_words = 0 };

	if (count > capacity)
		count = capacity;
	*nr_used = 0;
	for (const uint64_t *block = from->start; block < from->end; block += BLOCK_WORDS) {
		uint32_t nr_zeroes = count_zeroes(block);

		if (!run.nr_words)
			run.first = block;
		if (nr_zeroes != BLOCK_WORDS)
			*nr_used = (uint64_t)(block - from->start) + BLOCK_WORDS;
		if (COVBUF_LIKELY(!nr_zeroes)) {
			run.nr_words += BLOCK_WORDS;
			continue;
		}
		for (uint32_t i = 0; i < BLOCK_WORDS && nr_zeroes != BLOCK_WORDS; i += step) {
			if (!covb_load(&block[i + step - 1])) {
				lost += copy_run(owner, &run, &count, step);
				continue;
			}
			if (!run.nr_words)
				run.first = &block[i];
			run.nr_words += step;
		}
		if (nr_zeroes == BLOCK_WORDS && run.nr_words)
			lost += copy_run(owner, &run, &count, step);
	}
	lost += copy_run(owner, &run, &count, step);
	/* release: partner is the client's acquire of word 0; the records are there before the count says so */
	covb_store_release(&owner->target[0], count);
	return lost;
}

/* The same of an area that has a count. Where the client has set its own to more than fits, nothing does: KCOV's rule. */
static COVBUF_NOINSTR uint64_t copy_counted(struct covbuf_owner *owner, const struct covb_frame *from)
{
	const uint32_t step = from->mode == COVBUF_MODE_CMP ? COVBUF_CMP_WORDS : 1;
	const uint64_t capacity = (owner->target_words - 1) / step;
	uint64_t nr = covb_load(&from->start[0]), count = covb_load(&owner->target[0]), lost;
	struct run run = { .first = from->start + 1, .nr_words = nr * step };

	if (count > capacity)
		return nr;
	lost = copy_run(owner, &run, &count, step);
	covb_store(&owner->records, owner->records + nr - lost);
	/* release: as in copy_records() */
	covb_store_release(&owner->target[0], count);
	return lost;
}

/* The words that say that a record is there go before the records' others, for whoever finds what the dead left. */
static COVBUF_NOINSTR void zero_records(const struct covb_frame *from, uint64_t nr_used)
{
	if (!COVB_PLAT_COUNTED && from->mode == COVBUF_MODE_CMP) {
		for (uint64_t i = COVBUF_CMP_WORDS - 1; i < nr_used; i += COVBUF_CMP_WORDS)
			covb_store(&from->start[i], 0);
		covb_barrier(); /* see shm/area.c */
	}
	covb_plat_zero(from->start, nr_used);
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

static COVBUF_NOINSTR void merge_queue(struct covbuf_owner *owner)
{
	struct covbuf_context nobody = { .hint = 0 };
	uint32_t list = reversed(covb_queue_take_all(owner->slot));
	struct covb_frame frame;
	uint64_t nr_used;
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
			nr_used = 1;
		} else {
			covb_fetch_add(&owner->slot->merge_lost, copy_records(owner, &frame, &nr_used));
		}
		zero_records(&frame, nr_used);
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
