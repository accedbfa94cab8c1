// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "output.h"

#include <inttypes.h>

/* Bytes of the UTF-8 character at text, 0 where there is none. */
static unsigned int measure(const unsigned char *text)
{
	unsigned int n = *text < 0x80 ? 1 : (*text & 0xe0) == 0xc0 && *text >= 0xc2 ? 2 :
			 (*text & 0xf0) == 0xe0 ? 3 : (*text & 0xf8) == 0xf0 && *text < 0xf5 ? 4 : 0;

	for (unsigned int i = 1; i < n; i++)
		if ((text[i] & 0xc0) != 0x80)
			return 0;
	return n;
}

void json_write_text(const char *text, FILE *out)
{
	const unsigned char *p = (const unsigned char *)text;

	fputc('"', out);
	while (*p) {
		unsigned int n = measure(p);

		if (!n) {
			fputs("\\ufffd", out);
			n = 1;
		} else if (*p == '"' || *p == '\\') {
			fprintf(out, "\\%c", *p);
		} else if (*p < ' ' || *p == 0x7f) {
			fprintf(out, "\\u%04x", *p);
		} else {
			fwrite(p, 1, n, out);
		}
		p += n;
	}
	fputc('"', out);
}

void json_write_points(const struct coverage *coverage, FILE *out)
{
	for (size_t i = 0; i < coverage->nr_points; i++) {
		const struct coverage_point *point = &coverage->points[i];

		fputs("{\"file\":", out);
		json_write_text(point->file, out);
		fputs(",\"function\":", out);
		json_write_text(point->function, out);
		fprintf(out, ",\"line\":%" PRIu32 ",\"pc\":%" PRIu64 ",\"module\":", point->line, point->address);
		json_write_text(point->module, out);
		fprintf(out, ",\"point\":%s,\"covered\":%s,\"hits\":%" PRIu64 "}\n", point->counts ? "true" : "false",
			point->hits ? "true" : "false", point->hits);
	}
}

static void write_counts(const char *name, uint64_t covered, uint64_t total, FILE *out)
{
	fprintf(out, "\"%s\":{\"covered\":%" PRIu64 ",\"total\":%" PRIu64 "}", name, covered, total);
}

static void write_function(const struct coverage_function *function, FILE *out)
{
	fputs("{\"name\":", out);
	json_write_text(function->name, out);
	fprintf(out, ",\"line\":%" PRIu32 ",\"hits\":%" PRIu64 ",", function->line, function->hits);
	write_counts("points", function->covered, function->points, out);
	fputc('}', out);
}

static void write_file(const struct coverage_file *file, FILE *out)
{
	fputs("{\"file\":", out);
	json_write_text(file->name, out);
	fputc(',', out);
	write_counts("lines", file->lines_covered, file->nr_lines, out);
	fputc(',', out);
	write_counts("points", file->points_covered, file->points, out);
	fputs(",\"functions\":[", out);
	for (size_t i = 0; i < file->nr_functions; i++) {
		if (i)
			fputc(',', out);
		write_function(&file->functions[i], out);
	}
	fputs("]}", out);
}

void json_write_report(const struct coverage *coverage, FILE *out)
{
	struct coverage_file all = { .name = "" };

	fprintf(out, "{\"totals_known\":%s,\"files\":[", coverage->totals_known ? "true" : "false");
	for (size_t i = 0; i < coverage->nr_files; i++) {
		const struct coverage_file *file = &coverage->files[i];

		fputs(i ? ",\n" : "\n", out);
		write_file(file, out);
		all.lines_covered += file->lines_covered;
		all.nr_lines += file->nr_lines;
		all.points_covered += file->points_covered;
		all.points += file->points;
		all.functions_covered += file->functions_covered;
	}
	fputs("],\n\"totals\":{", out);
	write_counts("lines", all.lines_covered, all.nr_lines, out);
	fputc(',', out);
	write_counts("points", all.points_covered, all.points, out);
	fputc(',', out);
	write_counts("functions", all.functions_covered, coverage->nr_functions, out);
	fputs("}}\n", out);
}
