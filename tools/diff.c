// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * covbuf diff: what only one of two recordings reached, by source line and function, so that recordings
 * of different builds can be compared.
 */
#include <inttypes.h>
#include <string.h>

#include "command.h"
#include "coverage.h"

static const char usage[] =
	"Usage: covbuf diff [OPTION...] A B\n"
	"Functions and lines that only A or only B reached.\n\n"
	"  --functions          functions only\n"
	"  --lines              lines only\n"
	"  --source-prefix DIR  only sources below DIR, named relative to it\n"
	"  --binaries DIR       where to look for binaries that are not where they ran\n"
	"  --module-dir DIR     and for kernel modules, also below it\n"
	"  -h, --help           this text\n\n"
	"Each line of output begins with '-' (only in A) or '+' (only in B).\n"
	"Exit status: 0 also where there are differences, 1 if something could not be read.\n";

struct totals {
	uint64_t only[2];
};

static int compare_functions(const struct coverage_function *a, const struct coverage_function *b)
{
	int order = strcmp(a->file, b->file);

	return order ? order : strcmp(a->name, b->name);
}

static void print_function(char side, const struct coverage_function *function)
{
	printf("%c %s:%" PRIu32 " %s\n", side, function->file, function->line, function->name);
}

static const struct coverage_function *find_function(const struct coverage *coverage,
						     const struct coverage_function *wanted)
{
	for (size_t i = 0; i < coverage->nr_files; i++) {
		const struct coverage_file *file = &coverage->files[i];

		if (file->name != wanted->file)
			continue;
		for (size_t k = 0; k < file->nr_functions; k++)
			if (file->functions[k].hits && !compare_functions(&file->functions[k], wanted))
				return &file->functions[k];
	}
	return NULL;
}

/* Functions that are covered in mine and not in the other. */
static void diff_functions(const struct coverage *mine, const struct coverage *other, char side, uint64_t *only)
{
	for (size_t i = 0; i < mine->nr_functions; i++) {
		if (!mine->functions[i].hits || find_function(other, &mine->functions[i]))
			continue;
		print_function(side, &mine->functions[i]);
		++*only;
	}
}

static const struct coverage_file *find_file(const struct coverage *coverage, const char *name)
{
	for (size_t i = 0; i < coverage->nr_files; i++)
		if (coverage->files[i].name == name)
			return &coverage->files[i];
	return NULL;
}

/* Lines are sorted in both: at keeps the place in the other. */
static bool covers_line(const struct coverage_file *file, size_t *at, uint32_t line)
{
	while (file && *at < file->nr_lines && file->lines[*at].line < line)
		++*at;
	return file && *at < file->nr_lines && file->lines[*at].line == line && file->lines[*at].hits;
}

static void diff_lines(const struct coverage *mine, const struct coverage *other, char side, uint64_t *only)
{
	for (size_t i = 0; i < mine->nr_files; i++) {
		const struct coverage_file *file = &mine->files[i];
		const struct coverage_file *same = find_file(other, file->name);
		size_t at = 0;

		for (size_t k = 0; k < file->nr_lines; k++) {
			if (!file->lines[k].hits || covers_line(same, &at, file->lines[k].line))
				continue;
			printf("%c %s:%" PRIu32 "\n", side, file->name, file->lines[k].line);
			++*only;
		}
	}
}

static int read_side(const char *path, const struct coverage_options *options, struct coverage *coverage)
{
	struct recording recording = { 0 };
	int err = recording_read(&recording, path);

	if (!err) {
		recording_warn(&recording, path);
		coverage_build(coverage, &recording, options);
		if (!coverage->nr_points && recording.records) {
			complain(path, "no binary of the recording could be used: there is nothing to compare");
			coverage_fini(coverage);
			err = -1;
		}
	}
	recording_fini(&recording);
	return err;
}

static int diff(char **paths, const struct coverage_options *options, bool functions, bool lines)
{
	struct totals f = { { 0 } }, l = { { 0 } };
	struct coverage a, b;

	if (read_side(paths[0], options, &a))
		return STATUS_FAILED;
	if (read_side(paths[1], options, &b)) {
		coverage_fini(&a);
		return STATUS_FAILED;
	}
	if (functions) {
		diff_functions(&a, &b, '-', &f.only[0]);
		diff_functions(&b, &a, '+', &f.only[1]);
		printf("functions: %" PRIu64 " only in %s, %" PRIu64 " only in %s\n", f.only[0], paths[0], f.only[1],
		       paths[1]);
	}
	if (lines) {
		diff_lines(&a, &b, '-', &l.only[0]);
		diff_lines(&b, &a, '+', &l.only[1]);
		printf("lines: %" PRIu64 " only in %s, %" PRIu64 " only in %s\n", l.only[0], paths[0], l.only[1], paths[1]);
	}
	coverage_fini(&a);
	coverage_fini(&b);
	return finish_output(stdout, NULL) ? STATUS_FAILED : STATUS_OK;
}

static int run_diff(int argc, char **argv)
{
	static const struct option longs[] = {
		{ "functions", no_argument, NULL, 'f' },
		{ "lines", no_argument, NULL, 'l' },
		{ "source-prefix", required_argument, NULL, 'p' },
		{ "binaries", required_argument, NULL, 'b' },
		{ "module-dir", required_argument, NULL, 'm' },
		{ "help", no_argument, NULL, 'h' },
		{ NULL, 0, NULL, 0 },
	};
	struct coverage_options options = { .source_prefix = NULL };
	bool functions = false, lines = false;
	int opt;

	while ((opt = getopt_long(argc, argv, ":h", longs, NULL)) != -1) {
		switch (opt) {
		case 'f':
			functions = true;
			break;
		case 'l':
			lines = true;
			break;
		case 'p':
			options.source_prefix = optarg;
			break;
		case 'b':
			options.binary_directory = optarg;
			break;
		case 'm':
			options.module_directory = optarg;
			break;
		default:
			finish_option(opt, argv);
		}
	}
	if (argc - optind != 2)
		return bad_usage("which two recordings?");
	if (!functions && !lines)
		functions = lines = true;
	return diff(argv + optind, &options, functions, lines);
}

const struct command command_diff = {
	.name = "diff",
	.brief = "what only one of two recordings reached",
	.usage = usage,
	.run = run_diff,
};
