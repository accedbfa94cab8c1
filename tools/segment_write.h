/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Writing a segment that is finished from the start: a merged recording. Equal contents give equal
 * bytes.
 */
#ifndef COVBUF_SEGMENT_WRITE_H
#define COVBUF_SEGMENT_WRITE_H

#include <covbuf/format.h>

/* Records of one mode, which all belong to modules of the rows below. */
struct segment_words {
	const uint64_t *words;
	uint64_t nr_words;
	uint32_t mode;
	uint32_t proc;
};

struct segment_contents {
	const struct covbuf_proc *procs; /* entry 0 of the table is left empty: these are 1, 2 ... */
	uint32_t nr_procs;
	const struct covbuf_module *modules;
	uint32_t nr_modules;
	const struct segment_words *words;
	uint32_t nr_words;
	uint64_t created_ns;
	uint64_t lost_contexts, lost_procs;
};

/* Replaces what is there only when all of it is written. A complaint was made on failure. */
int segment_write(const char *path, const struct segment_contents *contents);

#endif
