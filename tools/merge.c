// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * covbuf merge: the union of what recordings reached, as a recording.
 *
 * The order of the inputs does not matter, nor how they are grouped, nor whether one comes twice: the
 * output is the same, byte for byte. So it holds what is a set: binaries, and the addresses reached in
 * each, sorted. Numbers of hits are not, so they are gone. Losses are kept as the most that any input
 * had of each kind.
 */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "command.h"
#include "recording.h"
#include "segment_write.h"

static const char usage[] =
	"Usage: covbuf merge -o OUT RECORDING...\n"
	"Write one recording with all that the recordings reached. The order of the recordings,\n"
	"and merging what was merged before, make no difference to OUT.\n\n"
	"  -o, --output OUT  the file to write; it is replaced when all has been read\n"
	"  -h, --help        this text\n";

static uint64_t larger(uint64_t a, uint64_t b)
{
	return a > b ? a : b;
}

/* Read one file; its losses go into most by their maximum. */
static int add_file(struct recording *recording, const char *path, struct recording *most)
{
	int err = recording_read(recording, path);

	for (unsigned int i = 0; i < COVBUF_NR_LOSSES; i++) {
		most->lost[i] = larger(most->lost[i], recording->lost[i]);
		recording->lost[i] = 0;
	}
	most->lost_contexts = larger(most->lost_contexts, recording->lost_contexts);
	most->lost_procs = larger(most->lost_procs, recording->lost_procs);
	most->damaged += recording->damaged;
	most->unknown += recording->unknown;
	most->records += recording->records;
	most->full += recording->full;
	recording->lost_contexts = recording->lost_procs = 0;
	recording->damaged = recording->unknown = recording->records = recording->full = 0;
	return err;
}

static int compare_modules(const void *a, const void *b)
{
	const struct recording_module *x = a;
	const struct recording_module *y = b;
	int order = strcmp(x->path, y->path);

	if (!order)
		order = memcmp(x->build_id, y->build_id, sizeof(x->build_id));
	return order ? order : (x->build_id_bytes > y->build_id_bytes) - (x->build_id_bytes < y->build_id_bytes);
}

/* Places in one address space, so that the ranges of no two modules meet. */
static struct covbuf_module *make_rows(const struct recording *recording)
{
	struct covbuf_module *rows = must_alloc(recording->nr_modules * sizeof(*rows));
	uint64_t at = COVBUF_PART_BYTES;

	for (size_t i = 0; i < recording->nr_modules; i++) {
		const struct recording_module *module = &recording->modules[i];
		struct covbuf_module *row = &rows[i];

		row->state = 2;
		row->pid = 1;
		row->proc = 1;
		row->build_id_bytes = module->build_id_bytes;
		memcpy(row->build_id, module->build_id, sizeof(row->build_id));
		row->bias = at;
		row->start = at;
		row->end = at + module->span;
		snprintf(row->path, sizeof(row->path), "%s", module->path);
		at += (module->span / COVBUF_PART_BYTES + 2) * COVBUF_PART_BYTES;
	}
	return rows;
}

/* Sorted records of one module and mode, in the address space of the rows. Empty: NULL. */
static uint64_t *make_words(const struct pcset *pcs, uint32_t mode, uint64_t bias, uint64_t *nr_words)
{
	uint64_t step = mode == COVBUF_MODE_CMP ? COVBUF_CMP_WORDS : 1;
	struct pcset_entry *sorted;
	uint64_t *words;

	*nr_words = pcs->nr * step;
	if (!pcs->nr)
		return NULL;
	sorted = pcset_sorted(pcs);
	words = must_alloc(*nr_words * sizeof(*words));
	for (size_t i = 0; i < pcs->nr; i++)
		words[i * step + step - 1] = bias + sorted[i].pc;
	free(sorted);
	return words;
}

static int write_merged(const char *path, struct recording *recording, const struct recording *most)
{
	struct covbuf_proc proc = { .state = COVBUF_PROC_ENDED | 1ull << 8, .pid = 1, .path = "merged" };
	struct segment_words *words = must_alloc(recording->nr_modules * COVBUF_NR_MODES * sizeof(*words));
	struct covbuf_module *rows;
	uint32_t nr = 0;
	int err;

	if (recording->nr_modules)
		qsort(recording->modules, recording->nr_modules, sizeof(*recording->modules), compare_modules);
	rows = make_rows(recording);
	memcpy(proc.lost, most->lost, sizeof(proc.lost));
	for (size_t i = 0; i < recording->nr_modules; i++) {
		for (uint32_t mode = 0; mode < COVBUF_NR_MODES; mode++) {
			uint64_t nr_words;
			uint64_t *run = make_words(&recording->modules[i].pcs[mode], mode, rows[i].bias, &nr_words);

			if (run)
				words[nr++] = (struct segment_words){ .words = run, .nr_words = nr_words, .mode = mode,
								      .proc = 1, .tid = 1 };
		}
	}
	err = segment_write(path, &(struct segment_contents){
					  .procs = &proc,
					  .nr_procs = 1,
					  .modules = rows,
					  .nr_modules = (uint32_t)recording->nr_modules,
					  .words = words,
					  .nr_words = nr,
					  .created_ns = recording->created_ns,
					  .lost_contexts = most->lost_contexts,
					  .lost_procs = most->lost_procs,
					  .owner = "merged",
				  });
	for (uint32_t i = 0; i < nr; i++)
		free((void *)words[i].words);
	free(words);
	free(rows);
	return err;
}

static int run_merge(int argc, char **argv)
{
	static const struct option longs[] = {
		{ "output", required_argument, NULL, 'o' },
		{ "help", no_argument, NULL, 'h' },
		{ NULL, 0, NULL, 0 },
	};
	struct recording recording = { 0 }, most = { 0 };
	const char *output = NULL;
	int status = STATUS_OK;
	int opt;

	while ((opt = getopt_long(argc, argv, ":ho:", longs, NULL)) != -1) {
		if (opt == 'o')
			output = optarg;
		else
			finish_option(opt, argv);
	}
	if (!output)
		return bad_usage("where to: -o OUT is missing");
	if (optind == argc)
		return bad_usage("which recordings?");
	for (int i = optind; i < argc; i++)
		if (add_file(&recording, argv[i], &most))
			status = STATUS_FAILED;
	/* A union that lacks an input is none: write nothing rather than something that looks complete. */
	if (status)
		complain(output, "nothing was written, because not all recordings could be read");
	else {
		recording_warn(&most, NULL);
		status = write_merged(output, &recording, &most) ? STATUS_FAILED : STATUS_OK;
	}
	recording_fini(&recording);
	return status;
}

const struct command command_merge = {
	.name = "merge",
	.brief = "put recordings together into one",
	.usage = usage,
	.run = run_merge,
};
