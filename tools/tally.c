// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "tally.h"

#include <stdlib.h>

#include "command.h"
#include "recording.h"

void tally_init(struct tally *tally, const struct recording *recording)
{
	*tally = (struct tally){
		.pcs = must_alloc(recording->nr_modules * sizeof(*tally->pcs)),
		.nr_modules = recording->nr_modules,
	};
}

void tally_add(struct tally *tally, uint32_t mode, const uint64_t *records, uint64_t nr)
{
	uint64_t step = mode == COVBUF_MODE_CMP ? COVBUF_CMP_WORDS : 1;
	uint64_t n = 0;

	tally->records += nr;
	while (n < nr) {
		const uint64_t *rest = &records[n * step];
		const struct address_range *range = addresses_find(&tally->space, rest[step - 1]);

		if (range) {
			n += pcset_add_run(&tally->pcs[range->module][mode], range->start, range->end, range->bias, rest, nr - n,
					   step);
		} else {
			tally->unknown++;
			n++;
		}
	}
}

static void join(struct pcset *all, struct pcset *own)
{
	if (all->nr) {
		pcset_join(all, own);
		pcset_fini(own);
	} else {
		pcset_fini(all);
		*all = *own;
	}
}

void tally_finish(struct tally *tally, struct recording *recording)
{
	for (size_t i = 0; i < tally->nr_modules; i++)
		for (unsigned int mode = 0; mode < COVBUF_NR_MODES; mode++)
			join(&recording->modules[i].pcs[mode], &tally->pcs[i][mode]);
	recording->records += tally->records;
	recording->unknown += tally->unknown;
	recording->holes += tally->holes;
	recording->damaged += tally->damaged;
	recording->full += tally->full;
	address_space_fini(&tally->space);
	free(tally->pcs);
	*tally = (struct tally){ .nr_modules = 0 };
}
