/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * What one thread of a reader counts: how often each address of each module was recorded. Threads share
 * nothing while they count, and the sums are the same whoever counted what.
 */
#ifndef COVBUF_TALLY_H
#define COVBUF_TALLY_H

#include "addresses.h"
#include "pcset.h"

struct recording;

struct tally {
	struct address_space space; /* whose addresses they are; the owner selects it */
	struct pcset (*pcs)[COVBUF_NR_MODES]; /* of each module of the recording */
	size_t nr_modules;
	uint64_t records, unknown;
	uint64_t holes, damaged, full; /* see struct recording */
};

/* For a recording that has all its modules. */
void tally_init(struct tally *tally, const struct recording *recording);

/* nr records that follow each other, of the process that was selected. */
void tally_add(struct tally *tally, uint32_t mode, const uint64_t *records, uint64_t nr);

/* Add what was counted to the recording; nothing is left. */
void tally_finish(struct tally *tally, struct recording *recording);

#endif
