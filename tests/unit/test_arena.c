/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The pool's size: areas made up to the limit, given back to the system, made again. */
#define _GNU_SOURCE
#include <criterion/criterion.h>
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "../../libcovbuf/core/flag.h"
#include "../../shm/shm.h"
#include "kernel.h"

TestSuite(arena, .timeout = 60);

static struct covbuf_segment *create_in(const char *where, uint64_t limit_bytes)
{
	struct covbuf_segment_options options = { .limit_bytes = limit_bytes, .initial_bytes = 65536, .nr_contexts = 16,
						  .nr_modules = 16, .nr_owners = 16, .nr_procs = 16 };
	struct covbuf_segment *segment = NULL;
	struct covbuf_message why = { "" };

	cr_assert(!covbuf_segment_create(where, &options, &segment, &why), "%s", why.text);
	return segment;
}

static struct covbuf_segment *create(uint64_t limit_bytes)
{
	return create_in(NULL, limit_bytes);
}

static int64_t storage_kib(const struct covbuf_segment *segment)
{
	struct stat status;

	fstat(segment->fd, &status);
	return status.st_blocks / 2;
}

/* Words that are neither zero nor guard words where those belong. */
static uint64_t count_foreign_words(const struct covbuf_segment *segment)
{
	uint64_t nr_foreign = 0;

	for (uint32_t i = 0; i < covb_segment_nr_areas(segment); i++) {
		uint64_t nr, *words;

		if (COVBUF_FLAG_STATE(segment->areas[i].flag) != COVBUF_AREA_FREE)
			continue;
		words = covb_segment_words(segment, i, &nr);
		cr_assert(words);
		for (uint64_t w = 0; w < nr; w++)
			nr_foreign += words[w] != (w < nr - COVBUF_GUARD_WORDS ? 0 : COVBUF_GUARD_VALUE);
	}
	return nr_foreign;
}

Test(arena, areas_do_not_overlap_and_are_empty)
{
	struct covbuf_segment *segment = create(64 << 20);
	unsigned char used[1024] = { 0 };

	cr_assert(covbuf_segment_grow(segment, 0, 37) == 37);
	cr_assert(covbuf_segment_grow(segment, 4, 5) == 5);
	cr_assert(covbuf_segment_grow(segment, 1, 9) == 9);
	cr_assert(covb_segment_nr_areas(segment) == 52);
	for (uint32_t i = 0; i < 52; i++) {
		const struct covbuf_area *area = &segment->areas[i];
		uint64_t part = area->offset_bytes >> 16, nr_parts = 1ull << area->area_class;

		cr_assert(area->offset_bytes % 65536 == 0 && area->offset_bytes >= segment->layout.data_offset_bytes);
		for (uint64_t p = part; p < part + nr_parts; p++)
			cr_assert(!used[p]++, "area %u", i);
	}
	cr_expect(count_foreign_words(segment) == 0);
	cr_expect(segment->header->classes[0].grown == 38 && segment->header->classes[4].grown == 5);
	covbuf_segment_close(segment);
}

Test(arena, grows_to_the_limit_and_says_so)
{
	struct covbuf_segment *segment = create(16 << 20);
	uint64_t room = (segment->layout.limit_bytes - segment->layout.data_offset_bytes) / 65536;
	struct stat status;
	int made = covbuf_segment_grow(segment, 0, 100000);

	/* what is there from the start counts */
	cr_expect(made + 1 == (int)room, "%d of %lu", made + 1, (unsigned long)room);
	cr_expect(covbuf_segment_grow(segment, 0, 1) == -ENOSPC);
	fstat(segment->fd, &status);
	cr_expect((uint64_t)status.st_size == segment->layout.limit_bytes);
	cr_expect(segment->header->size_bytes == segment->layout.limit_bytes);
	cr_expect(covbuf_segment_free_areas(segment, 0) == room);
	cr_expect(count_foreign_words(segment) == 0);
	cr_expect(covbuf_segment_grow(segment, COVBUF_NR_CLASSES, 1) == -EINVAL);
	covbuf_segment_close(segment);
}

static void shrink_and_grow_again(struct covbuf_segment *segment)
{
	int64_t before, after;
	uint64_t nr, *words;

	cr_assert(covbuf_segment_grow(segment, 0, 63) == 63);
	before = storage_kib(segment);
	cr_expect(covbuf_segment_shrink(segment, 0, 32) == 32);
	after = storage_kib(segment);
	cr_expect(before - after >= 32 * 64, "%ld KiB, then %ld", (long)before, (long)after);
	cr_expect(segment->header->nr_retired == 32 && covbuf_segment_free_areas(segment, 0) == 32);

	/* other sizes from the same bytes: old guard words must not be in them */
	cr_expect(covbuf_segment_grow(segment, 3, 3) == 3);
	cr_expect(covbuf_segment_grow(segment, 0, 8) == 8);
	cr_expect(count_foreign_words(segment) == 0);
	cr_expect(covb_segment_nr_areas(segment) == 64, "entries of retired areas are used again");
	cr_expect(segment->header->nr_retired == 21);
	for (uint32_t i = 0; i < 64; i++)
		if (COVBUF_FLAG_STATE(segment->areas[i].flag) == COVBUF_AREA_FREE && (words = covb_segment_words(segment, i, &nr)))
			memset(words, 0xff, nr * 8);
}

Test(arena, shrinking_punches_holes_in_memory)
{
	struct covbuf_segment *segment;

	need_holes();
	segment = create(64 << 20);
	shrink_and_grow_again(segment);
	covbuf_segment_close(segment);
}

Test(arena, shrinking_punches_holes_in_a_file)
{
	char directory[] = "/tmp/covbuf-arena-XXXXXX", path[64];
	struct covbuf_segment *segment;

	need_holes();
	cr_assert(mkdtemp(directory));
	snprintf(path, sizeof(path), "%s/segment", directory);
	segment = create_in(path, 64 << 20);
	shrink_and_grow_again(segment);
	covbuf_segment_close(segment);
	unlink(path);
	rmdir(directory);
}

Test(arena, areas_in_use_are_not_retired)
{
	struct covbuf_segment *segment = create(16 << 20);
	uint64_t flag = 0, nr, *words;

	cr_assert(covbuf_segment_grow(segment, 0, 3) == 3);
	cr_assert(covb_flag_take(&segment->areas[2], 1, &flag));
	words = covb_segment_words(segment, 2, &nr);
	words[5] = 0x1234;
	cr_expect(covbuf_segment_shrink(segment, 0, 100) == 3);
	cr_expect(segment->areas[2].flag == flag && words[5] == 0x1234);
	cr_expect(!covb_flag_take(&segment->areas[0], 1, &flag), "what is retired cannot be taken");
	covbuf_segment_close(segment);
}

/* A peer writes nonsense into the directory: the arena never hears of it. */
Test(arena, maker_does_not_believe_the_directory)
{
	struct covbuf_segment *segment = create(16 << 20);

	cr_assert(covbuf_segment_grow(segment, 0, 7) == 7);
	for (uint32_t i = 0; i < 8; i++) {
		segment->areas[i].offset_bytes = 0x1234567812345678ull * (i + 1);
		segment->areas[i].area_class = 77 + i;
	}
	segment->header->nr_areas = 0x7fffffff;
	cr_expect(covb_segment_nr_areas(segment) == segment->layout.areas.nr);
	cr_expect(!covb_segment_words(segment, 3, &(uint64_t){ 0 }));
	cr_expect(covbuf_segment_shrink(segment, 0, 8) == 8);
	cr_expect(covbuf_segment_grow(segment, 0, 8) == 8);
	cr_expect(covbuf_segment_free_areas(segment, 0) == 8);
	covbuf_segment_close(segment);
}

Test(arena, malloc_stays_the_c_librarys)
{
	struct covbuf_segment *segment = create(16 << 20);
	struct mallinfo2 before, after;
	void *block;

#ifdef __SANITIZE_ADDRESS__
	cr_skip_test("the sanitizer replaces malloc");
#endif
	before = mallinfo2();
	block = malloc(100000);
	after = mallinfo2();
	cr_expect(after.uordblks - before.uordblks >= 100000, "libc counts it");
	cr_expect((char *)block < segment->base || (char *)block >= segment->base + segment->layout.limit_bytes);
	free(block);
	covbuf_segment_close(segment);
}

Test(arena, settings_of_other_jemallocs_do_not_reach_it)
{
	struct covbuf_segment *segment;

	setenv("MALLOC_CONF", "junk:true,zero:false,dirty_decay_ms:-1", 1);
	segment = create(16 << 20);
	cr_assert(covbuf_segment_grow(segment, 0, 20) == 20);
	cr_assert(covbuf_segment_shrink(segment, 0, 10) == 10);
	cr_assert(covbuf_segment_grow(segment, 1, 5) == 5);
	cr_expect(count_foreign_words(segment) == 0);
	covbuf_segment_close(segment);
}

/* A file system that has no holes keeps what was freed; and what is taken next may lie beyond the file's end. */
static bool holes_declined;

int madvise(void *address, size_t bytes, int advice)
{
	int (*next)(void *, size_t, int);

	if (holes_declined && advice == MADV_REMOVE) {
		errno = EOPNOTSUPP;
		return -1;
	}
	*(void **)&next = dlsym(RTLD_NEXT, "madvise");
	return next(address, bytes, advice);
}

Test(arena, what_cannot_be_punched_is_zeroed_when_it_is_used_again)
{
	char directory[] = "/tmp/covbuf-arena-XXXXXX", path[64];
	struct covbuf_segment *segment;

	cr_assert(mkdtemp(directory));
	snprintf(path, sizeof(path), "%s/segment", directory);
	holes_declined = true;
	segment = create_in(path, 64 << 20);
	for (int round = 0; round < 3; round++) {
		cr_assert(covbuf_segment_grow(segment, 0, 63) == 63);
		for (uint32_t i = 0; i < covb_segment_nr_areas(segment); i++) {
			uint64_t nr, *words = covb_segment_words(segment, i, &nr);

			if (COVBUF_FLAG_STATE(segment->areas[i].flag) == COVBUF_AREA_FREE)
				memset(words, 0xff, (nr - COVBUF_GUARD_WORDS) * sizeof(*words));
		}
		cr_assert(covbuf_segment_trim(segment) == 0);
	}
	cr_assert(covbuf_segment_grow(segment, 3, 5) == 5);
	cr_assert(covbuf_segment_grow(segment, 0, 20) == 20);
	cr_expect(count_foreign_words(segment) == 0);
	covbuf_segment_close(segment);
	unlink(path);
	rmdir(directory);
}

/* Nothing but guard words in all of the data, used or not: jemalloc's own data are elsewhere. */
Test(arena, bookkeeping_stays_out_of_the_segment)
{
	struct covbuf_segment *segment = create(16 << 20);
	uint64_t nr_guards = 0, nr_others = 0;

	cr_assert(covbuf_segment_grow(segment, 0, 63) == 63);
	for (uint64_t at = segment->layout.data_offset_bytes; at < segment->header->size_bytes; at += 8) {
		uint64_t word = *(uint64_t *)(segment->base + at);

		nr_guards += word == COVBUF_GUARD_VALUE;
		nr_others += word && word != COVBUF_GUARD_VALUE;
	}
	cr_expect(nr_guards == 64 * COVBUF_GUARD_WORDS && !nr_others);
	covbuf_segment_close(segment);
}

Test(arena, fork_children_do_not_grow)
{
	struct covbuf_segment *segment = create(16 << 20);
	int status;
	pid_t child = fork();

	if (!child) {
		bool refused = covbuf_segment_grow(segment, 0, 1) == -EPERM && covbuf_segment_shrink(segment, 0, 1) == -EPERM &&
			       covbuf_segment_trim(segment) == -EPERM;

		covbuf_segment_close(segment);
		_exit(!refused);
	}
	waitpid(child, &status, 0);
	cr_expect(WIFEXITED(status) && !WEXITSTATUS(status));
	cr_expect(covbuf_segment_grow(segment, 0, 1) == 1);
	covbuf_segment_close(segment);
}

Test(arena, recording_outlives_its_arena_and_is_trimmed)
{
	char directory[] = "/tmp/covbuf-arena-XXXXXX", path[64];
	struct covbuf_segment *segment;
	struct stat before, after;
	uint64_t flag = 0, nr, *words;

	cr_assert(mkdtemp(directory));
	snprintf(path, sizeof(path), "%s/segment", directory);
	segment = create_in(path, 64 << 20);
	cr_assert(covbuf_segment_grow(segment, 0, 99) == 99);
	cr_assert(covb_flag_take(&segment->areas[1], 1, &flag));
	cr_assert(covb_flag_move(&segment->areas[1], &flag, 0, COVBUF_AREA_ENDED));
	words = covb_segment_words(segment, 1, &nr);
	words[0] = 0x4711;
	fstat(segment->fd, &before);
	cr_expect(covbuf_segment_trim(segment) == 0);
	fstat(segment->fd, &after);
	cr_expect(after.st_size < before.st_size && (uint64_t)after.st_size == segment->header->size_bytes);
	cr_expect(after.st_blocks < before.st_blocks / 2);
	cr_expect(covbuf_segment_grow(segment, 0, 3) == 3, "growing goes on");
	cr_expect(count_foreign_words(segment) == 0);
	cr_expect(covbuf_segment_trim(segment) == 0);
	covbuf_segment_close(segment);

	cr_assert(!covbuf_segment_open(path, COVBUF_OPEN_ATTACH, &segment, NULL));
	words = covb_segment_words(segment, 1, &nr);
	cr_expect(words && words[0] == 0x4711);
	covbuf_segment_close(segment);
	unlink(path);
	rmdir(directory);
}
