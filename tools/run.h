/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * What the parts of covbuf run share.
 */
#ifndef COVBUF_RUN_H
#define COVBUF_RUN_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include <covbuf/segment.h>

#include "stream.h"

struct run_options {
	uint32_t mode;		/* enum covbuf_mode */
	bool unique, stream, follow, preload, force, quiet, wait;
	bool profile, append;
	uint64_t limit_bytes;	/* 0: the mode's own */
	const char *output;	/* or NULL */
	char **argv;		/* the program */
};

/* run_options.c: returns STATUS_OK, or STATUS_USAGE after a complaint. */
int run_parse(int argc, char **argv, struct run_options *options);
extern const char run_usage[];

/* ---- run_grow.c: the pool stays ahead of the programs --------------------------------------- */

struct grower {
	struct covbuf_segment *segment;
	uint32_t area_class;	/* that programs record into by themselves */
	uint32_t ahead;		/* areas of it to keep free at least */
	uint32_t max_step;	/* made in one go: the loop has other things to do */
	uint32_t free_areas;	/* when last looked */
	uint64_t refused_ns;	/* when it could not grow; 0: it could */
	bool refused;		/* ever */
	int error;		/* of the last refusal */
	uint32_t wanted[COVBUF_NR_CLASSES];
};

void grower_init(struct grower *grower, struct covbuf_segment *segment, uint32_t area_class, uint64_t ahead_bytes,
		 uint32_t max_step);

/* Look, and grow if need be. Returns whether programs have taken areas since the last time. */
bool grower_tick(struct grower *grower);

/* ---- run_child.c: the program ---------------------------------------------------------------- */

struct child {
	pid_t pid;
	int signals;		/* signalfd; SIGCHLD too */
	int unprepared;		/* child_start() failed, and in prepare(): what that returned */
	bool ended;
	bool alone;		/* nor is there another child */
	int status;		/* exit status to pass on, once it ended */
	unsigned int interrupts; /* from the terminal or another process, after it ended */
};

/* In the child, before it executes the program: 0, or a negative error number. */
typedef int (*child_prepare_fn)(void *arg);

/*
 * Start argv[0], found in PATH. Not started: *status is the one to exit with, and a complaint was made, but
 * where prepare() failed: then child->unprepared is what it returned.
 */
int child_start(struct child *child, char **argv, child_prepare_fn prepare, void *arg, int *status);

/* Wait for signals up to timeout_ms, pass on those for the program, note its end. */
void child_wait(struct child *child, int timeout_ms);

/* ---- run_profile.c: run --profile ------------------------------------------------------------ */

/* Returns the status to exit with. */
int run_profile(const struct run_options *options);

/* The adapter for programs with weak callbacks; NULL: not found, complained. The caller frees it. */
char *find_preload(void);

#endif
