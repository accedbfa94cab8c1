// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "output.h"

#include <inttypes.h>
#include <string.h>

/* A record ends with its line, and commas separate: neither may come from a name. */
static void write_name(const char *name, FILE *out)
{
	for (; *name; name++)
		fputc((unsigned char)*name < ' ' ? '?' : *name, out);
}

static void write_functions(const struct coverage_file *file, FILE *out)
{
	for (size_t i = 0; i < file->nr_functions; i++) {
		fprintf(out, "FN:%" PRIu32 ",", file->functions[i].line);
		write_name(file->functions[i].name, out);
		fputc('\n', out);
	}
	for (size_t i = 0; i < file->nr_functions; i++) {
		fprintf(out, "FNDA:%" PRIu64 ",", file->functions[i].hits);
		write_name(file->functions[i].name, out);
		fputc('\n', out);
	}
	fprintf(out, "FNF:%zu\nFNH:%" PRIu64 "\n", file->nr_functions, file->functions_covered);
}

static void write_lines(const struct coverage_file *file, FILE *out)
{
	for (size_t i = 0; i < file->nr_lines; i++)
		fprintf(out, "DA:%" PRIu32 ",%" PRIu64 "\n", file->lines[i].line, file->lines[i].hits);
	fprintf(out, "LF:%zu\nLH:%" PRIu64 "\n", file->nr_lines, file->lines_covered);
}

void lcov_write(const struct coverage *coverage, FILE *out)
{
	fputs("TN:\n", out);
	for (size_t i = 0; i < coverage->nr_files; i++) {
		fputs("SF:", out);
		write_name(coverage->files[i].name, out);
		fputc('\n', out);
		write_functions(&coverage->files[i], out);
		write_lines(&coverage->files[i], out);
		fputs("end_of_record\n", out);
	}
}
