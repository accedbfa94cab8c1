// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * abi [-s CHECK]... DEVICE [PREFIX]: checks the rules of KCOV's ABI on DEVICE and prints a line of result for each, its
 * name after PREFIX; -s leaves a check out. The module abi_mod is loaded.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>
#include "abi.h"

/* Emulated machines are slow; a check that hangs is to be seen all the same. */
#define LIMIT_S 40

static const struct check *const groups[] = {
	open_checks, map_checks, enable_checks, trace_checks, task_checks, remote_checks, merge_checks, unique_checks,
};

const char *device;
unsigned long page_bytes;
static const char *prefix = "";
static const char *current;
static const char *left_out[8];

static void say(const char *result, const char *format, va_list arguments)
{
	char why[512], line[700];
	int length;

	vsnprintf(why, sizeof(why), format, arguments);
	length = snprintf(line, sizeof(line), "%s %s%s: %s\n", result, prefix, current, why);
	(void)!write(STDOUT_FILENO, line, length);
}

void fail(const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	say("not ok", format, arguments);
	va_end(arguments);
	_exit(1);
}

void skip(const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	say("skip", format, arguments);
	va_end(arguments);
	_exit(77);
}

static void run_check(const struct check *check)
{
	pid_t parent = getpid(), pid;
	int status;

	current = check->name;
	for (int i = 0; left_out[i]; i++) {
		if (!strcmp(left_out[i], current)) {
			printf("skip %s%s: left out by -s\n", prefix, current);
			return;
		}
	}
	pid = fork();
	if (pid < 0)
		fail("fork: %s", strerror(errno));
	if (!pid) {
		setpgid(0, 0);
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		if (getppid() != parent)
			_exit(1);
		alarm(LIMIT_S);
		check->run();
		_exit(0);
	}
	if (waitpid(pid, &status, 0) != pid)
		status = -1;
	kill(-pid, SIGKILL); /* what it left behind */
	if (WIFSIGNALED(status))
		printf("not ok %s%s: %s\n", prefix, current, WTERMSIG(status) == SIGALRM ? "it hangs" : strsignal(WTERMSIG(status)));
	else if (!WEXITSTATUS(status))
		printf("ok %s%s\n", prefix, current);
	fflush(stdout);
}

int main(int argc, char **argv)
{
	int option, nr_left_out = 0;

	page_bytes = sysconf(_SC_PAGESIZE);
	if (argc == 4 && !strcmp(argv[1], "--run")) {
		run_function(atoi(argv[2]), atoi(argv[3]));
		return 0;
	}
	if (argc == 4 && !strcmp(argv[1], "--work")) {
		run_job(ABI_WORK, ABI_COMMON_HANDLE, atoi(argv[2]), atoi(argv[3]), 1);
		return 0;
	}
	while ((option = getopt(argc, argv, "s:")) == 's' && nr_left_out < 7)
		left_out[nr_left_out++] = optarg;
	if (option != -1 || (argc - optind != 1 && argc - optind != 2)) {
		fprintf(stderr, "usage: abi [-s CHECK]... DEVICE [PREFIX]\n");
		return 2;
	}
	device = argv[optind];
	if (argv[optind + 1])
		prefix = argv[optind + 1];
	/* What the checks will have ready: looking it up is not to be in their traces. */
	current = "setup";
	pc_in(0, 0);
	pcs_per_call();
	for (size_t i = 0; i < sizeof(groups) / sizeof(*groups); i++)
		for (const struct check *check = groups[i]; check->name; check++)
			run_check(check);
	return 0;
}
