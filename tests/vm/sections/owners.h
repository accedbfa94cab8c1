/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Owners of coverage: each is an open file and a task of its own, since a task has one remote enable at a
 * time. What is written down as wanted is compared with what the area has, word by word.
 */
#ifndef OWNERS_H
#define OWNERS_H

#include <pthread.h>
#include <semaphore.h>

#include "kit.h"

struct owner {
	uint64_t handle, common;
	unsigned int mode;
	struct cov cov;
	bool enabled;

	/* records that are wanted in the area */
	uint64_t *want;
	uint64_t nr_want;

	pthread_t thread;
	sem_t asked, answered;
	enum { OWNER_ENABLE, OWNER_DISABLE, OWNER_END } command;
	int err;
};

extern struct places places;

static inline uint32_t record_words(unsigned int mode)
{
	return mode == KCOV_TRACE_CMP ? 4 : 1;
}

static inline uint64_t owner_capacity(const struct owner *owner)
{
	return (owner->cov.nr_words - 1) / record_words(owner->mode);
}

void owner_create(struct owner *owner, uint64_t handle, uint64_t common, unsigned int mode, uint64_t nr_words);
void owner_destroy(struct owner *owner);
/* 0 or errno, as the task of the owner had it. The area is cleared before. */
int owner_enable(struct owner *owner);
int owner_disable(struct owner *owner);
/* The area is to have the record of a call of this function with this argument next. False: it is full. */
bool owner_want(struct owner *owner, uint32_t fn, uint64_t value);
/* NULL, or what is other than wanted. Then nothing is wanted, and the area is cleared. */
const char *owner_check(struct owner *owner);

#endif
