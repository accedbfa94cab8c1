// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * Pages by genhtml(1): a tracefile in a temporary file, and genhtml's own messages only where it fails.
 */
#include "output.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "command.h"
#include "temporary.h"

/* genhtml stops at a source file that is not there: those are left out, and said. */
static void drop_missing(struct coverage *shown, const char *source_prefix)
{
	size_t kept = 0, missing = 0;
	const char *first = NULL;

	for (size_t i = 0; i < shown->nr_files; i++) {
		char *path = source_prefix ? must_printf("%s/%s", source_prefix, shown->files[i].name) :
					     must_dup(shown->files[i].name);

		if (shown->files[i].nr_lines && !access(path, R_OK)) {
			shown->files[kept++] = shown->files[i];
		} else if (shown->files[i].nr_lines) {
			if (!missing++)
				first = shown->files[i].name;
		}
		free(path);
	}
	shown->nr_files = kept;
	if (missing)
		complain(NULL, "%zu source files cannot be read and have no page, for example %s", missing, first);
}

static void exec_genhtml(const char *tracefile, const char *directory, const char *source_prefix, int log)
{
	dup2(log, STDOUT_FILENO);
	dup2(log, STDERR_FILENO);
	if (source_prefix && chdir(source_prefix))
		_exit(126);
	execlp("genhtml", "genhtml", "--quiet", "--title", "covbuf", "--legend", "--output-directory", directory, tracefile,
	       (char *)NULL);
	_exit(errno == ENOENT ? 127 : 126);
}

static void show_log(FILE *log)
{
	char line[512];

	rewind(log);
	for (int i = 0; i < 10 && fgets(line, sizeof(line), log); i++)
		fprintf(stderr, "  %s", line);
}

/* What genhtml 1.16 cannot write, to a full disk for one, it does not mention. Its first page is the last one that it writes. */
static bool is_whole(const char *directory)
{
	char *path = must_printf("%s/index.html", directory), line[512];
	FILE *page = fopen(path, "r");
	bool whole = false;

	free(path);
	if (!page)
		return false;
	while (fgets(line, sizeof(line), page))
		whole = whole || strstr(line, "</html>");
	fclose(page);
	return whole;
}

static int run_genhtml(const char *tracefile, const char *directory, const char *source_prefix)
{
	FILE *log = tmpfile();
	int status = -1;
	pid_t child;

	if (!log) {
		complain(NULL, "no temporary file: %s", strerror(errno));
		return STATUS_FAILED;
	}
	child = fork();
	if (!child)
		exec_genhtml(tracefile, directory, source_prefix, fileno(log));
	if (child > 0)
		waitpid(child, &status, 0);
	if (status && WIFEXITED(status) && WEXITSTATUS(status) == 127)
		complain(NULL, "there is no genhtml; install the package lcov");
	else if (status) {
		complain(directory, "genhtml could not write the pages:");
		show_log(log);
	}
	fclose(log);
	if (!status && !is_whole(directory)) {
		complain(directory, "genhtml has not written all pages; is there room for them?");
		status = -1;
	}
	return status ? STATUS_FAILED : STATUS_OK;
}

int html_write(const struct coverage *coverage, const char *directory, const char *source_prefix)
{
	struct coverage shown = *coverage;
	char *absolute, *cwd;
	int fd, status;
	FILE *out;

	shown.files = must_alloc(coverage->nr_files * sizeof(*shown.files));
	memcpy(shown.files, coverage->files, coverage->nr_files * sizeof(*shown.files));
	drop_missing(&shown, source_prefix);
	if (!shown.nr_files) {
		complain(directory, "there is no line of a source file to show; no pages were written");
		free(shown.files);
		return STATUS_FAILED;
	}
	fd = temporary_open("/tmp/covbuf");
	out = fd < 0 ? NULL : fdopen(fd, "w");
	if (!out) {
		complain("/tmp", "no temporary file: %s", strerror(errno));
		temporary_drop();
		free(shown.files);
		return STATUS_FAILED;
	}
	cwd = getcwd(NULL, 0);
	absolute = *directory == '/' ? must_dup(directory) : must_printf("%s/%s", cwd ? cwd : ".", directory);
	lcov_write(&shown, out);
	status = finish_output(out, temporary_path()) ? STATUS_FAILED :
							run_genhtml(temporary_path(), absolute, source_prefix);
	temporary_drop();
	free(absolute);
	free(cwd);
	free(shown.files);
	return status;
}
