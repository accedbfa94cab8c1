// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * What there is: a row for each image, and one for each label of differences.
 */
#include "profile.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "command.h"
#include "progress.h"
#include "table.h"

const char *profile_compiler_name(const struct profile_image *image)
{
	static char *name;

	free(name);
	name = image->major ? must_printf("clang %u", image->major) :
			      must_dup(*image->first->compiler ? image->first->compiler : "?");
	return name;
}

/* Processes: files of one that has loaded the image several times count once. */
static uint64_t count_live(const struct profiles *profiles, const struct profile_image *image)
{
	struct profile_file **live = must_alloc(image->nr_files * sizeof(struct profile_file *));
	size_t nr = 0;
	uint64_t count;

	for (size_t i = 0; i < image->nr_files; i++) {
		if (image->files[i]->pid && profile_is_live(profiles, image->files[i]))
			live[nr++] = image->files[i];
		progress_at(i, image->nr_files);
	}
	count = profile_count_processes(live, nr);
	free(live);
	return count;
}

static void list_images(const struct profiles *profiles, FILE *out)
{
	static const char *const heads[] = { "Image", "Processes", "Live", "Lost", "Differences", "Compiler",
					     "Counters", "MC/DC", "ID", "Path" };
	struct table *table = table_create("lrrrrlrlll");
	char bytes[16];

	for (size_t i = 0; i < sizeof(heads) / sizeof(heads[0]); i++)
		table_cell(table, "%s", heads[i]);
	for (size_t i = 0; i < profiles->nr_images; i++) {
		const struct profile_image *image = &profiles->images[i];

		if (!image->selected)
			continue;
		table_cell(table, "%s", image->name);
		table_cell(table, "%" PRIu64, image->processes);
		table_cell(table, "%" PRIu64, count_live(profiles, image));
		table_cell(table, "%" PRIu64, image->lost_processes);
		table_cell(table, "%zu", image->nr_differences);
		table_cell(table, "%s", profile_compiler_name(image));
		table_cell(table, "%s", format_bytes(image->first->counters_bytes, bytes));
		table_cell(table, "%s", image->first->bitmaps_bytes ? "yes" : "no");
		table_cell(table, "%016" PRIx64, image->first->id);
		table_cell(table, "%s%s", image->first->image, image->base ? "" : " (its template is missing)");
	}
	table_print(table, out);
}

static int compare_labels(const void *a, const void *b)
{
	const struct profile_file *x = *(const struct profile_file *const *)a;
	const struct profile_file *y = *(const struct profile_file *const *)b;

	return strcmp(x->label, y->label);
}

static void list_labels(const struct profile_file **differences, size_t nr, FILE *out)
{
	struct table *table = table_create("lr");
	size_t from = 0;

	table_cell(table, "Label");
	table_cell(table, "Differences");
	qsort(differences, nr, sizeof(*differences), compare_labels);
	for (size_t i = 1; i <= nr; i++) {
		if (i < nr && !compare_labels(&differences[from], &differences[i]))
			continue;
		table_cell(table, "%s", differences[from]->label);
		table_cell(table, "%zu", i - from);
		from = i;
	}
	fputc('\n', out);
	table_print(table, out);
}

void profile_list(struct profiles *profiles, FILE *out)
{
	const struct profile_file **differences = must_alloc(profiles->nr_files * sizeof(*differences));
	size_t nr = 0;

	progress_begin("asking for processes");
	list_images(profiles, out);
	progress_end();
	for (size_t i = 0; i < profiles->nr_images; i++)
		for (size_t k = 0; profiles->images[i].selected && k < profiles->images[i].nr_files; k++)
			if (profiles->images[i].files[k]->kind == COVBUF_PROFILE_DIFFERENCE)
				differences[nr++] = profiles->images[i].files[k];
	if (nr)
		list_labels(differences, nr, out);
	free(differences);
}
