// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * From what a device recorded, and what the kernel had at its addresses, to a segment in a file.
 *
 * The command is its process, with a thread of the same number for what it did itself, and one of number 0
 * for remote work, which other tasks did. Addresses stay as they were recorded.
 */
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "command.h"
#include "kernel.h"
#include "segment_write.h"

static uint64_t record_words(uint32_t mode)
{
	return mode == COVBUF_MODE_CMP ? COVBUF_CMP_WORDS : 1;
}

static struct covbuf_module *make_rows(const struct kernel_map *map, uint32_t pid)
{
	struct covbuf_module *rows = must_alloc(map->nr * sizeof(*rows));

	for (size_t i = 0; i < map->nr; i++) {
		const struct kernel_row *from = &map->rows[i];
		struct covbuf_module *row = &rows[i];
		int n;

		row->state = 2;
		row->pid = pid;
		row->proc = 1;
		row->build_id_bytes = from->build_id_bytes;
		memcpy(row->build_id, from->build_id, sizeof(row->build_id));
		row->start = row->bias = from->start;
		row->end = from->end;
		row->loaded = 1;
		n = snprintf(row->path, sizeof(row->path), "%s(%s)", from->path, from->place);
		if (n >= (int)sizeof(row->path)) {
			complain(from->path, "its path is too long for a recording; its name alone is kept");
			snprintf(row->path, sizeof(row->path), "%s.ko(%s)", from->module, from->place);
		}
	}
	return rows;
}

static struct segment_words make_words(const struct kernel_words *words, uint32_t mode, uint32_t tid, uint32_t context)
{
	return (struct segment_words){
		.words = words->words,
		.nr_words = words->records * record_words(mode),
		.mode = mode,
		.proc = 1,
		.tid = tid,
		.context = context,
		.counted = true,
		.full = words->full,
	};
}

static struct covbuf_context_slot make_context(const struct kernel_words *words, uint32_t pid, uint32_t tid, const char *name)
{
	struct covbuf_context_slot slot = { .state = COVBUF_CONTEXT_ENDED | 1ull << 8 | 1ull << 24, .pid = pid, .tid = tid };

	memcpy(slot.lost, words->lost, sizeof(slot.lost));
	snprintf(slot.name, sizeof(slot.name), "%s", name);
	return slot;
}

int kernel_save(const char *path, const struct kernel_map *map, const struct kernel_result *result)
{
	const char *base = strrchr(result->program, '/');
	struct covbuf_module *rows = make_rows(map, result->pid);
	struct covbuf_proc proc = { .state = COVBUF_PROC_ENDED | 1ull << 8, .pid = result->pid };
	struct covbuf_context_slot contexts[2] = {
		make_context(&result->own, result->pid, result->pid, base ? base + 1 : result->program),
		make_context(&result->remote, result->pid, 0, "remote"),
	};
	struct segment_words words[2] = {
		make_words(&result->own, result->mode, result->pid, 1),
		make_words(&result->remote, result->mode, 0, 2),
	};
	uint32_t nr = result->has_remote ? 2 : 1;
	int err;

	snprintf(proc.path, sizeof(proc.path), "%s", result->program);
	err = segment_write(path, &(struct segment_contents){
					  .procs = &proc,
					  .nr_procs = 1,
					  .contexts = contexts,
					  .nr_contexts = nr,
					  .modules = rows,
					  .nr_modules = (uint32_t)map->nr,
					  .words = words,
					  .nr_words = nr,
					  .created_ns = result->created_ns,
					  .maker_pid = (uint32_t)getpid(),
					  .owner = "kernel",
				  });
	free(rows);
	return err;
}

static int compare_rows(const void *a, const void *b)
{
	const struct kernel_row *x = *(const struct kernel_row *const *)a;
	const struct kernel_row *y = *(const struct kernel_row *const *)b;

	return x->start < y->start ? -1 : x->start > y->start;
}

/* The last row that begins at or before an address. */
static const struct kernel_row *find_row(const struct kernel_row **sorted, size_t nr, uint64_t pc)
{
	size_t low = 0, high = nr;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (sorted[middle]->start <= pc)
			low = middle + 1;
		else
			high = middle;
	}
	return low ? sorted[low - 1] : NULL;
}

uint64_t kernel_count_unknown(const struct kernel_map *map, const struct kernel_words *words, uint32_t mode)
{
	const struct kernel_row **sorted = must_alloc(map->nr * sizeof(*sorted));
	uint64_t step = record_words(mode), unknown = 0;

	for (size_t i = 0; i < map->nr; i++)
		sorted[i] = &map->rows[i];
	if (map->nr)
		qsort(sorted, map->nr, sizeof(*sorted), compare_rows);
	for (uint64_t i = 0; i < words->records; i++) {
		uint64_t pc = words->words[i * step + step - 1];
		const struct kernel_row *row = find_row(sorted, map->nr, pc);

		unknown += !row || pc > row->end;
	}
	free(sorted);
	return unknown;
}
