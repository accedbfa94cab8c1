/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The hot path: append one record to the area of the context that the caller runs in.
 *
 * Claim a slot, test it, store. A slot holds 0 (free) or a record; the words behind an area are never
 * 0, so the test of the slot is all there is: it finds an area that is full, a slot that a nested
 * signal handler filled between the load of the cursor and the claim, and a context that is unborn.
 * Handlers are strictly nested, so nobody fills the slot between test and store. Exact at every
 * interleaving without an atomic instruction; docs/append.md argues it and tests/model checks it.
 *
 * A PC record needs no ordering towards readers: the slot is the publication, and all that a reader
 * decides about a slot it takes from that slot. A CMP record is four words; its pc is stored last with
 * release, and a reader loads it with acquire before the other three.
 *
 * Usable from C11 and C++17. Nothing here calls, locks or allocates. It is not instrumented, unless it is inlined into a
 * function that is: mark the caller COVBUF_NOINSTR where that matters.
 */
#ifndef COVBUF_TRACE_H
#define COVBUF_TRACE_H

#include <covbuf/context.h>

COVBUF_BEGIN_DECLS

/*
 * How this image reaches the out-of-line half: by name, or through the image's own words. Those are read
 * behind a fence, partner: the release of tls_offset in covbuf_image_attach(). Without it POWER may have read
 * the word before it read the offset, and find no function there.
 */
#if defined(COVBUF_IMAGE)
#define COVB_SLOW_PC (covb_rmb(), (COVBUF_SLOW_CALL bool (*)(uint64_t *, uint64_t))covbuf_this_image.slow_pc)
#define COVB_SLOW_CMP                                                                              \
	(covb_rmb(), (COVBUF_SLOW_CALL bool (*)(uint64_t *, uint64_t, uint64_t, uint64_t,          \
						uint64_t))covbuf_this_image.slow_cmp)
#elif defined(__clang__) && defined(__x86_64__) && !defined(COVBUF_OUT_OF_LINE) && !defined(COVBUF_SANCOV_INLINE)
/*
 * At the address that was found when the image was loaded. A call by name may go by a PLT that is bound late, and
 * the dynamic linker, which the first such call passes through, keeps fewer registers than preserve_most promises.
 */
typedef COVBUF_SLOW_CALL bool (*covb_slow_pc_fn)(uint64_t *slot, uint64_t pc);
typedef COVBUF_SLOW_CALL bool (*covb_slow_cmp_fn)(uint64_t *slot, uint64_t type, uint64_t arg1, uint64_t arg2,
						  uint64_t pc);

COVBUF_INLINE COVBUF_NOINSTR covb_slow_pc_fn covb_bound_slow_pc(void)
{
	covb_slow_pc_fn bound;

	__asm__("movq covbuf_append_slow_pc@GOTPCREL(%%rip), %0" : "=r"(bound));
	return bound;
}

COVBUF_INLINE COVBUF_NOINSTR covb_slow_cmp_fn covb_bound_slow_cmp(void)
{
	covb_slow_cmp_fn bound;

	__asm__("movq covbuf_append_slow_cmp@GOTPCREL(%%rip), %0" : "=r"(bound));
	return bound;
}

#define COVB_SLOW_PC (covb_bound_slow_pc())
#define COVB_SLOW_CMP (covb_bound_slow_cmp())
#else
#define COVB_SLOW_PC covbuf_append_slow_pc
#define COVB_SLOW_CMP covbuf_append_slow_cmp
#endif

/* Out of line, and cheap to call from where the rest is inlined. */
#define COVB_COLD static __attribute__((noinline, unused)) COVBUF_SLOW_CALL COVBUF_NOINSTR

/* The image has no engine, or is not attached to it yet. */
COVBUF_INLINE COVBUF_NOINSTR bool covb_context_missing(const struct covbuf_context *ctx)
{
#if defined(COVBUF_IMAGE)
	return COVBUF_UNLIKELY(!ctx);
#else
	(void)ctx;
	return false;
#endif
}

/* Where the next PC goes; NULL: the context is shut, or collects CMP records. */
COVBUF_INLINE COVBUF_NOINSTR uint64_t *covb_slot_pc(const struct covbuf_context *ctx)
{
	return covb_load(&ctx->cursor[COVBUF_MODE_PC]);
}

/* Claim the slot that covb_slot_pc() said. False: it was not free, the slow half is to decide. */
COVBUF_INLINE COVBUF_NOINSTR bool covb_claim_pc(struct covbuf_context *ctx, uint64_t *slot)
{
	covb_store(&ctx->cursor[COVBUF_MODE_PC], slot + 1);
	covb_barrier(); /* same CPU: a handler between claim and test starts beyond the slot */
	return COVBUF_LIKELY(covb_load(slot) == 0);
}

/* Append pc in an open or unborn context. */
COVBUF_INLINE COVBUF_NOINSTR void covb_append_pc(struct covbuf_context *ctx, uint64_t *slot, uint64_t pc)
{
	if (!covb_claim_pc(ctx, slot)) {
		COVB_SLOW_PC(slot, pc);
		return;
	}
	covb_store(slot, pc); /* relaxed: the slot is the publication */
}

COVB_COLD __attribute__((cold)) void covb_append_pc_site_slow(uint64_t *slot, uint64_t pc, uint32_t *mark,
							      uint32_t epoch)
{
	if (COVB_SLOW_PC(slot, pc)) {
		covb_barrier(); /* same CPU: stored first, then marked */
		covb_store(mark, epoch);
	}
}

/* The same where the context may just have been born, so that only now it is known whether it marks. */
COVB_COLD __attribute__((cold)) void covb_append_pc_first_slow(uint64_t *slot, uint64_t pc, uint32_t *mark)
{
	if (COVB_SLOW_PC(slot, pc)) {
		uint32_t epoch = covb_load(&covbuf_context()->epoch);

		if (epoch < COVBUF_EPOCH_CONTEXT)
			covb_store(mark, epoch);
	}
}

/* Append pc, and mark its site if it was stored. */
COVBUF_INLINE COVBUF_NOINSTR void covb_append_pc_site(struct covbuf_context *ctx, uint64_t *slot, uint64_t pc,
						      uint32_t *mark, uint32_t epoch)
{
	if (!covb_claim_pc(ctx, slot)) {
		covb_append_pc_site_slow(slot, pc, mark, epoch);
		return;
	}
	covb_store(slot, pc);
	covb_barrier(); /* same CPU: stored first, then marked */
	covb_store(mark, epoch);
}

/* Append the pc of a site in a context that is not in unique mode, or not born yet. */
COVBUF_INLINE COVBUF_NOINSTR void covb_append_pc_unmarked(struct covbuf_context *ctx, uint64_t *slot, uint64_t pc,
							  uint32_t *mark)
{
	if (!covb_claim_pc(ctx, slot)) {
		covb_append_pc_first_slow(slot, pc, mark);
		return;
	}
	covb_store(slot, pc);
}

/* Unique per context. Out of line: it would double what is inlined at every site. */
COVB_COLD void covb_append_pc_seen(struct covbuf_context *ctx, uint64_t *slot, uint64_t pc, uint32_t epoch,
				   uint32_t site)
{
	uint32_t *mark = covb_load(&ctx->seen);

	if (COVBUF_UNLIKELY(!mark || site >= covb_load(&ctx->nr_seen))) {
		covb_append_pc(ctx, slot, pc);
		return;
	}
	mark += site;
	if (covb_load(mark) != epoch)
		covb_append_pc_site(ctx, slot, pc, mark, epoch);
}

/**
 * covbuf_trace_pc() - record a program counter
 * @pc: not 0, bit 63 clear
 *
 * Does nothing in a context that is shut or collects CMP records.
 *
 * Context: async signal handler, interrupt. Wait-free.
 * Ordering: none; the reader needs none (see the head of this file).
 */
COVBUF_INLINE COVBUF_NOINSTR void covbuf_trace_pc(uint64_t pc)
{
	struct covbuf_context *ctx = covbuf_context();
	uint64_t *slot;

	if (covb_context_missing(ctx))
		return;
	slot = covb_slot_pc(ctx);
	if (COVBUF_LIKELY(!slot))
		return;
	covb_append_pc(ctx, slot, pc);
}

/* The rest of covbuf_trace_pc_site() in an open context whose epoch the site's mark does not hold. */
COVBUF_INLINE COVBUF_NOINSTR void covb_append_pc_once(struct covbuf_context *ctx, uint64_t *slot, uint64_t pc,
						      uint32_t *mark, uint32_t epoch, uint32_t site)
{
	if (epoch < COVBUF_EPOCH_CONTEXT)
		covb_append_pc_site(ctx, slot, pc, mark, epoch);
	else if (COVBUF_UNLIKELY(epoch < COVBUF_EPOCH_LIMIT))
		covb_append_pc_seen(ctx, slot, pc, epoch, site);
	else
		covb_append_pc_unmarked(ctx, slot, pc, mark);
}

/**
 * covbuf_trace_pc_site() - record a program counter once, in a context that is in unique mode
 * @mark: the site's word, shared by the process; holds the epoch in which the site was last recorded
 * @site: the site's number in the process, for contexts that keep marks of their own
 * @pc: as for covbuf_trace_pc()
 *
 * At least once per epoch; at most once per thread that races for it. Appends first, then marks, and
 * marks only what was stored, so that a record that was declined is tried again. In a context that is
 * not in unique mode it is covbuf_trace_pc().
 *
 * Context: async signal handler, interrupt. Wait-free.
 * Ordering: none. Two threads may both find the mark old, and both record.
 */
COVBUF_INLINE COVBUF_NOINSTR void covbuf_trace_pc_site(uint32_t *mark, uint32_t site, uint64_t pc)
{
	struct covbuf_context *ctx = covbuf_context();
	uint32_t epoch;
	uint64_t *slot;

	if (covb_context_missing(ctx))
		return;
	epoch = covb_load(&ctx->epoch);
	if (COVBUF_LIKELY(covb_load(mark) == epoch))
		return;
	slot = covb_slot_pc(ctx);
	if (COVBUF_LIKELY(!slot))
		return;
	covb_append_pc_once(ctx, slot, pc, mark, epoch, site);
}

/* As covb_slot_pc(). */
COVBUF_INLINE COVBUF_NOINSTR uint64_t *covb_slot_cmp(const struct covbuf_context *ctx)
{
	return covb_load(&ctx->cursor[COVBUF_MODE_CMP]);
}

/* Append a CMP record in an open or unborn context. */
COVBUF_INLINE COVBUF_NOINSTR void covb_append_cmp(struct covbuf_context *ctx, uint64_t *slot, uint64_t type,
						  uint64_t arg1, uint64_t arg2, uint64_t pc)
{
	covb_store(&ctx->cursor[COVBUF_MODE_CMP], slot + COVBUF_CMP_WORDS);
	covb_barrier(); /* same CPU, as for a PC */
	if (COVBUF_UNLIKELY(covb_load(&slot[3]) != 0)) {
		COVB_SLOW_CMP(slot, type, arg1, arg2, pc);
		return;
	}
	covb_store(&slot[0], type);
	covb_store(&slot[1], arg1);
	covb_store(&slot[2], arg2);
	covb_store_release(&slot[3], pc);
}

/**
 * covbuf_trace_cmp() - record the operands of a comparison
 * @type: COVBUF_CMP_SIZE(), with COVBUF_CMP_CONST where arg1 is a constant
 * @arg1: first operand
 * @arg2: second operand
 * @pc: of the comparison; not 0, bit 63 clear
 *
 * Does nothing in a context that is shut or collects PC records.
 *
 * Context: async signal handler, interrupt. Wait-free.
 * Ordering: the pc is stored with release, after the other three; partner: the reader's acquire load
 * of the pc. Without it a reader could take the words of the slot's previous user for operands.
 */
COVBUF_INLINE COVBUF_NOINSTR void covbuf_trace_cmp(uint64_t type, uint64_t arg1, uint64_t arg2, uint64_t pc)
{
	struct covbuf_context *ctx = covbuf_context();
	uint64_t *slot;

	if (covb_context_missing(ctx))
		return;
	slot = covb_slot_cmp(ctx);
	if (COVBUF_LIKELY(!slot))
		return;
	covb_append_cmp(ctx, slot, type, arg1, arg2, pc);
}

COVBUF_END_DECLS

#endif
