// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * The engine's memory in a kernel: its tables, the pool of areas, and targets that clients map. There is
 * no segment: the directory names areas by address.
 */
#include <linux/delay.h>
#include <linux/mm.h>
#include <linux/mutex.h>
#include <linux/slab.h>
#include <linux/vmalloc.h>

#include "kernel.h"

struct covb_engine covb_engine;

static struct {
	uint32_t nr_areas, wake, nr_waiting, module_generation;
	uint64_t lost_contexts;
	struct covbuf_class classes[COVBUF_NR_CLASSES];
	struct covbuf_proc kernel; /* the only one */
} shared;

static DEFINE_MUTEX(engine_lock);
static DEFINE_MUTEX(pool_lock); /* the number and class of areas */
static uint32_t pool_class;

/* ---- what the engine asks -------------------------------------------------------------------- */

void covb_plat_lock(void)
{
	mutex_lock(&engine_lock);
}

void covb_plat_unlock(void)
{
	mutex_unlock(&engine_lock);
}

void *covb_plat_zalloc(size_t bytes)
{
	return kvzalloc(bytes, GFP_KERNEL);
}

void covb_plat_free(void *p)
{
	kvfree(p);
}

bool covb_memory_for(uint64_t bytes)
{
	unsigned long spare = totalram_pages() / 16, available = si_mem_available();

	return available > spare && bytes >> PAGE_SHIFT < available - spare;
}

uint64_t *covb_plat_target_alloc(uint64_t nr_words)
{
	return covb_memory_for(nr_words * 8) ? vmalloc_user(nr_words * 8) : NULL;
}

void covb_plat_target_free(uint64_t *words)
{
	vfree(words);
}

uint64_t *covb_plat_locate(uint64_t offset_bytes, uint64_t bytes)
{
	return (uint64_t *)(uintptr_t)offset_bytes;
}

/* Areas are made when somebody asks for them, not when somebody lacks one. */
bool covb_plat_grow(uint32_t area_class)
{
	return false;
}

bool covb_plat_process_gone(uint32_t proc)
{
	return false;
}

/* Sleeps: whoever is waited for may be a task of lower priority on this CPU. */
void covb_plat_relax(void)
{
	usleep_range(10, 50);
}

void covb_plat_identify(uint32_t *pid, uint32_t *tid, char *name)
{
	*pid = task_tgid_nr(current);
	*tid = task_pid_nr(current);
	strscpy_pad(name, current->comm, 16);
}

/* The exit probe does it. */
bool covb_plat_close_at_exit(struct covbuf_context *ctx)
{
	return true;
}

/* Every owner has a target, so what is finished is merged, and nobody waits for it. */
void covb_plat_wake(uint32_t *word)
{
}

static void call_back(struct rcu_head *head)
{
	struct covb_rcu_head *covb = container_of(head, struct covb_rcu_head, head);

	covb->fn(covb);
}

void covb_plat_call_rcu(struct covb_rcu_head *head, void (*fn)(struct covb_rcu_head *head))
{
	head->fn = fn;
	call_rcu(&head->head, call_back);
}

/* ---- tables ---------------------------------------------------------------------------------- */

int covb_engine_init(uint32_t nr_owners, uint32_t nr_contexts)
{
	struct covb_engine *e = &covb_engine;

	e->nr_procs = 1;
	e->nr_contexts = nr_contexts;
	e->nr_owners = nr_owners;
	e->nr_areas_max = COVB_AREAS_MAX;
	e->procs = &shared.kernel;
	e->classes = shared.classes;
	e->nr_areas = &shared.nr_areas;
	e->wake = &shared.wake;
	e->nr_waiting = &shared.nr_waiting;
	e->module_generation = &shared.module_generation;
	e->lost_contexts = &shared.lost_contexts;
	e->areas = vzalloc(array_size(e->nr_areas_max, sizeof(*e->areas)));
	e->frames = vzalloc(array_size(e->nr_areas_max, sizeof(*e->frames)));
	e->owner_slots = vzalloc(array_size(nr_owners, sizeof(*e->owner_slots)));
	e->owners = vzalloc(array_size(nr_owners, sizeof(*e->owners)));
	e->contexts = vzalloc(array_size(nr_contexts, sizeof(*e->contexts)));
	e->privates = vzalloc(array_size(nr_contexts, sizeof(*e->privates)));
	if (!e->areas || !e->frames || !e->owner_slots || !e->owners || !e->contexts || !e->privates) {
		covb_engine_fini();
		return -ENOMEM;
	}
	/* release: partner is the acquire in covb_attached() */
	covb_store_release(&e->state, COVB_ENGINE_ATTACHED);
	return 0;
}

void covb_engine_fini(void)
{
	struct covb_engine *e = &covb_engine;

	for (uint32_t i = 0; e->areas && i < shared.nr_areas; i++)
		vfree((void *)(uintptr_t)e->areas[i].offset_bytes);
	covb_handles_free();
	vfree(e->privates);
	vfree(e->contexts);
	vfree(e->owners);
	vfree(e->owner_slots);
	vfree(e->frames);
	vfree(e->areas);
}

bool covb_sections_open(void)
{
	for (uint32_t i = 0; i < covb_load(&shared.nr_areas); i++)
		if (COVBUF_FLAG_STATE(covb_load(&covb_engine.areas[i].flag)) == COVBUF_AREA_HELD)
			return true;
	for (uint32_t i = 0; i < covb_engine.nr_contexts; i++)
		for (uint32_t v = 0; v < COVB_PLAT_NR_VOID_FRAMES; v++)
			if (covb_load(&covb_engine.privates[i].voids[v].flag))
				return true;
	return false;
}

/* ---- the pool -------------------------------------------------------------------------------- */

static bool is_area(const struct covbuf_area *area)
{
	uint32_t state = COVBUF_FLAG_STATE(covb_load(&area->flag));

	return state != COVBUF_AREA_NONE && state != COVBUF_AREA_RETIRED;
}

uint32_t covb_pool_class(void)
{
	return covb_load(&pool_class);
}

uint32_t covb_pool_count(void)
{
	uint32_t nr = 0;

	for (uint32_t i = 0; i < covb_load(&shared.nr_areas); i++)
		nr += is_area(&covb_engine.areas[i]);
	return nr;
}

/* An entry that is not in use. */
static struct covbuf_area *free_entry(void)
{
	uint32_t i = 0;

	while (i < shared.nr_areas && is_area(&covb_engine.areas[i]))
		i++;
	return i < COVB_AREAS_MAX ? &covb_engine.areas[i] : NULL;
}

static int add_area(void)
{
	struct covbuf_area *area = free_entry();
	uint64_t bytes = covbuf_class_bytes(pool_class);
	void *words;

	if (!area)
		return -EINVAL;
	words = vzalloc(bytes);
	if (!words)
		return -ENOMEM;
	covb_store(&area->offset_bytes, (uint64_t)(uintptr_t)words);
	covb_store(&area->area_class, pool_class);
	/* release: partners are covb_flag_take() and, for the number, covb_pool_take() */
	covb_store_release(&area->flag,
			   COVBUF_FLAG(COVBUF_FLAG_GENERATION(area->flag) + 1, 0, COVBUF_AREA_FREE));
	if (area == &covb_engine.areas[shared.nr_areas])
		covb_store_release(&shared.nr_areas, shared.nr_areas + 1);
	return 0;
}

/* False: it is in use. Nobody looks at the words of an area that is free. */
static bool remove_area(struct covbuf_area *area)
{
	void *words = (void *)(uintptr_t)area->offset_bytes;
	uint64_t flag;

	if (!covb_flag_take(area, 0, &flag))
		return false;
	covb_store(&area->offset_bytes, 0);
	covb_flag_move(area, &flag, 0, COVBUF_AREA_RETIRED);
	vfree(words);
	return true;
}

static uint32_t remove_areas(uint32_t nr)
{
	uint32_t removed = 0;

	for (uint32_t i = shared.nr_areas; i-- > 0 && removed < nr;)
		removed += remove_area(&covb_engine.areas[i]);
	return removed;
}

static int resize_locked(uint32_t nr_areas)
{
	uint32_t before = covb_pool_count(), nr = before;
	int err = 0;

	if (nr_areas > COVB_AREAS_MAX)
		return -EINVAL;
	if (nr_areas < nr)
		return remove_areas(nr - nr_areas) == nr - nr_areas ? 0 : -EBUSY;
	if (!covb_memory_for((nr_areas - nr) * covbuf_class_bytes(pool_class)))
		return -ENOMEM;
	for (; nr < nr_areas && !err; nr += !err)
		err = add_area();
	if (err)
		remove_areas(nr - before);
	return err;
}

int covb_pool_resize(uint32_t nr_areas)
{
	int err;

	mutex_lock(&pool_lock);
	err = resize_locked(nr_areas);
	mutex_unlock(&pool_lock);
	return err;
}

int covb_pool_set_class(uint32_t area_class)
{
	uint32_t nr, before = pool_class;
	int err = 0;

	mutex_lock(&pool_lock);
	nr = covb_pool_count();
	if (area_class == before)
		goto unlock;
	if (remove_areas(nr) != nr)
		err = -EBUSY;
	else
		covb_store(&pool_class, area_class);
	if (!err && resize_locked(nr)) {
		/* as many as there were, of the size that they were */
		remove_areas(nr);
		covb_store(&pool_class, before);
		err = -ENOMEM;
	}
	if (err)
		resize_locked(nr);
unlock:
	mutex_unlock(&pool_lock);
	return err;
}
