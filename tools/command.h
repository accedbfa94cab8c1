/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * What the parts of the covbuf command share: the table of subcommands, messages, and the parsing of
 * what people type.
 *
 * A message is one line on stderr, "covbuf CMD: FILE: what is wrong; what to do".
 */
#ifndef COVBUF_COMMAND_H
#define COVBUF_COMMAND_H

#include <getopt.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

/* Exit statuses of every subcommand but run, which passes on its program's. */
enum {
	STATUS_OK = 0,
	STATUS_FAILED = 1,
	STATUS_USAGE = 2,
};

struct command {
	const char *name;
	const char *brief;
	const char *usage; /* the whole of --help */
	int (*run)(int argc, char **argv);
};

extern const struct command command_run, command_ls, command_stat, command_top, command_report, command_export,
	command_merge, command_diff, command_kernel, command_profraw;

/* The one that runs. */
extern const struct command *the_command;

/* Say on stderr what is wrong; file may be NULL. */
void complain(const char *file, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* As complain(), about how the command was called. Returns STATUS_USAGE. */
int bad_usage(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* What a getopt_long() loop does with what it does not know itself: --help (h), and errors. Exits. */
_Noreturn void finish_option(int opt, char **argv);

/* "64M", "1G", "4096": bytes. False: not a size; a complaint about option was made. */
bool parse_size(const char *option, const char *text, uint64_t *bytes);

/* Memory or exit: there is nothing a report could do without. */
void *must_alloc(size_t bytes);
void *must_realloc(void *p, size_t bytes);
char *must_dup(const char *text);
char *must_printf(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* Make room for one more in an array that doubles: nr entries used, *room allocated. */
void *must_grow(void *array, size_t nr, size_t *room, size_t entry_bytes);

/* Reads all of it, from a place in a file, or returns false. */
bool read_at(int fd, uint64_t at, void *to, size_t nr);

/*
 * The file that an output's path names, through links, to be replaced by rename(). NULL: there is something else, which
 * would be gone; complained. The caller frees it.
 */
char *output_path(const char *path);

/* Flush and close an output; complains when something could not be written. path NULL: stdout, stays open. */
int finish_output(FILE *out, const char *path);

/* "12.3M" into text, of at least 16 bytes. */
const char *format_bytes(uint64_t bytes, char *text);

/* Whether stream is a terminal. */
bool is_terminal(FILE *stream);

/* Monotonic clock. */
uint64_t now_ns(void);

#endif
