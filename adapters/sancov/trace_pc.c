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
/* trace-pc has no guards: the image's marks stand in for them. */
COVB_COLD void append_text_site(struct covbuf_context *ctx, uint64_t *slot, uint64_t pc)
{
	struct covbuf_image *image = covb_image_of_text(pc);
	uint32_t epoch = covb_load(&ctx->epoch);
	uint32_t *marks;
	uint64_t index;

	/* nothing read from the image but its marks is needed before they are known to be there */
	marks = image ? covb_load(&image->seen) : NULL;
	if (COVBUF_UNLIKELY(!marks || pc < image->text_start || pc >= image->text_end)) {
		covb_append_pc(ctx, slot, pc);
		return;
	}
	index = (pc - image->text_start) >> COVB_TEXT_SHIFT;
	if (COVBUF_LIKELY(covb_load(&marks[index]) == epoch))
		return;
	covb_append_pc_once(ctx, slot, pc, &marks[index], epoch,
			    image->site_base + (uint32_t)(image->guards_end - image->guards) + (uint32_t)index);
}
#endif

COVB_HOT void __sanitizer_cov_trace_pc(void)
{
	struct covbuf_context *ctx = covbuf_context();
	uint64_t *slot;

	if (covb_context_missing(ctx))
		return;
	slot = covb_slot_pc(ctx);
	if (COVBUF_LIKELY(!slot))
		return;
#if !defined(COVBUF_SANCOV_TRACE_ONLY)
	if (COVBUF_UNLIKELY(covb_marks_text())) {
		append_text_site(ctx, slot, COVB_CALLER());
		return;
	}
#endif
	covb_append_pc(ctx, slot, COVB_CALLER());
}
