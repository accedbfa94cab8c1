/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * libcovbuf, with the callbacks of adapters/sancov called or inlined. EVENT_FLAGS: the owner's; EVENT_IDLE: there is an
 * owner and a section, of another thread's work, and this one records nothing.
 */
#include <string.h>

#include <covbuf/covbuf.h>

#include "event.h"

#if !defined(EVENT_FLAGS)
#define EVENT_FLAGS 0
#endif

static struct covbuf_owner *owner;
static covbuf_token token;
static uint64_t nr_words;

const char *event_begin(void)
{
	struct covbuf_owner_options options = { .flags = EVENT_FLAGS, .name = "events" };
	uint64_t handle = COVBUF_SUBSYSTEM_USER | 1;

	if (covbuf_attach_new(16u << 20) || covbuf_pool_grow(0, 4) < 0 || covbuf_owner_create(&options, &owner) ||
	    covbuf_remote_enable(owner, &handle, 1, 0))
		return "libcovbuf cannot make a segment";
	return NULL;
}

static int count(const struct covbuf_batch *batch, void *arg)
{
	(void)arg;
	for (uint64_t i = 0; i < batch->nr_words; i++)
		nr_words += batch->words[i] != 0;
	return 0;
}

void event_prepare(void)
{
#if !defined(EVENT_IDLE)
	nr_words = 0;
	token = covbuf_push(owner);
	/* in unique mode, each place has been seen */
	if ((EVENT_FLAGS) != 0)
		event_visit(1, ~0u);
#endif
}

void event_clear_up(void)
{
	if (!token)
		return;
	covbuf_pop(token);
	covbuf_collect(owner, count, NULL);
}

uint64_t event_count(void)
{
	return nr_words;
}
