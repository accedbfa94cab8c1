/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Handles: from the u64 that names an owner to the owner, wait-free, from any level.
 *
 * Open addressing, key and value side by side. Readers take no lock and no RCU, because they run in
 * signal handlers and interrupts; so a table is never freed while the engine lives. It grows by
 * doubling, and its predecessors together are smaller than it is.
 *
 * A slot whose handle was removed is used again, with a serial number in its value raised. A reader
 * reads value, key, value: the same value twice means that the key in between belongs to it.
 */
#include "engine.h"

#define MIN_SLOTS 64
#define KEY_EMPTY 0ull
#define KEY_REMOVED (~0ull) /* not a handle: its middle bytes are not zero */


/* value: serial << 48 | owner's generation << 16 | owner's index */
#define VALUE(serial, generation, index)                                                           \
	((uint64_t)(serial) << 48 | (uint64_t)(generation) << 16 | (uint64_t)(index))
#define VALUE_SERIAL(v) ((v) >> 48)

struct slot {
	uint64_t key;	/* release after value; readers acquire */
	uint64_t value; /* release; readers acquire */
};

struct covb_handle_table {
	uint64_t mask;
	uint32_t shift; /* 64 less the bits of mask */
	uint64_t nr_used; /* keys and removed keys; under the lock */
	uint64_t nr_keys;
	struct covb_handle_table *older;
	struct slot slots[];
};

/*
 * Fibonacci hashing (Knuth, TAOCP 6.4): the top bits of the product, which spread numbers that are given
 * out in turn evenly, so that most are found at the first look.
 */
static COVBUF_NOINSTR uint64_t first_slot(const struct covb_handle_table *table, uint64_t key)
{
	return key * 0x9e3779b97f4a7c15ull >> table->shift;
}

/* The slot of a key, or NULL. Bounded by the table. */
static COVBUF_NOINSTR struct slot *find_slot(struct covb_handle_table *table, uint64_t key)
{
	uint64_t i = first_slot(table, key);

	for (uint64_t n = 0; n <= table->mask; n++, i++) {
		struct slot *slot = &table->slots[i & table->mask];
		uint64_t seen = covb_load_acquire(&slot->key);

		if (seen == key)
			return slot;
		if (seen == KEY_EMPTY)
			return NULL;
	}
	return NULL;
}

/*
 * The owner that has enabled a handle, and the generation of the owner that was meant; or NULL. The
 * caller compares the generation after it has read the owner's sequence.
 */
COVBUF_NOINSTR struct covbuf_owner *covb_handle_find(uint64_t handle, uint32_t *generation)
{
	/* acquire: partner is the release in replace_table(); the slots are there before the table is */
	struct covb_handle_table *table = covb_load_acquire(&covb_engine.handles);
	struct slot *slot;
	uint64_t value;

	if (!table || handle == KEY_EMPTY || handle == KEY_REMOVED)
		return NULL;
	slot = find_slot(table, handle);
	if (COVBUF_UNLIKELY(!slot))
		return NULL;
	/* acquire twice: value, key, value in this order; partners are the releases in set_slot() */
	value = covb_load_acquire(&slot->value);
	if (covb_load_acquire(&slot->key) != handle || covb_load(&slot->value) != value)
		return NULL; /* removed, or moved, while we looked */
	*generation = (uint32_t)(value >> 16);
	return (value & 0xffff) < covb_engine.nr_owners ? &covb_engine.owners[value & 0xffff] : NULL;
}

static void set_slot(struct slot *slot, uint64_t key, uint64_t value)
{
	/* release, in this order: a reader that sees the new value twice cannot have seen the old key between */
	covb_store_release(&slot->value, VALUE(VALUE_SERIAL(slot->value) + 1, value >> 16, value & 0xffff));
	covb_store_release(&slot->key, key);
}

/* Where a key that is not there goes: the first removed slot of its run, else the empty one. */
static struct slot *free_slot(struct covb_handle_table *table, uint64_t key)
{
	struct slot *removed = NULL;
	uint64_t i = first_slot(table, key);

	for (uint64_t n = 0; n <= table->mask; n++, i++) {
		struct slot *slot = &table->slots[i & table->mask];

		if (slot->key == KEY_REMOVED && !removed)
			removed = slot;
		if (slot->key == KEY_EMPTY)
			return removed ? removed : slot;
	}
	return removed;
}

static void insert(struct covb_handle_table *table, uint64_t key, uint64_t value)
{
	struct slot *slot = free_slot(table, key);

	if (slot->key == KEY_EMPTY)
		table->nr_used++;
	table->nr_keys++;
	set_slot(slot, key, value);
}

/* A table with room for more, holding all that the present one holds. */
static int replace_table(void)
{
	struct covb_handle_table *old = covb_engine.handles, *table;
	uint64_t nr_slots = old ? (old->mask + 1) * 2 : MIN_SLOTS;

	table = covb_plat_zalloc(sizeof(*table) + nr_slots * sizeof(table->slots[0]));
	if (!table)
		return -COVB_ENOMEM;
	table->mask = nr_slots - 1;
	table->shift = 64 - (uint32_t)__builtin_ctzll(nr_slots);
	table->older = old;
	for (uint64_t i = 0; old && i <= old->mask; i++)
		if (old->slots[i].key != KEY_EMPTY && old->slots[i].key != KEY_REMOVED)
			insert(table, old->slots[i].key, old->slots[i].value & ((1ull << 48) - 1));
	covb_store_release(&covb_engine.handles, table);
	return 0;
}

/* Under covb_plat_lock(). -EEXIST: somebody has it. */
int covb_handle_add(uint64_t handle, const struct covbuf_owner *owner)
{
	struct covb_handle_table *table = covb_engine.handles;

	if (table && find_slot(table, handle))
		return -COVB_EEXIST;
	/* at most half full, so that runs stay short */
	if (!table || (table->nr_used + 1) * 2 > table->mask + 1) {
		int err = replace_table();

		if (err)
			return err;
		table = covb_engine.handles;
	}
	insert(table, handle, VALUE(0, owner->generation, owner->index));
	return 0;
}

/* Nobody looks for a handle any more. */
void covb_handles_free(void)
{
	struct covb_handle_table *table = covb_engine.handles, *older;

	covb_engine.handles = NULL;
	for (; table; table = older) {
		older = table->older;
		covb_plat_free(table);
	}
}

/* Under covb_plat_lock(). A slot at the end of its run becomes empty again, and so do removed ones before it. */
void covb_handle_remove(uint64_t handle)
{
	struct covb_handle_table *table = covb_engine.handles;
	struct slot *slot = table ? find_slot(table, handle) : NULL;
	uint64_t i;

	if (!slot)
		return;
	covb_store_release(&slot->key, KEY_REMOVED);
	table->nr_keys--;
	i = (uint64_t)(slot - table->slots);
	if (table->slots[(i + 1) & table->mask].key != KEY_EMPTY)
		return;
	for (; table->slots[i & table->mask].key == KEY_REMOVED; i--) {
		covb_store_release(&table->slots[i & table->mask].key, KEY_EMPTY);
		table->nr_used--;
	}
}
