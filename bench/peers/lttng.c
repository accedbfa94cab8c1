/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The session daemon that tracepoints need, one of this program's own: it starts the daemon with a folder of its
 * own for home, asks for a session whose buffers are overwritten (nothing is written to files), and then starts
 * itself anew, since a program looks for daemons before its main().
 *
 * Root's daemons use one folder for the whole system, so root becomes nobody first. What is started here has no
 * real-time priority, if this program has one: its threads would wait for each other on one core for ever.
 */
#define _GNU_SOURCE
#define LTTNG_UST_TRACEPOINT_CREATE_PROBES
#define LTTNG_UST_TRACEPOINT_DEFINE
#include <fcntl.h>
#include <ftw.h>
#include <grp.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "event.h"
#include "lttng_tracepoint.h"

#define NOBODY 65534
#define DAEMON_VARIABLE "COVB_BENCH_LTTNG_DAEMON"
#define PRIORITY_VARIABLE "COVB_BENCH_LTTNG_PRIORITY"
#define NR_WAITS 100 /* of 100 ms */

/* This thread's, over the start anew. */
static void lay_priority_down(void)
{
	struct rlimit any = { RLIM_INFINITY, RLIM_INFINITY };
	struct sched_param before, none = { 0 };
	char text[32];

	if (sched_getparam(0, &before) || !before.sched_priority)
		return;
	snprintf(text, sizeof(text), "%d %d", sched_getscheduler(0), before.sched_priority);
	setenv(PRIORITY_VARIABLE, text, 1);
	setrlimit(RLIMIT_RTPRIO, &any); /* nobody may have it back */
	sched_setscheduler(0, SCHED_OTHER, &none);
}

static void take_priority_up(void)
{
	struct sched_param before;
	int policy;

	if (getenv(PRIORITY_VARIABLE) &&
	    sscanf(getenv(PRIORITY_VARIABLE), "%d %d", &policy, &before.sched_priority) == 2)
		sched_setscheduler(0, policy, &before);
}

/* Standard output is the answers'; nothing of the tools' gets there. */
static pid_t start(const char *const *argv)
{
	pid_t pid = fork();

	if (pid)
		return pid;
	prctl(PR_SET_PDEATHSIG, SIGTERM);
	dup2(open("/dev/null", O_RDWR), 0);
	dup2(0, 1);
	dup2(0, 2);
	execvp(argv[0], (char *const *)argv);
	_exit(127);
}

static int run(const char *const *argv)
{
	int status = -1;
	pid_t pid = start(argv);

	if (pid < 0 || waitpid(pid, &status, 0) != pid)
		return -1;
	return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

static int remove_one(const char *path, const struct stat *info, int type, struct FTW *where)
{
	(void)info;
	(void)type;
	(void)where;
	return remove(path);
}

static void end_daemon(pid_t pid)
{
	kill(pid, SIGTERM);
	waitpid(pid, NULL, 0);
	nftw(getenv("LTTNG_HOME"), remove_one, 8, FTW_DEPTH | FTW_PHYS);
}

static const char *begin_session(pid_t daemon)
{
	static const char *const list[] = { "lttng", "list", NULL };
	static const char *const commands[][7] = {
		{ "lttng", "create", "covb", "--snapshot", NULL },
		{ "lttng", "enable-event", "-u", "covb_bench:pc", NULL },
		{ "lttng", "start", NULL },
	};
	int i;

	for (i = 0; i < NR_WAITS && run(list); i++) {
		usleep(100000);
		if (waitpid(daemon, NULL, WNOHANG))
			return "lttng-sessiond does not start: is package lttng-tools installed?";
	}
	for (i = 0; i < (int)(sizeof(commands) / sizeof(commands[0])); i++)
		if (run(commands[i]))
			return "lttng refuses a session";
	return NULL;
}

static const char *begin_daemon(void)
{
	static const char *const argv[] = { "lttng-sessiond", "--no-kernel", "--quiet", NULL };
	static char home[] = "/tmp/covbuf-lttng-XXXXXX";
	char number[16];
	const char *why;
	pid_t pid;

	lay_priority_down();
	if (!mkdtemp(home))
		return "there is no folder for lttng-sessiond";
	if (!geteuid() && (chown(home, NOBODY, NOBODY) || setgroups(0, NULL) || setgid(NOBODY) || setuid(NOBODY)))
		return "root cannot become nobody for lttng-sessiond";
	setenv("LTTNG_HOME", home, 1);
	setenv("HOME", home, 1);
	setenv("LTTNG_UST_REGISTER_TIMEOUT", "5000", 1);
	pid = start(argv);
	why = pid < 0 ? "lttng-sessiond does not start" : begin_session(pid);
	if (why) {
		end_daemon(pid);
		return why;
	}
	snprintf(number, sizeof(number), "%d", (int)pid);
	setenv(DAEMON_VARIABLE, number, 1);
	execv("/proc/self/exe", (char *[]){ "lttng", NULL });
	end_daemon(pid);
	return "the program cannot start itself anew";
}

const char *event_begin(void)
{
	if (!getenv(DAEMON_VARIABLE))
		return begin_daemon();
	prctl(PR_SET_PDEATHSIG, SIGTERM);
	take_priority_up();
	return lttng_ust_tracepoint_enabled(covb_bench, pc) ? NULL : "lttng-sessiond has not enabled the tracepoint";
}

uint64_t event_count(void)
{
	return lttng_ust_tracepoint_enabled(covb_bench, pc) ? EVENT_ROUNDS * EVENT_SITES : 0;
}

void event_end(void)
{
	const char *daemon = getenv(DAEMON_VARIABLE);

	if (daemon)
		end_daemon((pid_t)atoi(daemon));
}
