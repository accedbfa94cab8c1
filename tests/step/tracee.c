// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * ptrace, as far as stepping needs it: see tracee.h.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/personality.h>
#include <sys/ptrace.h>
#include <sys/user.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tracee.h"

void tracee_die(const char *what)
{
	fprintf(stderr, "step_outside: %s\n", what);
	exit(2);
}

/* ---- its memory ------------------------------------------------------------------------------ */

void tracee_read(struct tracee *t, uint64_t from, void *to, size_t bytes)
{
	if (pread(t->memory, to, bytes, (off_t)from) != (ssize_t)bytes)
		tracee_die("cannot read the program's memory");
}

void tracee_write(struct tracee *t, uint64_t to, const void *from, size_t bytes)
{
	if (pwrite(t->memory, from, bytes, (off_t)to) != (ssize_t)bytes)
		tracee_die("cannot write the program's memory");
}

void tracee_request(struct tracee *t, const struct step_request *request)
{
	tracee_write(t, t->request, request, sizeof(*request));
}

void tracee_result(struct tracee *t, struct step_result *result)
{
	tracee_read(t, t->result, result, sizeof(*result));
}

uint64_t tracee_pc(struct tracee *t)
{
	errno = 0;
	uint64_t pc = (uint64_t)ptrace(PTRACE_PEEKUSER, t->pid, offsetof(struct user_regs_struct, rip), 0);

	if (errno)
		tracee_die("cannot read its registers");
	return pc;
}

static void set_pc(struct tracee *t, uint64_t pc)
{
	if (ptrace(PTRACE_POKEUSER, t->pid, offsetof(struct user_regs_struct, rip), pc))
		tracee_die("cannot write its registers");
}

/* ---- going on -------------------------------------------------------------------------------- */

/* It must have stopped for a trap: everything else is an error of the engine's, or of this test. */
static void wait_for_trap(struct tracee *t)
{
	char what[128];
	int status;

	if (waitpid(t->pid, &status, 0) != t->pid)
		tracee_die("waitpid() fails");
	if (WIFSTOPPED(status) && WSTOPSIG(status) == SIGTRAP)
		return;
	if (WIFSTOPPED(status))
		snprintf(what, sizeof(what), "the program got signal %d at %#lx", WSTOPSIG(status),
			 tracee_pc(t) - t->base);
	else
		snprintf(what, sizeof(what), "the program ended with status %#x", (unsigned int)status);
	tracee_die(what);
}

static void go(struct tracee *t, enum __ptrace_request how, int signal)
{
	if (ptrace(how, t->pid, NULL, (void *)(intptr_t)signal))
		tracee_die("the program cannot go on");
	wait_for_trap(t);
}

/* Which mark trapped. */
static enum mark which_mark(const struct tracee *t, uint64_t pc)
{
	for (enum mark m = MARK_READY; m < NR_MARKS; m++)
		if (pc > t->mark[m] && pc < t->mark[m] + 8)
			return m;
	return MARK_NONE;
}

enum mark tracee_continue(struct tracee *t, int signal)
{
	for (;;) {
		enum mark mark;

		go(t, PTRACE_CONT, signal);
		mark = which_mark(t, tracee_pc(t));
		if (mark != MARK_PAUSE && mark != MARK_RESUME)
			return mark;
		signal = 0;
	}
}

static bool at_end(struct tracee *t, uint64_t pc)
{
	if (pc == t->mark[MARK_PAUSE]) {
		go(t, PTRACE_CONT, 0); /* its trap */
		go(t, PTRACE_CONT, 0); /* MARK_RESUME's */
		if (which_mark(t, tracee_pc(t)) != MARK_RESUME)
			tracee_die("a pause ended elsewhere");
		return false;
	}
	return pc == t->mark[MARK_END];
}

bool tracee_step(struct tracee *t, int signal)
{
	go(t, PTRACE_SINGLESTEP, signal);
	return !at_end(t, tracee_pc(t));
}

void path_add(struct path *path, uint64_t address)
{
	if (path->nr == path->room) {
		path->room = path->room ? 2 * path->room : 4096;
		path->at = realloc(path->at, path->room * sizeof(*path->at));
		if (!path->at)
			tracee_die("no memory");
	}
	path->at[path->nr++] = address;
}

struct visit {
	uint64_t address;
	uint32_t n;
};

static int compare_visits(const void *a, const void *b)
{
	const struct visit *x = a, *y = b;

	if (x->address != y->address)
		return x->address < y->address ? -1 : 1;
	return x->n < y->n ? -1 : x->n > y->n;
}

static void count_turns(struct path *path)
{
	struct visit *visits = malloc((path->nr + 1) * sizeof(*visits));

	path->turn = realloc(path->turn, (path->nr + 1) * sizeof(*path->turn));
	if (!visits || !path->turn)
		tracee_die("no memory");
	for (uint32_t i = 0; i < path->nr; i++)
		visits[i] = (struct visit){ path->at[i], i };
	qsort(visits, path->nr, sizeof(*visits), compare_visits);
	for (uint32_t i = 0; i < path->nr; i++)
		path->turn[visits[i].n] = i && visits[i].address == visits[i - 1].address ?
						  path->turn[visits[i - 1].n] + 1 : 0;
	free(visits);
}

void tracee_follow(struct tracee *t, struct path *path, bool (*until)(struct tracee *t, void *arg), void *arg)
{
	path->nr = 0;
	do {
		if (until && until(t, arg))
			break;
		path_add(path, tracee_pc(t));
	} while (tracee_step(t, 0));
	count_turns(path);
}

/* ---- breakpoints ----------------------------------------------------------------------------- */

static const uint8_t trap_byte = 0xcc;

static void lift(struct tracee *t, uint64_t address, uint8_t covered)
{
	tracee_write(t, address, &covered, 1);
}

/* Run to address. False: to MARK_END. What is between a pause and its resume does not count. */
static bool run_to_address(struct tracee *t, uint64_t address)
{
	uint8_t covered;
	uint64_t pc;

	tracee_read(t, address, &covered, 1);
	tracee_write(t, address, &trap_byte, 1);
	for (;;) {
		go(t, PTRACE_CONT, 0);
		pc = tracee_pc(t);
		if (pc == address + 1)
			break;
		switch (which_mark(t, pc)) {
		case MARK_PAUSE:
			lift(t, address, covered);
			break;
		case MARK_RESUME:
			tracee_write(t, address, &trap_byte, 1);
			break;
		case MARK_END:
			lift(t, address, covered);
			return false;
		default:
			tracee_die("it stopped nowhere");
		}
	}
	lift(t, address, covered);
	set_pc(t, address);
	return true;
}

/* One instruction. False: that was the last, and it stands at MARK_END. */
static bool step_or_end(struct tracee *t)
{
	if (tracee_step(t, 0))
		return true;
	tracee_continue(t, 0);
	return false;
}

bool tracee_run_to(struct tracee *t, const struct path *path, uint32_t n)
{
	uint32_t from = n, visits;

	/* late turns of a loop: from what was there for one of the first times, by steps */
	while (path->turn[from] >= TURNS_MAX)
		from--;
	visits = path->turn[from] + 1 - (tracee_pc(t) == path->at[from]);
	while (visits--) {
		if (tracee_pc(t) == path->at[from] && !step_or_end(t))
			return false;
		if (tracee_pc(t) != path->at[from] && !run_to_address(t, path->at[from]))
			return false;
	}
	while (from++ < n)
		if (!step_or_end(t))
			return false;
	return true;
}

/* ---- beginning and end ----------------------------------------------------------------------- */

/* Addresses of the program's symbols, as in the file. */
static void find_symbols(struct tracee *t, const char *program)
{
	const struct {
		const char *name;
		uint64_t *to;
	} wanted[] = {
		{ "mark_ready", &t->mark[MARK_READY] }, { "mark_begin", &t->mark[MARK_BEGIN] },
		{ "mark_end", &t->mark[MARK_END] },	{ "mark_pause", &t->mark[MARK_PAUSE] },
		{ "mark_resume", &t->mark[MARK_RESUME] }, { "step_request", &t->request },
		{ "step_result", &t->result },		{ "check", &t->check },
	};
	const uint32_t nr = sizeof(wanted) / sizeof(wanted[0]);
	char command[4096 + 16], line[512], name[256];
	uint64_t address;
	uint32_t found = 0;
	FILE *nm;

	snprintf(command, sizeof(command), "nm '%s'", program);
	nm = popen(command, "r");
	while (nm && fgets(line, sizeof(line), nm)) {
		if (sscanf(line, "%lx %*c %255s", &address, name) != 2)
			continue;
		for (uint32_t i = 0; i < nr; i++)
			if (!strcmp(name, wanted[i].name)) {
				*wanted[i].to = address;
				found++;
			}
	}
	if (!nm || pclose(nm) || found != nr)
		tracee_die("nm does not find the program's symbols");
}

/* Where it was loaded: its first mapping is the program's own. */
static void add_base(struct tracee *t)
{
	char path[64], line[512];
	FILE *maps;

	snprintf(path, sizeof(path), "/proc/%d/maps", t->pid);
	maps = fopen(path, "r");
	if (!maps || !fgets(line, sizeof(line), maps))
		tracee_die("cannot read its mappings");
	t->base = strtoull(line, NULL, 16);
	fclose(maps);
	for (uint32_t m = MARK_READY; m < NR_MARKS; m++)
		t->mark[m] += t->base;
	t->request += t->base;
	t->result += t->base;
	t->check += t->base;
}

int tracee_start(struct tracee *t, const char *program)
{
	char path[64];
	int status;

	find_symbols(t, program);
	t->pid = fork();
	if (t->pid < 0)
		return -errno;
	if (!t->pid) {
		personality(ADDR_NO_RANDOMIZE);
		if (ptrace(PTRACE_TRACEME, 0, NULL, NULL))
			_exit(77);
		execl(program, program, (char *)NULL);
		_exit(2);
	}
	if (waitpid(t->pid, &status, 0) != t->pid || !WIFSTOPPED(status))
		return WIFEXITED(status) && WEXITSTATUS(status) == 77 ? -EPERM : -ENOENT;
	if (ptrace(PTRACE_SETOPTIONS, t->pid, NULL, (void *)PTRACE_O_EXITKILL))
		return -EPERM;
	snprintf(path, sizeof(path), "/proc/%d/mem", t->pid);
	t->memory = open(path, O_RDWR | O_CLOEXEC);
	if (t->memory < 0)
		return -EPERM;
	add_base(t);
	if (tracee_continue(t, 0) != MARK_READY)
		tracee_die("the program does not come to its first mark");
	return 0;
}

void tracee_stop(struct tracee *t)
{
	kill(t->pid, SIGKILL);
	waitpid(t->pid, NULL, 0);
	close(t->memory);
}
