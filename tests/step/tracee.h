/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * step_target under ptrace: from mark to mark, instruction by instruction, and to an instruction that was
 * seen before. x86-64.
 */
#ifndef COVB_STEP_TRACEE_H
#define COVB_STEP_TRACEE_H

#include <sys/types.h>

#include "check.h"
#include "signals.h"

enum mark { MARK_NONE, MARK_READY, MARK_BEGIN, MARK_END, MARK_PAUSE, MARK_RESUME, NR_MARKS };

struct tracee {
	pid_t pid;
	int memory;		/* /proc/PID/mem */
	uint64_t base;		/* what addresses in the file are off by */
	uint64_t mark[NR_MARKS], request, result, check;
};

/* Instructions that it went through, those of libraries too. Of loops, the first turns are worth coming in at. */
struct path {
	uint32_t nr, room;
	uint64_t *at;		/* addresses */
	uint32_t *turn;		/* how often the same was there before; once the whole is known */
};
#define TURNS_MAX 4

/* Start the program and run it to MARK_READY. 0; -EPERM: ptrace is not to be had here. */
int tracee_start(struct tracee *t, const char *program);
void tracee_stop(struct tracee *t);

/* End the test, saying why, if the program does what it never should. */
void tracee_die(const char *what) __attribute__((noreturn));

uint64_t tracee_pc(struct tracee *t);
void tracee_read(struct tracee *t, uint64_t from, void *to, size_t bytes);
void tracee_write(struct tracee *t, uint64_t to, const void *from, size_t bytes);
void tracee_request(struct tracee *t, const struct step_request *request);
void tracee_result(struct tracee *t, struct step_result *result);

/* Let it run to a mark that is not MARK_PAUSE nor MARK_RESUME. signal: that it gets first, or 0. */
enum mark tracee_continue(struct tracee *t, int signal);

/*
 * One instruction; what is between MARK_PAUSE and MARK_RESUME is passed. True: it is still on its way;
 * false: it stands before MARK_END.
 */
bool tracee_step(struct tracee *t, int signal);

/* Step to MARK_END and write down the way, or as far as until() says, which is asked before each instruction. */
void tracee_follow(struct tracee *t, struct path *path, bool (*until)(struct tracee *t, void *arg), void *arg);
void path_add(struct path *path, uint64_t address);

/*
 * From where the path begins to its instruction n, by a breakpoint. False: it did not come there, and
 * stands at MARK_END.
 */
bool tracee_run_to(struct tracee *t, const struct path *path, uint32_t n);

#endif
