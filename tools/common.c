// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * Messages, sizes, memory: what every subcommand needs and none should do its own way.
 */
#include "command.h"

#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

const struct command *the_command;

/* On one line. A name may come from a recording: what would move a terminal's cursor is shown as '?'. */
static void put_text(const char *text)
{
	for (; *text; text++)
		fputc((unsigned char)*text < ' ' || *text == 0x7f ? '?' : *text, stderr);
}

static void say(const char *file, const char *format, va_list args)
{
	char *text;

	fflush(stdout);
	fprintf(stderr, "covbuf%s%s: ", the_command ? " " : "", the_command ? the_command->name : "");
	if (file) {
		put_text(file);
		fputs(": ", stderr);
	}
	if (vasprintf(&text, format, args) >= 0) {
		put_text(text);
		free(text);
	}
	fputc('\n', stderr);
}

void complain(const char *file, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	say(file, format, args);
	va_end(args);
}

int bad_usage(const char *format, ...)
{
	va_list args;

	va_start(args, format);
	say(NULL, format, args);
	va_end(args);
	fprintf(stderr, "Try 'covbuf%s%s --help'.\n", the_command ? " " : "", the_command ? the_command->name : "");
	return STATUS_USAGE;
}

_Noreturn void finish_option(int opt, char **argv)
{
	const char *arg = argv[optind > 0 ? optind - 1 : 0];

	if (opt == 'h') {
		fputs(the_command->usage, stdout);
		exit(finish_output(stdout, NULL) ? STATUS_FAILED : STATUS_OK);
	}
	if (opt == ':')
		bad_usage("option '%s' needs a value", arg);
	else if (optopt && optopt < 256 && strncmp(arg, "--", 2))
		bad_usage("there is no option '-%c'", optopt);
	else
		bad_usage("there is no option '%s', or it takes no value", arg);
	exit(STATUS_USAGE);
}

bool parse_size(const char *option, const char *text, uint64_t *bytes)
{
	static const char suffixes[] = "KMGT";
	unsigned long long value;
	unsigned int shift = 0;
	const char *suffix;
	char *end;

	errno = 0;
	value = strtoull(text, &end, 10);
	if (end == text || *text == '-' || *text == '+' || *text == ' ')
		goto bad;
	if (*end) {
		suffix = strchr(suffixes, *end & ~0x20);
		if (!suffix || !*suffix)
			goto bad;
		shift = 10 * (unsigned int)(suffix - suffixes + 1);
		end++;
		if (*end == 'i')
			end++;
		if (*end == 'B')
			end++;
	}
	if (*end)
		goto bad;
	if (errno || value > UINT64_MAX >> shift) {
		bad_usage("%s: '%s' is more than fits into 64 bits", option, text);
		return false;
	}
	*bytes = (uint64_t)value << shift;
	return true;
bad:
	bad_usage("%s: '%s' is not a size; write for example 65536, 64M or 1G", option, text);
	return false;
}

static _Noreturn void give_up(void)
{
	complain(NULL, "out of memory");
	exit(STATUS_FAILED);
}

void *must_alloc(size_t bytes)
{
	void *p = calloc(1, bytes ? bytes : 1);

	if (!p)
		give_up();
	return p;
}

void *must_realloc(void *p, size_t bytes)
{
	p = realloc(p, bytes ? bytes : 1);
	if (!p)
		give_up();
	return p;
}

char *must_dup(const char *text)
{
	char *copy = strdup(text);

	if (!copy)
		give_up();
	return copy;
}

char *must_printf(const char *format, ...)
{
	va_list args;
	char *text;
	int n;

	va_start(args, format);
	n = vasprintf(&text, format, args);
	va_end(args);
	if (n < 0)
		give_up();
	return text;
}

void *must_grow(void *array, size_t nr, size_t *room, size_t entry_bytes)
{
	size_t want;

	if (nr < *room)
		return array;
	want = *room ? *room * 2 : 16;
	if (want > SIZE_MAX / entry_bytes)
		give_up();
	array = must_realloc(array, want * entry_bytes);
	*room = want;
	return array;
}

char *output_path(const char *path)
{
	char *real = realpath(path, NULL);
	struct stat st;

	if (!real)
		return must_dup(path);
	if (!stat(real, &st) && S_ISREG(st.st_mode))
		return real;
	free(real);
	complain(path, "it is there, and no file; give another name");
	return NULL;
}

int finish_output(FILE *out, const char *path)
{
	int err = 0;

	if (fflush(out) || ferror(out))
		err = errno ? errno : EIO;
	if (path && fclose(out) && !err)
		err = errno;
	if (err)
		complain(path ? path : "standard output", "cannot write: %s", strerror(err));
	return err ? -err : 0;
}

const char *format_bytes(uint64_t bytes, char *text)
{
	static const char units[] = "BKMGTPE";
	double value = (double)bytes;
	unsigned int i = 0;

	while (value >= 1024 && i + 2 < sizeof(units)) {
		value /= 1024;
		i++;
	}
	if (!i)
		snprintf(text, 16, "%" PRIu64, bytes);
	else
		snprintf(text, 16, value < 10 ? "%.1f%c" : "%.0f%c", value, units[i]);
	return text;
}

bool read_at(int fd, uint64_t at, void *to, size_t nr)
{
	char *p = to;

	while (nr) {
		ssize_t n = pread(fd, p, nr, (off_t)at);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return false;
		p += n;
		at += (uint64_t)n;
		nr -= (size_t)n;
	}
	return true;
}

bool is_terminal(FILE *stream)
{
	return isatty(fileno(stream)) == 1;
}

uint64_t now_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000000000ull + (uint64_t)ts.tv_nsec;
}
