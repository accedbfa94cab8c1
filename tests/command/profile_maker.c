// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * profile_maker make DIR IMAGE ID FROM END COUNTERS BITMAP-BYTES	a template, and processes FROM .. END - 1
 * profile_maker label DIR IMAGE ID PROCESS COUNTERS BITMAP-BYTES LABEL	a difference
 * profile_maker check FILE FROM END COUNTERS BITMAP-BYTES	whether a raw profile has the sums of those
 * profile_maker set FILE FIELD VALUE				change a number in a note
 */
#include <errno.h>
#include <fcntl.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "profile_files.h"

static const struct field {
	const char *name;
	size_t offset, bytes;
} fields[] = {
#define FIELD(name) { #name, offsetof(struct covbuf_profile_note, name), sizeof(((struct covbuf_profile_note *)0)->name) }
	FIELD(version), FIELD(kind), FIELD(id), FIELD(raw_version), FIELD(file_bytes), FIELD(counters_offset),
	FIELD(counters_bytes), FIELD(bitmaps_offset), FIELD(bitmaps_bytes), FIELD(template_counters),
	FIELD(template_bitmaps), FIELD(started), FIELD(pid), FIELD(lost_processes), FIELD(processes), FIELD(summed_bytes),
	FIELD(pid_namespace),
};

static uint64_t number(const char *text)
{
	return strtoull(text, NULL, 0);
}

static int make(char **argv)
{
	struct profile_plan plan = { argv[0], argv[1], number(argv[2]), (uint32_t)number(argv[5]), (uint32_t)number(argv[6]) };
	int err = make_whole(&plan, false, 0);

	for (uint32_t k = (uint32_t)number(argv[3]); !err && k < number(argv[4]); k++)
		err = make_counts(&plan, k, NULL);
	return err;
}

static int label(char **argv)
{
	struct profile_plan plan = { argv[0], argv[1], number(argv[2]), (uint32_t)number(argv[4]), (uint32_t)number(argv[5]) };

	return make_counts(&plan, (uint32_t)number(argv[3]), argv[6]);
}

static int check(char **argv)
{
	struct profile_plan plan = { .nr_counters = (uint32_t)number(argv[3]), .nr_bitmap_bytes = (uint32_t)number(argv[4]) };
	size_t counters_bytes = plan.nr_counters * 8ull;
	uint64_t *counters = malloc(counters_bytes);
	unsigned char *bitmaps = malloc(plan.nr_bitmap_bytes + 1);
	struct covbuf_profile_note note;
	int fd = open(argv[0], O_RDONLY | O_CLOEXEC);
	bool ok = counters && bitmaps && pread(fd, &note, sizeof(note), COVBUF_PROFILE_ALIGN - sizeof(note)) == sizeof(note) &&
		  pread(fd, counters, counters_bytes, (off_t)note.counters_offset) == (ssize_t)counters_bytes &&
		  pread(fd, bitmaps, plan.nr_bitmap_bytes, (off_t)note.bitmaps_offset) == (ssize_t)plan.nr_bitmap_bytes &&
		  note.processes == number(argv[2]) - number(argv[1]) &&
		  check_sums(&plan, (uint32_t)number(argv[1]), (uint32_t)number(argv[2]), counters, bitmaps);

	free(counters);
	free(bitmaps);
	return ok ? 0 : -EPROTO;
}

static int set(char **argv)
{
	uint64_t value = number(argv[2]);
	int fd = open(argv[0], O_RDWR | O_CLOEXEC);

	for (size_t i = 0; i < sizeof(fields) / sizeof(fields[0]); i++)
		if (!strcmp(fields[i].name, argv[1]))
			return pwrite(fd, &value, fields[i].bytes,
				      (off_t)(COVBUF_PROFILE_ALIGN - sizeof(struct covbuf_profile_note) + fields[i].offset)) ==
					       (ssize_t)fields[i].bytes ?
				       0 :
				       -errno;
	return -EINVAL;
}

int main(int argc, char **argv)
{
	static const struct {
		const char *name;
		int nr, (*run)(char **argv);
	} ways[] = { { "make", 7, make }, { "label", 7, label }, { "check", 5, check },
		     { "set", 3, set } };

	for (size_t i = 0; argc > 1 && i < sizeof(ways) / sizeof(ways[0]); i++) {
		int err;

		if (strcmp(argv[1], ways[i].name) || argc - 2 != ways[i].nr)
			continue;
		err = ways[i].run(argv + 2);
		if (err)
			fprintf(stderr, "profile_maker %s: %s\n", argv[1], strerror(-err));
		return err != 0;
	}
	fprintf(stderr, "profile_maker: how it is called is at the head of its source\n");
	return 2;
}
