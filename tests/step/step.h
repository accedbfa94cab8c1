/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Coming in at an instruction, in the same process and without its help.
 *
 * A body is run once with the processor's trap flag set, to see which instructions it has; from then on
 * a breakpoint at one of them calls what is to happen there: what a signal handler might do, a fork, the
 * end of the process. What comes in may itself be interrupted, at an instruction of its own. (Stepping
 * each time would cost a trap for each instruction.)
 *
 *   struct step_trace trace = { 0 };
 *   step_init();
 *   step_record(&trace, body);
 *   for (uint32_t i = 0; i < trace.nr; i++)
 *           step_run(&(struct step_plan){ .body = { body, what }, .at = { &trace.at[i] } });
 *
 * Instructions are those of the program's own text: the engine's and shm's, where they are linked into it,
 * and the body's; not those of the C library, nor the kernel's. x86-64 only, one thread at a time: others that
 * come to the breakpoint wait there until it is taken away. And not under a sanitizer.
 */
#ifndef COVB_STEP_H
#define COVB_STEP_H

#include <stdbool.h>
#include <stdint.h>

#define STEP_LEVELS 3

typedef void (*step_fn)(void);

/* An instruction, and how often it was there before in the same body. */
struct step_instruction {
	uint8_t *address;
	uint32_t occurrence;
};

/* The instructions that a body went through when nothing interrupted it; of loops, the first turns. */
struct step_trace {
	uint32_t nr, room;
	struct step_instruction *at;
};

/*
 * body[0] is run; at at[l], unless that is NULL, body[l + 1] comes in. When body[1] is over then comes in, unless it is
 * NULL, in body[0] at then_at, of which the occurrence counts from there.
 */
struct step_plan {
	step_fn body[STEP_LEVELS];
	const struct step_instruction *at[STEP_LEVELS - 1];
	step_fn then;
	struct step_instruction then_at;
};

/* 0; -ENOTSUP: not this processor, or not under this sanitizer; else what mprotect() and sigaction() give. */
int step_init(void);

/* While recording, run this function through: what is long and need not be interrupted. */
void step_skip(const void *function);

/* While recording, list only instructions of which this says yes. NULL: all. */
void step_filter(bool (*wanted)(const uint8_t *address));

/* Run body, and list its instructions. 0, or -ENOMEM. */
int step_record(struct step_trace *trace, step_fn body);
void step_trace_free(struct step_trace *trace);

/* Returns how many levels were interrupted: 0, if the body did not come to the instruction this time. */
uint32_t step_run(const struct step_plan *plan);

/* At which level the caller runs: 0 in body[0]. */
uint32_t step_level(void);

/* Between the two nothing comes in, and nothing is listed. In a body; they do not nest. */
void step_pause(void);
void step_resume(void);

#endif
