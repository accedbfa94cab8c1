// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * Observing a segment that was made by hand: what a reader gets of good entries, of impossible ones,
 * of words that are being written, and of a file that ends too early.
 */
#define _GNU_SOURCE
#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sys/wait.h>
#include <time.h>

#include "image.h"

#define LINEAR_WORDS (covbuf_class_words(0))

static struct image image;
static struct covbuf_segment *segment;

static void make(void)
{
	image_make(&image, -1);
	segment = image_open(&image, COVBUF_OPEN_READ);
}

TestSuite(view, .init = make, .timeout = 60);

static int add_up(const struct covbuf_area *area, const uint64_t *record, void *arg)
{
	(void)area;
	*(uint64_t *)arg += record[0];
	return 0;
}

/* Records, sum of their first words, holes. */
static int64_t look(uint32_t i, uint64_t *sum, uint64_t *holes)
{
	struct covbuf_area area;
	int err = covbuf_view_area(segment, i, &area);

	*sum = 0;
	return err ? err : covbuf_view_records(segment, i, &area, add_up, sum, holes);
}

Test(view, records_come_with_their_holes_counted)
{
	uint64_t *words = image_words(&image, 3), sum, holes;

	image_area(&image, 3, COVBUF_AREA_HELD, COVBUF_MODE_PC, COVBUF_LINEAR, LINEAR_WORDS);
	words[0] = 10;
	words[2] = 20;
	words[3] = COVBUF_NOT_A_RECORD | 7; /* consumed: neither a record nor a hole */
	words[6] = 30;
	cr_assert_eq(look(3, &sum, &holes), 3);
	cr_assert_eq(sum, 60);
	cr_assert_eq(holes, 3);
}

struct runs {
	uint64_t nr, lengths[4], first[4];
};

static int note_run(const struct covbuf_area *area, const uint64_t *records, uint64_t nr, void *arg)
{
	struct runs *runs = arg;

	(void)area;
	cr_assert_lt(runs->nr, 4);
	runs->lengths[runs->nr] = nr;
	runs->first[runs->nr++] = records[0];
	return runs->nr == 3 ? 5 : 0;
}

Test(view, runs_have_neither_holes_nor_marks)
{
	uint64_t *words = image_words(&image, 3), holes;
	struct covbuf_area area;
	struct runs runs = { 0 };

	image_area(&image, 3, COVBUF_AREA_ENDED, COVBUF_MODE_PC, COVBUF_LINEAR, LINEAR_WORDS);
	memcpy(words, (uint64_t[]){ 10, 11, 0, 20, COVBUF_NOT_A_RECORD | 7 }, 40);
	cr_assert_eq(covbuf_view_area(segment, 3, &area), 0);
	cr_assert_eq(covbuf_view_runs(segment, 3, &area, note_run, &runs, &holes), 3);
	cr_assert_eq(runs.nr, 2);
	cr_assert_arr_eq(runs.lengths, ((uint64_t[]){ 2, 1 }), 16);
	cr_assert_arr_eq(runs.first, ((uint64_t[]){ 10, 20 }), 16);
	cr_assert_eq(holes, 1);
	cr_assert_eq(covbuf_view_runs(segment, 3, &area, NULL, NULL, &holes), 3, "only counted");
	words[8] = 30;
	words[9] = 31;
	words[11] = 40;
	runs.nr = 0;
	cr_assert_eq(covbuf_view_runs(segment, 3, &area, note_run, &runs, &holes), 5, "stopped at the third");
	cr_assert_eq(runs.nr, 3);
	cr_assert_eq(runs.lengths[2], 2);
}

Test(view, cmp_record_is_there_when_its_pc_is)
{
	uint64_t *words = image_words(&image, 3), sum, holes;

	image_area(&image, 3, COVBUF_AREA_QUEUED, COVBUF_MODE_CMP, COVBUF_LINEAR, LINEAR_WORDS);
	memcpy(words, (uint64_t[]){ 1, ~0ull, 3, 0x1000 }, 32);
	memcpy(words + 4, (uint64_t[]){ 2, 5, 6, 0 }, 32); /* never finished */
	memcpy(words + 8, (uint64_t[]){ 4, 8, 9, 0x2000 }, 32);
	cr_assert_eq(look(3, &sum, &holes), 2);
	cr_assert_eq(sum, 5);
	cr_assert_eq(holes, 1);
}

Test(view, counted_area_is_read_by_its_count)
{
	uint64_t *words = image_words(&image, 3), sum, holes;

	image_area(&image, 3, COVBUF_AREA_TARGET, COVBUF_MODE_PC, COVBUF_COUNTED, 100);
	memcpy(words, (uint64_t[]){ 2, 10, 20, 30 }, 32);
	cr_assert_eq(look(3, &sum, &holes), 2);
	cr_assert_eq(sum, 30);
	words[0] = ~0ull;
	cr_assert_eq(look(3, &sum, &holes), 3, "a count that cannot be is cut");
}

Test(view, kernel_addresses_are_records_where_words_are_counted)
{
	uint64_t *words = image_words(&image, 3), sum, holes;

	image_area(&image, 3, COVBUF_AREA_ENDED, COVBUF_MODE_PC, COVBUF_COUNTED, 100);
	memcpy(words, (uint64_t[]){ 3, 0xffffffffc0401005, 0, 0xffffffffc0401010, 99 }, 40);
	cr_assert_eq(look(3, &sum, &holes), 2);
	cr_assert_eq(sum, 0xffffffffc0401005 + 0xffffffffc0401010);
	cr_assert_eq(holes, 1);
	image_area(&image, 3, COVBUF_AREA_TARGET, COVBUF_MODE_CMP, COVBUF_COUNTED, 100);
	memcpy(words, (uint64_t[]){ 1, 7, 1ull << 63, ~0ull, 0xffffffff81000000 }, 40);
	cr_assert_eq(look(3, &sum, &holes), 1);
}

Test(view, ring_is_read_from_its_position)
{
	uint64_t *words = image_words(&image, 3), records[4] = { 0 };
	struct covbuf_area area;

	image_ring(&image, 3, COVBUF_AREA_HELD, COVBUF_MODE_PC, 4);
	words[0] = COVBUF_RING_START + 4; /* taken */
	words[1] = 11;
	words[2] = 22;
	image.areas[3].position = COVBUF_RING_START + 1;
	cr_assert_eq(covbuf_view_area(segment, 3, &area), 0);
	cr_assert_eq(covbuf_view_words(segment, 3, &area, 0, 4, records), 4);
	cr_assert_arr_eq(records, ((uint64_t[]){ 0, 11, 22, 0 }), sizeof(records));
}

Test(view, area_of_another_use_is_stale)
{
	struct covbuf_area area;
	uint64_t word;

	image_area(&image, 3, COVBUF_AREA_HELD, COVBUF_MODE_PC, COVBUF_LINEAR, LINEAR_WORDS);
	image_words(&image, 3)[0] = 10;
	cr_assert_eq(covbuf_view_area(segment, 3, &area), 0);
	image.areas[3].flag = COVBUF_FLAG(3, PROC, COVBUF_AREA_HELD);
	cr_assert_eq(covbuf_view_words(segment, 3, &area, 0, 1, &word), -ESTALE);
	/* taken, and described a moment later: the same generation, but of another context */
	cr_assert_eq(covbuf_view_area(segment, 3, &area), 0);
	image.areas[3].context = 2;
	cr_assert_eq(covbuf_view_words(segment, 3, &area, 0, 1, &word), -ESTALE);
}

Test(view, free_area_describes_nobody)
{
	struct covbuf_area area;

	image_area(&image, 3, COVBUF_AREA_FREE, COVBUF_MODE_PC, COVBUF_LINEAR, LINEAR_WORDS);
	cr_assert_eq(covbuf_view_area(segment, 3, &area), 0);
	cr_assert_eq(area.nr_words, 0);
	cr_assert_eq(area.owner, 0);
	cr_assert_eq(covbuf_view_area(segment, NR_AREAS, &area), -ENOENT);
}

Test(view, impossible_areas_are_refused)
{
	const struct { uint64_t offset; uint32_t class, words; uint8_t mode, kind; uint32_t state; } bad[] = {
		{ 6 * PART, 12, 8, 0, 0, COVBUF_AREA_HELD },
		{ 6 * PART, ~0u, 8, 0, 0, COVBUF_AREA_HELD },
		{ 5 * PART, 0, 8, 0, 0, COVBUF_AREA_HELD },
		{ 6 * PART + 8, 0, 8, 0, 0, COVBUF_AREA_HELD },
		{ ~0ull << 16, 0, 8, 0, 0, COVBUF_AREA_HELD },
		{ (6 + NR_AREAS) * PART, 0, 8, 0, 0, COVBUF_AREA_HELD },
		{ (5 + NR_AREAS) * PART, 1, 8, 0, 0, COVBUF_AREA_HELD },
		{ 6 * PART, 0, LINEAR_WORDS + 1, 0, 0, COVBUF_AREA_QUEUED },
		{ 6 * PART, 0, ~0u, 0, 0, COVBUF_AREA_QUEUED },
		{ 6 * PART, 0, 6, 1, 0, COVBUF_AREA_QUEUED },
		{ 6 * PART, 0, 12, 0, COVBUF_RING, COVBUF_AREA_QUEUED },
		{ 6 * PART, 0, 12, 1, COVBUF_RING, COVBUF_AREA_QUEUED },
		{ 6 * PART, 0, 0, 0, COVBUF_RING, COVBUF_AREA_QUEUED },
		{ 6 * PART, 0, 16384, 0, COVBUF_RING, COVBUF_AREA_QUEUED },
		{ 6 * PART, 0, 0, 0, COVBUF_COUNTED, COVBUF_AREA_TARGET },
		{ 6 * PART, 0, 8193, 0, COVBUF_COUNTED, COVBUF_AREA_TARGET },
		{ 6 * PART, 0, 8, 2, 0, COVBUF_AREA_QUEUED },
		{ 6 * PART, 0, 8, 0, 3, COVBUF_AREA_QUEUED },
		{ 6 * PART, 0, 8, 0, 0, 8 },
		{ 6 * PART, 0, 8, 0, 0, 15 },
	};

	for (size_t n = 0; n < sizeof(bad) / sizeof(bad[0]); n++) {
		struct covbuf_area *area = image_area(&image, 0, bad[n].state, bad[n].mode, bad[n].kind, bad[n].words);
		struct covbuf_area seen;

		area->offset_bytes = bad[n].offset;
		area->area_class = bad[n].class;
		cr_expect_eq(covbuf_view_area(segment, 0, &seen), -EPROTO, "case %zu", n);
	}
}

Test(view, area_that_is_not_described_yet_has_no_words)
{
	struct covbuf_area area;

	image_area(&image, 3, COVBUF_AREA_HELD, COVBUF_MODE_CMP, COVBUF_RING, 12);
	cr_assert_eq(covbuf_view_area(segment, 3, &area), 0);
	cr_assert_eq(area.nr_words, 0);
}

Test(view, callers_description_is_checked_too)
{
	struct covbuf_area area;
	uint64_t word;

	image_area(&image, 3, COVBUF_AREA_HELD, COVBUF_MODE_CMP, COVBUF_LINEAR, LINEAR_WORDS);
	cr_assert_eq(covbuf_view_area(segment, 3, &area), 0);
	cr_assert_eq(covbuf_view_words(segment, 3, &area, 2, 4, &word), -EINVAL, "the middle of a record");
	cr_assert_eq(covbuf_view_words(segment, 3, &area, LINEAR_WORDS, 4, &word), 0);
	area.nr_words = ~0u;
	cr_assert_eq(covbuf_view_words(segment, 3, &area, 0, 1, &word), -EINVAL);
}

Test(view, entries_are_cut_to_what_can_be)
{
	struct covbuf_header header;
	struct covbuf_owner_slot owner;
	struct covbuf_context_slot context;
	struct covbuf_module module;
	struct covbuf_proc proc;

	image.header->nr_areas = image.header->nr_retired = ~0u;
	image.header->size_bytes = ~0ull;
	image.header->areas.nr = ~0u;
	cr_assert_eq(covbuf_view_header(segment, &header), 0);
	cr_assert_eq(header.nr_areas, NR_AREAS);
	cr_assert_eq(header.areas.nr, NR_AREAS);
	cr_assert_eq(header.size_bytes, (6 + NR_AREAS) * PART);

	memset(image.procs[2].path, 'x', sizeof(image.procs[2].path));
	image.procs[2].state = COVBUF_PROC_ENDED | 9 << 8;
	cr_assert_eq(covbuf_view_proc(segment, 2, &proc), 0);
	cr_assert_eq(strlen(proc.path), sizeof(proc.path) - 1);
	image.procs[2].state = 3;
	cr_assert_eq(covbuf_view_proc(segment, 2, &proc), -EPROTO);
	cr_assert_eq(covbuf_view_proc(segment, 3, &proc), -ENOENT);
	cr_assert_eq(covbuf_view_proc(segment, 128, &proc), -ENOENT);

	image.contexts[0].state = COVBUF_CONTEXT_LIVE;
	memset(image.contexts[0].name, 'y', 16);
	cr_assert_eq(covbuf_view_context(segment, 0, &context), 0);
	cr_assert_eq(strlen(context.name), 15);

	image.owners[0].queue = image.owners[0].target = image.owners[0].nr_handles = ~0u;
	cr_assert_eq(covbuf_view_owner(segment, 0, &owner), 0);
	cr_assert_eq(owner.queue, 0);
	cr_assert_eq(owner.target, 0);
	image.owners[0].mode = 2;
	cr_assert_eq(covbuf_view_owner(segment, 0, &owner), -EPROTO);

	image.modules[0].state = 2;
	image.modules[0].build_id_bytes = ~0u;
	image.modules[0].proc = ~0u;
	memset(image.modules[0].path, 'z', sizeof(image.modules[0].path));
	cr_assert_eq(covbuf_view_module(segment, 0, &module), 0);
	cr_assert_eq(module.build_id_bytes, sizeof(module.build_id));
	cr_assert_eq(module.proc, 0);
	cr_assert_eq(strlen(module.path), sizeof(module.path) - 1);
	image.modules[0].start = 1;
	cr_assert_eq(covbuf_view_module(segment, 0, &module), -EPROTO);
}

Test(view, file_that_was_cut_is_an_error)
{
	char path[] = "/tmp/covbuf-view-XXXXXX";
	struct covbuf_segment *cut;
	struct covbuf_area area;
	uint64_t holes;
	int fd = mkstemp(path);

	unlink(path);
	image_make(&image, fd);
	image_area(&image, 9, COVBUF_AREA_ENDED, COVBUF_MODE_PC, COVBUF_LINEAR, LINEAR_WORDS);
	cut = image_open(&image, COVBUF_OPEN_READ);
	cr_assert_eq(covbuf_view_area(cut, 9, &area), 0);
	cr_assert_eq(ftruncate(fd, (6 + 9) * PART + 4096), 0);
	cr_assert_eq(covbuf_view_records(cut, 9, &area, NULL, NULL, &holes), -EIO);
	cr_assert_eq(ftruncate(fd, 4096), 0);
	cr_assert_eq(covbuf_view_area(cut, 9, &area), -EIO);
}

/* ---- beside a writer ------------------------------------------------------------------------- */

static bool stop;
static uint64_t rounds;

/* A linear area taken, filled with i * 0x0101010101, given, again and again: half of a record is seen in its bytes. */
#define SPREAD 0x0001010101010101ull

static void *fill_areas(void *arg)
{
	uint64_t *words = image_words(&image, 3);
	uint64_t generation = 2;

	(void)arg;
	image_area(&image, 3, COVBUF_AREA_HELD, COVBUF_MODE_PC, COVBUF_LINEAR, 4096);
	while (!__atomic_load_n(&stop, __ATOMIC_RELAXED)) {
		uint64_t byte = 1 + generation % 100;

		for (int k = 0; k < 4096; k++)
			__atomic_store_n(&words[k], SPREAD * byte, __ATOMIC_RELAXED);
		__atomic_store_n(&image.areas[3].flag, COVBUF_FLAG(generation, PROC, COVBUF_AREA_READING), __ATOMIC_RELEASE);
		for (int k = 0; k < 4096; k++)
			__atomic_store_n(&words[k], 0, __ATOMIC_RELAXED);
		generation++;
		__atomic_store_n(&image.areas[3].flag, COVBUF_FLAG(generation, PROC, COVBUF_AREA_HELD), __ATOMIC_RELEASE);
		rounds++;
	}
	return NULL;
}

static double now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static int check_whole(const struct covbuf_area *area, const uint64_t *record, void *arg)
{
	uint64_t byte = 1 + COVBUF_FLAG_GENERATION(area->flag) % 100;

	(void)arg;
	return *record == SPREAD * byte ? 0 : -EBADMSG;
}

Test(view, records_are_whole_and_of_this_use_beside_a_writer)
{
	pthread_t writer;
	int64_t seen = 0, stale = 0;
	double end = now() + 2, late = end + 40; /* on a busy machine they seldom meet */

	image_area(&image, 3, COVBUF_AREA_HELD, COVBUF_MODE_PC, COVBUF_LINEAR, 4096);
	pthread_create(&writer, NULL, fill_areas, NULL);
	while (now() < end || ((!seen || !stale) && now() < late)) {
		struct covbuf_area area;
		int64_t got = covbuf_view_area(segment, 3, &area);

		if (!got)
			got = covbuf_view_records(segment, 3, &area, check_whole, NULL, NULL);
		cr_assert_neq(got, -EBADMSG, "a record that was never stored");
		cr_assert(got >= 0 || got == -ESTALE || got == -EAGAIN, "%ld", (long)got);
		if (got > 0)
			seen += got;
		else
			stale++;
	}
	stop = true;
	pthread_join(writer, NULL);
	cr_assert_gt(seen, 0);
	cr_assert_gt(stale, 0);
}

static void *write_cmps(void *arg)
{
	uint64_t *words = image_words(&image, 4);

	(void)arg;
	for (uint64_t k = 0; k < LINEAR_WORDS / 4; k++) {
		for (int j = 0; j < 3; j++)
			__atomic_store_n(&words[4 * k + j], ~(k + 1), __ATOMIC_RELAXED);
		__atomic_store_n(&words[4 * k + 3], (k + 1) * 0x010101010101, __ATOMIC_RELEASE);
		for (int j = 0; j < 300; j++)
			__asm__ volatile("");
	}
	return NULL;
}

static int check_cmp(const struct covbuf_area *area, const uint64_t *record, void *arg)
{
	(void)area;
	(void)arg;
	for (int j = 0; j < 3; j++) {
		if (~record[j] * 0x010101010101 != record[3])
			return -EBADMSG;
	}
	return 0;
}

Test(view, cmp_records_are_whole_while_they_are_written)
{
	struct covbuf_area area;
	pthread_t writer;
	int64_t got;

	image_area(&image, 4, COVBUF_AREA_HELD, COVBUF_MODE_CMP, COVBUF_LINEAR, LINEAR_WORDS);
	cr_assert_eq(covbuf_view_area(segment, 4, &area), 0);
	pthread_create(&writer, NULL, write_cmps, NULL);
	do {
		got = covbuf_view_records(segment, 4, &area, check_cmp, NULL, NULL);
		cr_assert_geq(got, 0);
	} while (got < LINEAR_WORDS / 4);
	pthread_join(writer, NULL);
}

/* Everything behind the header changes all the time, to values at the edges of what can be. */
static void *scribble(void *arg)
{
	static const uint64_t edges[] = { 0, 1, 2, 3, 4, 7, 12, 4096, 0xffff, 0xffffffff, ~0ull, 1ull << 63, 6 * PART,
					  0x7fffffffffffffff, (1ull << 32) + 1, 0x0101010101010101 };
	uint64_t seed = *(uint64_t *)arg;

	while (!__atomic_load_n(&stop, __ATOMIC_RELAXED)) {
		uint64_t r = image_random(&seed);
		uint64_t *tables = (uint64_t *)(image.base + PART);
		uint64_t word = r % (5 * PART / 8);

		if (r >> 63)
			word = 4 * PART / 8 + r % (NR_AREAS * sizeof(struct covbuf_area) / 8);
		__atomic_store_n(&tables[word], edges[r >> 40 & 15], __ATOMIC_RELAXED);
		__atomic_store_n(&image.header->size_bytes, edges[r >> 44 & 15], __ATOMIC_RELAXED);
		__atomic_store_n(&image.header->nr_areas, edges[r >> 48 & 15], __ATOMIC_RELAXED);
	}
	return NULL;
}

Test(view, hostile_writer_gives_errors_and_no_more)
{
	uint64_t seed = (uint64_t)time(NULL) | 1;
	double end = now() + 2;
	pthread_t writer;

	fprintf(stderr, "seed %lu\n", (unsigned long)seed);
	pthread_create(&writer, NULL, scribble, &seed);
	while (now() < end) {
		for (uint32_t i = 0; i < NR_AREAS; i++) {
			union {
				struct covbuf_header header;
				struct covbuf_proc proc;
				struct covbuf_context_slot context;
				struct covbuf_owner_slot owner;
				struct covbuf_module module;
			} entry;
			struct covbuf_area area;
			uint64_t holes;

			covbuf_view_header(segment, &entry.header);
			covbuf_view_proc(segment, i, &entry.proc);
			covbuf_view_context(segment, i, &entry.context);
			covbuf_view_owner(segment, i, &entry.owner);
			if (!covbuf_view_module(segment, i, &entry.module))
				cr_assert_lt(strlen(entry.module.path), sizeof(entry.module.path));
			if (!covbuf_view_area(segment, i, &area))
				covbuf_view_records(segment, i, &area, NULL, NULL, &holes);
		}
	}
	stop = true;
	pthread_join(writer, NULL);
}

/* ---- processes ------------------------------------------------------------------------------- */

Test(view, process_lives_as_long_as_its_lock)
{
	struct flock lock = { .l_type = F_WRLCK, .l_whence = SEEK_SET, .l_start = COVBUF_LOCK_PROC + 5, .l_len = 1 };
	char path[64];
	int fd, ready[2], status;
	pid_t child;

	snprintf(path, sizeof(path), "/proc/self/fd/%d", image.fd);
	cr_assert_eq(pipe(ready), 0);
	image.procs[5].state = COVBUF_PROC_LIVE;
	cr_assert_not(covbuf_proc_alive(segment, 5), "nobody has the lock, and there is no pid");
	child = fork();
	if (!child) {
		fd = open(path, O_RDWR);
		if (fd < 0 || fcntl(fd, F_OFD_SETLK, &lock) || write(ready[1], "", 1) != 1)
			_exit(1);
		pause();
	}
	cr_assert_eq(read(ready[0], path, 1), 1);
	cr_assert(covbuf_proc_alive(segment, 5));
	kill(child, SIGKILL);
	waitpid(child, &status, 0);
	cr_assert_not(covbuf_proc_alive(segment, 5));
	cr_assert_not(covbuf_proc_alive(segment, 0));
	cr_assert_not(covbuf_proc_alive(segment, ~0u));
}
