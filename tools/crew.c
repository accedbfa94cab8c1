// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "crew.h"

#include <pthread.h>
#include <sched.h>

#include "recording.h"

/* More would wait for memory; and each has its own count of every address, up to 64 bytes. */
#define MAX_MEMBERS 4
#define BYTES_OF_A_MEMBER (4u << 20) /* read in a millisecond: a thread is worth making */

struct member {
	pthread_t thread;
	struct tally tally;
	crew_fn fn;
	void *reader;
};

static unsigned int choose_size(uint64_t bytes)
{
	cpu_set_t cores;
	unsigned int nr = sched_getaffinity(0, sizeof(cores), &cores) ? 1 : (unsigned int)CPU_COUNT(&cores);

	if (nr > MAX_MEMBERS)
		nr = MAX_MEMBERS;
	return bytes / BYTES_OF_A_MEMBER < nr ? (unsigned int)(bytes / BYTES_OF_A_MEMBER) + 1 : nr;
}

static void *run_member(void *arg)
{
	struct member *member = arg;

	member->fn(&member->tally, member->reader);
	return NULL;
}

void crew_read(struct recording *recording, uint64_t bytes, crew_fn fn, void *reader)
{
	struct member members[MAX_MEMBERS];
	unsigned int wanted = choose_size(bytes), nr = 1;

	for (unsigned int i = 0; i < wanted; i++) {
		members[i] = (struct member){ .fn = fn, .reader = reader };
		tally_init(&members[i].tally, recording);
	}
	/* where no more threads can be had, those that there are do it */
	while (nr < wanted && !pthread_create(&members[nr].thread, NULL, run_member, &members[nr]))
		nr++;
	run_member(&members[0]);
	for (unsigned int i = 1; i < nr; i++)
		pthread_join(members[i].thread, NULL);
	for (unsigned int i = 0; i < wanted; i++)
		tally_finish(&members[i].tally, recording);
}
