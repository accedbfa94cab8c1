/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Profile files that no clang has made: their counters and bitmaps are known, and so are sums of them. Only what
 * covbuf reads of a raw profile is in them: LLVM's tools would find no records.
 */
#ifndef TESTS_COMMAND_PROFILE_FILES_H
#define TESTS_COMMAND_PROFILE_FILES_H

#include <stdbool.h>
#include <stdint.h>

#include "../../adapters/llvmprof/format.h"

#define FIRST_PID 2000000000u /* none has it */

struct profile_plan {
	const char *directory, *image;
	uint64_t id;
	uint32_t nr_counters, nr_bitmap_bytes;
};

/* What process k has counted. */
uint64_t planned_counter(uint32_t process, uint32_t i);
unsigned char planned_bits(uint32_t process, uint32_t i);

/* Of process k; label NULL: its own counts, else a difference. Returns 0 or -errno. */
int make_counts(const struct profile_plan *plan, uint32_t process, const char *label);

/* whole: of process k; else the template. */
int make_whole(const struct profile_plan *plan, bool whole, uint32_t process);

/* Whether these are the sums of processes from..end - 1. Says what is wrong. */
bool check_sums(const struct profile_plan *plan, uint32_t from, uint32_t end, const uint64_t *counters,
		const unsigned char *bitmaps);

#endif
