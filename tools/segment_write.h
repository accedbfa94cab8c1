/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Writing a segment that is finished from the start: a merged recording, or one of a kernel. Equal contents
 * give equal bytes.
 */
#ifndef COVBUF_SEGMENT_WRITE_H
#define COVBUF_SEGMENT_WRITE_H

#include <stdbool.h>

#include <covbuf/format.h>

/* Records of one mode, which all belong to modules of the rows below. */
struct segment_words {
	const uint64_t *words;	/* the records alone */
	uint64_t nr_words;
	uint32_t mode;
	uint32_t proc;
	uint32_t tid;
	uint32_t context;	/* index + 1; 0: none */
	/*
	 * The kernel's: KCOV's layout, of which the count is written too, and room for another record, unless the
	 * area was full. SEGMENT_MAX_COUNTED_WORDS at most.
	 */
	bool counted, full;
};
#define SEGMENT_MAX_COUNTED_WORDS ((COVBUF_AREA_MIN_BYTES << (COVBUF_NR_CLASSES - 1)) / 8 - 1)

struct segment_contents {
	const struct covbuf_proc *procs; /* entry 0 of the table is left empty: these are 1, 2 ... */
	uint32_t nr_procs;
	const struct covbuf_context_slot *contexts;
	uint32_t nr_contexts;
	const struct covbuf_module *modules;
	uint32_t nr_modules;
	const struct segment_words *words;
	uint32_t nr_words;
	uint64_t created_ns;
	uint64_t lost_contexts, lost_procs;
	uint32_t maker_pid;	/* 0: merged */
	const char *owner;	/* name of the one owner */
};

/* Replaces what is there only when all of it is written. A complaint was made on failure. */
int segment_write(const char *path, const struct segment_contents *contents);

#endif
