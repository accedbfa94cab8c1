/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Remote sections, as a program starts and stops them: find the owner that the handle names, open the
 * context if this is its first section, and leave the rest to section.c.
 */
#include <covbuf/covbuf.h>

#include "engine.h"

/* Where everything is recorded, a section in a handler that interrupts the opening would leave the context shut. */
static COVBUF_NOINSTR bool is_open(const struct covbuf_context *ctx)
{
	return COVBUF_LIKELY(covb_load(&ctx->priv)) &&
	       (COVB_PLAT_COUNTED || COVBUF_LIKELY(!covb_engine.automatic.enabled) || covb_load(&ctx->top));
}

/* The context's first section. Not inlined, so that all others spend nothing for it. */
static COVB_RARE covbuf_token open_and_start(struct covbuf_context *ctx, struct covbuf_owner *owner,
					     uint32_t generation, uint64_t handle)
{
	if (covb_context_open(ctx))
		return covb_section_start(ctx, owner, generation, handle, 0);
	covb_count(ctx, COVBUF_LOST_SHUT);
	return 0;
}

COVB_WARM covbuf_token covbuf_remote_start(uint64_t handle)
{
	struct covbuf_context *ctx = covb_plat_context();
	struct covbuf_owner *owner;
	uint32_t generation;

	if (COVBUF_UNLIKELY(!ctx || !handle))
		return 0;
	if (COVBUF_UNLIKELY(!covb_plat_alive())) {
		if (covb_attached())
			covb_context_forget(ctx, false);
		return 0;
	}
	owner = covb_handle_find(handle, &generation);
	if (COVBUF_UNLIKELY(!owner)) {
		covb_count(ctx, COVBUF_LOST_UNKNOWN);
		return 0;
	}
	if (COVBUF_UNLIKELY(!is_open(ctx)))
		return open_and_start(ctx, owner, generation, handle);
	return covb_section_start(ctx, owner, generation, handle, 0);
}

COVB_WARM int covbuf_remote_stop(covbuf_token token)
{
	struct covbuf_context *ctx = covb_plat_context();

	if (COVBUF_UNLIKELY(!token))
		return 0;
	if (COVBUF_UNLIKELY(!ctx || !covb_plat_alive()))
		return -COVB_EINVAL;
	return covb_section_stop(ctx, token);
}

COVB_WARM covbuf_token covbuf_push(struct covbuf_owner *owner)
{
	struct covbuf_context *ctx = covb_plat_context();
	uint32_t generation;

	if (COVBUF_UNLIKELY(!ctx || !covb_plat_alive()))
		return 0;
	generation = covb_load(&owner->generation);
	if (COVBUF_UNLIKELY(!is_open(ctx)))
		return open_and_start(ctx, owner, generation, 0);
	return covb_section_start(ctx, owner, generation, 0, 0);
}

int covbuf_pop(covbuf_token token) __attribute__((__alias__("covbuf_remote_stop")));

COVBUF_NOINSTR uint64_t covbuf_common_handle(void)
{
	struct covbuf_context *ctx = covb_plat_context();

	return ctx ? covb_load(&ctx->common_handle) : 0;
}

COVBUF_NOINSTR void covbuf_set_common_handle(uint64_t handle)
{
	struct covbuf_context *ctx = covb_plat_context();

	if (ctx)
		covb_store(&ctx->common_handle, handle);
}
