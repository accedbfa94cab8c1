/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Coverage: what recordings reached, of what their binaries could report, by source file, line and
 * function. What reports, exports and comparisons are made from.
 */
#ifndef COVBUF_COVERAGE_H
#define COVBUF_COVERAGE_H

#include "recording.h"

/* An instrumented place, or one that was recorded and is none (a caller's own value, an operand's pc). */
struct coverage_point {
	const char *module;
	uint64_t address;	/* as linked */
	const char *file;	/* never NULL: where there is no debug information, the binary */
	const char *function;	/* never NULL: "?" */
	const char *function_file;
	uint32_t line, function_line; /* 0: not known */
	uint64_t hits;		/* records; 0: not covered */
	bool counts;		/* it is one of the points of its binary */
};

struct coverage_line {
	uint32_t line;
	uint64_t hits;		/* of its point with most */
};

struct coverage_function {
	const char *name, *file;
	uint32_t line;
	uint64_t points, covered;
	uint64_t hits;		/* of its point with most */
};

struct coverage_file {
	const char *name;
	struct coverage_line *lines; /* sorted */
	struct coverage_function *functions; /* sorted by line; inside coverage.functions */
	size_t nr_lines, nr_functions;
	uint64_t lines_covered, functions_covered;
	uint64_t points, points_covered;
};

struct coverage {
	struct coverage_point *points; /* sorted by file, line, module, address */
	size_t nr_points, room_points;
	struct coverage_file *files; /* sorted by name */
	size_t nr_files, room_files;
	struct coverage_line *lines;
	struct coverage_function *functions; /* sorted by file, line, name */
	size_t nr_functions;
	uint64_t modules;	/* that could be resolved */
	uint64_t modules_left_out;
	bool totals_known;	/* every module with records has points of its own */
};

struct coverage_options {
	const char *source_prefix; /* only files below it, named relative to it; or NULL */
	const char *binary_directory; /* where binaries are that are not where they ran; or NULL */
	const char *module_directory; /* the same for files of kernel modules, also below it; or NULL */
};

/* Complains about each binary that cannot be used. */
void coverage_build(struct coverage *coverage, const struct recording *recording,
		    const struct coverage_options *options);
void coverage_fini(struct coverage *coverage);

#endif
