// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * llvm-profdata, of the version that the profile's compiler has: found, asked for its version, run. Tools of other
 * versions refuse a raw profile, or read it and report other figures.
 */
#include "profile.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "command.h"
#include "temporary.h"

#define MAX_SAID 4096

/* What a program says, on one stream or both, up to a limit; its wait status, or -1. */
static int run_tool(char *const argv[], char *said, size_t room, int raw)
{
	int pipe_fds[2], status = -1;
	size_t nr = 0;
	char rest[512];
	ssize_t n;
	pid_t child;

	said[0] = 0;
	if (pipe2(pipe_fds, O_CLOEXEC))
		return -1;
	child = fork();
	if (!child) {
		dup2(pipe_fds[1], STDOUT_FILENO);
		dup2(pipe_fds[1], STDERR_FILENO);
		if (raw >= 0)
			dup2(raw, STDIN_FILENO);
		execv(argv[0], argv);
		_exit(127);
	}
	close(pipe_fds[1]);
	/* all of it, so that it does not wait for us */
	do {
		bool more = nr + 1 < room;

		n = read(pipe_fds[0], more ? said + nr : rest, more ? room - nr - 1 : sizeof(rest));
		if (n > 0 && more)
			nr += (size_t)n;
	} while (n > 0 || (n < 0 && errno == EINTR));
	said[nr] = 0;
	close(pipe_fds[0]);
	if (child > 0)
		while (waitpid(child, &status, 0) < 0 && errno == EINTR)
			;
	return status;
}

/* 0: it does not run, or says nothing of the kind. */
static unsigned int ask_version(const char *tool)
{
	char *argv[] = { (char *)tool, (char *)"merge", (char *)"--version", NULL }; /* old ones have it there only */
	char said[MAX_SAID];
	const char *at;

	if (access(tool, X_OK) || run_tool(argv, said, sizeof(said), -1))
		return 0;
	at = strstr(said, "LLVM version ");
	return at ? (unsigned int)strtoul(at + strlen("LLVM version "), NULL, 10) : 0;
}

struct search {
	unsigned int major;
	unsigned int seen;	/* another version that was found */
};

static bool fits(struct search *search, const char *tool)
{
	unsigned int version = ask_version(tool);

	if (version && version != search->major)
		search->seen = version;
	return version == search->major;
}

static char *find_in_path(struct search *search, const char *name)
{
	const char *path = getenv("PATH");
	char *directories = must_dup(path ? path : "/usr/local/bin:/usr/bin:/bin"), *rest = directories, *directory;
	char *found = NULL;

	while (!found && (directory = strsep(&rest, ":"))) {
		found = must_printf("%s/%s", *directory ? directory : ".", name);
		if (!fits(search, found)) {
			free(found);
			found = NULL;
		}
	}
	free(directories);
	return found;
}

char *profile_llvm_find(unsigned int major)
{
	static const char *const places[] = { "/usr/lib/llvm-", "/usr/lib/llvm", "/usr/lib64/llvm",
					      "/usr/local/llvm-" };
	struct search search = { .major = major };
	char *name = must_printf("llvm-profdata-%u", major);
	char *found = find_in_path(&search, name);

	for (size_t i = 0; !found && i < sizeof(places) / sizeof(places[0]); i++) {
		found = must_printf("%s%u/bin/llvm-profdata", places[i], major);
		if (!fits(&search, found)) {
			free(found);
			found = NULL;
		}
	}
	if (!found)
		found = find_in_path(&search, "llvm-profdata");
	if (!found && search.seen)
		complain(NULL, "there is no %s, only llvm-profdata of LLVM %u, which does not read profiles of clang %u; "
			       "install the package llvm-%u, or have its bin directory in PATH",
			 name, search.seen, major, major);
	else if (!found)
		complain(NULL, "there is no %s; install the package llvm-%u, or have its bin directory in PATH", name,
			 major);
	free(name);
	return found;
}

/* The lines of a tool, as they are but for what would move a cursor. */
static void show_said(const char *said)
{
	bool begins = true;

	for (; *said; said++) {
		if (begins)
			fputs("  ", stderr);
		begins = *said == '\n';
		fputc(*said == '\n' || (unsigned char)*said >= ' ' ? *said : '?', stderr);
	}
	if (!begins)
		fputc('\n', stderr);
}

/* The temporary file is there, and becomes profdata. */
static int index_into(const char *llvm_profdata, int raw, const char *profdata)
{
	char *argv[] = { (char *)llvm_profdata, (char *)"merge", (char *)"-sparse", (char *)"-o",
			 (char *)temporary_path(), (char *)"/proc/self/fd/0", NULL };
	char said[MAX_SAID];
	int status = run_tool(argv, said, sizeof(said), raw);

	if (status)
		complain(profdata, "it was not written: %s cannot read the profile, or not write it:", llvm_profdata);
	show_said(said);
	if (!status && temporary_keep(profdata)) {
		complain(profdata, "cannot be written: %s", strerror(errno));
		status = -1;
	}
	temporary_drop();
	return status ? STATUS_FAILED : STATUS_OK;
}

int profile_llvm_index(const char *llvm_profdata, int raw, const char *profdata)
{
	char *target = output_path(profdata);
	int status = STATUS_FAILED, fd;

	if (!target)
		return status;
	fd = temporary_open(target);
	if (fd < 0) {
		complain(profdata, "cannot be written: %s", strerror(errno));
	} else {
		close(fd);
		status = index_into(llvm_profdata, raw, target);
	}
	free(target);
	return status;
}

void profile_print_word(const char *text, FILE *out)
{
	bool plain = *text;

	for (const char *p = text; *p; p++)
		plain = plain && (isalnum((unsigned char)*p) || strchr("_./+-=:,@%", *p));
	if (plain) {
		fputs(text, out);
		return;
	}
	fputc('\'', out);
	for (; *text; text++) {
		if (*text == '\'')
			fputs("'\\''", out);
		else
			fputc((unsigned char)*text < ' ' || *text == 0x7f ? '?' : *text, out);
	}
	fputc('\'', out);
}

static void print_command(const char *llvm_cov, const char *what, const struct profiles *profiles, const char *profdata,
			  FILE *out)
{
	const char *separator = " ";

	fputs("  ", out);
	profile_print_word(llvm_cov, out);
	fprintf(out, " %s", what);
	for (size_t i = 0; i < profiles->nr_images; i++) {
		if (!profiles->images[i].selected)
			continue;
		fputs(separator, out);
		profile_print_word(profiles->images[i].first->image, out);
		separator = " -object ";
	}
	fputs(" -instr-profile=", out);
	profile_print_word(profdata, out);
	fputc('\n', out);
}

/* llvm-cov lies beside llvm-profdata. */
void profile_llvm_print_next(const char *llvm_profdata, const struct profiles *profiles, const char *profdata,
			     FILE *out)
{
	const char *slash = strrchr(llvm_profdata, '/');
	const char *suffix = slash ? strstr(slash, "profdata") : NULL;
	char *llvm_cov = suffix ? must_printf("%.*scov%s", (int)(suffix - llvm_profdata), llvm_profdata,
					      suffix + strlen("profdata")) :
				  must_dup("llvm-cov");
	bool bitmaps = false;

	for (size_t i = 0; i < profiles->nr_images; i++)
		bitmaps |= profiles->images[i].selected && profiles->images[i].first->bitmaps_bytes;
	fputs("next:\n", out);
	print_command(llvm_cov, bitmaps ? "report --show-mcdc-summary" : "report", profiles, profdata, out);
	print_command(llvm_cov, bitmaps ? "show --show-branches=count --show-mcdc" : "show --show-branches=count",
		      profiles, profdata, out);
	free(llvm_cov);
}
