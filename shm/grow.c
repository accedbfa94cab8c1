/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The pool's size: the maker makes areas, and gives the memory of free ones back to the system.
 *
 * What the maker has made it remembers in memory of its own (struct covb_made): the directory can be
 * written by every process that has the segment, and a wrong offset must not reach the arena. In a fork
 * child nothing here does anything: the arena's bookkeeping was copied, the segment was not.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <covbuf/atomic.h>

#include "core/flag.h"
#include "guard.h"
#include "shm.h"

/* Areas of small segments are touched when they are made, so that nobody pays for it while recording. */
#define POPULATE_BELOW_BYTES (4ull << 20)

static int check_maker(const struct covbuf_segment *segment)
{
	if (!segment->maker || segment->maker_pid != (uint32_t)getpid())
		return -EPERM;
	return covb_storage_is(segment, segment->fd) ? 0 : -EBADF;
}

/* An entry for a new area: a retired one, or the next; with storage behind the entry. */
static int find_entry(struct covbuf_segment *segment, uint32_t *entry)
{
	const struct covbuf_table *table = &segment->layout.areas;
	uint32_t i = segment->nr_made;

	if (segment->nr_retired) {
		for (i = 0; i < segment->nr_made; i++)
			if (!segment->made[i].offset_bytes)
				break;
	}
	if (i >= table->nr)
		return -ENOSPC;
	*entry = i;
	return covb_storage_reserve(segment->fd, table->offset_bytes + (uint64_t)i * table->entry_bytes,
				    table->entry_bytes);
}

/* Memory from the arena, with storage behind it. */
static int take_storage(struct covbuf_segment *segment, uint64_t bytes, uint64_t *offset_bytes)
{
	int old_words = covb_arena_take(segment->arena, bytes, offset_bytes), err;

	if (old_words < 0)
		return old_words;
	/* also where there was storage before: a purge punched it out */
	err = covb_storage_reserve(segment->fd, *offset_bytes, bytes);
	if (err) {
		covb_arena_give(segment->arena, *offset_bytes, bytes);
		return err;
	}
	if (old_words)
		memset(segment->base + *offset_bytes, 0, bytes);
	if (*offset_bytes + bytes > segment->size_bytes) {
		segment->size_bytes = *offset_bytes + bytes;
		/* release: partner is the acquire in covb_segment_words(); the storage is there before it is said */
		covb_store_release(&segment->header->size_bytes, segment->size_bytes);
	}
	return 0;
}

static void prepare_words(struct covbuf_segment *segment, uint64_t offset_bytes, uint64_t bytes)
{
	uint64_t *words = (uint64_t *)(segment->base + offset_bytes);
	uint64_t nr_words = bytes / sizeof(*words);

#ifdef MADV_POPULATE_WRITE
	if (segment->size_bytes - segment->layout.data_offset_bytes <= POPULATE_BELOW_BYTES)
		madvise(words, bytes, MADV_POPULATE_WRITE);
#endif
	for (uint64_t i = nr_words - COVBUF_GUARD_WORDS; i < nr_words; i++)
		covb_store(&words[i], COVBUF_GUARD_VALUE);
}

/* Into the directory, and into the pool. */
static void publish(struct covbuf_segment *segment, uint32_t i, uint64_t offset_bytes, uint32_t area_class)
{
	struct covbuf_header *header = segment->header;
	struct covbuf_area *area = &segment->areas[i];
	uint64_t generation = COVBUF_FLAG_GENERATION(covb_load(&area->flag));

	covb_store(&area->offset_bytes, offset_bytes);
	covb_store(&area->area_class, area_class);
	/* release: partner is the acquire of covb_flag_take(); a taker sees the entry and the guard words */
	covb_store_release(&area->flag, COVBUF_FLAG(generation, 0, COVBUF_AREA_FREE));
	segment->made[i] = (struct covb_made){ .offset_bytes = offset_bytes, .area_class = area_class };
	if (i == segment->nr_made) {
		segment->nr_made++;
		/* release: partner is the acquire of whoever walks the directory */
		covb_store_release(&header->nr_areas, segment->nr_made);
	} else {
		segment->nr_retired--;
		covb_store(&header->nr_retired, segment->nr_retired);
	}
	/* release: partner is the acquire in worth_trying() of core/chain.c; who sees the number finds the area */
	covb_fetch_add_acq_rel(&header->classes[area_class].grown, 1);
}

static int make_area(struct covbuf_segment *segment, uint32_t area_class)
{
	uint64_t bytes = covbuf_class_bytes(area_class), offset_bytes;
	uint32_t entry;
	int err = find_entry(segment, &entry);

	if (err)
		return err;
	err = take_storage(segment, bytes, &offset_bytes);
	if (err)
		return err;
	prepare_words(segment, offset_bytes, bytes);
	publish(segment, entry, offset_bytes, area_class);
	return 0;
}

/*
 * Takers look at so many areas from the hint on, so before it there must be nothing that is free: in a
 * recording the areas that are finished stay, and become more and more.
 */
static void set_hint(struct covbuf_segment *segment, uint32_t area_class)
{
	for (uint32_t i = 0; i < segment->nr_made; i++) {
		if (segment->made[i].area_class != area_class || !segment->made[i].offset_bytes ||
		    COVBUF_FLAG_STATE(covb_load(&segment->areas[i].flag)) != COVBUF_AREA_FREE)
			continue;
		/* relaxed: any value is safe */
		covb_store(&segment->header->classes[area_class].hint, i);
		return;
	}
}

/* A thread that was cancelled with the lock would keep it. Returns what unlock_maker() wants. */
static int lock_maker(struct covbuf_segment *segment)
{
	int cancel_state;

	pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &cancel_state);
	pthread_mutex_lock(&segment->grow_lock);
	return cancel_state;
}

static void unlock_maker(struct covbuf_segment *segment, int cancel_state)
{
	pthread_mutex_unlock(&segment->grow_lock);
	pthread_setcancelstate(cancel_state, &cancel_state);
}

/*
 * Run body under the maker's lock, and behind a guard: somebody may cut the file. -EIO then: what was half done stays
 * so, as does the rest of the segment. Nothing of the arena's is in the segment, so none of its locks is left held.
 */
static int run_locked(struct covbuf_segment *segment, int (*body)(struct covbuf_segment *, uint32_t, uint32_t),
		      uint32_t area_class, uint32_t nr)
{
	int cancel_state = lock_maker(segment);
	struct covb_guard guard;
	int answer = covb_guard_push(&guard, segment->base, segment->layout.limit_bytes);

	if (!answer) {
		if (sigsetjmp(guard.env, 0)) {
			answer = -EIO;
		} else {
			covb_guard_arm(&guard);
			answer = body(segment, area_class, nr);
		}
		covb_guard_pop(&guard);
	}
	unlock_maker(segment, cancel_state);
	return answer;
}

static int grow_locked(struct covbuf_segment *segment, uint32_t area_class, uint32_t nr)
{
	int err = 0, made = 0;

	while (!err && made < (int)nr) {
		err = make_area(segment, area_class);
		made += !err;
	}
	set_hint(segment, area_class);
	return made || !err ? made : err;
}

int covbuf_segment_grow(struct covbuf_segment *segment, uint32_t area_class, uint32_t nr)
{
	int err = check_maker(segment);

	if (err)
		return err;
	if (area_class >= COVBUF_NR_CLASSES || nr > INT32_MAX)
		return -EINVAL;
	return run_locked(segment, grow_locked, area_class, nr);
}

/* Take area i out of the pool for good, if it is in it. */
static bool retire_area(struct covbuf_segment *segment, uint32_t i)
{
	struct covb_made *made = &segment->made[i];
	struct covbuf_area *area = &segment->areas[i];
	uint64_t flag;

	if (!covb_flag_take(area, COVB_HOLDER_MAKER, &flag) || !covb_flag_move(area, &flag, 0, COVBUF_AREA_RETIRED))
		return false;
	covb_arena_give(segment->arena, made->offset_bytes, covbuf_class_bytes(made->area_class));
	made->offset_bytes = 0;
	segment->nr_retired++;
	covb_store(&segment->header->nr_retired, segment->nr_retired);
	return true;
}

/* From the end, so that the file may be cut. */
static int retire_locked(struct covbuf_segment *segment, uint32_t area_class, uint32_t nr)
{
	int retired = 0;

	for (uint32_t i = segment->nr_made; i-- > 0 && retired < (int)nr;)
		if (segment->made[i].offset_bytes && segment->made[i].area_class == area_class)
			retired += retire_area(segment, i);
	return retired;
}

int covbuf_segment_shrink(struct covbuf_segment *segment, uint32_t area_class, uint32_t nr)
{
	int err = check_maker(segment);

	if (err)
		return err;
	if (area_class >= COVBUF_NR_CLASSES || nr > INT32_MAX)
		return -EINVAL;
	return run_locked(segment, retire_locked, area_class, nr);
}

/* Where the last area that is in use ends. */
static uint64_t find_end(const struct covbuf_segment *segment)
{
	uint64_t end_bytes = segment->layout.data_offset_bytes;

	for (uint32_t i = 0; i < segment->nr_made; i++) {
		const struct covb_made *made = &segment->made[i];

		if (made->offset_bytes && made->offset_bytes + covbuf_class_bytes(made->area_class) > end_bytes)
			end_bytes = made->offset_bytes + covbuf_class_bytes(made->area_class);
	}
	return end_bytes;
}

static int trim_locked(struct covbuf_segment *segment, uint32_t area_class, uint32_t nr)
{
	uint64_t end_bytes;

	(void)nr;
	for (area_class = 0; area_class < COVBUF_NR_CLASSES; area_class++)
		retire_locked(segment, area_class, INT32_MAX);
	end_bytes = find_end(segment);
	/* the number first: a reader between the two finds more storage than it needs */
	covb_store_release(&segment->header->size_bytes, end_bytes);
	if (!ftruncate(segment->fd, (off_t)end_bytes)) {
		segment->size_bytes = end_bytes;
		return 0;
	}
	covb_store_release(&segment->header->size_bytes, segment->size_bytes);
	/* EPERM: a memfd is sealed; its storage has been given back all the same */
	return errno == EPERM ? 0 : -errno;
}

int covbuf_segment_trim(struct covbuf_segment *segment)
{
	int err = check_maker(segment);

	return err ? err : run_locked(segment, trim_locked, 0, 0);
}

static uint32_t count_free(const struct covbuf_segment *segment, uint32_t area_class)
{
	uint32_t nr = covb_segment_nr_areas(segment), nr_free = 0;

	for (uint32_t i = 0; i < nr; i++)
		nr_free += COVBUF_FLAG_STATE(covb_load(&segment->areas[i].flag)) == COVBUF_AREA_FREE &&
			   covb_load(&segment->areas[i].area_class) == area_class;
	return nr_free;
}

/* 0 where the file has been cut. */
uint32_t covbuf_segment_free_areas(struct covbuf_segment *segment, uint32_t area_class)
{
	struct covb_guard guard;
	uint32_t nr_free;

	if (!segment->base || covb_guard_push(&guard, segment->base, segment->layout.limit_bytes))
		return 0;
	if (sigsetjmp(guard.env, 0)) {
		covb_guard_pop(&guard);
		return 0;
	}
	covb_guard_arm(&guard);
	nr_free = count_free(segment, area_class);
	covb_guard_pop(&guard);
	return nr_free;
}
