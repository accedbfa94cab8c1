/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The world that a scenario runs in: a segment of a few areas with the engine attached to it, its maker and
 * its consumer in the same process.
 */
#ifndef COVB_MODEL_WORLD_H
#define COVB_MODEL_WORLD_H

#include "../../core/engine.h"
#include "../../../shm/shm.h"
#include "model.h"

#define COVB_MODEL_NR_AREAS 4
#define COVB_MODEL_PROC 1

extern struct covbuf_segment covb_segment;

/* Attach the engine to a segment with so many areas, made by its maker; there is room for COVB_MODEL_NR_AREAS. */
void covb_model_attach(uint32_t nr_areas);

/* One sleep of shm/wait.c. */
bool covb_model_wait_once(struct covbuf_segment *segment, int timeout_ms);

/* The words of area i. */
uint64_t *covb_model_words(uint32_t i);

#endif
