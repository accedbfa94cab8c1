/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * No arena: for libcovbuf.so, which may be opened late, when there is no room left for jemalloc's
 * thread-local storage. It attaches to segments and takes areas; it makes none.
 */
#include <errno.h>

#include "shm.h"

int covb_arena_create(struct covbuf_segment *segment, struct covb_arena **out)
{
	(void)segment;
	(void)out;
	return -ENOSYS;
}

void covb_arena_destroy(struct covb_arena *arena)
{
	(void)arena;
}

int covb_arena_take(struct covb_arena *arena, uint64_t bytes, uint64_t *offset_bytes)
{
	(void)arena;
	(void)bytes;
	(void)offset_bytes;
	return -ENOSYS;
}

void covb_arena_give(struct covb_arena *arena, uint64_t offset_bytes, uint64_t bytes)
{
	(void)arena;
	(void)offset_bytes;
	(void)bytes;
}
