// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * Writing what was added up: as a raw profile, which has all but the counts from its image's template or whole file,
 * or as a file of counts.
 */
#include "profile.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "command.h"

#define COPY_BYTES 262144

static int write_all(int fd, const void *bytes, size_t nr)
{
	const char *p = bytes;

	while (nr) {
		ssize_t n = write(fd, p, nr);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return n < 0 ? -errno : -EIO;
		p += n;
		nr -= (size_t)n;
	}
	return 0;
}

static int write_zeros(int fd, uint64_t nr)
{
	static const char zeros[COVBUF_PROFILE_ALIGN];
	int err = 0;

	for (; !err && nr > sizeof(zeros); nr -= sizeof(zeros))
		err = write_all(fd, zeros, sizeof(zeros));
	return err ? err : write_all(fd, zeros, nr);
}

static uint64_t round_up(uint64_t bytes)
{
	return (bytes + COVBUF_PROFILE_ALIGN - 1) / COVBUF_PROFILE_ALIGN * COVBUF_PROFILE_ALIGN;
}

/* -EPROTO: it is shorter than it was. */
static int copy(int from, uint64_t at, uint64_t nr, int to)
{
	char *buffer = must_alloc(COPY_BYTES);
	int err = 0;

	while (!err && nr) {
		size_t step = nr < COPY_BYTES ? nr : COPY_BYTES;

		err = read_at(from, at, buffer, step) ? write_all(to, buffer, step) : -EPROTO;
		at += step;
		nr -= step;
	}
	free(buffer);
	return err;
}

/* What stays as it was, and what is not of one process any more. */
static void fill_note(struct covbuf_profile_note *note, const struct profile_file *file, const struct profile_sum *sum,
		      uint32_t kind)
{
	*note = (struct covbuf_profile_note){
		.version = COVBUF_PROFILE_VERSION,
		.kind = kind,
		.id = file->id,
		.raw_version = file->raw_version,
		.file_bytes = file->file_bytes,
		.counters_offset = file->counters_offset,
		.counters_bytes = file->counters_bytes,
		.bitmaps_offset = file->bitmaps_offset,
		.bitmaps_bytes = file->bitmaps_bytes,
		.template_counters = file->template_counters,
		.template_bitmaps = file->template_bitmaps,
		.lost_processes = sum->lost_processes,
		.processes = sum->processes,
	};
	memcpy(note->magic, COVBUF_PROFILE_MAGIC, sizeof(note->magic));
	snprintf(note->compiler, sizeof(note->compiler), "%s", file->compiler);
	snprintf(note->image, sizeof(note->image), "%s", file->image);
}

/* Counters, what is between, bitmaps. */
static int write_counts(int to, const struct profile_sum *sum, const struct profile_file *layout)
{
	int err = write_all(to, sum->counters, layout->counters_bytes);

	if (!err)
		err = write_zeros(to, layout->bitmaps_offset - layout->counters_offset - layout->counters_bytes);
	return err ? err : write_all(to, sum->bitmaps, layout->bitmaps_bytes);
}

int profile_write_raw(int to, const char *name, const struct profiles *profiles, const struct profile_image *image,
		      const struct profile_sum *sum)
{
	const struct profile_file *base = image->base;
	uint64_t end = base->bitmaps_offset + base->bitmaps_bytes;
	struct covbuf_profile_note note;
	int from = profile_open(profiles, base);
	int err;

	if (from < 0)
		return from;
	fill_note(&note, base, sum, COVBUF_PROFILE_WHOLE);
	err = copy(from, base->start, base->counters_offset - sizeof(note), to);
	if (!err)
		err = write_all(to, &note, sizeof(note));
	if (!err)
		err = write_counts(to, sum, base);
	if (!err)
		err = copy(from, base->start + end, base->file_bytes - end, to);
	if (!err)
		err = write_zeros(to, round_up(base->file_bytes) - base->file_bytes);
	close(from);
	if (err == -EPROTO)
		complain(profile_path(profiles, base), "somebody has cut it short while it was read");
	else if (err)
		complain(name, "cannot be written: %s", strerror(-err));
	return err;
}

int profile_write_counts(int to, const struct profile_file *first, const struct profile_sum *sum, const char *names,
			 size_t names_bytes)
{
	struct profile_file layout = *first;
	struct covbuf_profile_note note;
	int err;

	layout.counters_offset = COVBUF_PROFILE_ALIGN;
	layout.bitmaps_offset = COVBUF_PROFILE_ALIGN + round_up(first->counters_bytes);
	layout.file_bytes = layout.bitmaps_offset + first->bitmaps_bytes + names_bytes;
	fill_note(&note, &layout, sum, COVBUF_PROFILE_COUNTS);
	note.summed_bytes = names_bytes;
	err = write_zeros(to, COVBUF_PROFILE_ALIGN - sizeof(note));
	if (!err)
		err = write_all(to, &note, sizeof(note));
	if (!err)
		err = write_counts(to, sum, &layout);
	return err ? err : write_all(to, names, names_bytes);
}
