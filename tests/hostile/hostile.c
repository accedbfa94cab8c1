// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#define _GNU_SOURCE
#include "hostile.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <time.h>

#include "../../shm/shm.h"

#define IMAGE_BYTES ((6 + NR_AREAS) * PART)
#define DEAD 2u

const char *const place_names[NR_PLACES] = { "a sealed memfd", "a file in /dev/shm", "a file on a disk" };

#define PAGE_BYTES 4096u

static char whole[IMAGE_BYTES];
static const char *busy_with;

_Noreturn void give_up(const char *format, ...)
{
	va_list args;

	va_start(args, format);
	vfprintf(stderr, format, args);
	va_end(args);
	fputc('\n', stderr);
	_exit(1);
}

double now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static void on_alarm(int signal_number)
{
	static const char text[] = ": it does not come back\n";

	(void)signal_number;
	if (write(STDERR_FILENO, busy_with, strlen(busy_with)) < 0 || write(STDERR_FILENO, text, sizeof(text) - 1) < 0)
		_exit(2);
	_exit(1);
}

void expect_to_be_back(unsigned int seconds, const char *from)
{
	busy_with = from;
	signal(SIGALRM, on_alarm);
	alarm(seconds);
}

/* ---- images ---------------------------------------------------------------------------------- */

static void fill(struct image *image, uint32_t i, uint32_t mode, uint32_t kind)
{
	uint32_t step = mode == COVBUF_MODE_CMP ? COVBUF_CMP_WORDS : 1;
	uint64_t *words = image_words(image, i);

	for (uint64_t k = kind == COVBUF_COUNTED ? 1 : 0; k < 20 * step; k++)
		words[k] = 0x401000 + 16 * k;
	if (kind == COVBUF_COUNTED)
		words[0] = 16;
}

static void use(struct image *image, uint32_t i, uint32_t state, uint32_t mode, uint32_t kind)
{
	if (kind == COVBUF_RING)
		image_ring(image, i, state, mode, 64);
	else
		image_area(image, i, state, mode, kind, kind == COVBUF_COUNTED ? 101 : 128);
	fill(image, i, mode, kind);
}

/* Where a pass has something to do in each of its parts. */
static void make_busy(struct image *image)
{
	static const uint32_t kinds[] = { COVBUF_LINEAR, COVBUF_RING, COVBUF_COUNTED };

	for (uint32_t i = 0; i < 6; i++) {
		use(image, i, COVBUF_AREA_QUEUED, i & 1, kinds[i / 2]);
		image_push(image, 0, i);
	}
	use(image, 6, COVBUF_AREA_HELD, COVBUF_MODE_PC, COVBUF_RING);
	use(image, 7, COVBUF_AREA_HELD, COVBUF_MODE_CMP, COVBUF_RING);
	for (uint32_t i = 8; i < 12; i++)
		use(image, i, i == 11 ? COVBUF_AREA_TARGET : COVBUF_AREA_HELD, i & 1, i == 11 ? COVBUF_COUNTED : COVBUF_LINEAR);
	for (uint32_t i = 9; i < 12; i++)
		image->areas[i].flag = COVBUF_FLAG(2, DEAD, COVBUF_FLAG_STATE(image->areas[i].flag));
	use(image, 12, COVBUF_AREA_READING, COVBUF_MODE_PC, COVBUF_LINEAR);
	image->areas[12].flag = COVBUF_FLAG(2, COVB_HOLDER_CONSUMER, COVBUF_AREA_READING);
	use(image, 13, COVBUF_AREA_ENDED, COVBUF_MODE_CMP, COVBUF_LINEAR);
	image->procs[DEAD].state = COVBUF_PROC_LIVE; /* with no pid: dead */
	image->contexts[0].state = COVBUF_CONTEXT_LIVE | DEAD << 8;
	image->owners[1].state = COVBUF_OWNER_LIVE | DEAD << 8;
	image->owners[1].sequence = SEQUENCE;
	image->modules[0] = (struct covbuf_module){ .state = 2, .pid = 1, .proc = 1, .start = 0x400000, .end = 0x500000,
						    .bias = 0x400000, .path = "/nowhere" };
}

static int open_unnamed(enum place place)
{
	char path[64];
	int fd;

	if (place == SEALED)
		return -1;
	snprintf(path, sizeof(path), "%s/covbuf-hostile-XXXXXX", place == SHM ? "/dev/shm" : "/var/tmp");
	fd = mkostemp(path, O_CLOEXEC);
	if (fd < 0)
		give_up("%s cannot be made: %s", path, strerror(errno));
	unlink(path);
	return fd;
}

void hostile_make(struct image *image, enum place place)
{
	image_make(image, open_unnamed(place));
	make_busy(image);
	memcpy(whole, image->base, IMAGE_BYTES);
}

void hostile_restore(struct image *image)
{
	static const char zero[PAGE_BYTES];
	bool shrinks = !ftruncate(image->fd, 0);

	/* what is mapped is not to be touched before it is there again */
	if (ftruncate(image->fd, (off_t)IMAGE_BYTES))
		give_up("the file cannot be made whole again: %s", strerror(errno));
	for (size_t at = 0; at < IMAGE_BYTES; at += PAGE_BYTES)
		if (!shrinks || memcmp(whole + at, zero, PAGE_BYTES))
			memcpy(image->base + at, whole + at, PAGE_BYTES);
}

void hostile_remove(struct image *image)
{
	munmap(image->base, IMAGE_BYTES);
	close(image->fd);
}

/* ---- readers --------------------------------------------------------------------------------- */

void readers_open(struct readers *readers, const struct image *image)
{
	*readers = (struct readers){ .consumer = image_open(image, COVBUF_OPEN_CONSUME),
				     .observer = image_open(image, COVBUF_OPEN_READ) };
}

void readers_close(struct readers *readers)
{
	covbuf_segment_close(readers->consumer);
	covbuf_segment_close(readers->observer);
}

/* Reads all that it is given: nothing of it may go away meanwhile. */
static int visit(const struct covbuf_batch *batch, void *arg)
{
	struct readers *readers = arg;

	for (uint64_t i = 0; i < batch->nr_words; i++)
		readers->sum += batch->words[i];
	readers->batches++;
	return 0;
}

static int see(const struct covbuf_area *area, const uint64_t *record, void *arg)
{
	struct readers *readers = arg;

	(void)area;
	readers->sum += *record;
	return 0;
}

static void check(struct readers *readers, int64_t got)
{
	readers->passes++;
	readers->errors += got < 0;
	if (got < 0 && got != -EIO && got != -EPROTO && got != -ESTALE && got != -ENOENT && got != -EAGAIN &&
	    got != -ETIMEDOUT && got != -EINVAL)
		give_up("an error that says nothing: %ld", (long)got);
}

static void view_all(struct readers *readers)
{
	union {
		struct covbuf_header header;
		struct covbuf_proc proc;
		struct covbuf_context_slot context;
		struct covbuf_owner_slot owner;
		struct covbuf_module module;
	} entry;
	struct covbuf_area area;
	uint64_t holes;

	check(readers, covbuf_view_header(readers->observer, &entry.header));
	for (uint32_t i = 0; i < NR_AREAS; i++) {
		int err = covbuf_view_area(readers->observer, i, &area);

		check(readers, covbuf_view_proc(readers->observer, i, &entry.proc));
		check(readers, covbuf_view_context(readers->observer, i, &entry.context));
		check(readers, covbuf_view_owner(readers->observer, i, &entry.owner));
		check(readers, covbuf_view_module(readers->observer, i, &entry.module));
		check(readers, err ? err : covbuf_view_records(readers->observer, i, &area, see, readers, &holes));
	}
}

static void open_again(struct readers *readers)
{
	static const unsigned int ways[] = { COVBUF_OPEN_READ, COVBUF_OPEN_ATTACH };
	struct covbuf_segment *segment;
	struct covbuf_message why;
	char where[32];

	snprintf(where, sizeof(where), "fd:%d", covbuf_segment_descriptor(readers->observer));
	for (int i = 0; i < 2; i++) {
		int err = covbuf_segment_open(where, ways[i], &segment, &why);

		if (!err)
			covbuf_segment_close(segment);
		else if (err != -EPROTO && err != -EIO && err != -EACCES && err != -ENOMEM)
			give_up("opening gives %d: %s", err, why.text);
	}
}

void read_in_some_way(struct readers *readers, unsigned int way)
{
	struct covbuf_segment *segment = readers->consumer;
	struct covbuf_drained drained;

	switch (way % NR_READINGS) {
	case 0:
		check(readers, covbuf_drain(segment, 0, visit, readers, &drained));
		break;
	case 1:
		check(readers, covbuf_drain(segment, COVBUF_DRAIN_LIVE | COVBUF_DRAIN_AUDIT, visit, readers, &drained));
		break;
	case 2:
		check(readers, covb_audit_process(segment, DEAD, visit, readers, &drained));
		break;
	case 3:
		check(readers, covb_collect_owner(segment, 0, 1, visit, readers));
		break;
	case 4:
		check(readers, covbuf_segment_wait(segment, 0));
		break;
	case 5:
		covbuf_segment_free_areas(segment, 0);
		break;
	case 6:
		view_all(readers);
		break;
	case 7:
		open_again(readers);
	}
}
