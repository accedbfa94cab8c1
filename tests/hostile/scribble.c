// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * Another process writes all over the segment, header and records too, for as long as readers drain, audit
 * and look: extreme values, flipped bits, swapped entries, and now and then something good, without which
 * nothing would get past the first checks. Bounded work, no fault; the sanitizers see the rest.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <signal.h>
#include <sys/wait.h>
#include <time.h>

#include "../../shm/shm.h"
#include "hostile.h"

#define IMAGE_BYTES ((6 + NR_AREAS) * PART)
#define WORDS (IMAGE_BYTES / 8)
#define NR_WRITERS 2

static struct image image;

static uint64_t extreme(uint64_t r)
{
	static const uint64_t edges[] = {
		0, 1, 2, 3, 4, 5, 6, 8, 12, 15, 16, 17, 4095, 4096, 7935, 7936, 7937, 8191, 8192, 8193, 0xffff, 0x10000,
		0xffffffff, 0x100000000, ~0ull, ~0ull - 1, 1ull << 63, (1ull << 63) + 64, ~0ull >> 1, PART, 6 * PART,
		(6 + NR_AREAS) * PART, (5 + NR_AREAS) * PART, 1ull << 40, COVBUF_FLAG(2, 2, COVBUF_AREA_HELD),
		COVBUF_FLAG(2, PROC, COVBUF_AREA_QUEUED), COVBUF_FLAG(2, COVB_HOLDER_CONSUMER, COVBUF_AREA_READING),
		0x0100, 0x0101, 0x0200, 0x0201,
	};

	return edges[r % (sizeof(edges) / sizeof(edges[0]))];
}

/* Of the tables mostly: there is little to be said about records. */
static uint64_t *some_word(uint64_t r)
{
	uint64_t *words = (uint64_t *)(void *)image.base;

	switch (r & 7) {
	case 0:
		return &words[r >> 8 & 127]; /* header */
	case 1:
		return &words[(r >> 8) % WORDS];
	case 2:
	case 3:
		return (uint64_t *)image.owners + (r >> 8) % (2 * sizeof(struct covbuf_owner_slot) / 8);
	case 4:
		return image_words(&image, (r >> 8) % NR_AREAS) + (r >> 16) % 256;
	default:
		return (uint64_t *)image.areas + (r >> 8) % (NR_AREAS * sizeof(struct covbuf_area) / 8);
	}
}

static void store(uint64_t *word, uint64_t value)
{
	__atomic_store_n(word, value, __ATOMIC_RELAXED);
}

static void swap_entries(uint64_t r)
{
	uint64_t *a = (uint64_t *)&image.areas[r % NR_AREAS], *b = (uint64_t *)&image.areas[(r >> 8) % NR_AREAS];

	for (unsigned int i = 0; i < sizeof(struct covbuf_area) / 8; i++) {
		uint64_t word = __atomic_load_n(&a[i], __ATOMIC_RELAXED);

		store(&a[i], __atomic_load_n(&b[i], __ATOMIC_RELAXED));
		store(&b[i], word);
	}
}

/* An area that makes sense, and is queued or held by the dead. */
static void mend(uint64_t r)
{
	uint32_t i = r % NR_AREAS;

	__atomic_store_n(&image.header->nr_areas, NR_AREAS, __ATOMIC_RELAXED);
	store(&image.header->size_bytes, IMAGE_BYTES);
	store(&image.owners[0].sequence, SEQUENCE);
	store(&image.procs[2].state, COVBUF_PROC_LIVE);
	__atomic_store_n(&image.procs[2].pid, 0, __ATOMIC_RELAXED);
	__atomic_store_n(&image.procs[2].pid_namespace, 0, __ATOMIC_RELAXED);
	store(&image.areas[i].offset_bytes, (6 + i) * PART);
	__atomic_store_n(&image.areas[i].area_class, 0, __ATOMIC_RELAXED);
	image_area(&image, i, COVBUF_AREA_NONE, r >> 8 & 1, (r >> 9) % 3, 64);
	store(&image.areas[i].flag, r >> 16 & 1 ? COVBUF_FLAG(2, PROC, COVBUF_AREA_QUEUED) : COVBUF_FLAG(2, 2, COVBUF_AREA_HELD));
	__atomic_store_n(&image.areas[i].next, (r >> 20) % (NR_AREAS + 2), __ATOMIC_RELAXED);
	__atomic_store_n(&image.owners[0].queue, i + 1, __ATOMIC_RELEASE);
}

static _Noreturn void scribble(uint64_t seed)
{
	for (;;) {
		uint64_t r = image_random(&seed);
		uint64_t *word = some_word(r >> 3);

		switch (r & 7) {
		case 0:
		case 1:
			store(word, extreme(r >> 32));
			break;
		case 2:
			store(word, __atomic_load_n(word, __ATOMIC_RELAXED) ^ 1ull << (r >> 58));
			break;
		case 3:
			store(word, (__atomic_load_n(word, __ATOMIC_RELAXED) & ~0xffffffffull) | (uint32_t)extreme(r >> 32));
			break;
		case 4:
			swap_entries(r >> 8);
			break;
		default:
			mend(r >> 8);
		}
	}
}

static void read_beside(enum place place, double seconds, uint64_t seed)
{
	pid_t writers[NR_WRITERS];
	double end = now() + seconds, late = end + 60, slowest = 0; /* on a busy machine they seldom meet */
	struct readers readers;
	uint64_t turns = 0;

	hostile_make(&image, place);
	readers_open(&readers, &image);
	for (int i = 0; i < NR_WRITERS; i++) {
		writers[i] = fork();
		if (writers[i] < 0)
			give_up("no process: %s", strerror(errno));
		if (!writers[i])
			scribble(seed + 2 * (uint64_t)i);
	}
	for (; now() < end || ((!readers.batches || !readers.errors) && now() < late); turns++) {
		double began = now();

		expect_to_be_back(60, "a reading");
		read_in_some_way(&readers, (unsigned int)image_random(&seed));
		if (now() - began > slowest)
			slowest = now() - began;
	}
	alarm(0);
	for (int i = 0; i < NR_WRITERS; i++) {
		kill(writers[i], SIGKILL);
		waitpid(writers[i], NULL, 0);
	}
	printf("%s: %lu readings, %lu calls gave an error, %lu batches were read, the slowest took %.0f ms\n",
	       place_names[place], (unsigned long)turns, (unsigned long)readers.errors, (unsigned long)readers.batches,
	       slowest * 1000);
	if (!readers.batches || !readers.errors)
		give_up("%s: nothing was read, or nothing happened", place_names[place]);
	/* still a consumer, of a segment that is in order again */
	hostile_restore(&image);
	readers.errors = 0;
	read_in_some_way(&readers, 1);
	if (readers.errors)
		give_up("%s: a segment that is in order again is not read", place_names[place]);
	readers_close(&readers);
	hostile_remove(&image);
}

int main(int argc, char **argv)
{
	double seconds = 20;
	uint64_t seed = (uint64_t)time(NULL) | 1;

	for (int i = 1; i + 1 < argc; i += 2) {
		if (!strcmp(argv[i], "--seconds"))
			seconds = strtod(argv[i + 1], NULL);
		else if (!strcmp(argv[i], "--seed"))
			seed = strtoull(argv[i + 1], NULL, 0) | 1;
		else
			give_up("usage: scribble [--seconds N] [--seed N]");
	}
	setvbuf(stdout, NULL, _IOLBF, 0);
	printf("seed %#lx\n", (unsigned long)seed);
	read_beside(SEALED, seconds / 2, seed);
	read_beside(SHM, seconds / 2, seed);
	return 0;
}
