/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * What does a profile cost a process that does nothing else: one that is started, and one that is forked?
 *
 * The program (peers/process.c) has ten thousand functions with counters and MC/DC bitmaps, and calls one of them. It
 * is linked with compiler-rt, which writes its file at exit, and with adapters/llvmprof, whose files are made at start
 * and by fork. Files are in memory (/dev/shm), and removed between passes.
 */
#define _GNU_SOURCE
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "bench.h"

#define NR_PROCESSES 8 /* in a pass */
#define NONE "not instrumented"

/* A variant's arg. */
struct program {
	const char *file;
	const char *ending; /* of the children that it forks; NULL: it is started itself */
	const char *form;   /* COVBUF_PROFILE_FORM; NULL: no directory is asked for */
	pid_t pid;	    /* where it forks */
	int to, from;
};

static char directory[64];

static struct program *program_of(const struct bench_variant *variant)
{
	return (struct program *)(uintptr_t)variant->arg;
}

static void path_of(const struct program *program, char *path, size_t bytes)
{
	ssize_t length = readlink("/proc/self/exe", path, bytes - 1);

	path[length > 0 ? length : 0] = 0;
	*strrchr(path, '/') = 0;
	snprintf(path + strlen(path), bytes - strlen(path), "/peers/%s", program->file);
}

static void make_directory(void)
{
	snprintf(directory, sizeof(directory), "/dev/shm/covbuf-bench-XXXXXX");
	bench_must(mkdtemp(directory) ? 0 : -errno, directory);
}

/* All but the templates: an image's is made once. */
static void remove_files(bool templates_too)
{
	DIR *dir = opendir(directory);
	const struct dirent *entry;

	bench_must(dir ? 0 : -errno, directory);
	while ((entry = readdir(dir)))
		if (entry->d_name[0] != '.' && (templates_too || !strstr(entry->d_name, ".template")))
			unlinkat(dirfd(dir), entry->d_name, 0);
	closedir(dir);
}

static void set_environment(const struct program *program)
{
	char file[128];

	snprintf(file, sizeof(file), "%s/%%p.profraw", directory);
	setenv("LLVM_PROFILE_FILE", file, 1);
	unsetenv("COVBUF_PROFILE");
	if (!program->form)
		return;
	setenv("COVBUF_PROFILE", directory, 1);
	setenv("COVBUF_PROFILE_FORM", program->form, 1);
}

static void remove_counts(const struct bench_variant *variant)
{
	(void)variant;
	remove_files(false);
}

/* ---- started --------------------------------------------------------------------------------- */

static void prepare(const struct bench_variant *variant)
{
	set_environment(program_of(variant));
}

static uint64_t pass_start(const struct bench_variant *variant, uint32_t thread)
{
	char path[4096];
	char *argv[] = { path, NULL };

	(void)thread;
	path_of(program_of(variant), path, sizeof(path));
	for (uint32_t i = 0; i < NR_PROCESSES; i++) {
		int status;
		pid_t pid;

		bench_must(-posix_spawn(&pid, path, NULL, NULL, argv, environ), "posix_spawn");
		bench_must(waitpid(pid, &status, 0) < 0 ? -errno : 0, "waitpid");
		bench_must(status ? -EPROTO : 0, path);
	}
	return NR_PROCESSES;
}

/* ---- forked ---------------------------------------------------------------------------------- */

static void start_forking(struct program *program, const char *path)
{
	int to[2], from[2];

	bench_must(pipe2(to, O_CLOEXEC) || pipe2(from, O_CLOEXEC) ? -errno : 0, "pipe2");
	set_environment(program);
	program->pid = fork();
	bench_must(program->pid < 0 ? -errno : 0, "fork");
	if (!program->pid) {
		prctl(PR_SET_PDEATHSIG, SIGTERM);
		dup2(to[0], 0);
		dup2(from[1], 1);
		execl(path, path, program->ending, NULL);
		_exit(127);
	}
	close(to[0]);
	close(from[1]);
	program->to = to[1];
	program->from = from[0];
}

static uint64_t pass_fork(const struct bench_variant *variant, uint32_t thread)
{
	const struct program *program = program_of(variant);
	uint32_t nr = NR_PROCESSES;

	(void)thread;
	bench_must(write(program->to, &nr, sizeof(nr)) == sizeof(nr) ? 0 : -EPIPE, "write");
	bench_must(read(program->from, &nr, sizeof(nr)) == sizeof(nr) && nr == NR_PROCESSES ? 0 : -EPROTO, program->file);
	return nr;
}

static void end_forking(struct program *program)
{
	if (!program->pid)
		return;
	close(program->to); /* it exits */
	waitpid(program->pid, NULL, 0);
}

/* ---- both ------------------------------------------------------------------------------------ */

static void start_or_miss(struct bench_variant *variant)
{
	struct program *program = program_of(variant);
	char path[4096];

	variant->uncounted = true;
#if defined(BENCH_STATIC)
	variant->missing = "a static build has no such programs";
	return;
#endif
	path_of(program, path, sizeof(path));
	if (access(path, X_OK))
		variant->missing = "it is not built: ninja benches; with packages clang-19 and libclang-rt-19-dev";
	else if (program->ending)
		start_forking(program, path);
}

static void run(struct bench *bench)
{
	if (!bench_wanted(bench))
		return;
	make_directory();
	for (uint32_t i = 0; i < bench->nr_variants; i++)
		start_or_miss(&bench->variants[i]);
	bench_run(bench);
	for (uint32_t i = 0; i < bench->nr_variants; i++)
		end_forking(program_of(&bench->variants[i]));
	remove_files(true);
	rmdir(directory);
}

#define STARTED(program_file, files)                                                                       \
	.pass = pass_start, .prepare = prepare, .clear_up = remove_counts,                                 \
	.arg = &(struct program){ .file = program_file, .form = files }
#define FORKED(program_file, child_ending, files)                                                          \
	.pass = pass_fork, .clear_up = remove_counts,                                                      \
	.arg = &(struct program){ .file = program_file, .ending = child_ending, .form = files }

int main(int argc, char **argv)
{
	struct bench_variant started[] = {
		{ .name = NONE, STARTED("process-none", NULL) },
		{ .name = "clang's profile", STARTED("process-rt", NULL), .against = NONE },
		{ .name = "covbuf, no directory asked for", STARTED("process-covbuf", NULL), .against = NONE },
		{ .name = "covbuf, whole files", STARTED("process-covbuf", "whole"), .against = NONE },
		{ .name = "covbuf, counts files", STARTED("process-covbuf", "counts"), .against = NONE,
		  .targets = { { .ratio = 1, .against = "clang's profile" } } },
	};
	struct bench_variant forked[] = {
		{ .name = NONE, FORKED("process-none", "_exit", NULL) },
		{ .name = "clang's profile, _exit: has no profile", FORKED("process-rt", "_exit", NULL), .against = NONE },
		{ .name = "clang's profile, exit", FORKED("process-rt", "exit", NULL), .against = NONE },
		{ .name = "covbuf, _exit", FORKED("process-covbuf", "_exit", "counts"), .against = NONE,
		  .targets = { { .ratio = 1, .against = "clang's profile, exit" } } },
	};
	struct bench benches[] = {
		{ .name = "process_start", .unit = "process", .variants = started, .nr_variants = BENCH_NR(started),
		  .question = "What does a profile of 10,000 functions cost a process that is started and exits?",
		  .repetitions = 8 },
		{ .name = "process_fork", .unit = "process", .variants = forked, .nr_variants = BENCH_NR(forked),
		  .question = "What does it cost a child that is forked and exits?", .repetitions = 8 },
	};

	bench_init(argc, argv);
	signal(SIGPIPE, SIG_IGN);
	for (uint32_t i = 0; i < BENCH_NR(benches); i++)
		run(&benches[i]);
	return bench_finish();
}
