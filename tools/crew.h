/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Several threads that read one recording. Each takes a piece that nobody has, an area or a block, and counts what is
 * in it by itself. How pieces are given out is the reader's: under its lock, in order, so that what it decides
 * about one does not depend on how many threads there are.
 */
#ifndef COVBUF_CREW_H
#define COVBUF_CREW_H

#include <stdint.h>

#include "tally.h"

/* Take pieces until there is none; reader is shared. */
typedef void (*crew_fn)(struct tally *tally, void *reader);

/* Read with as many threads as there are cores, or fewer where it is not worth it, and add it up in the recording. */
void crew_read(struct recording *recording, uint64_t bytes, crew_fn fn, void *reader);

#endif
