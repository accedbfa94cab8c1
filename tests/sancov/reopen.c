/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * An instrumented library is opened, run and closed again and again while the section is on: mostly at
 * the same address, where marks of the one before must not count. Prints the number of records.
 * Usage: reopen LIBRARY TIMES [unique]
 */
#include <dlfcn.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include <covbuf/covbuf.h>

#include "workload.h"

static uint64_t nr_records;

static int count_records(const struct covbuf_batch *batch, void *arg)
{
	(void)arg;
	for (uint64_t i = 0; i < batch->nr_words; i++)
		nr_records += batch->words[i] != 0;
	return 0;
}

int main(int argc, char **argv)
{
	struct covbuf_owner_options options = { .area_class = 4, .flags = argc > 3 ? COVBUF_OWNER_UNIQUE : 0 };
	struct covbuf_owner *owner;

	if (argc < 3 || covbuf_attach_new(0) || covbuf_pool_grow(4, 1) < 1 ||
	    covbuf_owner_create(&options, &owner) || covbuf_enable(owner))
		return 1;
	for (int i = 0; i < atoi(argv[2]); i++) {
		void *handle = dlopen(argv[1], RTLD_NOW | RTLD_LOCAL);

		if (!handle)
			return 1;
		((uint64_t(*)(unsigned int))dlsym(handle, "workload"))(WORKLOAD_ROUNDS);
		dlclose(handle);
	}
	if (covbuf_disable(owner) || covbuf_collect(owner, count_records, NULL) < 0)
		return 1;
	printf("%" PRIu64 "\n", nr_records);
	return 0;
}
