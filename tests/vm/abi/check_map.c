// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* mmap of the area. */
#define _GNU_SOURCE
#include <errno.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>
#include "abi.h"

#define RW (PROT_READ | PROT_WRITE)

static void before_init(void)
{
	fails(EINVAL, mmap(NULL, page_bytes, RW, MAP_SHARED, open_device(), 0));
}

static void whole_length_only(void)
{
	int fd = open_words(4 * PAGE_WORDS);

	fails(EINVAL, mmap(NULL, 3 * page_bytes, RW, MAP_SHARED, fd, 0));
	fails(EINVAL, mmap(NULL, 5 * page_bytes, RW, MAP_SHARED, fd, 0));
	works(mmap(NULL, 4 * page_bytes, RW, MAP_SHARED, fd, 0));
	/* The length is rounded to pages before anybody compares it. */
	works(mmap(NULL, 4 * page_bytes - 1, RW, MAP_SHARED, fd, 0));
}

static void offset_zero_only(void)
{
	int fd = open_words(4 * PAGE_WORDS);

	fails(EINVAL, mmap(NULL, 4 * page_bytes, RW, MAP_SHARED, fd, page_bytes));
	fails(EINVAL, mmap(NULL, 3 * page_bytes, RW, MAP_SHARED, fd, page_bytes));
}

/* A map is whole pages, so an area that is not can be used, but not mapped. */
static void part_of_a_page_never(void)
{
	int fd = open_words(PAGE_WORDS + 1);

	fails(EINVAL, mmap(NULL, (PAGE_WORDS + 1) * 8, RW, MAP_SHARED, fd, 0));
	fails(EINVAL, mmap(NULL, page_bytes, RW, MAP_SHARED, fd, 0));
	fails(EINVAL, mmap(NULL, 2 * page_bytes, RW, MAP_SHARED, fd, 0));
	works(ioctl(fd, KCOV_ENABLE, KCOV_TRACE_PC));
	run_function(0, 1);
	works(ioctl(fd, KCOV_DISABLE, 0));
}

static void zeroed(void)
{
	struct cov cov = map_words(8 * PAGE_WORDS);

	for (size_t i = 0; i < cov.words; i++)
		expect(!cov.area[i], "word %zu of a new area is %lx", i, cov.area[i]);
}

static void any_number_of_maps(void)
{
	struct cov cov = map_words(PAGE_WORDS);
	volatile uint64_t *second, *read_only, *private;

	second = (uint64_t *)works(mmap(NULL, page_bytes, RW, MAP_SHARED, cov.fd, 0));
	read_only = (uint64_t *)works(mmap(NULL, page_bytes, PROT_READ, MAP_SHARED, cov.fd, 0));
	private = (uint64_t *)works(mmap(NULL, page_bytes, PROT_READ, MAP_PRIVATE, cov.fd, 0));
	cov.area[500] = 42;
	expect(second[500] == 42 && read_only[500] == 42 && private[500] == 42, "the maps are not of one area");
	second[501] = 43;
	expect(cov.area[501] == 43, "the second map is not of the same area");
	works(ioctl(cov.fd, KCOV_ENABLE, KCOV_TRACE_PC));
	run_function(0, 1);
	works(ioctl(cov.fd, KCOV_DISABLE, 0));
	expect(read_only[0] && read_only[0] == cov.area[0], "the kernel's records are not in all maps");
	works(munmap((void *)cov.area, page_bytes));
	works(mmap(NULL, page_bytes, RW, MAP_SHARED, cov.fd, 0));
}

static void while_enabled(void)
{
	int fd = open_words(PAGE_WORDS);
	volatile uint64_t *area;

	works(ioctl(fd, KCOV_ENABLE, KCOV_TRACE_PC));
	area = (uint64_t *)works(mmap(NULL, page_bytes, RW, MAP_SHARED, fd, 0));
	area[0] = 0;
	run_function(0, 1);
	expect(area[0], "nothing is recorded");
}

static void grows_not(void)
{
	struct cov cov = map_words(2 * PAGE_WORDS);

	fails(EFAULT, mremap((void *)cov.area, 2 * page_bytes, 3 * page_bytes, MREMAP_MAYMOVE));
	fails(EFAULT, mremap((void *)cov.area, 2 * page_bytes, 3 * page_bytes, 0));
}

static void moves_and_shrinks(void)
{
	struct cov cov = map_words(2 * PAGE_WORDS);
	void *place = (void *)works(mmap(NULL, 2 * page_bytes, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));

	cov.area[7] = 11;
	cov.area = (uint64_t *)works(mremap((void *)cov.area, 2 * page_bytes, 2 * page_bytes, MREMAP_MAYMOVE | MREMAP_FIXED, place));
	expect((void *)cov.area == place && cov.area[7] == 11, "it has not moved");
	works(mremap((void *)cov.area, 2 * page_bytes, page_bytes, 0));
	works(ioctl(cov.fd, KCOV_ENABLE, KCOV_TRACE_PC));
	run_function(0, 1);
	expect(cov.area[0], "nothing is recorded");
}

static void outlives_the_fd(void)
{
	struct cov cov = map_words(PAGE_WORDS);

	works(close(cov.fd));
	cov.area[9] = 12;
	expect(cov.area[9] == 12, "the map is not there");
}

static void map_there(void *data)
{
	struct cov *cov = data;
	uint64_t *area = (uint64_t *)works(mmap(NULL, page_bytes, RW, MAP_SHARED, cov->fd, 0));

	expect(area[3] == 5, "the child's map is of another area");
	cov->area[4] = 6;
}

static void by_a_child(void)
{
	struct cov cov = map_words(PAGE_WORDS);

	cov.area[3] = 5;
	in_child(map_there, &cov);
	expect(cov.area[4] == 6, "what a child stores in the map is not seen");
}

static void of_128_mib(void)
{
	struct cov cov = map_words(16ul << 20);

	cov.area[cov.words - 1] = 1;
	works(ioctl(cov.fd, KCOV_ENABLE, KCOV_TRACE_PC));
	/* The far end is as good as the near one. */
	cov.area[0] = cov.words - 1 - pcs_per_call();
	run_function(0, 1);
	works(ioctl(cov.fd, KCOV_DISABLE, 0));
	expect(cov.area[cov.words - 1] != 1, "nothing is recorded at the end of 128 MiB");
}

const struct check map_checks[] = {
	{ "map/before_init", before_init },
	{ "map/whole_length_only", whole_length_only },
	{ "map/offset_zero_only", offset_zero_only },
	{ "map/part_of_a_page_never", part_of_a_page_never },
	{ "map/zeroed", zeroed },
	{ "map/any_number_of_maps", any_number_of_maps },
	{ "map/while_enabled", while_enabled },
	{ "map/grows_not", grows_not },
	{ "map/moves_and_shrinks", moves_and_shrinks },
	{ "map/outlives_the_fd", outlives_the_fd },
	{ "map/by_a_child", by_a_child },
	{ "map/of_128_mib", of_128_mib },
	{ }
};
