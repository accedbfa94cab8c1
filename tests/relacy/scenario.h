/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * What scenarios have in common: records that say who emitted them, and who has found them since.
 */
#ifndef COVB_RELACY_SCENARIO_H
#define COVB_RELACY_SCENARIO_H

#include <string.h>

#include <covbuf/covbuf.h>
#include <covbuf/trace.h>

#include "libcovbuf/platform/model/world.h"

#define HANDLE(n) (COVBUF_SUBSYSTEM_USER | (n))

#define CHECK(condition) COVB_MODEL_CHECK(condition)

/* ---- records ----------------------------------------------------------------------------------- */

/* A record names its section, its place in it, and what it is: a word that is none of ours is found out. */
#define RECORD_MARK 0x5e00000000000000ull
#define RECORD(section, n) (RECORD_MARK | (uint64_t)(section) << 16 | (uint64_t)(n))
#define RECORD_SECTION(r) ((uint32_t)((r) >> 16) & 0xffff)
#define RECORD_NUMBER(r) ((uint32_t)(r) & 0xffff)

#define MAX_SECTIONS 8

/* Sections are numbered by scenarios. Written by whoever emits or finds; one at a time runs. */
struct tally {
	uint64_t handle[MAX_SECTIONS];	/* that the section was started with */
	uint64_t token[MAX_SECTIONS];
	uint32_t emitted[MAX_SECTIONS], found[MAX_SECTIONS];
	uint64_t seen[MAX_SECTIONS];	/* bit per record that was found */
	uint64_t holes;			/* and records that are stale, as the consumer counts */
};
extern struct tally tally;

/* Emit the next record of a section. */
void emit(uint32_t section);
void emit_cmp(uint32_t section);

/* A record that was seen in an area that is described like this is whole, was emitted, and belongs there. */
void check_record(uint64_t handle, uint64_t token, uint32_t mode, const uint64_t *record);

/* The same, and it is not found twice. */
void found(uint64_t handle, uint64_t token, uint32_t mode, const uint64_t *record);

/* What covbuf_drain() calls. */
int found_batch(const struct covbuf_batch *batch, void *arg);

/* ---- flows ------------------------------------------------------------------------------------- */

extern struct covbuf_owner *owner, *other_owner;

/* An engine with so many areas, and the tally empty. */
void begin(uint32_t nr_areas);

/* An owner that is enabled for HANDLE(1), 2 ... */
struct covbuf_owner *make_owner(uint32_t mode, uint32_t kind, uint32_t flags, uint32_t nr_handles);

/* Give each thread a context before they run: then opening one is not part of what is tried. */
void open_contexts(void);

/* A section with nr records. Returns whether it was started. */
bool run_section(uint32_t section, uint64_t handle, uint32_t nr);
bool run_cmp_section(uint32_t section, uint64_t handle, uint32_t nr);

/* One pass of the consumer. Returns records found, dropped and lost. */
struct covbuf_drained drain(unsigned int flags);

/* ---- afterwards -------------------------------------------------------------------------------- */

/* Losses that are counted anywhere. */
uint64_t all_losses(void);
uint64_t losses(enum covbuf_loss cause);

/* Every area is free, and empty. */
void check_pool(void);

/* Drain what is left; then every record was found once or is counted as lost, and the pool is whole. */
void check_all(void);

#endif
