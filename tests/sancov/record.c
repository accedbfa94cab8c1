/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Runs the workload under the real engine and prints the records, relative to the workload's text.
 * Usage: record pc|cmp|counters [unique|context] [LIBRARY]
 * With a LIBRARY (compiled with -DOPENER) the workload in it is run, and it is opened at run time.
 */
#include <dlfcn.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <covbuf/covbuf.h>
#include <covbuf/sancov.h>

#include "workload.h"

#if defined(OPENER)
#define LINKED_WORKLOAD NULL
#define LINKED_BASE 0
#else
#define LINKED_WORKLOAD workload
#define LINKED_BASE ((uint64_t)(uintptr_t)workload_base)
#endif

static uint64_t base, nr_records;

static int print_batch(const struct covbuf_batch *batch, void *arg)
{
	const uint64_t *w = batch->words;

	(void)arg;
	if (batch->mode == COVBUF_MODE_PC) {
		for (uint64_t i = 0; i < batch->nr_words; i++)
			if (w[i] && !(w[i] & COVBUF_NOT_A_RECORD) && ++nr_records)
				printf("pc %" PRIx64 "\n", w[i] - base);
		return 0;
	}
	for (uint64_t i = 0; i + 3 < batch->nr_words; i += 4)
		if (w[i + 3] && ++nr_records)
			printf("cmp %" PRIx64 " %" PRIx64 " %" PRIx64 " %" PRIx64 "\n", w[i], w[i + 1], w[i + 2],
			       w[i + 3] - base);
	return 0;
}

static void check(int err, const char *what)
{
	if (err >= 0)
		return;
	fprintf(stderr, "%s: %s\n", what, strerror(-err));
	exit(1);
}

int main(int argc, char **argv)
{
	struct covbuf_owner_options options = { .area_class = 4 };
	uint64_t (*run)(unsigned int) = LINKED_WORKLOAD;
	uint64_t lost[COVBUF_NR_LOSSES];
	struct covbuf_owner *owner;
	const char *library = NULL;

	for (int i = 1; i < argc; i++) {
		if (!strcmp(argv[i], "cmp"))
			options.mode = COVBUF_MODE_CMP;
		else if (!strcmp(argv[i], "unique"))
			options.flags |= COVBUF_OWNER_UNIQUE;
		else if (!strcmp(argv[i], "context"))
			options.flags |= COVBUF_OWNER_UNIQUE_CONTEXT;
		else if (strchr(argv[i], '/'))
			library = argv[i];
	}
	base = LINKED_BASE;
	check(covbuf_attached_segment() ? 0 : covbuf_attach_new(0), "attach");
	check(covbuf_pool_grow(options.area_class, 1), "grow");
	check(covbuf_owner_create(&options, &owner), "create");
	if (library) {
		void *handle = dlopen(library, RTLD_NOW | RTLD_LOCAL);

		if (!handle) {
			fprintf(stderr, "%s\n", dlerror());
			return 1;
		}
		run = (uint64_t(*)(unsigned int))dlsym(handle, "workload");
		base = (uint64_t)(uintptr_t)dlsym(handle, "workload_base");
	}
	check(covbuf_enable(owner), "enable");
	run(WORKLOAD_ROUNDS);
	if (argc > 1 && !strcmp(argv[1], "counters"))
		covbuf_counters_sync();
	check(covbuf_losses(lost), "losses");
	check(covbuf_disable(owner), "disable");
	check(covbuf_collect(owner, print_batch, NULL), "collect");
	for (int i = 0; i < COVBUF_NR_LOSSES; i++)
		if (lost[i])
			printf("lost %d %" PRIu64 "\n", i, lost[i]);
	covbuf_owner_put(owner);
	return nr_records ? 0 : 1;
}
