// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "owners.h"

static void *serve(void *arg)
{
	struct owner *owner = arg;

	for (;;) {
		sem_wait(&owner->asked);
		errno = 0;
		switch (owner->command) {
		case OWNER_ENABLE:
			owner->err = cov_remote_enable(&owner->cov, owner->mode, owner->handle, owner->common) ? errno : 0;
			break;
		case OWNER_DISABLE:
			owner->err = ioctl(owner->cov.fd, KCOV_DISABLE, 0) ? errno : 0;
			break;
		case OWNER_END:
			return NULL;
		}
		sem_post(&owner->answered);
	}
}

static int ask(struct owner *owner, int command)
{
	owner->command = command;
	sem_post(&owner->asked);
	sem_wait(&owner->answered);
	return owner->err;
}

void owner_create(struct owner *owner, uint64_t handle, uint64_t common, unsigned int mode, uint64_t nr_words)
{
	*owner = (struct owner){ .handle = handle, .common = common, .mode = mode };
	if (cov_open(&owner->cov, COVBUF_FILE, nr_words))
		die("owner", "cannot open " COVBUF_FILE);
	owner->want = calloc(owner->cov.nr_words, 8);
	sem_init(&owner->asked, 0, 0);
	sem_init(&owner->answered, 0, 0);
	if (!owner->want || pthread_create(&owner->thread, NULL, serve, owner))
		die("owner", "no thread");
}

void owner_destroy(struct owner *owner)
{
	owner->command = OWNER_END;
	sem_post(&owner->asked);
	pthread_join(owner->thread, NULL);
	cov_close(&owner->cov);
	free(owner->want);
}

int owner_enable(struct owner *owner)
{
	int err;

	cov_clear(&owner->cov);
	err = ask(owner, OWNER_ENABLE);
	owner->enabled = owner->enabled || !err;
	return err;
}

int owner_disable(struct owner *owner)
{
	int err = ask(owner, OWNER_DISABLE);

	owner->enabled = owner->enabled && err;
	return err;
}

bool owner_want(struct owner *owner, uint32_t fn, uint64_t value)
{
	uint64_t *record = &owner->want[owner->nr_want * record_words(owner->mode)];

	if (owner->nr_want == owner_capacity(owner))
		return false;
	owner->nr_want++;
	if (owner->mode == KCOV_TRACE_PC) {
		record[0] = places.pc[fn];
		return true;
	}
	record[0] = KCOV_CMP_CONST | KCOV_CMP_SIZE(3);
	record[1] = SECTIONS_CONSTANT + fn;
	record[2] = value;
	record[3] = places.cmp[fn];
	return true;
}

static int fn_at(const struct owner *owner, const uint64_t *words, uint64_t record)
{
	const uint64_t *place = owner->mode == KCOV_TRACE_CMP ? places.cmp : places.pc;

	for (int fn = 0; fn < NR_FNS; fn++)
		if (place[fn] == words[(record + 1) * record_words(owner->mode) - 1])
			return fn;
	return -1;
}

const char *owner_check(struct owner *owner)
{
	static char why[256];
	uint32_t words = record_words(owner->mode);
	uint64_t count = cov_count(&owner->cov), i = 0;
	bool same;

	while (i < count && i < owner->nr_want &&
	       !memcmp(&owner->cov.words[1 + i * words], &owner->want[i * words], words * 8))
		i++;
	same = i == count && i == owner->nr_want;
	if (!same)
		snprintf(why, sizeof(why), "handle %llx has %llu records, %llu wanted; record %llu is of function %d, %d wanted",
			 (unsigned long long)owner->handle, (unsigned long long)count, (unsigned long long)owner->nr_want,
			 (unsigned long long)i, i < count ? fn_at(owner, owner->cov.words + 1, i) : -1,
			 i < owner->nr_want ? fn_at(owner, owner->want, i) : -1);
	owner->nr_want = 0;
	cov_clear(&owner->cov);
	return same ? NULL : why;
}
