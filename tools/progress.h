/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * A line on a terminal that says how far a long piece of work has come. Nothing is shown in the first
 * two seconds, nor where stderr is not a terminal.
 */
#ifndef COVBUF_PROGRESS_H
#define COVBUF_PROGRESS_H

#include <stdint.h>

/* Start, with what is being done: "reading x.covbuf". The text must live until progress_end(). */
void progress_begin(const char *what);

/* So many of so many; total 0: not known. Cheap enough to be called for each area. */
void progress_at(uint64_t done, uint64_t total);

/* Wipe the line. */
void progress_end(void);

#endif
