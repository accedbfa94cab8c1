/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * What the parts of covbuf kernel share.
 */
#ifndef COVBUF_KERNEL_H
#define COVBUF_KERNEL_H

#include <stdbool.h>
#include <stdint.h>

#include "../adapters/kcov/kcov.h"
#include "kernel_map.h"

#define KERNEL_MAX_DIRECTORIES 16

struct kernel_options {
	uint32_t mode;		/* enum covbuf_mode */
	uint64_t nr_words;	/* of each area */
	const char *output, *device; /* or NULL */
	const char *directories[KERNEL_MAX_DIRECTORIES + 1]; /* where modules' files are; NULL ends them */
	uint64_t handles[COVB_KCOV_MAX_HANDLES];
	uint32_t nr_handles;
	bool common, force, quiet;
	int linger_ms;		/* how long remote work is waited for after the command's end */
	char **argv;
};

/* kernel_options.c: returns STATUS_OK, or STATUS_USAGE after a complaint. */
int kernel_parse(int argc, char **argv, struct kernel_options *options);
extern const char kernel_usage[];

/* ---- kernel_losses.c: what covbuf.ko counts, for all who use it together --------------------- */

struct kernel_losses {
	bool known;		/* the kernel's own KCOV counts nothing */
	uint64_t full, no_area, stale, merge;
};

void kernel_losses_read(struct kernel_losses *losses, const char *root);

/* ---- kernel_save.c: the recording ------------------------------------------------------------ */

/* What was recorded of one device. */
struct kernel_words {
	const uint64_t *words;	/* the records alone */
	uint64_t records;
	bool full;		/* there was no room for another record */
	uint64_t lost[COVBUF_NR_LOSSES];
};

struct kernel_result {
	const char *program;
	uint32_t pid, mode;
	uint64_t created_ns;	/* CLOCK_REALTIME */
	struct kernel_words own, remote; /* the command's main thread; and what was done on behalf of handles */
	bool has_remote;
};

/* Complains on failure. */
int kernel_save(const char *path, const struct kernel_map *map, const struct kernel_result *result);

/* Records that are in no row of the map. */
uint64_t kernel_count_unknown(const struct kernel_map *map, const struct kernel_words *words, uint32_t mode);

#endif
