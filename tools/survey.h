/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Who has recorded what in a segment: one row for each thread, from the tables of contexts and areas.
 */
#ifndef COVBUF_SURVEY_H
#define COVBUF_SURVEY_H

#include <covbuf/segment.h>

#include "index.h"

struct survey_row {
	uint32_t pid, tid;
	char name[16];		/* "" where the thread's slot has been used again */
	bool live;
	uint32_t mode;		/* enum covbuf_mode + 1; 0: shut */
	uint64_t records, holes, areas;
	uint64_t lost[COVBUF_NR_LOSSES];
};

struct survey {
	struct survey_row *rows; /* sorted by pid and tid */
	size_t nr, room;
	uint64_t records, holes, areas, free_areas;
	uint64_t lost[COVBUF_NR_LOSSES]; /* of all threads and processes */
	uint64_t sum_lost;
	uint32_t nr_procs, nr_live;
	uint64_t damaged;
	struct index threads;	/* rows, by pid and tid */
	uint8_t alive[COVBUF_MAX_PROCS]; /* processes: 0 not asked yet, 1 no, 2 yes */
	uint64_t words_left;	/* of areas to look through; see segment_max_words() */
};

/*
 * quick: believe what finished areas say of their length. The number of records is then too high by the
 * holes in them, and the segment's size does not matter.
 */
void survey_take(struct survey *survey, struct covbuf_segment *segment, const struct covbuf_header *header, bool quick);
void survey_fini(struct survey *survey);

/* Live processes that have the segment. */
uint32_t survey_live(struct covbuf_segment *segment, const struct covbuf_header *header);

#endif
