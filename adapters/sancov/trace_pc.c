/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * trace-pc: the hot callback of gcc, and of clang when asked for it.
 *
 * Everything is decided while running: whether this thread collects, what, and whether each site once.
 * COVBUF_SANCOV_TRACE_ONLY builds it to record every time, whatever the owner asked for. The program
 * counter is asked for last, so that a callback that is inlined does not compute it in vain.
 */
#include "images.h"

void __sanitizer_cov_trace_pc(void);

#if !defined(COVBUF_SANCOV_PRELOAD)
/* Linked into the image only with the callback: its text needs marks. */
COVBUF_HIDDEN const char covb_text_wanted = 1;
#endif

#if !defined(COVBUF_SANCOV_TRACE_ONLY)
/* trace-pc has no guards: the image's marks stand in for them. NULL: this pc has none. */
COVBUF_INLINE COVBUF_NOINSTR uint32_t *find_mark(uint64_t pc, uint32_t *site)
{
	const struct covbuf_image *image = covb_image_of_text(pc);
	/* acquire: partner is the release in make_marks(); the rest is there when they are */
	uint32_t *marks = image ? covb_load_acquire(&image->seen) : NULL;
	uint64_t index;

	if (COVBUF_UNLIKELY(!marks || pc < image->text_start || pc >= image->text_end))
		return NULL;
	index = (pc - image->text_start) >> COVB_TEXT_SHIFT;
	*site = image->site_base + (uint32_t)(image->guards_end - image->guards) + (uint32_t)index;
	return &marks[index];
}

COVB_COLD void append_text_site(struct covbuf_context *ctx, uint64_t *slot, uint64_t pc)
{
	uint32_t epoch = covb_load(&ctx->epoch);
	uint32_t site = 0;
	uint32_t *mark = find_mark(pc, &site);

	if (COVBUF_UNLIKELY(!mark))
		covb_append_pc(ctx, slot, pc);
	else if (COVBUF_UNLIKELY(covb_load(mark) != epoch))
		covb_append_pc_once(ctx, slot, pc, mark, epoch, site);
}

/* The slot was not free. If the context was unborn it may be in unique mode now, and this was a site's first. */
COVB_COLD __attribute__((cold)) void append_text_slow(uint64_t *slot, uint64_t pc)
{
	uint32_t epoch, site = 0;
	uint32_t *mark;

	if (!COVB_SLOW_PC(slot, pc))
		return;
	epoch = covb_load(&covbuf_context()->epoch);
	if (COVBUF_LIKELY(epoch >= COVBUF_EPOCH_CONTEXT))
		return;
	mark = find_mark(pc, &site);
	if (mark)
		covb_store(mark, epoch);
}
#endif

COVB_HOT void __sanitizer_cov_trace_pc(void)
{
	struct covbuf_context *ctx = covbuf_context();
	uint64_t *slot, pc;

	if (covb_context_missing(ctx))
		return;
	slot = covb_slot_pc(ctx);
	if (COVB_IDLE(!slot))
		return;
	pc = COVB_CALLER();
#if !defined(COVBUF_SANCOV_TRACE_ONLY)
	if (COVBUF_UNLIKELY(covb_load(&ctx->epoch) != COVBUF_EPOCH_NONE)) {
		append_text_site(ctx, slot, pc);
		return;
	}
	if (!covb_claim_pc(ctx, slot)) {
		append_text_slow(slot, pc);
		return;
	}
	covb_store(slot, pc); /* relaxed: the slot is the publication */
#else
	covb_append_pc(ctx, slot, pc);
#endif
}
