// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * The coverage of one request. Its sections run in several threads and at the same time as those of
 * other requests; what they recorded comes back through the request's own owner, each place once for
 * each section.
 */
#include "coverage.h"

#include <dlfcn.h>
#include <stdlib.h>
#include <string.h>

#define NR_AREAS 64 /* sections that are open or not collected yet */
#define MAX_FUNCTIONS 128

struct functions {
	struct {
		const char *name;
		unsigned int nr_places;
	} entry[MAX_FUNCTIONS];
	unsigned int nr;
};

int coverage_prepare(void)
{
	int err = covbuf_attach_new(0);

	if (!err)
		err = covbuf_pool_grow(0, NR_AREAS);
	return err < 0 ? err : 0;
}

int coverage_begin(struct coverage *coverage, uint32_t number)
{
	struct covbuf_owner_options options = { .flags = COVBUF_OWNER_UNIQUE_CONTEXT, .name = "request" };
	int err = covbuf_owner_create(&options, &coverage->owner);

	if (err)
		return err;
	coverage->handle = covbuf_remote_handle(COVBUF_SUBSYSTEM_USER, number);
	err = covbuf_remote_enable(coverage->owner, &coverage->handle, 1, 0);
	if (err)
		covbuf_owner_put(coverage->owner);
	return err;
}

static void add_place(struct functions *functions, uint64_t pc)
{
	Dl_info info;

	/* The record is where the callback returned to; the call is before it. */
	if (!dladdr((void *)(uintptr_t)(pc - 1), &info) || !info.dli_sname)
		return;
	for (unsigned int i = 0; i < functions->nr; i++) {
		if (!strcmp(functions->entry[i].name, info.dli_sname)) {
			functions->entry[i].nr_places++;
			return;
		}
	}
	if (functions->nr == MAX_FUNCTIONS)
		return;
	functions->entry[functions->nr].name = info.dli_sname;
	functions->entry[functions->nr++].nr_places = 1;
}

static int add_batch(const struct covbuf_batch *batch, void *arg)
{
	for (uint64_t i = 0; i < batch->nr_words; i++)
		if (batch->words[i] && !(batch->words[i] & COVBUF_NOT_A_RECORD))
			add_place(arg, batch->words[i]);
	return 0;
}

void coverage_end(struct coverage *coverage, const char *prefix, FILE *out)
{
	struct functions functions = { .nr = 0 };

	covbuf_collect(coverage->owner, add_batch, &functions);
	covbuf_disable(coverage->owner);
	covbuf_owner_put(coverage->owner);
	for (unsigned int i = 0; i < functions.nr; i++)
		fprintf(out, "%s%s %u\r\n", prefix, functions.entry[i].name, functions.entry[i].nr_places);
}
