/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The counters of an image as they were: made, and set to those of the image. */
#define _GNU_SOURCE
#include <errno.h>
#include <stdlib.h>
#include <sys/mman.h>

#include "counts.h"

int covb_profile_counts_init(struct covb_profile_counts *counts, uint64_t nr)
{
	void *wide = mmap(NULL, nr * sizeof(uint64_t) + 1, PROT_READ | PROT_WRITE,
			  MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	if (wide == MAP_FAILED)
		return -ENOMEM;
	counts->narrow = calloc(nr + 1, sizeof(*counts->narrow));
	if (!counts->narrow) {
		munmap(wide, nr * sizeof(uint64_t) + 1);
		return -ENOMEM;
	}
	counts->wide = wide;
	counts->nr = nr;
	return 0;
}

void covb_profile_counts_fini(struct covb_profile_counts *counts)
{
	if (counts->wide)
		munmap(counts->wide, counts->nr * sizeof(uint64_t) + 1);
	free(counts->narrow);
}

void covb_profile_counts_copy(struct covb_profile_counts *counts, const uint64_t *from)
{
	for (uint64_t i = 0; i < counts->nr; i++)
		covb_profile_count_set(counts, i, covb_load(&from[i]));
}
