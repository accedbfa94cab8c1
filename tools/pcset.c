// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* Open addressing with linear probing; half full at most. */
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

/* Count one that is not where it would be first. */
static __attribute__((noinline)) void add_elsewhere(struct pcset *set, uint64_t pc)
{
	pcset_add(set, pc, 1);
}

uint64_t pcset_add_run(struct pcset *set, uint64_t first, uint64_t last, uint64_t bias, const uint64_t *records,
		       uint64_t nr, uint64_t step)
{
	const uint64_t *keys = records + step - 1;
	uint64_t span = last - first, mask, n = 0;
	struct pcset_entry *slots;

	if (!set->nr_slots)
		pcset_enlarge(set);
	slots = set->slots;
	mask = set->nr_slots - 1;
	do {
		uint64_t pc = keys[n * step] - bias;
		struct pcset_entry *slot = &slots[pcset_hash(pc) & mask];

		if (slot->pc == pc && slot->hits) {
			slot->hits++;
		} else {
			add_elsewhere(set, pc);
			slots = set->slots;
			mask = set->nr_slots - 1;
		}
	} while (++n < nr && keys[n * step] - first - 1 < span);
	return n;
}

void pcset_join(struct pcset *set, const struct pcset *other)
{
	for (size_t i = 0; i < other->nr_slots; i++)
		if (other->slots[i].hits)
			pcset_add(set, other->slots[i].pc, other->slots[i].hits);
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
