// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * kernel_recording [--cmp] [--full] [--lost N] BEFORE AFTER OUT [DIR...] < ADDRESSES
 *
 * A recording as covbuf kernel makes it, without a kernel: /proc and /sys are looked for below the folders BEFORE
 * and AFTER, and what was recorded are the hexadecimal numbers of the standard input. DIRs are --module-dir. Prints
 * the rows, sorted.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "command.h"
#include "kernel.h"

static struct kernel_words read_words(uint32_t mode)
{
	static uint64_t words[1 << 16];
	struct kernel_words result = { .words = words };
	uint64_t pc, step = mode == COVBUF_MODE_CMP ? COVBUF_CMP_WORDS : 1;

	while (result.records < (1 << 16) / step && scanf("%" SCNx64, &pc) == 1) {
		uint64_t *record = words + result.records++ * step;

		memset(record, 0xff, step * sizeof(*record));
		record[step - 1] = pc;
	}
	return result;
}

static int compare_rows(const void *a, const void *b)
{
	const struct kernel_row *x = a;
	const struct kernel_row *y = b;

	return x->start < y->start ? -1 : x->start > y->start;
}

static void print_rows(struct kernel_map *map)
{
	qsort(map->rows, map->nr, sizeof(*map->rows), compare_rows);
	for (size_t i = 0; i < map->nr; i++)
		printf("%" PRIx64 "-%" PRIx64 " %s(%s) build-id of %" PRIu32 " bytes\n", map->rows[i].start, map->rows[i].end,
		       map->rows[i].path, map->rows[i].place, map->rows[i].build_id_bytes);
}

static int fail(const struct covbuf_message *why)
{
	complain(NULL, "%s", why->text);
	return 1;
}

int main(int argc, char **argv)
{
	struct kernel_result result = { .program = "/bin/program", .pid = 4242, .created_ns = 1, .mode = COVBUF_MODE_PC };
	struct covbuf_message why = { "" };
	const char *directories[KERNEL_MAX_DIRECTORIES + 1] = { NULL };
	uint64_t lost = 0;
	bool full = false;
	struct kernel_map map;
	int at = 1;

	the_command = &command_kernel;
	for (; at < argc && argv[at][0] == '-'; at++) {
		if (!strcmp(argv[at], "--cmp"))
			result.mode = COVBUF_MODE_CMP;
		else if (!strcmp(argv[at], "--full"))
			full = true;
		else if (!strcmp(argv[at], "--lost") && at + 1 < argc)
			lost = strtoull(argv[++at], NULL, 10);
	}
	if (argc - at < 3)
		return 2;
	for (int i = at + 3; i < argc && i - at - 3 < KERNEL_MAX_DIRECTORIES; i++)
		directories[i - at - 3] = argv[i];
	if (kernel_map_before(&map, argv[at], &why))
		return fail(&why);
	map.root = argv[at + 1];
	if (kernel_map_after(&map, &why))
		return fail(&why);
	kernel_map_find_files(&map, directories);
	result.own = read_words(result.mode);
	result.own.full = full;
	result.own.lost[COVBUF_LOST_FULL] = lost;
	printf("unknown %" PRIu64 "\n", kernel_count_unknown(&map, &result.own, result.mode));
	if (kernel_save(argv[at + 2], &map, &result))
		return 1;
	print_rows(&map);
	kernel_map_fini(&map);
	return 0;
}
