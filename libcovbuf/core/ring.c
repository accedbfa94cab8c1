/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Rings: areas that a consumer drains while they are written, for traces of any length.
 *
 * Every record has an index that never wraps and starts at 1 << 63; slot i of the ring serves index k
 * where k mod N is i, and is free for exactly that k: while free it holds k itself. Bit 63 is never set
 * in a record, so a slot tells what it is. The consumer takes a record, leaves the index of the next
 * lap, then moves its position.
 *
 * An append behind its consumer by a whole ring is lost; it is never written over what was not read.
 * The writer's own index may go back over filled slots, as a linear cursor may, and is raised to the
 * consumer's position when it falls behind it. It never goes back to the load of the index: that would
 * leave a hole that nobody fills, and the consumer would wait for it.
 */
#include "engine.h"

static COVBUF_NOINSTR uint32_t record_words(const struct covb_frame *frame)
{
	return frame->mode == COVBUF_MODE_CMP ? COVBUF_CMP_WORDS : 1;
}

/* The slot's word that tells what it is: a CMP record's last. */
static COVBUF_NOINSTR uint64_t *slot_of(const struct covb_frame *frame, uint64_t k)
{
	uint32_t step = record_words(frame);

	return &frame->ring[(k & frame->mask) * step + step - 1];
}

/* The words are to be a ring: half of a class's bytes, the largest power of two that leaves the guard words alone. */
COVB_LONG void covb_ring_prepare(struct covb_frame *frame)
{
	struct covbuf_area *area = &covb_engine.areas[frame->area];

	frame->ring = frame->start;
	frame->mask = covbuf_class_bytes(frame->area_class) / 16 / record_words(frame) - 1;
	frame->index = COVBUF_RING_START;
	frame->full = 0;
	frame->position = &area->position;
	/* relaxed: the description's fence comes between this and the first record; a consumer that is too early finds none */
	covb_store(&area->position, COVBUF_RING_START);
}

/*
 * Make them one. They are described as a ring by now: where a target was before, whose count is the first word and whose
 * records may have bit 63, free slots would be taken for records.
 */
COVB_LONG void covb_ring_make(struct covb_frame *frame)
{
	for (uint64_t k = 0; k <= frame->mask; k++)
		covb_store(slot_of(frame, k), COVBUF_RING_START | k);
}

static COVBUF_NOINSTR bool try_index(struct covb_frame *frame, uint64_t k, const uint64_t *record)
{
	uint64_t *slot = slot_of(frame, k);

	/* relaxed: the slot is what is decided about, and a PC record is the slot */
	if (covb_load(slot) != k)
		return false;
	if (frame->mode == COVBUF_MODE_CMP) {
		/* acquire: partner is the consumer's release of the slot; it has read the operands before we write over them */
		if (covb_load_acquire(slot) != k)
			return false;
		covb_store(slot - 3, record[0]);
		covb_store(slot - 2, record[1]);
		covb_store(slot - 1, record[2]);
		/* release: partner is the consumer's acquire of the pc */
		covb_store_release(slot, record[3]);
	} else {
		covb_store(slot, record[0]);
	}
	return true;
}

/*
 * Whether the consumer waits for a slot that nobody may ever fill: the append that claimed it was
 * interrupted, or abandoned.
 */
static COVBUF_NOINSTR bool has_hole(const struct covb_frame *frame, uint64_t position)
{
	return covb_load(slot_of(frame, position)) == position;
}

/*
 * Append to one ring, where index k was claimed and its slot was not free for it. 1: stored. 0: lost, and
 * counted. -1: full behind a hole; the index is where it was.
 */
static COVBUF_NOINSTR int append_behind(struct covbuf_context *ctx, struct covb_frame *frame, const uint64_t *record,
					uint64_t k)
{
	uint64_t position;

	/*
	 * Read once: with a second reading the position could move between the test for full and the
	 * test of the slot. acquire: partner is the consumer's release; slots behind it are free for the
	 * next lap. A position that is nonsense makes the ring look full.
	 */
	position = covb_load_acquire(frame->position);
	if (k < position)
		k = position;
	for (;; k++) {
		if (k - position > frame->mask) {
			covb_store(&frame->index, k);
			covb_barrier();
			if (has_hole(frame, position))
				return -1;
			covb_store(&frame->full, 1);
			covb_count(ctx, COVBUF_LOST_FULL);
			return 0;
		}
		covb_store(&frame->index, k + 1);
		covb_barrier();
		if (try_index(frame, k, record))
			return 1;
	}
}

/*
 * A ring that was full is written to again when slots are free so far ahead: a writer that took each slot as it is
 * freed would share its line with the consumer, and slow both down until most records are lost.
 */
#define ROOM_AHEAD 64

/* Lost, and counted. Now and then false though nothing has changed: there may be a hole by now. */
static COVB_LONG bool is_still_full(struct covbuf_context *ctx, struct covb_frame *frame)
{
	uint64_t ahead = frame->mask / 4 < ROOM_AHEAD ? frame->mask / 4 : ROOM_AHEAD;
	uint64_t k = covb_load(&frame->index) + ahead;
	uint8_t nr = (uint8_t)(covb_load(&frame->full) + 1);

	if (covb_load(slot_of(frame, k)) == k)
		nr = 0;
	covb_store(&frame->full, nr);
	if (!nr)
		return false;
	covb_count(ctx, COVBUF_LOST_FULL);
	return true;
}

static COVBUF_NOINSTR bool was_full(struct covbuf_context *ctx, struct covb_frame *frame)
{
	return COVBUF_UNLIKELY(covb_load(&frame->full)) && is_still_full(ctx, frame);
}

static COVBUF_NOINSTR uint64_t claim_index(struct covb_frame *frame)
{
	uint64_t k = covb_load(&frame->index);

	covb_store(&frame->index, k + 1);
	covb_barrier(); /* same CPU: claimed before it is tested */
	return k;
}

static COVBUF_NOINSTR int append_once(struct covbuf_context *ctx, struct covb_frame *frame, const uint64_t *record)
{
	uint64_t k = claim_index(frame);

	return try_index(frame, k, record) ? 1 : append_behind(ctx, frame, record, k);
}

/*
 * Append to the ring on top. Where the consumer is stopped by a hole a fresh ring takes the full one's
 * place, which is held until the section stops: who claimed the slot may still fill it. Each turn either
 * ends or has put a fresh ring on top.
 */
static COVB_LONG bool append_again(struct covbuf_context *ctx, struct covb_frame *frame, const uint64_t *record,
				   int stored)
{
	for (; stored < 0; stored = append_once(ctx, frame, record)) {
		if (!covb_chain_grow(ctx, frame)) {
			covb_count(ctx, COVBUF_LOST_FULL);
			return false;
		}
		frame = covb_load(&ctx->top);
	}
	return stored;
}

COVB_LONG bool covb_ring_append(struct covbuf_context *ctx, struct covb_frame *frame, const uint64_t *record)
{
	if (was_full(ctx, frame))
		return false;
	return append_again(ctx, frame, record, append_once(ctx, frame, record));
}

static COVB_LONG bool append_pc_behind(struct covbuf_context *ctx, struct covb_frame *frame, uint64_t pc, uint64_t k)
{
	return append_again(ctx, frame, &pc, append_behind(ctx, frame, &pc, k));
}

/* The same for a PC; mostly the slot is free, and nothing is called. */
COVBUF_NOINSTR bool covb_ring_append_pc(struct covbuf_context *ctx, struct covb_frame *frame, uint64_t pc)
{
	uint64_t *slot;
	uint64_t k;

	if (was_full(ctx, frame))
		return false;
	k = claim_index(frame);
	slot = &frame->ring[k & frame->mask];
	if (COVBUF_LIKELY(covb_load(slot) == k)) {
		covb_store(slot, pc); /* relaxed: the slot is the publication */
		return true;
	}
	return append_pc_behind(ctx, frame, pc, k);
}
