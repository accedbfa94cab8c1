/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The C side of the checker's world: where everything lies, and what the engine asks of its platform.
 * Nothing here decides about order; what does is in tests/relacy.
 */
#include <linux/futex.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "world.h"
#include "../../../shm/guard.h"

#define NR_PROCS 3
#define NR_CONTEXTS 5
#define NR_OWNERS 3

/* The segment's bytes. */
static struct {
	struct covbuf_header header;
	struct covbuf_proc procs[NR_PROCS];
	struct covbuf_context_slot contexts[NR_CONTEXTS];
	struct covbuf_owner_slot owners[NR_OWNERS];
	struct covbuf_area areas[COVB_MODEL_NR_AREAS];
	uint64_t data[COVB_MODEL_NR_AREAS][128 / 8] __attribute__((__aligned__(128)));
} memory COVB_MODEL_SHARED;

struct covb_engine covb_engine COVB_MODEL_SHARED;
struct covbuf_segment covb_segment COVB_MODEL_SHARED;
uint32_t covb_model_alive COVB_MODEL_SHARED;
static struct covbuf_owner owners[NR_OWNERS] COVB_MODEL_SHARED;
static char heap[8192] COVB_MODEL_SHARED;
static struct covb_made made[COVB_MODEL_NR_AREAS] COVB_MODEL_SHARED;

static struct covbuf_context contexts[COVB_MODEL_NR_THREADS + 1] COVB_MODEL_HANDED;
static struct covb_frame frames[COVB_MODEL_NR_AREAS] COVB_MODEL_HANDED;
static struct covb_context_private privates[NR_CONTEXTS] COVB_MODEL_HANDED;
static char rooms[16384] COVB_MODEL_HANDED;

static size_t heap_used, rooms_used;
static uint64_t arena_used;

/* ---- putting it back --------------------------------------------------------------------------- */

extern char __start_covb_shared[], __stop_covb_shared[], __start_covb_handed[], __stop_covb_handed[];

void covb_model_reset(void)
{
	memset(__start_covb_shared, 0, (size_t)(__stop_covb_shared - __start_covb_shared));
	memset(__start_covb_handed, 0, (size_t)(__stop_covb_handed - __start_covb_handed));
	heap_used = 0;
	rooms_used = 0;
	arena_used = 0;
}

static struct covbuf_table table(const void *first, uint32_t nr, size_t entry_bytes)
{
	return (struct covbuf_table){
		.offset_bytes = (uint64_t)((const char *)first - (const char *)&memory),
		.nr = nr, .entry_bytes = (uint32_t)entry_bytes,
	};
}

static void open_segment(struct covbuf_segment *segment)
{
	segment->fd = -1;
	segment->lock_fd = -1;
	segment->maker = true;
	segment->consumer = true;
	segment->maker_pid = (uint32_t)getpid();
	segment->made = made;
	segment->layout = (struct covb_layout){
		.limit_bytes = sizeof(memory),
		.procs = table(memory.procs, NR_PROCS, sizeof(memory.procs[0])),
		.contexts = table(memory.contexts, NR_CONTEXTS, sizeof(memory.contexts[0])),
		.owners = table(memory.owners, NR_OWNERS, sizeof(memory.owners[0])),
		.areas = table(memory.areas, COVB_MODEL_NR_AREAS, sizeof(memory.areas[0])),
		.data_offset_bytes = (uint64_t)((char *)memory.data - (char *)&memory),
	};
	segment->base = (char *)&memory;
	segment->header = &memory.header;
	segment->procs = memory.procs;
	segment->contexts = memory.contexts;
	segment->owners = memory.owners;
	segment->areas = memory.areas;
	segment->size_bytes = segment->layout.data_offset_bytes;
	memory.header.size_bytes = segment->size_bytes;
}

/* As covbuf_attach_segment() of the userspace platform. */
void covb_model_attach(uint32_t nr_areas)
{
	struct covb_engine *e = &covb_engine;

	open_segment(&covb_segment);
	for (uint32_t i = 0; i <= COVB_MODEL_NR_THREADS; i++) {
#if COVB_PLAT_COUNTED
		covb_context_shut(&contexts[i]);
#else
		contexts[i].cursor[COVBUF_MODE_PC] = (uint64_t *)(uintptr_t)covb_unborn_words;
		contexts[i].cursor[COVBUF_MODE_CMP] = (uint64_t *)(uintptr_t)covb_unborn_words;
		contexts[i].epoch = COVBUF_EPOCH_NONE;
#endif
	}
	e->base = covb_segment.base;
	e->limit_bytes = sizeof(memory);
	e->areas = memory.areas;
	e->owner_slots = memory.owners;
	e->procs = memory.procs;
	e->contexts = memory.contexts;
	e->classes = memory.header.classes;
	e->nr_areas = &memory.header.nr_areas;
	e->wake = &memory.header.wake;
	e->nr_waiting = &memory.header.nr_waiting;
	e->queued_hints = memory.header.queued_hints;
	e->module_generation = &memory.header.module_generation;
	e->lost_contexts = &memory.header.lost_contexts;
	e->nr_procs = NR_PROCS;
	e->nr_contexts = NR_CONTEXTS;
	e->nr_owners = NR_OWNERS;
	e->owner_hint = 0;
	e->nr_areas_max = COVB_MODEL_NR_AREAS;
	e->frames = frames;
	e->privates = privates;
	e->owners = owners;
	e->proc = COVB_MODEL_PROC;
	e->epoch = 1;
	memory.procs[COVB_MODEL_PROC].state = 1u << 8 | COVBUF_PROC_LIVE;
	covb_model_alive = 1;
	e->state = COVB_ENGINE_ATTACHED;
	if (nr_areas)
		covbuf_segment_grow(&covb_segment, 0, nr_areas);
}

uint64_t *covb_model_words(uint32_t i)
{
	return memory.data[i];
}

/* ---- names --------------------------------------------------------------------------------------- */

#define PART(object, array) { #array, (const char *)(object), sizeof(object), sizeof((object)[0]) }

void covb_model_name(const void *p, char *name, size_t bytes)
{
	const struct {
		const char *name, *start;
		size_t bytes, entry_bytes;
	} parts[] = {
		PART(memory.procs, procs), PART(memory.contexts, slots), PART(memory.owners, owner_slots),
		PART(memory.areas, areas), PART(memory.data, data), PART(owners, owners), PART(contexts, contexts),
		PART(frames, frames), PART(privates, privates), PART(heap, heap), PART(rooms, rooms),
		{ "header", (const char *)&memory.header, sizeof(memory.header), sizeof(memory.header) },
		{ "engine", (const char *)&covb_engine, sizeof(covb_engine), sizeof(covb_engine) },
		{ "segment", (const char *)&covb_segment, sizeof(covb_segment), sizeof(covb_segment) },
	};

	for (size_t i = 0; i < sizeof(parts) / sizeof(parts[0]); i++) {
		size_t offset = (size_t)((const char *)p - parts[i].start);

		if (offset >= parts[i].bytes)
			continue;
		snprintf(name, bytes, "%s[%zu]+%zu", parts[i].name, offset / parts[i].entry_bytes,
			 offset % parts[i].entry_bytes);
		return;
	}
	snprintf(name, bytes, "%p", p);
}

/* ---- the engine's platform ----------------------------------------------------------------------- */

struct covbuf_context *covbuf_context(void)
{
	return &contexts[covb_model_thread()];
}

#if COVB_PLAT_COUNTED
uint64_t *covb_plat_target_alloc(uint64_t nr_words)
{
	return covb_plat_zalloc(nr_words * sizeof(uint64_t));
}

void covb_plat_target_free(uint64_t *words)
{
	(void)words;
}
#else
bool covbuf_append_slow_pc(uint64_t *slot, uint64_t pc)
{
	return covb_append_slow_pc(slot, pc);
}

bool covbuf_append_slow_cmp(uint64_t *slot, uint64_t type, uint64_t arg1, uint64_t arg2, uint64_t pc)
{
	return covb_append_slow_cmp(slot, type, arg1, arg2, pc);
}
#endif

uint64_t *covb_plat_locate(uint64_t offset_bytes, uint64_t bytes)
{
	if (offset_bytes > sizeof(memory) || bytes > sizeof(memory) - offset_bytes)
		return NULL;
	return (uint64_t *)((char *)&memory + offset_bytes);
}

void covb_plat_identify(uint32_t *pid, uint32_t *tid, char *name)
{
	(void)name;
	*pid = 100;
	*tid = covb_model_thread() + 1;
}

bool covb_plat_close_at_exit(struct covbuf_context *ctx)
{
	(void)ctx;
	return true;
}

static void *take(char *from, size_t size, size_t *used, size_t bytes)
{
	void *p = from + *used;

	bytes = (bytes + 15) & ~(size_t)15;
	if (bytes > size - *used)
		return NULL;
	*used += bytes;
	return p;
}

uint32_t *covb_plat_map_marks(uint32_t nr_sites)
{
	return take(rooms, sizeof(rooms), &rooms_used, nr_sites * sizeof(uint32_t));
}

void covb_plat_wake(uint32_t *word)
{
	covb_model_wake(word);
}

void covb_plat_lock(void)
{
	covb_model_lock();
}

void covb_plat_unlock(void)
{
	covb_model_unlock();
}

void *covb_plat_zalloc(size_t bytes)
{
	return take(heap, sizeof(heap), &heap_used, bytes);
}

void covb_plat_free(void *p)
{
	(void)p;
}

bool covb_plat_grow(uint32_t area_class)
{
	return covbuf_segment_grow(&covb_segment, area_class, 1) > 0;
}

bool covb_plat_process_gone(uint32_t proc)
{
	(void)proc;
	return false;
}

void covb_plat_relax(void)
{
	covb_model_yield();
}

/* Nobody is inside: at once. */
void covb_plat_call_rcu(struct covb_rcu_head *head, void (*fn)(struct covb_rcu_head *head))
{
	fn(head);
}

void covb_plat_rcu_read_lock(void)
{
}

void covb_plat_rcu_read_unlock(void)
{
}

/* ---- what shm/ asks of its other parts and of the system ----------------------------------------- */

int covb_arena_take(struct covb_arena *arena, uint64_t bytes, uint64_t *offset_bytes)
{
	(void)arena;
	if (bytes > sizeof(memory.data) - arena_used)
		return -COVB_ENOMEM;
	*offset_bytes = covb_segment.layout.data_offset_bytes + arena_used;
	arena_used += bytes;
	return 0;
}

void covb_arena_give(struct covb_arena *arena, uint64_t offset_bytes, uint64_t bytes)
{
	(void)arena;
	(void)offset_bytes;
	(void)bytes;
}

int covb_storage_reserve(int fd, uint64_t offset_bytes, uint64_t bytes)
{
	(void)fd;
	(void)offset_bytes;
	(void)bytes;
	return 0;
}

bool covb_storage_is(const struct covbuf_segment *segment, int fd)
{
	(void)segment;
	(void)fd;
	return true;
}

int covb_storage_lock(struct covbuf_segment *segment, uint64_t byte)
{
	(void)segment;
	(void)byte;
	return 0;
}

void covb_storage_unlock(struct covbuf_segment *segment, uint64_t byte)
{
	(void)segment;
	(void)byte;
}

bool covb_process_dead(struct covbuf_segment *segment, uint32_t proc)
{
	(void)segment;
	(void)proc;
	return false;
}

/* The memory does not go away. */
int covb_guard_push(struct covb_guard *guard, const void *base, size_t bytes)
{
	(void)guard;
	(void)base;
	(void)bytes;
	return 0;
}

void covb_guard_pop(struct covb_guard *guard)
{
	(void)guard;
}

/* What is small is watched for races. */
void *covb_model_malloc(size_t bytes)
{
	void *p = bytes < sizeof(rooms) / 2 ? take(rooms, sizeof(rooms), &rooms_used, bytes) : NULL;

	return p ? p : malloc(bytes);
}

void *covb_model_calloc(size_t nr, size_t bytes)
{
	return take(rooms, sizeof(rooms), &rooms_used, nr * bytes);
}

void covb_model_free(void *p)
{
	if ((char *)p < rooms || (char *)p >= rooms + sizeof(rooms))
		free(p);
}

/* A futex, all that shm/wait.c asks of the kernel. */
long covb_model_syscall(long number, uint32_t *word, int operation, uint32_t value, ...)
{
	(void)number;
	if (operation == FUTEX_WAKE)
		covb_model_wake(word);
	else
		covb_model_sleep(word, value);
	return 0;
}

/* The kernel copies word by word here, in order of address, and not torn. */
ssize_t covb_model_pread(int fd, void *to, size_t bytes, off_t offset)
{
	(void)fd;
	for (size_t i = 0; i < bytes / 8; i++)
		((uint64_t *)to)[i] = covb_load((const uint64_t *)(covb_segment.base + offset) + i);
	return (ssize_t)bytes;
}
