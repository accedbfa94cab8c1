// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * The covbuf command as a function. Two things it does once in a program's life are done each time here:
 * its texts are interned, and the options are scanned from the start.
 */
#include "commands.h"

#include <stdarg.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

/* Its pool of texts has no end but the program's. */
#include "../../tools/strings.c"

#include "image.h"

#define MAX_ARGUMENTS 16
#define MAX_SAID (1u << 20)
#define MAX_LINE 16384

static char said[MAX_SAID];
static size_t nr_said;
static int out;

void commands_init(void)
{
	out = memfd_create("out", MFD_CLOEXEC);
	if (out < 0 || dup2(out, STDOUT_FILENO) < 0)
		finding("standard output cannot be caught");
}

void commands_forget(void)
{
	for (size_t i = 0; i < pool.nr_slots; i++)
		free(pool.slots[i]);
	free(pool.slots);
	memset(&pool, 0, sizeof(pool));
}

/* A text from a recording must not move the cursor of a terminal. */
static void check_text(const char *text, size_t nr)
{
	for (size_t i = 0; i < nr; i++)
		if (((unsigned char)text[i] < ' ' && text[i] != '\n') || text[i] == 0x7f)
			finding("a control character in what is said: %#x in \"%.*s\"", (unsigned char)text[i],
				(int)(nr < 200 ? nr : 200), text);
}

void __real_complain(const char *file, const char *format, ...);
void __wrap_complain(const char *file, const char *format, ...);

/* What comes out on standard error is looked at, and not shown. */
void __wrap_complain(const char *file, const char *format, ...)
{
	static char shown[MAX_LINE];
	FILE *before = stderr;
	char *text = NULL;
	va_list args;
	size_t nr;

	va_start(args, format);
	expect(vasprintf(&text, format, args) > 0, "nothing is said");
	va_end(args);
	stderr = fmemopen(shown, sizeof(shown), "w");
	__real_complain(file, "%s", text);
	fclose(stderr);
	stderr = before;
	free(text);
	nr = strlen(shown);
	expect(nr && strchr(shown, '\n') == shown + nr - 1, "a complaint is not one line: %s", shown);
	check_text(shown, nr);
}

static const struct command *find(const char *name)
{
	static const struct command *const all[] = { &command_stat, &command_report, &command_export, &command_merge,
						     &command_diff, &command_top, &command_profraw };

	for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++)
		if (!strcmp(all[i]->name, name))
			return all[i];
	finding("no command %s", name);
}

static void read_said(void)
{
	ssize_t n;

	fflush(stdout);
	nr_said = 0;
	while (nr_said < MAX_SAID && (n = pread(out, said + nr_said, MAX_SAID - nr_said, (off_t)nr_said)) > 0)
		nr_said += (size_t)n;
	if (ftruncate(out, 0) || lseek(out, 0, SEEK_SET))
		finding("standard output cannot be emptied");
	check_text(said, nr_said);
}

int covbuf(const char *name, ...)
{
	char *argv[MAX_ARGUMENTS + 1] = { (char *)name };
	int argc = 1, status;
	va_list args;

	va_start(args, name);
	while (argc < MAX_ARGUMENTS && (argv[argc] = va_arg(args, char *)))
		argc++;
	va_end(args);
	the_command = find(name);
	optind = 0;
	status = the_command->run(argc, argv);
	expect(status == STATUS_OK || status == STATUS_FAILED, "covbuf %s ended with status %d", name, status);
	read_said();
	return status;
}

void check_json(void)
{
	int depth = 0;
	bool text = false;

	if (nr_said == MAX_SAID)
		return;
	for (size_t i = 0; i < nr_said; i++) {
		if (text && said[i] == '\\')
			i++;
		else if (said[i] == '"')
			text = !text;
		else if (!text && strchr("{[", said[i]))
			depth++;
		else if (!text && strchr("}]", said[i]))
			depth--;
		expect(depth >= 0, "JSON: a bracket too many");
	}
	expect(!text && !depth, "JSON: it does not end");
}
