/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * A set of addresses, each with the number of times it was seen: what keeps a recording of any length
 * in memory that depends only on the size of the program.
 */
#ifndef COVBUF_PCSET_H
#define COVBUF_PCSET_H

#include <stddef.h>
#include <stdint.h>

struct pcset_entry {
	uint64_t pc;
	uint64_t hits;	/* 0: the slot is empty */
};

/* All zero is an empty set. */
struct pcset {
	struct pcset_entry *slots;
	size_t nr, nr_slots; /* nr_slots is 0 or a power of two */
};

/* Room for one more; called by pcset_add() when it is getting full. */
void pcset_enlarge(struct pcset *set);

static inline size_t pcset_hash(uint64_t pc)
{
	return (size_t)((pc * 0x9e3779b97f4a7c15ull) >> 20);
}

static inline void pcset_add(struct pcset *set, uint64_t pc, uint64_t hits)
{
	size_t i;

	if (set->nr * 2 >= set->nr_slots)
		pcset_enlarge(set);
	for (i = pcset_hash(pc);; i++) {
		struct pcset_entry *slot = &set->slots[i & (set->nr_slots - 1)];

		if (!slot->hits) {
			slot->pc = pc;
			slot->hits = hits;
			set->nr++;
			return;
		}
		if (slot->pc == pc) {
			slot->hits += hits;
			return;
		}
	}
}

/*
 * Count nr addresses, each at the end of a record of step words, until one is not behind first and at or before last;
 * that of the first record counts in any case. What is added is the address less bias. Returns how many were counted.
 */
uint64_t pcset_add_run(struct pcset *set, uint64_t first, uint64_t last, uint64_t bias, const uint64_t *records,
		       uint64_t nr, uint64_t step);

/* Add all of another set. */
void pcset_join(struct pcset *set, const struct pcset *other);

/* The entries sorted by address, set->nr of them; the caller frees them. */
struct pcset_entry *pcset_sorted(const struct pcset *set);

void pcset_fini(struct pcset *set);

#endif
