/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The pool for those who want areas of their own: a ticket names the area and this taking of it.
 */
#include <errno.h>

#include "user.h"

#define TICKET(area, flag) (COVBUF_FLAG_GENERATION(flag) << 20 | (area))
#define TICKET_AREA(t) ((uint32_t)(t) & 0xfffff)
#define TICKET_GENERATION(t) ((t) >> 20)

int covbuf_area_take(uint32_t area_class, uint64_t **words, uint64_t *nr_words, uint64_t *ticket)
{
	struct covbuf_context *ctx = covbuf_context();
	struct covb_frame *frame;

	if (!covb_attached())
		return -ENOTCONN;
	if (area_class >= COVBUF_NR_CLASSES)
		return -EINVAL;
	frame = covb_pool_take(ctx, area_class);
	if (!frame)
		return -ENOSPC;
	/*
	 * Full fence, that of the take: partner is the one in covbuf_detach(), which looks for areas and contexts
	 * before it gives the process's slot up. Either it sees what we have, or we see that it is off.
	 */
	if (COVBUF_UNLIKELY(!covb_load(&ctx->priv))) {
		covb_mb_after_cas();
		if (!covb_plat_alive()) {
			covb_pool_give(ctx, frame);
			return -ENOTCONN;
		}
	}
	/*
	 * No records, and nobody's: the entry still describes the area's last user, and no reader has any business with what
	 * ours writes there. Partner: as in covb_area_describe().
	 */
	covb_store(&covb_engine.areas[frame->area].owner, 0);
	covb_store(&covb_engine.areas[frame->area].kind, COVBUF_LINEAR);
	covb_store(&covb_engine.areas[frame->area].nr_words, 0);
	covb_wmb();
	*words = frame->start;
	*nr_words = covbuf_class_words(area_class);
	*ticket = TICKET(frame->area, covb_load(&frame->flag));
	covb_store(&frame->flag, 0); /* no section's: from here on the ticket alone says whose it is */
	return 0;
}

int covbuf_area_give(uint64_t ticket)
{
	uint64_t flag = COVBUF_FLAG(TICKET_GENERATION(ticket), covb_engine.proc, COVBUF_AREA_HELD);
	uint32_t area = TICKET_AREA(ticket);

	if (!covb_attached())
		return -ENOTCONN;
	if (area >= covb_engine.nr_areas_max || !covb_plat_alive())
		return -ESTALE;
	if (!covb_flag_give(&covb_engine.areas[area], flag))
		return -ESTALE;
	covbuf_context()->hint = area;
	return 0;
}

int covbuf_pool_grow(uint32_t area_class, uint32_t nr)
{
	return covb_attached() ? covbuf_segment_grow(covb_segment, area_class, nr) : -ENOTCONN;
}

int covbuf_pool_shrink(uint32_t area_class, uint32_t nr)
{
	return covb_attached() ? covbuf_segment_shrink(covb_segment, area_class, nr) : -ENOTCONN;
}
