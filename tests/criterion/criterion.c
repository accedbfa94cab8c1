// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * [--list] [--filter PATTERN]
 *
 * Runs the tests that were linked with it, one after another, each in a process of its own, or those whose
 * SUITE/NAME matches PATTERN. COVBUF_TEST_SLOWNESS=N says that they may take N times as long. What a test says goes through memory that it shares with this program, since
 * a test may close all that it has open. Exits with 0 if none failed and one at least ran to its end.
 */
#include <errno.h>
#include <fnmatch.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <criterion/criterion.h>

#define DEFAULT_TIMEOUT 300
#define MAX_TEXT 65536

/* Shared by the runner, the test, and what that forks. */
struct report {
	atomic_uint nr_failed, text_bytes;
	atomic_bool skipped, finished;
	char text[MAX_TEXT];
};

static struct cr_test *tests, **last = &tests, *suites;
static struct report *report;
static struct {
	pid_t pid;
	pthread_t thread;
	jmp_buf end;
} current;
static __thread char shown[1024]; /* the values of the comparison that failed */

void cr_add(struct cr_test *test)
{
	if (!test->name) {
		test->next = suites;
		suites = test;
		return;
	}
	*last = test;
	last = &test->next;
}

static void say(const char *text)
{
	size_t bytes = strlen(text);
	unsigned int at = atomic_fetch_add(&report->text_bytes, bytes);

	if (at + bytes < MAX_TEXT)
		memcpy(report->text + at, text, bytes);
}

/* The test ends, and so does whichever thread or child of it came here. */
__attribute__((noreturn)) static void stop(void)
{
	if (getpid() != current.pid)
		_exit(1);
	if (!pthread_equal(pthread_self(), current.thread))
		_exit(0); /* what was said counts */
	longjmp(current.end, 1);
}

void cr_show(const char *format, ...)
{
	va_list args;

	va_start(args, format);
	vsnprintf(shown, sizeof(shown), format, args);
	va_end(args);
}

void cr_failed(bool stops, const char *file, unsigned int line, const char *text, const char *format, ...)
{
	char message[1024], whole[4096];
	va_list args;

	va_start(args, format);
	vsnprintf(message, sizeof(message), format, args);
	va_end(args);
	snprintf(whole, sizeof(whole), "  %s:%u: %s%s%s%s%s\n", file, line, text, *shown ? ": " : "", shown,
		 *message ? ": " : "", message);
	shown[0] = 0;
	say(whole);
	atomic_fetch_add(&report->nr_failed, 1);
	if (stops)
		stop();
}

void cr_skip(const char *format, ...)
{
	char message[1024];
	va_list args;

	va_start(args, format);
	vsnprintf(message, sizeof(message), format, args);
	va_end(args);
	say(message);
	atomic_store(&report->skipped, true);
	stop();
}

static struct cr_options options_of(const struct cr_test *test)
{
	struct cr_options options = test->options;
	const char *slowness = getenv("COVBUF_TEST_SLOWNESS");

	for (const struct cr_test *suite = suites; suite; suite = suite->next) {
		if (strcmp(suite->suite, test->suite))
			continue;
		options.init = options.init ? options.init : suite->options.init;
		options.fini = options.fini ? options.fini : suite->options.fini;
		options.timeout = options.timeout ? options.timeout : suite->options.timeout;
		options.disabled |= suite->options.disabled;
	}
	if (!options.timeout)
		options.timeout = DEFAULT_TIMEOUT;
	if (slowness && atof(slowness) > 1)
		options.timeout *= atof(slowness);
	return options;
}

/* An assertion that fails in init, or in fini, ends the one that it is in. */
__attribute__((noreturn)) static void run(const struct cr_test *test, const struct cr_options *options)
{
	current.pid = getpid();
	current.thread = pthread_self();
	if (!setjmp(current.end)) {
		if (options->init)
			options->init();
		test->run();
	}
	if (!setjmp(current.end) && options->fini)
		options->fini();
	atomic_store(&report->finished, true);
	exit(0);
}

static double now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

/* SIGCHLD is blocked. Returns false if the process had to be killed. */
static bool wait_for(pid_t pid, double timeout, int *status)
{
	double end = now() + timeout;
	sigset_t child;

	sigemptyset(&child);
	sigaddset(&child, SIGCHLD);
	for (;;) {
		double left = end - now();
		struct timespec rest;

		if (waitpid(pid, status, WNOHANG) == pid)
			return true;
		if (left <= 0)
			break;
		rest = (struct timespec){ (time_t)left, (long)((left - (double)(time_t)left) * 1e9) };
		sigtimedwait(&child, NULL, &rest);
	}
	kill(pid, SIGKILL);
	waitpid(pid, status, 0);
	return false;
}

enum outcome { PASSED, FAILED, SKIPPED, NR_OUTCOMES };

/* How it ended, against how it was to end; says why that is a failure. */
static enum outcome judge(const struct cr_options *options, bool in_time, int status)
{
	char why[128] = "";

	if (!in_time)
		snprintf(why, sizeof(why), "  it did not end within %g seconds\n", options->timeout);
	else if (WIFSIGNALED(status) && WTERMSIG(status) != options->signal)
		snprintf(why, sizeof(why), "  it was killed by signal %d (%s)\n", WTERMSIG(status), strsignal(WTERMSIG(status)));
	else if (WIFEXITED(status) && options->signal)
		snprintf(why, sizeof(why), "  it was to be killed by signal %d (%s)\n", options->signal, strsignal(options->signal));
	else if (WIFEXITED(status) && !atomic_load(&report->finished) && !options->exit_code && !atomic_load(&report->nr_failed))
		snprintf(why, sizeof(why), "  it exited with %d before its end\n", WEXITSTATUS(status));
	else if (WIFEXITED(status) && !atomic_load(&report->skipped) && WEXITSTATUS(status) != options->exit_code)
		snprintf(why, sizeof(why), "  it exited with %d, not %d\n", WEXITSTATUS(status), options->exit_code);
	say(why);
	if (*why || atomic_load(&report->nr_failed))
		return FAILED;
	return atomic_load(&report->skipped) ? SKIPPED : PASSED;
}

static enum outcome run_in_child(const struct cr_test *test, const struct cr_options *options, const sigset_t *signals)
{
	double started = now();
	enum outcome outcome;
	bool in_time;
	int status;
	pid_t pid;

	memset(report, 0, sizeof(*report));
	fflush(NULL);
	pid = fork();
	if (pid < 0) {
		perror("fork");
		exit(2);
	}
	if (!pid) {
		sigprocmask(SIG_SETMASK, signals, NULL);
		run(test, options);
	}
	in_time = wait_for(pid, options->timeout, &status);
	outcome = judge(options, in_time, status);
	report->text[MAX_TEXT - 1] = 0;
	if (outcome == SKIPPED)
		printf("skipped %s/%s: %s\n", test->suite, test->name, report->text);
	else
		printf("%s %s/%s %.2f s\n%s", outcome == PASSED ? "ok" : "not ok", test->suite, test->name, now() - started,
		       report->text);
	return outcome;
}

static bool wanted(const struct cr_test *test, const char *pattern)
{
	char name[512];

	snprintf(name, sizeof(name), "%s/%s", test->suite, test->name);
	return !pattern || !fnmatch(pattern, name, 0);
}

int main(int argc, char **argv)
{
	unsigned int nr[NR_OUTCOMES] = { 0 };
	const char *pattern = NULL;
	sigset_t child, signals;
	bool list = false;

	for (int i = 1; i < argc; i++) {
		if (!strcmp(argv[i], "--list")) {
			list = true;
		} else if (!strcmp(argv[i], "--filter") && i + 1 < argc) {
			pattern = argv[++i];
		} else {
			fprintf(stderr, "usage: %s [--list] [--filter PATTERN]\n", argv[0]);
			return 2;
		}
	}
	report = mmap(NULL, sizeof(*report), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (report == MAP_FAILED) {
		perror("mmap");
		return 2;
	}
	sigemptyset(&child);
	sigaddset(&child, SIGCHLD);
	sigprocmask(SIG_BLOCK, &child, &signals);
	for (struct cr_test *test = tests; test; test = test->next) {
		struct cr_options options = options_of(test);

		if (!wanted(test, pattern))
			continue;
		if (list)
			printf("%s/%s\n", test->suite, test->name);
		else if (options.disabled)
			printf("skipped %s/%s: it is disabled\n", test->suite, test->name), nr[SKIPPED]++;
		else
			nr[run_in_child(test, &options, &signals)]++;
	}
	if (list)
		return 0;
	printf("%u passed, %u failed, %u skipped\n", nr[PASSED], nr[FAILED], nr[SKIPPED]);
	if (nr[FAILED] || nr[PASSED] + nr[SKIPPED] == 0)
		return 1;
	return nr[PASSED] ? 0 : 77;
}
