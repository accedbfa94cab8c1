// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * covbuf: finds the subcommand and runs it.
 */
#include "command.h"

#include <signal.h>
#include <string.h>

#include <covbuf/covbuf.h>

static const struct command *const commands[] = {
	&command_run,  &command_kernel, &command_ls,	&command_stat, &command_top,
	&command_report, &command_export, &command_merge, &command_diff, &command_profraw,
};
#define NR_COMMANDS (sizeof(commands) / sizeof(commands[0]))

static void print_help(FILE *out)
{
	fputs("Usage: covbuf COMMAND [OPTION...] [ARGUMENT...]\n"
	      "Record the coverage of programs through shared memory, and read it.\n\n"
	      "Commands:\n",
	      out);
	for (size_t i = 0; i < NR_COMMANDS; i++)
		fprintf(out, "  %-8s %s\n", commands[i]->name, commands[i]->brief);
	fputs("\nOptions:\n"
	      "  -h, --help     this text; 'covbuf COMMAND --help' for a command's\n"
	      "  -V, --version  the version\n"
	      "\nExit status: 0 done, 1 could not, 2 called wrongly; 'run' and 'kernel' pass on their program's.\n",
	      out);
}

/* The command whose name is nearest: begins with, or is the beginning of, what was typed. */
static const char *guess(const char *typed)
{
	for (size_t i = 0; i < NR_COMMANDS; i++) {
		size_t n = strlen(typed);
		size_t m = strlen(commands[i]->name);

		if (n >= 2 && !strncmp(typed, commands[i]->name, n < m ? n : m))
			return commands[i]->name;
	}
	return NULL;
}

/* A limit of file size: the write fails, which is said. What the command executes has the signal as it was. */
static void meet_limit(int sig)
{
	(void)sig;
}

int main(int argc, char **argv)
{
	struct sigaction action = { .sa_handler = meet_limit };
	struct sigaction old;
	const char *near;

	if (!sigaction(SIGXFSZ, NULL, &old) && old.sa_handler == SIG_DFL)
		sigaction(SIGXFSZ, &action, NULL);
	if (argc < 2) {
		print_help(stderr);
		return STATUS_USAGE;
	}
	if (!strcmp(argv[1], "-h") || !strcmp(argv[1], "--help") || !strcmp(argv[1], "help")) {
		print_help(stdout);
		return finish_output(stdout, NULL) ? STATUS_FAILED : STATUS_OK;
	}
	if (!strcmp(argv[1], "-V") || !strcmp(argv[1], "--version")) {
		printf("covbuf %s\n", covbuf_version());
		return finish_output(stdout, NULL) ? STATUS_FAILED : STATUS_OK;
	}
	for (size_t i = 0; i < NR_COMMANDS; i++) {
		if (strcmp(argv[1], commands[i]->name))
			continue;
		the_command = commands[i];
		opterr = 0;
		return the_command->run(argc - 1, argv + 1);
	}
	if (argv[1][0] == '-')
		return bad_usage("there is no option '%s'", argv[1]);
	near = guess(argv[1]);
	return near ? bad_usage("there is no command '%s'; did you mean '%s'?", argv[1], near) :
		      bad_usage("there is no command '%s'", argv[1]);
}
