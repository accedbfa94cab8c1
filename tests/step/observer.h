/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * An observer of the segment of a program that stands at some instruction.
 */
#ifndef COVB_STEP_OBSERVER_H
#define COVB_STEP_OBSERVER_H

#include "tracee.h"

int observer_open(struct tracee *t);

/* Before the looks at one run. never_less: nothing that is seen goes away meanwhile. */
void observer_begin(struct tracee *t, bool never_less);

/* Returns the number of errors, which are said. */
uint32_t observer_look(struct tracee *t);

#endif
