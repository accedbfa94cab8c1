/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Peers that are allocators. Those that are not the program's own are loaded while running: two copies of
 * jemalloc, as it is and with a thread cache that holds areas too (by default it ends below them), and mimalloc.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <fcntl.h>
#include <link.h>
#include <unistd.h>

#include "pool.h"

/* ---- the C library's -------------------------------------------------------------------------- */

static const char *set_up_glibc(void)
{
	/* from the heap, and kept there: by default each area is a mapping of its own */
	mallopt(M_MMAP_THRESHOLD, 1 << 30);
	mallopt(M_TRIM_THRESHOLD, 1 << 30);
	return NULL;
}

POOL_CALLED void *glibc_take(void)
{
	return malloc(POOL_AREA_BYTES);
}

POOL_CALLED void glibc_give(void *area)
{
	free(area);
}
POOL_PASS(glibc, glibc_take, glibc_give)

/* ---- jemalloc --------------------------------------------------------------------------------- */

#define JEMALLOC "libjemalloc.so.2"

struct jemalloc {
	void *(*take)(size_t bytes, int flags);
	void (*give)(void *area, int flags);
};

static struct jemalloc jemalloc, jemalloc_cached;

/* A program that is linked statically loads nothing. */
static void *load(const char *path)
{
#if defined(BENCH_STATIC)
	(void)path;
	return NULL;
#else
	return dlopen(path, RTLD_NOW | RTLD_LOCAL);
#endif
}

static const char *find_names(void *library, struct jemalloc *found)
{
	if (!library)
		return JEMALLOC " cannot be loaded: is package libjemalloc2 installed?";
	found->take = (void *(*)(size_t, int))dlsym(library, "mallocx");
	found->give = (void (*)(void *, int))dlsym(library, "dallocx");
	return found->take && found->give ? NULL : JEMALLOC " has other names";
}

static const char *set_up_jemalloc(void)
{
	return find_names(load(JEMALLOC), &jemalloc);
}

/* The loader takes one file for one library, so the second is a copy. */
static void *load_copy(void *library)
{
	struct link_map *map;
	struct stat info;
	char path[32];
	off_t at = 0;
	int from, to;

	if (!library || dlinfo(library, RTLD_DI_LINKMAP, &map))
		return NULL;
	from = open(map->l_name, O_RDONLY | O_CLOEXEC);
	to = memfd_create("jemalloc", MFD_CLOEXEC);
	if (from < 0 || to < 0 || fstat(from, &info))
		return NULL;
	while (at < info.st_size && sendfile(to, from, &at, (size_t)(info.st_size - at)) > 0)
		;
	close(from);
	snprintf(path, sizeof(path), "/proc/self/fd/%d", to);
	return load(path);
}

static const char *set_up_jemalloc_cached(void)
{
	void *library = load(JEMALLOC);

	/* read when it is loaded */
	setenv("MALLOC_CONF", "lg_tcache_max:20", 1);
	library = load_copy(library);
	unsetenv("MALLOC_CONF");
	return find_names(library, &jemalloc_cached);
}

POOL_CALLED void *jemalloc_take(void)
{
	return jemalloc.take(POOL_AREA_BYTES, 0);
}

POOL_CALLED void jemalloc_give(void *area)
{
	jemalloc.give(area, 0);
}
POOL_PASS(jemalloc, jemalloc_take, jemalloc_give)

POOL_CALLED void *cached_take(void)
{
	return jemalloc_cached.take(POOL_AREA_BYTES, 0);
}

POOL_CALLED void cached_give(void *area)
{
	jemalloc_cached.give(area, 0);
}
POOL_PASS(jemalloc_cached, cached_take, cached_give)

/* ---- mimalloc --------------------------------------------------------------------------------- */

static void *(*mi_take)(size_t bytes);
static void (*mi_give)(void *area);

static const char *set_up_mimalloc(void)
{
	void *library = load("libmimalloc.so.2");

	if (!library)
		return "libmimalloc.so.2 cannot be loaded: is package libmimalloc2.0 installed?";
	mi_take = (void *(*)(size_t))dlsym(library, "mi_malloc");
	mi_give = (void (*)(void *))dlsym(library, "mi_free");
	return mi_take && mi_give ? NULL : "libmimalloc.so.2 has other names";
}

POOL_CALLED void *mimalloc_take(void)
{
	return mi_take(POOL_AREA_BYTES);
}

POOL_CALLED void mimalloc_give(void *area)
{
	mi_give(area);
}
POOL_PASS(mimalloc, mimalloc_take, mimalloc_give)

const struct pool_peer pool_allocators[] = {
	{ "glibc malloc, free", pass_glibc, NULL, set_up_glibc, NULL, { 4.7, 4.4 } },
	{ "jemalloc mallocx, dallocx", pass_jemalloc, NULL, set_up_jemalloc, NULL, { 41, 50 } },
	{ "jemalloc, areas in its thread cache", pass_jemalloc_cached, NULL, set_up_jemalloc_cached, NULL, { 10, 9 } },
	{ "mimalloc", pass_mimalloc, NULL, set_up_mimalloc, NULL, { 4.3, 4.2 } },
	{ 0 },
};
