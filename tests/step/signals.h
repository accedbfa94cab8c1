/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * A program that is stepped from outside: by ptrace (step_outside.c), or through an emulator's debugger
 * stub (step_qemu.py). It does one operation after the other; in between it stops at marks, where the
 * driver says what comes next and reads how the last one ended. What comes in are real signals: SIGUSR1,
 * then SIGUSR2 in its handler.
 */
#ifndef COVB_STEP_SIGNALS_H
#define COVB_STEP_SIGNALS_H

#include "bodies.h"

/* Written by the driver while the program is at mark_ready(). */
struct step_request {
	uint32_t operation;
	uint32_t handler[NR_LEVELS - 1]; /* what SIGUSR1 and SIGUSR2 do */
	uint32_t quit;
};

/* Read by the driver at the next mark_ready(). */
struct step_result {
	uint64_t runs, errors;
	uint32_t signals[NR_LEVELS - 1]; /* that came in the last run */
	int fd; /* of the segment */
};

extern volatile struct step_request step_request;
extern volatile struct step_result step_result;

/*
 * Where the driver finds the program. What is stepped is between begin and end, and not between pause and
 * resume.
 */
void mark_ready(void);
void mark_begin(void);
void mark_end(void);
void mark_pause(void);
void mark_resume(void);

#endif
