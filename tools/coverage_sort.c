// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * From points to files, lines and functions: sort, then add up what is equal. Code that is inlined in
 * many places is one function and one line, with the points of all of them.
 */
#include "coverage_sort.h"

#include <stdlib.h>
#include <string.h>

#include "command.h"

static int compare_numbers(uint64_t a, uint64_t b)
{
	return a < b ? -1 : a > b;
}

/* Texts are interned: the same pointer is the same text. */
static int compare_texts(const char *a, const char *b)
{
	return a == b ? 0 : strcmp(a, b);
}

static int compare_places(const void *a, const void *b)
{
	const struct coverage_point *x = a;
	const struct coverage_point *y = b;
	int order = compare_texts(x->file, y->file);

	if (!order)
		order = compare_numbers(x->line, y->line);
	if (!order)
		order = compare_texts(x->module, y->module);
	return order ? order : compare_numbers(x->address, y->address);
}

static int compare_functions(const void *a, const void *b)
{
	const struct coverage_function *x = a;
	const struct coverage_function *y = b;
	int order = compare_texts(x->file, y->file);

	if (!order)
		order = compare_numbers(x->line, y->line);
	return order ? order : compare_texts(x->name, y->name);
}

static void add_up_functions(struct coverage *coverage)
{
	size_t kept = 0;

	coverage->functions = must_alloc(coverage->nr_points * sizeof(*coverage->functions));
	for (size_t i = 0; i < coverage->nr_points; i++) {
		const struct coverage_point *point = &coverage->points[i];

		coverage->functions[i] = (struct coverage_function){
			.name = point->function,
			.file = point->function_file,
			.line = point->function_line,
			.points = point->counts,
			.covered = point->counts && point->hits,
			.hits = point->hits,
		};
	}
	if (coverage->nr_points)
		qsort(coverage->functions, coverage->nr_points, sizeof(*coverage->functions), compare_functions);
	for (size_t i = 0; i < coverage->nr_points; i++) {
		struct coverage_function *next = &coverage->functions[i];
		struct coverage_function *last = kept ? &coverage->functions[kept - 1] : NULL;

		if (!last || compare_functions(last, next)) {
			coverage->functions[kept++] = *next;
			continue;
		}
		last->points += next->points;
		last->covered += next->covered;
		if (next->hits > last->hits)
			last->hits = next->hits;
	}
	coverage->nr_functions = kept;
}

static struct coverage_file *add_file(struct coverage *coverage, const char *name)
{
	struct coverage_file *file;

	coverage->files = must_grow(coverage->files, coverage->nr_files, &coverage->room_files,
				    sizeof(*coverage->files));
	file = &coverage->files[coverage->nr_files++];
	*file = (struct coverage_file){ .name = name };
	return file;
}

/* One file from the points [i, return value). */
static size_t add_up_file(struct coverage *coverage, size_t i, size_t *nr_lines)
{
	struct coverage_file *file = add_file(coverage, coverage->points[i].file);

	file->lines = &coverage->lines[*nr_lines];
	for (; i < coverage->nr_points && coverage->points[i].file == file->name; i++) {
		const struct coverage_point *point = &coverage->points[i];
		struct coverage_line *line;

		file->points += point->counts;
		file->points_covered += point->counts && point->hits;
		if (!point->line)
			continue;
		if (!file->nr_lines || file->lines[file->nr_lines - 1].line != point->line)
			file->lines[file->nr_lines++] = (struct coverage_line){ .line = point->line };
		line = &file->lines[file->nr_lines - 1];
		if (point->hits > line->hits)
			line->hits = point->hits;
	}
	for (size_t k = 0; k < file->nr_lines; k++)
		file->lines_covered += file->lines[k].hits != 0;
	*nr_lines += file->nr_lines;
	return i;
}

static int compare_files(const void *a, const void *b)
{
	return compare_texts(((const struct coverage_file *)a)->name, ((const struct coverage_file *)b)->name);
}

/* Functions may be declared in files that no point is in: those are files too. */
static void give_functions(struct coverage *coverage)
{
	size_t nr = coverage->nr_files;
	size_t at = 0;

	for (size_t i = 0; i < coverage->nr_functions; i++) {
		struct coverage_file key = { .name = coverage->functions[i].file };

		if ((!i || coverage->functions[i - 1].file != key.name) &&
		    !bsearch(&key, coverage->files, nr, sizeof(key), compare_files))
			add_file(coverage, key.name);
	}
	if (coverage->nr_files > nr)
		qsort(coverage->files, coverage->nr_files, sizeof(*coverage->files), compare_files);
	for (size_t i = 0; i < coverage->nr_files; i++) {
		struct coverage_file *file = &coverage->files[i];

		file->functions = &coverage->functions[at];
		for (; at < coverage->nr_functions && coverage->functions[at].file == file->name; at++) {
			file->nr_functions++;
			file->functions_covered += coverage->functions[at].hits != 0;
		}
	}
}

void coverage_sort(struct coverage *coverage)
{
	size_t nr_lines = 0;

	if (coverage->nr_points)
		qsort(coverage->points, coverage->nr_points, sizeof(*coverage->points), compare_places);
	/* file->lines points into it, so it has its final size from the start */
	coverage->lines = must_alloc(coverage->nr_points * sizeof(*coverage->lines));
	for (size_t i = 0; i < coverage->nr_points;)
		i = add_up_file(coverage, i, &nr_lines);
	add_up_functions(coverage);
	give_functions(coverage);
}
