/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * A segment for the scripts: made before a program runs, and read when it is gone.
 *   segment make FILE [cmp] [unique] [context] [follow]
 *   segment dump FILE MODULE     each record as an address in the file of that name, one byte back
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <covbuf/segment.h>

static const char *wanted;
static struct covbuf_segment *segment;

static int make(const char *path, int argc, char **argv)
{
	struct covbuf_segment_options options = { .automatic = { .enabled = 1, .flags = COVBUF_AUTO_KEEP } };
	struct covbuf_message why;

	for (int i = 0; i < argc; i++) {
		if (!strcmp(argv[i], "cmp"))
			options.automatic.mode = COVBUF_MODE_CMP;
		else if (!strcmp(argv[i], "unique"))
			options.automatic.flags |= COVBUF_AUTO_UNIQUE;
		else if (!strcmp(argv[i], "context"))
			options.automatic.flags |= COVBUF_AUTO_UNIQUE_CONTEXT;
		else if (!strcmp(argv[i], "large"))
			options.initial_bytes = 32 << 20;
		else if (!strcmp(argv[i], "follow"))
			options.automatic.flags |= COVBUF_AUTO_FOLLOW;
	}
	if (!covbuf_segment_create(path, &options, &segment, &why))
		return 0;
	fprintf(stderr, "%s\n", why.text);
	return 1;
}

static int print_record(const struct covbuf_area *area, const uint64_t *record, void *arg)
{
	struct covbuf_header *header = arg;
	uint64_t pc = record[area->mode == COVBUF_MODE_PC ? 0 : 3] - 1;

	for (uint32_t i = 0; i < header->modules.nr; i++) {
		struct covbuf_module module;
		const char *name;

		if (covbuf_view_module(segment, i, &module))
			continue;
		name = strrchr(module.path, '/');
		if (module.images == COVBUF_IMAGES_ROWS(area->images) && pc >= module.start && pc < module.end &&
		    name && !strcmp(name + 1, wanted)) {
			printf("0x%" PRIx64 "\n", pc - module.bias);
			return 0;
		}
	}
	printf("nowhere 0x%" PRIx64 "\n", pc);
	return 0;
}

static int dump(const char *path)
{
	struct covbuf_message why;
	struct covbuf_header header;

	if (covbuf_segment_open(path, COVBUF_OPEN_READ, &segment, &why)) {
		fprintf(stderr, "%s\n", why.text);
		return 1;
	}
	if (covbuf_view_header(segment, &header))
		return 1;
	for (uint32_t i = 0; i < header.nr_areas; i++) {
		struct covbuf_area area;

		if (!covbuf_view_area(segment, i, &area) && COVBUF_FLAG_STATE(area.flag) != COVBUF_AREA_FREE)
			covbuf_view_records(segment, i, &area, print_record, &header, NULL);
	}
	return 0;
}

int main(int argc, char **argv)
{
	if (argc >= 3 && !strcmp(argv[1], "make"))
		return make(argv[2], argc - 3, argv + 3);
	if (argc < 4 || strcmp(argv[1], "dump"))
		return 2;
	wanted = argv[3];
	return dump(argv[2]);
}
