/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * One section over three images, each instrumented: the program, a library it is linked with, and one
 * that is opened while the section is on. Prints the records, relative to whichever image's text.
 * Usage: images pc|cmp LIBRARY
 */
#include <dlfcn.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <covbuf/covbuf.h>

#include "workload.h"

/* The linked library's, renamed. */
uint64_t lib_workload(unsigned int rounds);
uint64_t lib_workload_base(void);

#define NR_IMAGES 3
static uint64_t bases[NR_IMAGES];
static uint32_t current, nr_batches;

static uint64_t relative(uint64_t pc)
{
	/* images are run one after the other, and in that order their records come */
	while (current < NR_IMAGES && pc - bases[current] + 8192 > 2 * 8192)
		current++;
	if (current == NR_IMAGES)
		exit(3);
	return pc - bases[current];
}

static int print_batch(const struct covbuf_batch *batch, void *arg)
{
	const uint64_t *w = batch->words;

	(void)arg;
	nr_batches++;
	for (uint64_t i = 0; batch->mode == COVBUF_MODE_PC && i < batch->nr_words; i++)
		if (w[i])
			printf("pc %" PRIx64 "\n", relative(w[i]));
	for (uint64_t i = 0; batch->mode == COVBUF_MODE_CMP && i + 3 < batch->nr_words; i += 4)
		if (w[i + 3])
			printf("cmp %" PRIx64 " %" PRIx64 " %" PRIx64 " %" PRIx64 "\n", w[i], w[i + 1], w[i + 2],
			       relative(w[i + 3]));
	return 0;
}

int main(int argc, char **argv)
{
	struct covbuf_owner_options options = { .area_class = 4 };
	uint64_t (*opened_workload)(unsigned int);
	struct covbuf_owner *owner;
	void *handle;

	if (argc < 3)
		return 2;
	options.mode = !strcmp(argv[1], "cmp") ? COVBUF_MODE_CMP : COVBUF_MODE_PC;
	if (covbuf_attach_new(0) || covbuf_pool_grow(4, 1) < 1 || covbuf_owner_create(&options, &owner))
		return 1;
	if (covbuf_enable(owner))
		return 1;
	workload(WORKLOAD_ROUNDS);
	lib_workload(WORKLOAD_ROUNDS);
	handle = dlopen(argv[2], RTLD_NOW | RTLD_LOCAL);
	if (!handle) {
		fprintf(stderr, "%s\n", dlerror());
		return 1;
	}
	opened_workload = (uint64_t(*)(unsigned int))dlsym(handle, "workload");
	opened_workload(WORKLOAD_ROUNDS);
	bases[0] = (uint64_t)(uintptr_t)workload_base;
	bases[1] = (uint64_t)(uintptr_t)lib_workload_base;
	bases[2] = (uint64_t)(uintptr_t)dlsym(handle, "workload_base");
	if (covbuf_disable(owner) || covbuf_collect(owner, print_batch, NULL) < 0)
		return 1;
	return nr_batches == 1 ? 0 : 1;
}
