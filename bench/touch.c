/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * What does it cost to have an area that can be recorded into, up to its first record: out of the pool, where it
 * is mapped and populated, or made anew?
 *
 * Of the pool's areas several are taken in a row, each with its first record, and given back untimed: the words of
 * each come from memory, or from a cache that is far away, as they do for a section. What is made anew is mapped,
 * touched in each page and unmapped: without that the first pass of records would pay for the pages.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "engine.h"

#define NR_TAKEN 8
#define NR_SIZES 3
#define PAGE_BYTES 4096

static const uint32_t classes[NR_SIZES] = { 0, 3, 4 }; /* 64 KiB, 512 KiB, 1 MiB */
static const char *const names[NR_SIZES] = { "touch64K", "touch512K", "touch1M" };

struct touched {
	uint32_t area_class;
	size_t nr_bytes;
	int fd;		/* of a file whose pages are there */
	char *warm;	/* a mapping of it, ditto */
};

static struct {
	uint64_t *words, ticket;
} taken[NR_TAKEN];

/* ---- ours ------------------------------------------------------------------------------------ */

static __attribute__((noinline)) uint64_t pass_pool(const struct bench_variant *variant, uint32_t thread)
{
	const struct touched *touched = variant->arg;

	(void)thread;
	for (uint32_t i = 0; i < NR_TAKEN; i++) {
		uint64_t nr_words;

		bench_must(covbuf_area_take(touched->area_class, &taken[i].words, &nr_words, &taken[i].ticket),
			   "covbuf_area_take");
		covb_store(taken[i].words, 1);
	}
	return NR_TAKEN;
}

static void give_back(const struct bench_variant *variant)
{
	(void)variant;
	for (uint32_t i = 0; i < NR_TAKEN; i++) {
		covb_store(taken[i].words, 0);
		bench_must(covbuf_area_give(taken[i].ticket), "covbuf_area_give");
	}
}

/* ---- anew ------------------------------------------------------------------------------------ */

static void touch(char *area, size_t nr_bytes)
{
	for (size_t i = 0; i < nr_bytes; i += PAGE_BYTES)
		*(volatile char *)(area + i) = 1;
}

static uint64_t map_and_touch(const struct touched *touched, int flags, int fd)
{
	char *area = mmap(NULL, touched->nr_bytes, PROT_READ | PROT_WRITE, flags, fd, 0);

	bench_must(area == MAP_FAILED ? -errno : 0, "mmap");
	touch(area, touched->nr_bytes);
	munmap(area, touched->nr_bytes);
	return 1;
}

static uint64_t make_file(const struct touched *touched, int flags)
{
	int fd = memfd_create("touch", MFD_CLOEXEC);

	bench_must(fd < 0 || ftruncate(fd, (off_t)touched->nr_bytes) ? -errno : 0, "memfd_create");
	map_and_touch(touched, MAP_SHARED | flags, fd);
	close(fd);
	return 1;
}

static uint64_t pass_memfd(const struct bench_variant *variant, uint32_t thread)
{
	(void)thread;
	return make_file(variant->arg, 0);
}

static uint64_t pass_memfd_populated(const struct bench_variant *variant, uint32_t thread)
{
	(void)thread;
	return make_file(variant->arg, MAP_POPULATE);
}

static uint64_t pass_anonymous(const struct bench_variant *variant, uint32_t thread)
{
	(void)thread;
	return map_and_touch(variant->arg, MAP_PRIVATE | MAP_ANONYMOUS, -1);
}

static uint64_t pass_mapped(const struct bench_variant *variant, uint32_t thread)
{
	const struct touched *touched = variant->arg;

	(void)thread;
	return map_and_touch(touched, MAP_SHARED | MAP_POPULATE, touched->fd);
}

static uint64_t pass_memset(const struct bench_variant *variant, uint32_t thread)
{
	const struct touched *touched = variant->arg;

	(void)thread;
	memset(touched->warm, 0, touched->nr_bytes);
	BENCH_KEEP(touched->warm);
	return 1;
}

/* ---- sizes ----------------------------------------------------------------------------------- */

static void open_warm(struct touched *touched)
{
	touched->fd = memfd_create("warm", MFD_CLOEXEC);
	bench_must(touched->fd < 0 || ftruncate(touched->fd, (off_t)touched->nr_bytes) ? -errno : 0, "memfd_create");
	touched->warm = mmap(NULL, touched->nr_bytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_POPULATE,
			     touched->fd, 0);
	bench_must(touched->warm == MAP_FAILED ? -errno : 0, "mmap");
	touch(touched->warm, touched->nr_bytes);
}

static void close_warm(struct touched *touched)
{
	munmap(touched->warm, touched->nr_bytes);
	close(touched->fd);
}

#define OURS "from the pool, and a record"
#define FRESH "a new memfd"

static void measure(uint32_t area_class, const char *name)
{
	struct touched touched = { .area_class = area_class, .nr_bytes = 65536ull << area_class };
	struct bench_variant variants[] = {
		/* 100 ns are so much of a new memfd of 64 KiB on a Zen 4, and less of a larger one */
		{ .name = OURS, .pass = pass_pool, .clear_up = give_back, .target_ns = 100,
		  .targets = { { .ratio = 1 / 500.0, .against = FRESH } } },
		{ .name = "memset of a warm one", .pass = pass_memset, .against = OURS },
		{ .name = FRESH, .pass = pass_memfd, .against = OURS },
		{ .name = "a new memfd, populated", .pass = pass_memfd_populated, .against = OURS },
		{ .name = "a new mapping of a warm memfd", .pass = pass_mapped, .against = OURS },
		{ .name = "new anonymous memory", .pass = pass_anonymous, .against = OURS },
	};
	struct bench bench = { .name = name, .unit = "area, to its first record", .variants = variants,
			       .question = "What does an area cost before the first record?",
			       .nr_variants = BENCH_NR(variants), .repetitions = 60 };

	for (uint32_t i = 0; i < BENCH_NR(variants); i++)
		variants[i].arg = &touched;
	if (!bench_wanted(&bench))
		return;
	bench_must(covbuf_pool_grow(area_class, NR_TAKEN), "covbuf_pool_grow");
	open_warm(&touched);
	bench_run(&bench);
	close_warm(&touched);
}

int main(int argc, char **argv)
{
	bench_init(argc, argv);
	bench_attach(64u << 20, 0, 0);
	for (uint32_t i = 0; i < NR_SIZES; i++)
		measure(classes[i], names[i]);
	return bench_finish();
}
