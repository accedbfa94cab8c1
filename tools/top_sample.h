/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * What moved in a segment since it was last looked at: records of each thread, and a sample of the
 * functions that they came from. Reads ends of areas only, so that looking costs the same however much
 * is recorded.
 */
#ifndef COVBUF_TOP_SAMPLE_H
#define COVBUF_TOP_SAMPLE_H

#include <covbuf/segment.h>

#include "binary.h"
#include "recording.h"

struct top_thread {
	uint32_t pid, tid;
	char name[16];
	bool live;
	uint64_t records;	/* seen so far */
	uint64_t fresh;		/* since the last look */
	uint64_t lost;
};

struct top_function {
	const char *key;	/* interned: both of these */
	const char *name, *module;
	double weight;		/* sampled records, older ones counting half at each look */
};

struct top_area {
	uint64_t generation;
	uint64_t end;		/* word, or ring index, up to which records have been counted */
	uint64_t fresh;		/* records since the last look */
	bool finished;
};

struct top_binary {
	struct binary *binary;
	bool tried;
};

struct top_sample {
	struct covbuf_segment *segment;
	struct covbuf_header header;
	struct top_thread *threads;
	size_t nr_threads, room_threads;
	struct index threads_by_id; /* pid and tid */
	uint8_t alive[COVBUF_MAX_PROCS]; /* at this look: 0 not asked yet, 1 no, 2 yes */
	struct top_function *functions;
	size_t nr_functions, room_functions;
	struct index functions_by_key;
	struct top_area *areas;
	uint32_t nr_areas, nr_fresh; /* nr_fresh: that have fresh records */
	struct recording modules; /* for its module table */
	struct address_map map;
	struct address_space space; /* of the area that is looked at */
	uint32_t module_generation;
	struct top_binary *binaries; /* of modules */
	size_t nr_binaries;
	uint64_t looked_ns, interval_ns;
	uint64_t records, fresh, lost;
};

/* Errors: negative, where the header cannot be read any more. */
int top_look(struct top_sample *sample);
void top_fini(struct top_sample *sample);

#endif
