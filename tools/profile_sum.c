// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * Adding up: counters to 64-bit sums that stop at their limit, bitmaps by OR. A counter is read by one load, since
 * its program may be counting; and somebody may cut the file short, so the mapping is guarded.
 */
#include "profile.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "../shm/guard.h"
#include "command.h"

void profile_sum_init(struct profile_sum *sum, const struct profile_image *image)
{
	*sum = (struct profile_sum){
		.counters = must_alloc(image->first->counters_bytes),
		.bitmaps = must_alloc(image->first->bitmaps_bytes),
	};
}

void profile_sum_fini(struct profile_sum *sum)
{
	free(sum->counters);
	free(sum->bitmaps);
}

/* Returns how many have come to the end. */
static uint64_t add_counters(uint64_t *sums, const uint64_t *counters, uint64_t nr)
{
	uint64_t nr_stopped = 0;

	for (uint64_t i = 0; i < nr; i++) {
		uint64_t counter = __atomic_load_n(&counters[i], __ATOMIC_RELAXED), sum;

		if (!counter)
			continue;
		if (__builtin_add_overflow(sums[i], counter, &sum) || sum > PROFILE_COUNTER_MAX) {
			sum = PROFILE_COUNTER_MAX;
			nr_stopped++;
		}
		sums[i] = sum;
	}
	return nr_stopped;
}

static void add_bitmaps(unsigned char *sums, const unsigned char *bitmaps, uint64_t nr)
{
	for (uint64_t i = 0; i < nr; i++)
		sums[i] |= __atomic_load_n(&bitmaps[i], __ATOMIC_RELAXED);
}

/* base: of the counters' mapping. */
static int add_guarded(struct profile_sum *sum, const struct profile_file *file, const char *base, size_t bytes)
{
	struct covb_guard guard;
	int err = covb_guard_push(&guard, base, bytes);

	if (err)
		return err;
	if (sigsetjmp(guard.env, 0)) {
		covb_guard_pop(&guard);
		return -EIO;
	}
	covb_guard_arm(&guard);
	sum->nr_stopped += add_counters(sum->counters, (const uint64_t *)base, file->counters_bytes / 8);
	add_bitmaps(sum->bitmaps, (const unsigned char *)base + (file->bitmaps_offset - file->counters_offset),
		    file->bitmaps_bytes);
	covb_guard_pop(&guard);
	return 0;
}

int profile_sum_add(struct profile_sum *sum, const struct profiles *profiles, const struct profile_file *file)
{
	uint64_t at = file->start + file->counters_offset;
	uint64_t before = at % (uint64_t)sysconf(_SC_PAGESIZE); /* pages may be larger than what counters start at */
	size_t bytes = before + file->bitmaps_offset + file->bitmaps_bytes - file->counters_offset;
	int fd = profile_open(profiles, file), err;
	char *mapping;

	if (fd < 0)
		return fd;
	if (!bytes) {
		close(fd);
		return 0;
	}
	mapping = mmap(NULL, bytes, PROT_READ, MAP_SHARED, fd, (off_t)(at - before));
	close(fd);
	if (mapping == MAP_FAILED) {
		err = -errno;
		complain(profile_path(profiles, file), "it cannot be mapped: %s", strerror(errno));
		return err;
	}
	err = add_guarded(sum, file, mapping + before, bytes - before);
	munmap(mapping, bytes);
	if (err)
		complain(profile_path(profiles, file), "somebody has cut it short while it was read");
	else if (file->kind != COVBUF_PROFILE_DIFFERENCE)
		sum->lost_processes += file->lost_processes;
	return err;
}

struct process {
	uint64_t started, pid_namespace;
	uint32_t pid;
};

static int compare_processes(const void *a, const void *b)
{
	const struct process *x = a, *y = b;

	if (x->started != y->started)
		return x->started > y->started ? 1 : -1;
	if (x->pid != y->pid)
		return x->pid > y->pid ? 1 : -1;
	return (x->pid_namespace > y->pid_namespace) - (x->pid_namespace < y->pid_namespace);
}

/* A namespace that is not known, which comes before the others, may be any. */
static bool is_another(const struct process *before, const struct process *process)
{
	return before->started != process->started || before->pid != process->pid ||
	       (before->pid_namespace && before->pid_namespace != process->pid_namespace);
}

uint64_t profile_count_processes(struct profile_file *const *files, size_t nr)
{
	struct process *processes = must_alloc(nr * sizeof(*processes));
	size_t nr_processes = 0;
	uint64_t count = 0;

	for (size_t i = 0; i < nr; i++) {
		if (files[i]->pid)
			processes[nr_processes++] = (struct process){ files[i]->started, files[i]->pid_namespace,
								      files[i]->pid };
		else
			count += files[i]->processes;
	}
	qsort(processes, nr_processes, sizeof(*processes), compare_processes);
	for (size_t i = 0; i < nr_processes; i++)
		count += !i || is_another(&processes[i - 1], &processes[i]);
	free(processes);
	return count;
}
