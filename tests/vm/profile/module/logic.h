/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* What is measured: nothing in it knows whether it runs in a kernel or in a program. */
#ifndef LOGIC_H
#define LOGIC_H

/* What becomes of it, so that nothing is left out. */
extern volatile long logic_sink;

void logic_early(void); /* once, first: of a module in its init */
void logic_run(void);
void logic_late(void); /* once, last: of a module in its exit */

void more_run(int rounds);

#endif
