// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * The image, patches to it, and the hook through which the library sees it. See image.h, hook.h.
 */
#define _GNU_SOURCE
#include "image.h"

#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include "../../shm/shm.h"

#define PAGE_BYTES 4096u
#define NR_PAGES (IMAGE_BYTES / PAGE_BYTES)
#define MAX_SECONDS 2.0
#define MAX_PATCHES 256
#define MAX_REPEATS 65536u
#define CHANGED 0xff /* a page of no image */

struct image image = { .fd = -1 };

static uint8_t same_as[NR_TEMPLATES][NR_PAGES]; /* the first image with the same page */
static uint8_t shows[NR_PAGES];		     /* whose page it is now, or CHANGED */

/* The library's mapping; and whether it is closed. */
static const char *watched;
static bool closed;

static struct {
	struct patch patches[MAX_PATCHES];
	uint32_t when[MAX_PATCHES];
	unsigned int nr;
	uint32_t looks, due;
	char *last; /* of the patches applied: the word, for REPEAT */
	uint64_t last_value;
	uint32_t repeats;
} plan;

_Noreturn void finding(const char *format, ...)
{
	va_list args;

	va_start(args, format);
	vfprintf(stderr, format, args);
	va_end(args);
	fputc('\n', stderr);
	abort();
}

static double processor_time(void)
{
	struct timespec t;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

int LLVMFuzzerTestOneInput(const uint8_t *input, size_t nr_bytes);

/* Not by the clock on the wall: the machine may have other things to do. */
int LLVMFuzzerTestOneInput(const uint8_t *input, size_t nr_bytes)
{
	double began = processor_time(), took;

	fuzz_one(input, nr_bytes);
	took = processor_time() - began;
	expect(took < MAX_SECONDS, "an input took %.1f s of processor time", took);
	return 0;
}

/* ---- images ---------------------------------------------------------------------------------- */

void image_init(void)
{
	image_make_templates();
	for (unsigned int n = 0; n < NR_TEMPLATES; n++) {
		for (unsigned int p = 0; p < NR_PAGES; p++) {
			uint8_t first = 0;

			while (memcmp(image_template(first) + p * PAGE_BYTES, image_template(n) + p * PAGE_BYTES, PAGE_BYTES))
				first++;
			same_as[n][p] = first;
		}
	}
	image.fd = memfd_create("image", MFD_CLOEXEC);
	if (image.fd < 0 || ftruncate(image.fd, IMAGE_BYTES))
		finding("no memory for an image");
	image.base = mmap(NULL, IMAGE_BYTES, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_POPULATE, image.fd, 0);
	if (image.base == MAP_FAILED)
		finding("no mapping of an image");
	image.bytes = IMAGE_BYTES;
	memset(shows, CHANGED, sizeof(shows));
	image_load(NULL, 0);
}

static void restore(unsigned int number)
{
	for (unsigned int p = 0; p < NR_PAGES; p++) {
		if (shows[p] == same_as[number][p])
			continue;
		memcpy(image.base + p * PAGE_BYTES, image_template(number) + p * PAGE_BYTES, PAGE_BYTES);
		shows[p] = same_as[number][p];
	}
}

void image_changed(size_t nr_bytes)
{
	memset(shows, CHANGED, (nr_bytes + PAGE_BYTES - 1) / PAGE_BYTES);
}

static const struct covbuf_header *header_now(void)
{
	return (const struct covbuf_header *)(const void *)image.base;
}

/* ---- patches --------------------------------------------------------------------------------- */

static const uint64_t magic[] = {
	0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 12, 63, 64, 65, 128, 255, 256, 4095, 4096, 4097, 7935, 7936, 7937, 8191, 8192, 8193,
	0xffff, 0x10000, 0x7fffffff, 0x80000000, 0xfffffffe, 0xffffffff, 0x100000000, 0x7fffffffffffffff, 0x8000000000000000,
	0x8000000000000001, 0xfffffffffffffffe, ~0ull,
	5 * PART, 6 * PART, 7 * PART, 11 * PART, 12 * PART, 13 * PART, 6 * PART + 8, 1ull << 40, (1ull << 40) - PART,
	COVBUF_MAGIC, COVBUF_RING_START + 64, COVBUF_RING_START - 1, 0x401010, SEQUENCE, SEQUENCE + 1, SEQUENCE - 1,
	/* states and their holders */
	COVBUF_FLAG(2, 0, COVBUF_AREA_FREE), COVBUF_FLAG(2, 1, COVBUF_AREA_HELD), COVBUF_FLAG(2, DEAD, COVBUF_AREA_HELD),
	COVBUF_FLAG(2, 1, COVBUF_AREA_QUEUED), COVBUF_FLAG(2, DEAD, COVBUF_AREA_QUEUED),
	COVBUF_FLAG(2, COVB_HOLDER_CONSUMER, COVBUF_AREA_READING), COVBUF_FLAG(2, COVB_HOLDER_MAKER, COVBUF_AREA_HELD),
	COVBUF_FLAG(2, DEAD, COVBUF_AREA_TARGET), COVBUF_FLAG(2, 0, COVBUF_AREA_ENDED), COVBUF_FLAG(2, 0, COVBUF_AREA_RETIRED),
	COVBUF_FLAG(2, 0, 8), COVBUF_FLAG(3, 1, COVBUF_AREA_QUEUED),
	/* mode, kind and next */
	0x0001, 0x0100, 0x0101, 0x0200, 0x0201, 0x0300, 0x0002, 0x0000000100000000, 0x0000000600000100,
};
#define NR_MAGIC (sizeof(magic) / sizeof(magic[0]))

/* NULL: nowhere. address: what the library is about to look at. */
static char *find_word(const struct patch *patch, char *address)
{
	static const struct {
		uint32_t nr, words;
	} tables[] = {
		[IN_HEADER] = { 1, sizeof(struct covbuf_header) / 8 },
		[IN_PROCS] = { NR_PROCS, sizeof(struct covbuf_proc) / 8 },
		[IN_CONTEXTS] = { NR_CONTEXTS, sizeof(struct covbuf_context_slot) / 8 },
		[IN_OWNERS] = { NR_OWNERS, sizeof(struct covbuf_owner_slot) / 8 },
		[IN_MODULES] = { NR_MODULES, sizeof(struct covbuf_module) / 8 },
		[IN_AREAS] = { NR_PARTS, sizeof(struct covbuf_area) / 8 },
		[IN_WORDS] = { NR_AREAS, PART / 8 },
	};
	unsigned int where = patch->where % NR_WHERE;

	if (where == HERE)
		return address;
	if (where == IN_WORDS)
		return image.base + (6 + patch->index % NR_AREAS) * PART + patch->word % (PART / 8) * 8;
	return image.base + where * PART + (patch->index % tables[where].nr * tables[where].words +
					    patch->word % tables[where].words) * 8;
}

static void store_word(char *at, uint64_t value)
{
	if (at + 8 > image.base + image.bytes)
		return;
	shows[(size_t)(at - image.base) / PAGE_BYTES] = CHANGED;
	__atomic_store_n((uint64_t *)(void *)at, value, __ATOMIC_RELAXED);
	plan.last = at;
	plan.last_value = value;
}

static void repeat(const struct patch *patch)
{
	size_t step = (patch->word ? patch->word : 1) * 8;

	for (unsigned int n = 0; n < patch->index && plan.last && plan.repeats < MAX_REPEATS; n++, plan.repeats++) {
		if (plan.last + step > image.base + IMAGE_BYTES - 8)
			return;
		store_word(plan.last + step, plan.last_value + patch->value);
	}
}

static void apply(const struct patch *patch, char *address)
{
	uint64_t value = patch->value, old;
	char *at;

	if (patch->where % NR_WHERE == REPEAT) {
		repeat(patch);
		return;
	}
	at = find_word(patch, address);
	if (!at || at + 8 > image.base + image.bytes)
		return;
	old = *(uint64_t *)(void *)at;
	switch (patch->how % NR_HOW) {
	case SET_LOW:
		value = (old & ~0xffffffffull) | (uint32_t)value;
		break;
	case SET_HIGH:
		value = (uint32_t)old | value << 32;
		break;
	case ADD:
		value += old;
		break;
	case XOR:
		value ^= old;
		break;
	case MAGIC:
		value = magic[value % NR_MAGIC];
		break;
	}
	store_word(at, value);
}

/* Those of now; and when the next are due. */
static void apply_due(char *address)
{
	uint32_t now = plan.due;

	plan.due = UINT32_MAX;
	for (unsigned int i = 0; i < plan.nr; i++) {
		if (plan.when[i] == now)
			apply(&plan.patches[i], address);
		else if (plan.when[i] > now && plan.when[i] < plan.due)
			plan.due = plan.when[i];
	}
}

struct input_head image_load(const uint8_t *input, size_t nr_bytes)
{
	struct input_head head = { 0 };

	if (nr_bytes >= sizeof(head)) {
		memcpy(&head, input, sizeof(head));
		input += sizeof(head);
		nr_bytes -= sizeof(head);
	}
	restore(head.image % NR_TEMPLATES);
	image.lied = false;
	plan.nr = (unsigned int)(nr_bytes / sizeof(struct patch));
	if (plan.nr > MAX_PATCHES)
		plan.nr = MAX_PATCHES;
	if (plan.nr)
		memcpy(plan.patches, input, plan.nr * sizeof(struct patch));
	for (unsigned int i = 0; i < plan.nr; i++) {
		uint32_t when = plan.patches[i].when;

		plan.when[i] = when & 0x8000 ? (when & 0x7fff) * 32 : when;
	}
	plan.looks = plan.repeats = plan.due = 0;
	plan.last = NULL;
	apply_due(NULL);
	return head;
}

/* ---- what the library sees ------------------------------------------------------------------- */

static void look(char *address)
{
	if (++plan.looks == plan.due)
		apply_due(address);
	if (image.bytes < IMAGE_BYTES || header_now()->size_bytes > IMAGE_BYTES)
		image.lied = true;
}

/* In the library's mapping; large: elsewhere. */
static size_t offset_of(const void *address)
{
	return watched ? (size_t)((uintptr_t)address - (uintptr_t)watched) : SIZE_MAX;
}

void *covb_hook(const volatile void *address, size_t bytes, int load)
{
	size_t offset = offset_of((const void *)address);

	if (offset >= IMAGE_BYTES)
		return (void *)(uintptr_t)address;
	if (offset % bytes)
		finding("an access of %zu bytes at %#zx is not aligned", bytes, offset);
	if (load)
		look(image.base + offset / 8 * 8);
	shows[offset / PAGE_BYTES] = CHANGED;
	return closed ? image.base + offset : (void *)(uintptr_t)address;
}

const void *image_at(const void *address)
{
	size_t offset = offset_of(address);

	return offset < IMAGE_BYTES ? image.base + offset : address;
}

void image_follow(const struct covbuf_segment *segment)
{
	watched = segment->base;
	closed = false;
}

void image_watch(const struct covbuf_segment *segment)
{
	watched = segment->base;
	closed = true;
	if (mprotect(segment->base, IMAGE_BYTES, PROT_NONE))
		finding("cannot close the library's mapping");
}

struct covbuf_segment *image_open(unsigned int flags)
{
	struct covbuf_message why = { "" };
	struct covbuf_segment *segment;
	char where[32];

	snprintf(where, sizeof(where), "fd:%d", image.fd);
	if (covbuf_segment_open(where, flags, &segment, &why))
		finding("%s", why.text);
	return segment;
}

/* ---- system calls (--wrap) ------------------------------------------------------------------- */

ssize_t __real_pread(int fd, void *to, size_t nr_bytes, off_t offset);
ssize_t __wrap_pread(int fd, void *to, size_t nr_bytes, off_t offset);
int __real_fcntl(int fd, int command, ...);
int __wrap_fcntl(int fd, int command, ...);

/* An observer's look at the segment. */
ssize_t __wrap_pread(int fd, void *to, size_t nr_bytes, off_t offset)
{
	if (image.base)
		look(offset >= 0 && (size_t)offset < IMAGE_BYTES ? image.base + offset / 8 * 8 : NULL);
	return __real_pread(fd, to, nr_bytes, offset);
}

/* One file is to be one that can shrink, and one that cannot. */
int __wrap_fcntl(int fd, int command, ...)
{
	va_list args;
	void *arg;

	va_start(args, command);
	arg = va_arg(args, void *);
	va_end(args);
	if (command == F_GET_SEALS)
		return image.sealed ? F_SEAL_SHRINK | F_SEAL_SEAL : 0;
	return __real_fcntl(fd, command, arg);
}
