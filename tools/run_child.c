// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * The program that is recorded: started, signalled, waited for.
 *
 * Signals that another process sends to covbuf go on to the program. Those that a terminal sends reach
 * it anyway, since it is in the same process group, and are not sent twice.
 */
#include "run.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <unistd.h>

#include "command.h"

#define PRELOAD_NAME "libcovbuf_preload.so"

static const int passed_on[] = { SIGHUP, SIGINT, SIGQUIT, SIGTERM, SIGUSR1, SIGUSR2, SIGALRM, SIGWINCH, SIGCONT };

static void fill_signals(sigset_t *set)
{
	sigemptyset(set);
	sigaddset(set, SIGCHLD);
	for (size_t i = 0; i < sizeof(passed_on) / sizeof(passed_on[0]); i++)
		sigaddset(set, passed_on[i]);
}

/* Beside covbuf in a build, or where libraries of its prefix are, or where it was installed. */
char *find_preload(void)
{
	static const char *const places[] = { "", "../adapters/sancov/", "../lib/covbuf/", "../lib/",
					      "../" COVBUF_LIBDIR "/", "../" COVBUF_LIBDIR "/covbuf/" };
	const char *named = getenv("COVBUF_PRELOAD");
	char self[PATH_MAX];
	ssize_t n;

	if (named && *named)
		return must_dup(named);
	n = readlink("/proc/self/exe", self, sizeof(self) - 1);
	self[n > 0 ? n : 0] = 0;
	if (n > 0)
		strrchr(self, '/')[1] = 0;
	for (size_t i = 0; n > 0 && i < sizeof(places) / sizeof(places[0]); i++) {
		char *path = must_printf("%s%s%s", self, places[i], PRELOAD_NAME);
		char *real = realpath(path, NULL);

		free(path);
		if (real)
			return real;
	}
	complain(NULL, "--preload: %s is nowhere near %s; name it with COVBUF_PRELOAD", PRELOAD_NAME, self);
	return NULL;
}

/* What kept the child from becoming its program. */
struct report {
	int err;
	bool prepared;
};

static _Noreturn void become_program(char **argv, child_prepare_fn prepare, void *arg, int report_fd, const sigset_t *mask)
{
	struct report report = { .err = prepare(arg) };

	if (!report.err) {
		report.prepared = true;
		sigprocmask(SIG_SETMASK, mask, NULL);
		execvp(argv[0], argv);
		report.err = errno;
	}
	if (write(report_fd, &report, sizeof(report)) != sizeof(report))
		_exit(126);
	_exit(127);
}

static int complain_exec(const char *program, int err)
{
	if (err == ENOENT) {
		complain(program, "there is no such program%s",
			 strchr(program, '/') ? " (or its interpreter is missing)" : " in PATH; './' names one that is here");
		return 127;
	}
	complain(program, "it cannot be run: %s", strerror(err));
	return 126;
}

int child_start(struct child *child, char **argv, child_prepare_fn prepare, void *arg, int *status)
{
	struct report report;
	sigset_t mask, old;
	int pipe_fds[2], err = 0;

	*child = (struct child){ .signals = -1 };
	*status = STATUS_FAILED;
	fill_signals(&mask);
	sigprocmask(SIG_BLOCK, &mask, &old);
	child->signals = signalfd(-1, &mask, SFD_CLOEXEC | SFD_NONBLOCK);
	if (child->signals < 0 || pipe2(pipe_fds, O_CLOEXEC)) {
		err = -errno;
		complain(NULL, "cannot start the program: %s", strerror(errno));
		return err;
	}
	child->pid = fork();
	if (!child->pid)
		become_program(argv, prepare, arg, pipe_fds[1], &old);
	close(pipe_fds[1]);
	if (child->pid < 0) {
		err = -errno;
		complain(NULL, "cannot start the program: %s", strerror(errno));
	} else if (read(pipe_fds[0], &report, sizeof(report)) == sizeof(report)) {
		waitpid(child->pid, NULL, 0);
		if (report.prepared)
			*status = complain_exec(argv[0], report.err);
		else
			child->unprepared = report.err;
		err = report.prepared ? -report.err : report.err;
	}
	close(pipe_fds[0]);
	return err;
}

/* Descendants that others have left behind come to us where we are their reaper. */
static void reap(struct child *child)
{
	int status;
	pid_t pid;

	while ((pid = waitpid(-1, &status, WNOHANG)) > 0) {
		if (pid != child->pid)
			continue;
		child->ended = true;
		child->status = WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
	}
	child->alone = pid < 0 && errno == ECHILD;
}

static void take_signal(struct child *child, const struct signalfd_siginfo *info)
{
	int sig = (int)info->ssi_signo;

	if (sig == SIGCHLD)
		return;
	if (child->ended) {
		if (sig == SIGINT)
			child->interrupts++;
		else if (sig == SIGTERM || sig == SIGHUP || sig == SIGQUIT)
			child->interrupts += 2;
	} else if (info->ssi_code <= 0) {
		/* SI_USER and its like: a process sent it, to us alone */
		kill(child->pid, sig);
	}
}

void child_wait(struct child *child, int timeout_ms)
{
	struct pollfd poll_fd = { .fd = child->signals, .events = POLLIN };
	struct signalfd_siginfo info;

	if (poll(&poll_fd, 1, timeout_ms) <= 0)
		return;
	while (read(child->signals, &info, sizeof(info)) == sizeof(info))
		take_signal(child, &info);
	reap(child);
}
