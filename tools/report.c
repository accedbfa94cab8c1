// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * covbuf report and covbuf export: read recordings, join them with the binaries, write one format.
 */
#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include "command.h"
#include "coverage.h"
#include "output.h"
#include "table.h"

enum format { FORMAT_TEXT, FORMAT_JSON, FORMAT_LCOV, FORMAT_POINTS };

struct report_options {
	struct coverage_options coverage;
	enum format format;
	bool files, functions;
	const char *html, *output;
};

static void percent_cell(struct table *table, uint64_t covered, uint64_t total)
{
	if (total)
		table_cell(table, "%.1f%%", 100.0 * (double)covered / (double)total);
	else
		table_cell(table, "-");
}

/* Points are of an unknown number where none was found: what was reached has lines all the same. */
static void count_cells(struct table *table, uint64_t covered, uint64_t total)
{
	table_cell(table, "%" PRIu64 "/%" PRIu64, covered, total);
	percent_cell(table, covered, total);
}

static void print_files(const struct coverage *coverage)
{
	struct table *table = table_create("lrrrrrr");
	struct coverage_file all = { .name = "Total" };

	table_cell(table, "File");
	table_cell(table, "Lines");
	table_cell(table, "%s", "");
	table_cell(table, "Points");
	table_cell(table, "%s", "");
	table_cell(table, "Functions");
	table_cell(table, "%s", "");
	for (size_t i = 0; i <= coverage->nr_files; i++) {
		const struct coverage_file *file = i < coverage->nr_files ? &coverage->files[i] : &all;

		table_cell(table, "%s", file->name);
		count_cells(table, file->lines_covered, file->nr_lines);
		count_cells(table, file->points_covered, file->points);
		count_cells(table, file->functions_covered, file->nr_functions);
		all.lines_covered += file->lines_covered;
		all.nr_lines += file->nr_lines;
		all.points_covered += file->points_covered;
		all.points += file->points;
		all.functions_covered += file->functions_covered;
		all.nr_functions += file->nr_functions;
	}
	table_print(table, stdout);
}

static void print_functions(const struct coverage *coverage)
{
	struct table *table = table_create("lrrrl");

	table_cell(table, "Function");
	table_cell(table, "Points");
	table_cell(table, "%s", "");
	table_cell(table, "Hits");
	table_cell(table, "Where");
	for (size_t i = 0; i < coverage->nr_functions; i++) {
		const struct coverage_function *function = &coverage->functions[i];

		table_cell(table, "%s", function->name);
		count_cells(table, function->covered, function->points);
		table_cell(table, "%" PRIu64, function->hits);
		if (function->line)
			table_cell(table, "%s:%" PRIu32, function->file, function->line);
		else
			table_cell(table, "%s", function->file);
	}
	table_print(table, stdout);
}

static void print_text(const struct coverage *coverage, const struct report_options *options)
{
	if (options->functions)
		print_functions(coverage);
	if (options->functions && options->files)
		putchar('\n');
	if (options->files || !options->functions)
		print_files(coverage);
}

static int write_format(const struct coverage *coverage, const struct report_options *options)
{
	FILE *out = stdout;

	if (options->output && strcmp(options->output, "-")) {
		out = fopen(options->output, "w");
		if (!out) {
			complain(options->output, "cannot be written: %s", strerror(errno));
			return STATUS_FAILED;
		}
	}
	switch (options->format) {
	case FORMAT_TEXT:
		print_text(coverage, options);
		break;
	case FORMAT_JSON:
		json_write_report(coverage, out);
		break;
	case FORMAT_LCOV:
		lcov_write(coverage, out);
		break;
	case FORMAT_POINTS:
		json_write_points(coverage, out);
		break;
	}
	return finish_output(out, out == stdout ? NULL : options->output) ? STATUS_FAILED : STATUS_OK;
}

/* Nothing at all to show is a failure; an empty recording of programs that are there is not. */
static bool nothing_resolved(const struct coverage *coverage, const struct recording *recording)
{
	if (coverage->nr_points)
		return false;
	if (coverage->modules_left_out)
		complain(NULL, "no binary of the recording could be used: there is nothing to report");
	else if (!recording->records && recording->kernel)
		complain(NULL, "there are no records, and no kernel module that is instrumented; build it with "
			       "-fsanitize-coverage=trace-pc, and load it before the command that uses it");
	else if (!recording->records)
		complain(NULL, "there are no records, and no binary that is instrumented; build the program with "
			       "-fsanitize-coverage and link libcovbuf's adapter, or use 'covbuf run --preload'");
	else
		complain(NULL, "no record belongs to a binary: there is nothing to report");
	return true;
}

static int report(int argc, char **argv, const struct report_options *options)
{
	struct recording recording = { 0 };
	struct coverage coverage;
	int status;

	status = recording_read_all(&recording, argc, argv);
	if (!recording.nr_files) {
		recording_fini(&recording);
		return STATUS_FAILED;
	}
	recording_warn(&recording, argc - optind == 1 ? argv[optind] : NULL);
	coverage_build(&coverage, &recording, &options->coverage);
	if (nothing_resolved(&coverage, &recording))
		status = STATUS_FAILED;
	else {
		int written = write_format(&coverage, options);

		if (!written && options->html)
			written = html_write(&coverage, options->html, options->coverage.source_prefix);
		if (written)
			status = written;
	}
	coverage_fini(&coverage);
	recording_fini(&recording);
	return status;
}

/* ---- report ---------------------------------------------------------------------------------- */

static const char report_usage[] =
	"Usage: covbuf report [OPTION...] RECORDING...\n"
	"What the recordings reached, of what could be reached, per file and per function.\n"
	"A recording is a file that 'covbuf run' wrote, also while it still runs, or one that\n"
	"'covbuf merge' made.\n\n"
	"  --files              per file (the default)\n"
	"  --functions          per function; with --files both\n"
	"  --json               as one JSON object\n"
	"  --html DIR           pages with the source, by genhtml, in DIR as well\n"
	"  --source-prefix DIR  only sources below DIR, named relative to it\n"
	"  --binaries DIR       where to look for binaries that are not where they ran\n"
	"  --module-dir DIR     and for kernel modules, also below it\n"
	"  -h, --help           this text\n\n"
	"A binary that is gone or has changed since is named on stderr and left out.\n"
	"Exit status: 1 if a recording could not be read or nothing could be resolved.\n";

static int run_report(int argc, char **argv)
{
	static const struct option longs[] = {
		{ "files", no_argument, NULL, 'F' },	     { "functions", no_argument, NULL, 'f' },
		{ "json", no_argument, NULL, 'j' },	     { "html", required_argument, NULL, 'H' },
		{ "source-prefix", required_argument, NULL, 'p' }, { "binaries", required_argument, NULL, 'b' },
		{ "module-dir", required_argument, NULL, 'm' },
		{ "help", no_argument, NULL, 'h' },	     { NULL, 0, NULL, 0 },
	};
	struct report_options options = { .format = FORMAT_TEXT };
	int opt;

	while ((opt = getopt_long(argc, argv, ":h", longs, NULL)) != -1) {
		switch (opt) {
		case 'F':
			options.files = true;
			break;
		case 'f':
			options.functions = true;
			break;
		case 'j':
			options.format = FORMAT_JSON;
			break;
		case 'H':
			options.html = optarg;
			break;
		case 'p':
			options.coverage.source_prefix = optarg;
			break;
		case 'b':
			options.coverage.binary_directory = optarg;
			break;
		case 'm':
			options.coverage.module_directory = optarg;
			break;
		default:
			finish_option(opt, argv);
		}
	}
	if (optind == argc)
		return bad_usage("which recording?");
	return report(argc, argv, &options);
}

const struct command command_report = {
	.name = "report",
	.brief = "show coverage per file and per function",
	.usage = report_usage,
	.run = run_report,
};

/* ---- export ---------------------------------------------------------------------------------- */

static const char export_usage[] =
	"Usage: covbuf export --lcov|--json [-o OUT] [OPTION...] RECORDING...\n"
	"Coverage for other programs.\n\n"
	"  --lcov               an lcov tracefile, for genhtml and its like\n"
	"  --json               JSON Lines: one object for each point, with file, function, line,\n"
	"                       pc, module, point, covered and hits\n"
	"  -o, --output OUT     write to OUT instead of standard output\n"
	"  --source-prefix DIR  only sources below DIR, named relative to it\n"
	"  --binaries DIR       where to look for binaries that are not where they ran\n"
	"  --module-dir DIR     and for kernel modules, also below it\n"
	"  -h, --help           this text\n";

static int run_export(int argc, char **argv)
{
	static const struct option longs[] = {
		{ "lcov", no_argument, NULL, 'l' },
		{ "json", no_argument, NULL, 'j' },
		{ "output", required_argument, NULL, 'o' },
		{ "source-prefix", required_argument, NULL, 'p' },
		{ "binaries", required_argument, NULL, 'b' },
		{ "module-dir", required_argument, NULL, 'm' },
		{ "help", no_argument, NULL, 'h' },
		{ NULL, 0, NULL, 0 },
	};
	struct report_options options = { .format = FORMAT_TEXT };
	int opt;

	while ((opt = getopt_long(argc, argv, ":ho:", longs, NULL)) != -1) {
		switch (opt) {
		case 'l':
			options.format = FORMAT_LCOV;
			break;
		case 'j':
			options.format = FORMAT_POINTS;
			break;
		case 'o':
			options.output = optarg;
			break;
		case 'p':
			options.coverage.source_prefix = optarg;
			break;
		case 'b':
			options.coverage.binary_directory = optarg;
			break;
		case 'm':
			options.coverage.module_directory = optarg;
			break;
		default:
			finish_option(opt, argv);
		}
	}
	if (options.format == FORMAT_TEXT)
		return bad_usage("which format: --lcov or --json?");
	if (optind == argc)
		return bad_usage("which recording?");
	return report(argc, argv, &options);
}

const struct command command_export = {
	.name = "export",
	.brief = "write coverage for other programs: lcov, JSON Lines",
	.usage = export_usage,
	.run = run_export,
};
