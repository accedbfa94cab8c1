/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * What a script is to leave behind, by the rules alone: a stack of sections for each context, of which the top one
 * collects what runs at its own level; a stop merges what its section has; a start without an owner is forgotten
 * by its stop; one without an area counts what it is given.
 */
#ifndef MODEL_H
#define MODEL_H

#include "owners.h"

struct model {
	struct owner *owners;
	uint32_t nr_owners;
	struct owner *local; /* what the task itself collects in, or NULL */
	uint64_t area_words; /* of an area of the pool */
	uint64_t nr_areas;
	uint64_t common_handle;
	const uint8_t *seen; /* where the levels turned out to be */

	/* what comes of it */
	uint64_t sections, lost_unknown, lost_no_area, lost_full, lost_merge;
};

/* Write down what the owners are to have more. */
void model_run(struct model *model, const struct sections_op *ops, uint32_t nr_ops);

#endif
