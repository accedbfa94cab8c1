/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Areas' memory: an arena of a private copy of jemalloc whose extents come from the segment.
 *
 * Only addresses are given out here, in steps of 64 KiB from the start of the data; storage for them is
 * reserved by grow.c. jemalloc keeps what it knows about them in private memory of its own (arenas
 * made by experimental.arenas_create_ext with metadata_use_hooks off; arenas.create would put 2 MiB of
 * pointers into the segment), and the program's malloc stays what it is: the copy has three symbols,
 * all with our prefix. What a free area held is punched out at once, so it reads as zero when it is used again.
 *
 * Called in the process that made the segment only, never in a fork child of it: the child has a copy
 * of the bookkeeping, but not of the segment.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <jemalloc/jemalloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/types.h>

#include "shm.h"

#if JEMALLOC_VERSION_MAJOR != 5 || JEMALLOC_VERSION_MINOR != 3
#error "the arena needs jemalloc 5.3 (Debian: libjemalloc-dev): experimental.arenas_create_ext is checked for that version"
#endif

#define LG_PART_BYTES 16
COVBUF_STATIC_ASSERT(1ull << LG_PART_BYTES == COVBUF_PART_BYTES, "");

void *covb_je_mallocx(size_t bytes, int flags);
void covb_je_dallocx(void *ptr, int flags);
int covb_je_mallctl(const char *name, void *old, size_t *old_bytes, void *new, size_t new_bytes);
char *covb_je_getenv(const char *name);
ssize_t covb_je_readlink(const char *path, char *out, size_t bytes);
extern bool covb_je_opt_cache_oblivious;

/* experimental.arenas_create_ext takes this; in no public header of jemalloc 5.3. */
struct arena_config {
	extent_hooks_t *hooks;
	bool metadata_use_hooks;
};

struct covb_arena {
	extent_hooks_t hooks;
	char *base;		/* of the segment */
	uint64_t next_bytes;	/* offset of the first byte that jemalloc has not got yet */
	uint64_t limit_bytes;
	unsigned int index;	/* jemalloc's name for it */
	bool closing;		/* punch no more: the records outlive the arena */
	bool unpunched;		/* the file system has declined: freed areas hold old words */
};

/*
 * jemalloc takes settings from the environment and from a link in /etc. Those are the administrator's
 * for other copies: junk filling, say, would put records into empty areas. Ours gets these instead.
 */
char *covb_je_getenv(const char *name)
{
	static char settings[] = "abort_conf:false,narenas:1,tcache:false,retain:true,"
				 "dirty_decay_ms:0,muzzy_decay_ms:0,background_thread:false,dss:disabled,thp:never";

	return strcmp(name, "MALLOC_CONF") ? NULL : settings;
}

ssize_t covb_je_readlink(const char *path, char *out, size_t bytes)
{
	(void)path;
	(void)out;
	(void)bytes;
	errno = ENOENT;
	return -1;
}

/* ---- extent hooks: true means that it was not done ------------------------------------------- */

static void *give_addresses(extent_hooks_t *hooks, void *wanted, size_t bytes, size_t alignment, bool *zero,
			    bool *commit, unsigned int index)
{
	struct covb_arena *arena = (struct covb_arena *)hooks;
	uint64_t align = alignment > COVBUF_PART_BYTES ? alignment : COVBUF_PART_BYTES;
	uint64_t address = (uint64_t)(uintptr_t)arena->base + arena->next_bytes, offset_bytes;

	(void)index;
	address = (address + align - 1) & ~(align - 1);
	offset_bytes = address - (uint64_t)(uintptr_t)arena->base;
	if (wanted && wanted != (void *)(uintptr_t)address)
		return NULL;
	if (offset_bytes > arena->limit_bytes || bytes > arena->limit_bytes - offset_bytes)
		return NULL;
	arena->next_bytes = offset_bytes + bytes;
	*zero = true;
	*commit = true;
	return (void *)(uintptr_t)address;
}

/* Not given back: jemalloc retains the addresses, and they are used again. */
static bool retain(extent_hooks_t *hooks, void *address, size_t bytes, bool committed, unsigned int index)
{
	(void)hooks, (void)address, (void)bytes, (void)committed, (void)index;
	return true;
}

static void forget(extent_hooks_t *hooks, void *address, size_t bytes, bool committed, unsigned int index)
{
	(void)hooks, (void)address, (void)bytes, (void)committed, (void)index;
}

static bool agree_to_commit(extent_hooks_t *hooks, void *address, size_t bytes, size_t from, size_t nr,
			    unsigned int index)
{
	(void)hooks, (void)address, (void)bytes, (void)from, (void)nr, (void)index;
	return false;
}

static bool decline(extent_hooks_t *hooks, void *address, size_t bytes, size_t from, size_t nr, unsigned int index)
{
	(void)hooks, (void)address, (void)bytes, (void)from, (void)nr, (void)index;
	return true;
}

/* Through the mapping, not the descriptor: that number may be a file of the program's by now. */
static bool punch_hole(extent_hooks_t *hooks, void *address, size_t bytes, size_t from, size_t nr, unsigned int index)
{
	struct covb_arena *arena = (struct covb_arena *)hooks;

	(void)bytes, (void)index;
	if (arena->closing)
		return true;
	if (!madvise((char *)address + from, nr, MADV_REMOVE))
		return false;
	arena->unpunched = true;
	return true;
}

static bool agree_to_split(extent_hooks_t *hooks, void *address, size_t bytes, size_t a, size_t b, bool committed,
			   unsigned int index)
{
	(void)hooks, (void)address, (void)bytes, (void)a, (void)b, (void)committed, (void)index;
	return false;
}

static bool agree_to_merge(extent_hooks_t *hooks, void *a, size_t a_bytes, void *b, size_t b_bytes, bool committed,
			   unsigned int index)
{
	(void)hooks, (void)a, (void)a_bytes, (void)b, (void)b_bytes, (void)committed, (void)index;
	return false;
}

static const extent_hooks_t our_hooks = {
	.alloc = give_addresses,
	.dalloc = retain,
	.destroy = forget,
	.commit = agree_to_commit,
	.decommit = decline,
	.purge_lazy = decline,
	.purge_forced = punch_hole,
	.split = agree_to_split,
	.merge = agree_to_merge,
};

/* ---- the arena ------------------------------------------------------------------------------- */

int covb_arena_create(struct covbuf_segment *segment, struct covb_arena **out)
{
	struct covb_arena *arena = calloc(1, sizeof(*arena));
	struct arena_config config;
	size_t bytes = sizeof(arena->index);
	int err;

	if (!arena)
		return -ENOMEM;
	/* before the first call starts it: else each area would have a page more, and with it take twice its room */
	covb_je_opt_cache_oblivious = false;
	arena->hooks = our_hooks;
	arena->base = segment->base;
	arena->next_bytes = segment->layout.data_offset_bytes;
	arena->limit_bytes = segment->layout.limit_bytes;
	config = (struct arena_config){ .hooks = &arena->hooks, .metadata_use_hooks = false };
	err = covb_je_mallctl("experimental.arenas_create_ext", &arena->index, &bytes, &config, sizeof(config));
	if (err) {
		free(arena);
		return err == ENOENT ? -ENOSYS : -err;
	}
	*out = arena;
	return 0;
}

void covb_arena_destroy(struct covb_arena *arena)
{
	char name[32];

	if (!arena)
		return;
	arena->closing = true;
	snprintf(name, sizeof(name), "arena.%u.destroy", arena->index);
	/* if it stays, so do the hooks */
	if (!covb_je_mallctl(name, NULL, NULL, NULL, 0))
		free(arena);
}

static int allocation_flags(const struct covb_arena *arena)
{
	return MALLOCX_ARENA(arena->index) | MALLOCX_TCACHE_NONE | MALLOCX_LG_ALIGN(LG_PART_BYTES);
}

/* Returns 1 where it may hold old words: the caller zeroes it, once there is storage behind it. */
int covb_arena_take(struct covb_arena *arena, uint64_t bytes, uint64_t *offset_bytes)
{
	char *memory = covb_je_mallocx(bytes, allocation_flags(arena));

	if (!memory)
		return -ENOSPC;
	*offset_bytes = (uint64_t)(memory - arena->base);
	return arena->unpunched;
}

void covb_arena_give(struct covb_arena *arena, uint64_t offset_bytes, uint64_t bytes)
{
	(void)bytes;
	covb_je_dallocx(arena->base + offset_bytes, allocation_flags(arena));
}
