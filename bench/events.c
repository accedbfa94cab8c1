/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * What does a loop of eight places cost, for each of them, when it is instrumented for one thing or another?
 *
 * Each variant is a program of its own (peers/): the same loop, compiled with the peer's flags by the peer's
 * compiler, and its runtime linked as one does. They are all started at once and asked for passes in turn, on one
 * core, so that they share what happens to the machine. The loop's own cost is in each figure; what is not
 * instrumented, by the same compiler, is the baseline. A loop as small as this is kept in the processor's front
 * end whole: programs are what counts (programs/).
 *
 * What a peer does for a place, and keeps, differs: counters count, guards remember that it was reached, records
 * tell the order too.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "bench.h"
#include "peers/event.h"

#define NR_PASSES 8 /* in turn */
#define NR_SITES (EVENT_ROUNDS * EVENT_SITES)
#define NONE "not instrumented"
#define NONE_GCC "not instrumented, gcc"

/* A variant's arg. */
struct program {
	const char *file;
	const char *environment; /* or NULL */
	const char *needs;	 /* package, said where there is no such program */
	pid_t pid;
	int to, from;
	struct event_answer answer;
};

#define PROGRAM(name, variable, package)                                                                   \
	.arg = &(struct program){ .file = name, .environment = variable, .needs = package }

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

static void start(struct program *program, const char *path)
{
	int to[2], from[2];

	bench_must(pipe2(to, O_CLOEXEC) || pipe2(from, O_CLOEXEC) ? -errno : 0, "pipe2");
	program->pid = fork();
	bench_must(program->pid < 0 ? -errno : 0, "fork");
	if (!program->pid) {
		prctl(PR_SET_PDEATHSIG, SIGTERM);
		dup2(to[0], 0);
		dup2(from[1], 1);
		if (program->environment)
			putenv((char *)(uintptr_t)program->environment);
		execl(path, path, NULL);
		_exit(127);
	}
	close(to[0]);
	close(from[1]);
	program->to = to[1];
	program->from = from[0];
}

/* False: it cannot, or has ended. */
static bool ask(struct program *program, uint32_t nr_passes)
{
	struct event_request request = { .nr_passes = nr_passes };

	return write(program->to, &request, sizeof(request)) == (ssize_t)sizeof(request) &&
	       read(program->from, &program->answer, sizeof(program->answer)) == (ssize_t)sizeof(program->answer) &&
	       !program->answer.missing[0];
}

static void start_or_miss(struct bench_variant *variant)
{
	static char texts[64][160];
	static uint32_t nr_texts;
	struct program *program = program_of(variant);
	char path[4096];

#if defined(BENCH_STATIC)
	variant->missing = "a static build has no such programs";
	return;
#endif
	path_of(program, path, sizeof(path));
	if (access(path, X_OK)) {
		snprintf(texts[nr_texts], sizeof(texts[0]), "package %s is not installed", program->needs);
		variant->missing = texts[nr_texts++];
		return;
	}
	start(program, path);
	if (!ask(program, 1))
		variant->missing = program->answer.missing[0] ? program->answer.missing : "the program ended by itself";
}

static void sample(struct bench_variant *variant)
{
	struct program *program = program_of(variant);

	if (variant->missing)
		return;
	if (!ask(program, NR_PASSES)) {
		variant->missing = "the program ended by itself";
		return;
	}
	for (uint32_t i = 0; i < NR_PASSES; i++) {
		double ns = (double)program->answer.ns[i] - bench_clock_ns();

		bench_sample(variant, (ns > 0 ? ns : 0) / NR_SITES);
	}
}

static void end(struct bench_variant *variant)
{
	struct event_request nothing_more = { 0 };
	struct program *program = program_of(variant);

	if (!program->pid)
		return;
	/* to one that has ended already it is of no use, nor of harm */
	if (write(program->to, &nothing_more, sizeof(nothing_more)) < 0)
		kill(program->pid, SIGTERM);
	waitpid(program->pid, NULL, 0);
	if (!variant->missing && program->answer.nr_events)
		bench_value(variant, "records/place", (double)program->answer.nr_events / NR_SITES);
}

#define CLANG "clang-19"
#define LLD "lld-19"
#define CLANG_RT "libclang-rt-19-dev"

int main(int argc, char **argv)
{
	struct bench_variant variants[] = {
		{ .name = NONE, PROGRAM("none", NULL, CLANG) },
		{ .name = "empty callback", PROGRAM("empty", NULL, CLANG), .against = NONE },
		{ .name = "covbuf, all in order, called", PROGRAM("covbuf", NULL, CLANG), .against = NONE },
		{ .name = "covbuf, all in order, LTO", PROGRAM("lto-covbuf", NULL, LLD), .against = NONE },
		{ .name = "covbuf, all in order, LTO, no unique mode", PROGRAM("lto-trace", NULL, LLD),
		  .against = NONE },
		{ .name = "covbuf, unique per process, LTO", PROGRAM("lto-unique", NULL, LLD), .against = NONE },
		{ .name = "covbuf, unique per context, LTO", PROGRAM("lto-unique-context", NULL, LLD),
		  .against = NONE },
		{ .name = "covbuf, not collecting here, LTO", PROGRAM("lto-idle", NULL, LLD), .against = NONE },
		{ .name = "KCOV's sequence, called", PROGRAM("kcov", NULL, CLANG), .against = NONE },
		{ .name = "compiler-rt's guards, coverage=1",
		  PROGRAM("compiler-rt", "UBSAN_OPTIONS=coverage=1:coverage_dir=/tmp", CLANG_RT), .against = NONE },
		{ .name = "compiler-rt's guards, off", PROGRAM("compiler-rt", "UBSAN_OPTIONS=coverage=0", CLANG_RT),
		  .against = NONE },
		{ .name = "libFuzzer: counters, comparisons", PROGRAM("libfuzzer", NULL, CLANG_RT), .against = NONE },
		{ .name = "inline 8-bit counters", PROGRAM("counters", NULL, CLANG), .against = NONE },
		{ .name = "inline flags", PROGRAM("flags", NULL, CLANG), .against = NONE },
		{ .name = "AFL++ PCGUARD", PROGRAM("afl", NULL, "afl++"), .against = NONE },
		{ .name = "clang's profile", PROGRAM("profile", "LLVM_PROFILE_FILE=/dev/null", CLANG_RT),
		  .against = NONE },
		{ .name = "clang's profile, atomic",
		  PROGRAM("profile-atomic", "LLVM_PROFILE_FILE=/dev/null", CLANG_RT), .against = NONE },
		{ .name = NONE_GCC, PROGRAM("none-gcc", NULL, "gcc") },
		{ .name = "covbuf, all in order, gcc", PROGRAM("covbuf-gcc", NULL, "gcc"), .against = NONE_GCC },
		{ .name = "KCOV's sequence, gcc", PROGRAM("kcov-gcc", NULL, "gcc"), .against = NONE_GCC },
		{ .name = "gcc --coverage", PROGRAM("gcov", NULL, "gcc"), .against = NONE_GCC },
		{ .name = "gcc --coverage, atomic", PROGRAM("gcov-atomic", NULL, "gcc"), .against = NONE_GCC },
		{ .name = "LTTng-UST tracepoint", PROGRAM("lttng", NULL, "liblttng-ust-dev"), .against = NONE_GCC },
	};
	struct bench bench = { .name = "events", .unit = "place visited", .variants = variants,
			       .question = "What does a place in an instrumented loop cost, with each instrumentation?",
			       .nr_variants = BENCH_NR(variants), .repetitions = 40 };

	bench_init(argc, argv);
	signal(SIGPIPE, SIG_IGN);
	if (!bench_wanted(&bench))
		return bench_finish();
	for (uint32_t i = 0; i < BENCH_NR(variants); i++) {
		variants[i].uncounted = true;
		start_or_miss(&variants[i]);
	}
	while (bench_another(&bench))
		for (uint32_t i = 0; i < BENCH_NR(variants); i++)
			sample(&variants[i]);
	for (uint32_t i = 0; i < BENCH_NR(variants); i++)
		end(&variants[i]);
	bench_report(&bench);
	return bench_finish();
}
