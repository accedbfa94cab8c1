// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* Open addressing with linear probing; at most two thirds full. */
#include "pcset.h"

#include <stdlib.h>

#include "command.h"

void pcset_enlarge(struct pcset *set)
{
	struct pcset old = *set;

	set->nr = 0;
	set->nr_slots = old.nr_slots ? old.nr_slots * 2 : 1024;
	set->slots = must_alloc(set->nr_slots * sizeof(*set->slots));
	for (size_t i = 0; i < old.nr_slots; i++)
		if (old.slots[i].hits)
			pcset_add(set, old.slots[i].pc, old.slots[i].hits);
	free(old.slots);
}

static int compare_pcs(const void *a, const void *b)
{
	uint64_t x = ((const struct pcset_entry *)a)->pc;
	uint64_t y = ((const struct pcset_entry *)b)->pc;

	return x < y ? -1 : x > y;
}

struct pcset_entry *pcset_sorted(const struct pcset *set)
{
	struct pcset_entry *sorted = must_alloc(set->nr * sizeof(*sorted));
	size_t n = 0;

	for (size_t i = 0; i < set->nr_slots; i++)
		if (set->slots[i].hits)
			sorted[n++] = set->slots[i];
	qsort(sorted, n, sizeof(*sorted), compare_pcs);
	return sorted;
}

void pcset_fini(struct pcset *set)
{
	free(set->slots);
	*set = (struct pcset){ 0 };
}
