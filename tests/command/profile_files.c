// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "profile_files.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define RAW_VERSION 10
#define NAMES_BYTES 24
#define NOTE_BYTES sizeof(struct covbuf_profile_note)

uint64_t planned_counter(uint32_t process, uint32_t i)
{
	return (i * 31ull + process * 17ull) % 1000;
}

unsigned char planned_bits(uint32_t process, uint32_t i)
{
	return (unsigned char)(1u << (process + i) % 16); /* every other one of processes has none here */
}

static uint64_t round_up(uint64_t bytes)
{
	return (bytes + COVBUF_PROFILE_ALIGN - 1) / COVBUF_PROFILE_ALIGN * COVBUF_PROFILE_ALIGN;
}

static struct covbuf_profile_note make_note(const struct profile_plan *plan, uint32_t kind, uint32_t process)
{
	struct covbuf_profile_note note = {
		.version = COVBUF_PROFILE_VERSION,
		.kind = kind,
		.id = plan->id,
		.raw_version = RAW_VERSION,
		.counters_offset = COVBUF_PROFILE_ALIGN,
		.counters_bytes = plan->nr_counters * 8ull,
		.bitmaps_offset = COVBUF_PROFILE_ALIGN + round_up(plan->nr_counters * 8ull),
		.bitmaps_bytes = plan->nr_bitmap_bytes,
		.started = 1000 + process,
		.pid = FIRST_PID + process,
	};

	memcpy(note.magic, COVBUF_PROFILE_MAGIC, sizeof(note.magic));
	note.template_counters = note.counters_offset;
	note.template_bitmaps = note.bitmaps_offset;
	note.file_bytes = note.bitmaps_offset + note.bitmaps_bytes + (kind == COVBUF_PROFILE_WHOLE ? NAMES_BYTES : 0);
	snprintf(note.compiler, sizeof(note.compiler), "Clang 19.1.7 (made up)");
	snprintf(note.image, sizeof(note.image), "/nowhere/%s", plan->image);
	return note;
}

static void fill(char *file, const struct profile_plan *plan, const struct covbuf_profile_note *note, uint32_t process)
{
	uint64_t *counters = (uint64_t *)(file + note->counters_offset);
	unsigned char *bitmaps = (unsigned char *)file + note->bitmaps_offset;

	memcpy(file + note->counters_offset - NOTE_BYTES, note, NOTE_BYTES);
	for (uint32_t i = 0; i < plan->nr_counters; i++)
		counters[i] = planned_counter(process, i);
	for (uint32_t i = 0; i < plan->nr_bitmap_bytes; i++)
		bitmaps[i] = planned_bits(process, i);
}

static int write_file(const char *path, const char *file, uint64_t bytes)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	int err = fd < 0 || write(fd, file, bytes) != (ssize_t)bytes ? -errno : 0;

	if (fd >= 0)
		close(fd);
	return err;
}

int make_counts(const struct profile_plan *plan, uint32_t process, const char *label)
{
	struct covbuf_profile_note note =
		make_note(plan, label ? COVBUF_PROFILE_DIFFERENCE : COVBUF_PROFILE_COUNTS, process);
	char *file = calloc(1, note.file_bytes);
	char path[512];
	int err;

	if (!file)
		return -ENOMEM;
	snprintf(note.label, sizeof(note.label), "%s", label ? label : "");
	fill(file, plan, &note, process);
	snprintf(path, sizeof(path), "%s/%s.%016" PRIx64 ".%u.%s0.profcnt", plan->directory, plan->image, plan->id, note.pid,
		 label ? "d" : "");
	err = write_file(path, file, note.file_bytes);
	free(file);
	return err;
}

int make_whole(const struct profile_plan *plan, bool whole, uint32_t process)
{
	static const unsigned char magic[8] = { 0x81, 'r', 'f', 'o', 'r', 'p', 'l', 0xff };
	struct covbuf_profile_note note = make_note(plan, COVBUF_PROFILE_WHOLE, process);
	uint64_t version = RAW_VERSION;
	char *file = calloc(1, note.file_bytes);
	char path[512];
	int err;

	if (!file)
		return -ENOMEM;
	memcpy(file, magic, sizeof(magic));
	memcpy(file + sizeof(magic), &version, sizeof(version));
	fill(file, plan, &note, process);
	memcpy(file + note.file_bytes - NAMES_BYTES, "these would be names....", NAMES_BYTES);
	if (whole)
		snprintf(path, sizeof(path), "%s/%s.%016" PRIx64 ".%u.0.profraw", plan->directory, plan->image, plan->id, note.pid);
	else
		snprintf(path, sizeof(path), "%s/%s.%016" PRIx64 ".template", plan->directory, plan->image, plan->id);
	err = write_file(path, file, note.file_bytes);
	free(file);
	return err;
}

bool check_sums(const struct profile_plan *plan, uint32_t from, uint32_t end, const uint64_t *counters,
		const unsigned char *bitmaps)
{
	for (uint32_t i = 0; i < plan->nr_counters; i++) {
		uint64_t sum = 0;

		for (uint32_t k = from; k < end; k++)
			sum += planned_counter(k, i);
		if (counters[i] == sum)
			continue;
		fprintf(stderr, "counter %u is %" PRIu64 " instead of %" PRIu64 "\n", i, counters[i], sum);
		return false;
	}
	for (uint32_t i = 0; i < plan->nr_bitmap_bytes; i++) {
		unsigned char bits = 0;

		for (uint32_t k = from; k < end; k++)
			bits |= planned_bits(k, i);
		if (bitmaps[i] == bits)
			continue;
		fprintf(stderr, "byte %u of the bitmaps is %#x instead of %#x\n", i, bitmaps[i], bits);
		return false;
	}
	return true;
}
