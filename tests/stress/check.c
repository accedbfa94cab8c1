// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * The books of a stress test: see check.h. Every record that is found is looked up in them: it must
 * have been emitted in this round, not have been found before, be whole, and lie in an area of its own
 * thread and section.
 */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "check.h"
#include "libcovbuf/core/engine.h"

struct check check = { .lock = PTHREAD_MUTEX_INITIALIZER };

void check_fail(const char *format, ...)
{
	va_list args;

	if (__atomic_fetch_add(&check.errors, 1, __ATOMIC_RELAXED) >= 20)
		return;
	va_start(args, format);
	fputs("FAIL: ", stderr);
	vfprintf(stderr, format, args);
	fputc('\n', stderr);
	va_end(args);
}

int check_init(uint32_t nr_threads)
{
	check.nr_threads = nr_threads;
	for (uint32_t t = 0; t < nr_threads; t++)
		for (uint32_t l = 0; l < STAMP_LEVELS; l++) {
			struct check_source *s = &check.source[t][l];

			s->found = calloc(STAMP_NUMBERS / 64, sizeof(*s->found));
			s->section = calloc(STAMP_SECTIONS, sizeof(*s->section));
			if (!s->found || !s->section)
				return -1;
		}
	return 0;
}

void check_new_round(uint32_t round)
{
	check.round = round % STAMP_ROUNDS;
	check.found = 0;
	for (uint32_t t = 0; t < check.nr_threads; t++) {
		check.tid[t] = 0;
		for (uint32_t l = 0; l < STAMP_LEVELS; l++) {
			struct check_source *s = &check.source[t][l];

			memset(s->found, 0, (s->emitted + 63) / 64 * sizeof(*s->found));
			s->emitted = 0;
			s->sections = 0;
		}
	}
}

void check_take_floor(struct check_floor *floor)
{
	for (uint32_t i = 0; i < CHECK_HANDLES; i++)
		floor->handle[i] = __atomic_load_n(&check.floor_handle[i], __ATOMIC_ACQUIRE);
	for (uint32_t i = 0; i < STAMP_THREADS; i++)
		floor->thread[i] = __atomic_load_n(&check.floor_thread[i], __ATOMIC_ACQUIRE);
}

/*
 * Cyclic: whether enable number a, of which only some bits are known, is before b. A collector may have
 * been away for long since it asked for b, so a may also be far behind it.
 */
static bool is_before(uint32_t a, uint32_t b)
{
	uint32_t behind = (b - a) % STAMP_ENABLES;

	return behind && behind < STAMP_ENABLES / 2;
}

static bool note(const struct stamp *s, uint64_t pc)
{
	struct check_source *source = &check.source[s->thread][s->level];
	uint64_t bit = 1ull << (s->number & 63);

	/* its maker may be in the middle of making it: what it counts, it counts afterwards */
	if (s->number > __atomic_load_n(&source->emitted, __ATOMIC_ACQUIRE)) {
		check_fail("%#lx was never emitted: thread %u level %u number %u", pc, s->thread, s->level, s->number);
		return false;
	}
	if (source->found[s->number / 64] & bit) {
		check_fail("%#lx found twice: thread %u level %u number %u", pc, s->thread, s->level, s->number);
		return false;
	}
	source->found[s->number / 64] |= bit;
	check.found++;
	return true;
}

static bool parse(const uint64_t *record, uint32_t mode, struct stamp *s)
{
	uint64_t pc = record[mode == COVBUF_MODE_CMP ? 3 : 0];

	if (!stamp_read(pc, s) || s->thread >= check.nr_threads || s->round != check.round) {
		check_fail("%#lx is nobody's: round %u, now %u", pc, s->round, check.round);
		return false;
	}
	if (!stamp_whole(record, mode)) {
		check_fail("%#lx is torn: %#lx %#lx %#lx", pc, record[0], record[1], record[2]);
		return false;
	}
	return true;
}

/* What a record in its own section, or outside any at level 0, says of the area that it is in. */
static void check_place(const struct covbuf_batch *batch, const struct stamp *s, const struct check_floor *floor)
{
	uint32_t tid = __atomic_load_n(&check.tid[s->thread], __ATOMIC_RELAXED);
	uint32_t oldest = batch->handle ? floor->handle[batch->handle % CHECK_HANDLES] : floor->thread[s->thread];

	if (tid && batch->tid != tid)
		check_fail("thread %u's record in an area of tid %u, not %u", s->thread, batch->tid, tid);
	if (s->section) {
		const struct check_section *section = &check.source[s->thread][s->level].section[s->section];
		uint64_t token = covb_load(&section->token), handle = covb_load(&section->handle);

		if (token != batch->token || handle != batch->handle)
			check_fail("thread %u level %u section %u: in area %#lx of handle %#lx, not %#lx of %#lx",
				   s->thread, s->level, s->section, batch->token, batch->handle, token, handle);
	} else if (s->level) {
		return; /* in whatever the handler interrupted, which may be going back and forth */
	} else if (batch->handle) {
		check_fail("thread %u: a record from outside its sections in one of handle %#lx", s->thread,
			   batch->handle);
	}
	if (is_before(s->enable, oldest))
		check_fail("thread %u handle %#lx: a record of enable %u delivered after enable %u", s->thread,
			   batch->handle, s->enable, oldest % STAMP_ENABLES);
}

int check_batch(const struct covbuf_batch *batch, void *floor)
{
	uint64_t step = batch->mode == COVBUF_MODE_CMP ? COVBUF_CMP_WORDS : 1;
	struct stamp s;

	/* a PC in a live ring orders nothing: partner is covb_wmb() where a worker notes a section */
	covb_rmb();
	pthread_mutex_lock(&check.lock);
	check.batches++;
	for (uint64_t i = 0; i + step <= batch->nr_words; i += step) {
		uint64_t pc = batch->words[i + step - 1];

		if (!pc || (pc & COVBUF_NOT_A_RECORD))
			continue;
		if (parse(&batch->words[i], batch->mode, &s) && note(&s, pc) && check.by_token)
			check_place(batch, &s, floor);
	}
	pthread_mutex_unlock(&check.lock);
	return 0;
}

uint64_t check_target(uint64_t *words, uint64_t nr_words, uint32_t mode)
{
	uint64_t step = mode == COVBUF_MODE_CMP ? COVBUF_CMP_WORDS : 1;
	uint64_t count = covb_load_acquire(&words[0]);
	struct stamp s;

	if (count > (nr_words - 1) / step) {
		check_fail("a target of %lu words says that it has %lu records", nr_words, count);
		count = 0;
	}
	pthread_mutex_lock(&check.lock);
	for (uint64_t i = 0; i < count; i++) {
		const uint64_t *record = &words[1 + i * step];

		if (!parse(record, mode, &s) || !note(&s, record[step - 1]))
			continue;
		if (s.section) {
			uint64_t handle = check.source[s.thread][s.level].section[s.section].handle;
			uint32_t oldest = check.floor_handle[handle % CHECK_HANDLES];

			if (is_before(s.enable, oldest))
				check_fail("handle %#lx: a record of enable %u in the target of enable %u", handle,
					   s.enable, oldest % STAMP_ENABLES);
		}
	}
	pthread_mutex_unlock(&check.lock);
	covb_store(&words[0], 0);
	return count;
}

uint64_t check_lost(enum covbuf_loss cause)
{
	uint64_t sum = 0;

	for (uint32_t i = 0; i < covb_engine.nr_contexts; i++)
		sum += covb_load(&covb_engine.contexts[i].lost[cause]);
	for (uint32_t i = 0; i < covb_engine.nr_procs; i++)
		sum += covb_load(&covb_engine.procs[i].lost[cause]);
	return sum;
}

uint64_t check_dropped(void)
{
	uint64_t sum = 0;

	for (uint32_t i = 0; i < covb_engine.nr_owners; i++)
		sum += covb_load(&covb_engine.owner_slots[i].stale) + covb_load(&covb_engine.owner_slots[i].merge_lost);
	return sum;
}

static void check_words(uint32_t i, const struct covbuf_area *area)
{
	const uint64_t *words = (const uint64_t *)(covb_engine.base + area->offset_bytes);
	uint32_t nr_words = covbuf_class_words(area->area_class);
	uint32_t nr_guards = 0;

	for (uint32_t k = 0; k < nr_words; k++)
		if (words[k]) {
			check_fail("area %u is free and word %u is %#lx", i, k, words[k]);
			break;
		}
	for (uint32_t k = 0; k < COVBUF_GUARD_WORDS; k++)
		nr_guards += words[nr_words + k] == COVBUF_GUARD_VALUE;
	if (nr_guards != COVBUF_GUARD_WORDS && nr_guards)
		check_fail("area %u is free and has %u of its guard words", i, nr_guards);
}

uint32_t check_areas(uint32_t nr_held)
{
	uint32_t nr = 0;

	for (uint32_t i = 0; i < covb_load_acquire(covb_engine.nr_areas); i++) {
		const struct covbuf_area *area = &covb_engine.areas[i];
		uint32_t state = COVBUF_FLAG_STATE(area->flag);

		if (state == COVBUF_AREA_RETIRED || state == COVBUF_AREA_NONE)
			continue;
		nr++;
		if (state == COVBUF_AREA_FREE)
			check_words(i, area);
		else if ((state == COVBUF_AREA_HELD || state == COVBUF_AREA_TARGET) && nr_held)
			nr_held--;
		else
			check_fail("area %u is in state %u: flag %#lx owner %u token %#lx", i, state, area->flag,
				   area->owner, area->token);
	}
	return nr;
}

uint32_t check_held(void)
{
	uint32_t nr = 0;

	for (uint32_t i = 0; i < covb_load_acquire(covb_engine.nr_areas); i++)
		nr += COVBUF_FLAG_STATE(covb_load(&covb_engine.areas[i].flag)) == COVBUF_AREA_HELD;
	return nr;
}
