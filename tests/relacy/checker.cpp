// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * The engine's atomics, answered by Relacy: each address has the last few values that were stored there,
 * with who can have seen them, and a load may find any that C11 allows. Which accesses must not race is
 * for races.cpp.
 */
#include "checker.h"

#include <cstdio>
#include <cstdlib>
#include <cstring>

namespace {

const unsigned HISTORY = rl::atomic_history_size;
const size_t MAX_CELLS = 4096;

uint64_t peek(const volatile void *p, uint32_t bytes)
{
	uint64_t value = 0;

	std::memcpy(&value, const_cast<const void *>(p), bytes);
	return value;
}

void poke(volatile void *p, uint32_t bytes, uint64_t value)
{
	std::memcpy(const_cast<void *>(p), &value, bytes);
}

/* ---- values ------------------------------------------------------------------------------------ */

/*
 * An address that was accessed as one. The newest value is what stands in memory; a plain store may have
 * put it there. Where an access is smaller than one before it the cell is split, and a larger one goes to
 * each in turn: to a reader the parts come one by one.
 */
struct cell {
	uint32_t at, bytes;
	uint64_t value[HISTORY];
	rl::atomic_data_impl<COVB_MODEL_NR_THREADS> data;

	uint32_t end() const
	{
		return at + bytes;
	}

	char *address() const
	{
		return __start_covb_shared + at;
	}

	uint64_t newest()
	{
		return value[data.current_index_ % HISTORY] = peek(address(), bytes);
	}

	void set(unsigned index, uint64_t v)
	{
		value[index] = v;
		poke(address(), bytes, v);
	}
};

char cell_memory[MAX_CELLS * sizeof(cell)] __attribute__((__aligned__(16)));
cell *const cells = (cell *)cell_memory;
uint32_t nr_cells;
uint16_t cell_at[SHARED_BYTES]; /* index + 1 */

void own_bytes(cell &c)
{
	for (uint32_t i = c.at; i < c.end(); i++)
		cell_at[i] = (uint16_t)(&c - cells + 1);
}

cell &new_cell(uint32_t at, uint32_t bytes)
{
	if (nr_cells == MAX_CELLS) {
		std::fprintf(stderr, "relacy: more than %u words in one execution\n", (unsigned)MAX_CELLS);
		std::abort();
	}
	cell &c = cells[nr_cells++];
	c.at = at;
	c.bytes = bytes;
	own_bytes(c);
	return c;
}

/* What stands there was stored before the threads began: all of them see it. */
cell &first_touch(uint32_t at, uint32_t end)
{
	uint32_t bytes = 0;

	do
		bytes++;
	while (at + bytes < end && (at + bytes) % 8 && !cell_at[at + bytes]);
	cell &c = new_cell(at, bytes);
	::new (&c.data) rl::atomic_data_impl<COVB_MODEL_NR_THREADS>();
	unsigned index = rl::ctx().threadx_->atomic_init(&c.data);
	for (int i = 0; i < COVB_MODEL_NR_THREADS; i++)
		c.data.history_[index].first_seen_order_[i] = (rl::timestamp_t)-1;
	c.newest();
	return c;
}

/* Cut c at an offset; returns the part behind it. */
cell &split(cell &c, uint32_t at)
{
	uint32_t before = at - c.at;

	c.newest();
	cell &rest = new_cell(at, c.bytes - before);
	::new (&rest.data) rl::atomic_data_impl<COVB_MODEL_NR_THREADS>();
	for (unsigned i = 0; i < HISTORY; i++)
		rest.data.history_[i] = c.data.history_[i];
	rest.data.current_index_ = c.data.current_index_;
	for (unsigned i = 0; i < HISTORY; i++) {
		rest.value[i] = c.value[i] >> 8 * before;
		c.value[i] &= (1ull << 8 * before) - 1;
	}
	c.bytes = before;
	return rest;
}

/* The cell that begins at an offset, and ends no later than this. */
cell &cell_of(uint32_t at, uint32_t end)
{
	cell *c = cell_at[at] ? &cells[cell_at[at] - 1] : &first_touch(at, end);

	if (c->at < at)
		c = &split(*c, at);
	if (c->end() > end)
		split(*c, end);
	c->newest();
	return *c;
}

uint64_t part(uint64_t value, const cell &c, uint32_t at)
{
	value >>= 8 * (c.at - at);
	return c.bytes == 8 ? value : value & ((1ull << 8 * c.bytes) - 1);
}

/* ---- orders ------------------------------------------------------------------------------------ */

const uint8_t orders[COVB_MODEL_NR_OPS] = {
	0, WEAKER_ACQUIRE, 0, WEAKER_RELEASE, WEAKER_ACQUIRE, WEAKER_ACQUIRE | WEAKER_RELEASE, 0,
	WEAKER_ACQUIRE | WEAKER_RELEASE, 0, 0, WEAKER_ACQUIRE, WEAKER_RELEASE, WEAKER_ACQUIRE | WEAKER_RELEASE,
	WEAKER_RELEASE, WEAKER_ACQUIRE, WEAKER_ACQUIRE | WEAKER_RELEASE | WEAKER_FULL,
	WEAKER_ACQUIRE | WEAKER_RELEASE | WEAKER_FULL,
};

/* What is left of the order at this place, and note that somebody came by. */
unsigned order_at(covb_model_site *site)
{
	site->reached = 1;
	return orders[site->op] & ~site->weaker;
}

typedef rl::thread_info_base thread_t;

unsigned do_load(cell &c, unsigned order)
{
	thread_t &t = *rl::ctx().threadx_;

	return order & WEAKER_ACQUIRE ? t.atomic_load_acquire(&c.data) : t.atomic_load_relaxed(&c.data);
}

unsigned do_load_newest(cell &c, unsigned order)
{
	thread_t &t = *rl::ctx().threadx_;

	return order & WEAKER_ACQUIRE ? t.atomic_load_acquire_rmw(&c.data) : t.atomic_load_relaxed_rmw(&c.data);
}

unsigned do_rmw(cell &c, unsigned order)
{
	thread_t &t = *rl::ctx().threadx_;
	bool aba;

	switch (order & (WEAKER_ACQUIRE | WEAKER_RELEASE)) {
	case 0:
		return t.atomic_rmw_relaxed(&c.data, aba);
	case WEAKER_ACQUIRE:
		return t.atomic_rmw_acquire(&c.data, aba);
	case WEAKER_RELEASE:
		return t.atomic_rmw_release(&c.data, aba);
	default:
		return t.atomic_rmw_acq_rel(&c.data, aba);
	}
}

bool threads_run;
uint32_t in_the_name_of;

} // namespace

uint8_t checker_orders(uint8_t op)
{
	return orders[op];
}

void checker_begin()
{
	races_begin();
	nr_cells = 0;
	std::memset(cell_at, 0, sizeof(cell_at));
	threads_run = false;
	in_the_name_of = COVB_MODEL_NR_THREADS;
	covb_model_reset();
}

void checker_threads(bool run)
{
	threads_run = run;
}

/* ---- what the engine calls --------------------------------------------------------------------- */

uint64_t covb_model_load(const volatile void *p, uint32_t bytes, covb_model_site *site)
{
	uint32_t at = (uint32_t)shared_offset(p), end = at + bytes;
	uint64_t value = 0;
	place where = place_of(p);

	if (!threads_run || where == PRIVATE)
		return peek(p, bytes);
	if (where == HANDED) {
		order_at(site);
		check(p, bytes, PLAIN, site, 0);
		log(site, p, peek(p, bytes), "handed: load");
		return peek(p, bytes);
	}
	rl::ctx().sched();
	for (uint32_t next = at; next < end;) {
		cell &c = cell_of(next, end);

		value |= c.value[do_load(c, order_at(site))] << 8 * (c.at - at);
		next = c.end();
	}
	check(p, bytes, 0, site, 0);
	log(site, p, value);
	return value;
}

void covb_model_store(volatile void *p, uint32_t bytes, uint64_t value, covb_model_site *site)
{
	uint32_t at = (uint32_t)shared_offset(p), end = at + bytes;
	place where = place_of(p);

	if (threads_run && where == SHARED) {
		rl::ctx().sched();
		log(site, p, value);
		/* whoever reads it beside us reads the same: adopting an owner counts on that */
		bool news = peek(p, bytes) != value;
		for (uint32_t next = at; next < end;) {
			cell &c = cell_of(next, end);
			thread_t &t = *rl::ctx().threadx_;

			c.set(order_at(site) & WEAKER_RELEASE ? t.atomic_store_release(&c.data) :
								t.atomic_store_relaxed(&c.data),
			      part(value, c, at));
			next = c.end();
		}
		check(p, bytes, news ? WRITE : SAME, site, 0);
		return;
	}
	if (threads_run && where == HANDED) {
		order_at(site);
		check(p, bytes, WRITE | PLAIN, site, 0);
		log(site, p, value, "handed: store");
	}
	poke(p, bytes, value);
}

static uint64_t combine(uint8_t op, uint64_t old, uint64_t value)
{
	switch (op) {
	case COVB_MODEL_ADD:
	case COVB_MODEL_ADD_ACQ_REL:
		return old + value;
	case COVB_MODEL_OR:
		return old | value;
	default:
		return value;
	}
}

/* A read-modify-write of several cells is not atomic; there is none. */
static cell &whole_cell(const volatile void *p, uint32_t bytes)
{
	uint32_t at = (uint32_t)shared_offset(p);
	cell &c = cell_of(at, at + bytes);

	if (c.bytes != bytes) {
		std::fprintf(stderr, "relacy: a read-modify-write of what is also accessed in parts\n");
		std::abort();
	}
	return c;
}

uint64_t covb_model_rmw(volatile void *p, uint32_t bytes, uint64_t value, covb_model_site *site)
{
	uint64_t old;
	place where = place_of(p);

	if (!threads_run || where != SHARED) {
		if (threads_run && where == HANDED)
			check(p, bytes, WRITE | PLAIN, site, 0);
		old = peek(p, bytes);
		poke(p, bytes, combine(site->op, old, value));
		return old;
	}
	rl::ctx().sched();
	cell &c = whole_cell(p, bytes);
	old = c.newest();
	c.set(do_rmw(c, order_at(site)), part(combine(site->op, old, value), c, c.at));
	check(p, bytes, WRITE, site, 0);
	log(site, p, value);
	return old;
}

/* It may fail because of a value that is not the newest, as any load may find one. */
bool covb_model_cas(volatile void *p, uint32_t bytes, uint64_t *seen, uint64_t value, covb_model_site *site)
{
	place where = place_of(p);
	uint64_t expected, found;
	bool done;

	if (!threads_run || where != SHARED) {
		if (threads_run && where == HANDED)
			check(p, bytes, WRITE | PLAIN, site, 0);
		found = peek(p, bytes);
		done = found == *seen;
		if (done)
			poke(p, bytes, value);
		*seen = found;
		return done;
	}
	rl::ctx().sched();
	cell &c = whole_cell(p, bytes);
	unsigned order = order_at(site);
	/* of all that fail only acq_rel's acquires */
	unsigned failing = site->op == COVB_MODEL_CAS_ACQ_REL ? order & WEAKER_ACQUIRE : 0;

	expected = part(*seen, c, c.at);
	found = c.newest();
	if (found != expected || rl::ctx().rand(4, rl::sched_type_atomic_load) == 0)
		found = c.value[do_load(c, failing)];
	done = found == expected && c.newest() == expected;
	if (done)
		c.set(do_rmw(c, order), part(value, c, c.at));
	else if (found == expected) /* an old value that is the expected one: the newest is not */
		found = c.value[do_load_newest(c, failing)];
	check(p, bytes, done ? WRITE : 0, site, 0);
	log(site, p, done ? value : found, done ? 0 : "cas fails");
	*seen = found;
	return done;
}

void covb_model_fence(covb_model_site *site)
{
	rl::context &c = rl::ctx();

	if (!threads_run)
		return;
	unsigned order = order_at(site);
	if (order & WEAKER_FULL) {
		c.atomic_thread_fence_seq_cst();
	} else {
		c.sched();
		if (order & WEAKER_ACQUIRE)
			c.atomic_thread_fence_acquire();
		if (order & WEAKER_RELEASE)
			c.atomic_thread_fence_release();
	}
	log(site, 0, 0);
}

void covb_model_local_add(uint64_t *p, uint64_t value, covb_model_site *site)
{
	if (threads_run && place_of(p) == SHARED) {
		rl::ctx().sched();
		cell &c = whole_cell(p, 8);
		uint64_t sum = c.newest() + value;

		/* a load and a store: nobody else stores there */
		do_load(c, 0);
		c.set(rl::ctx().threadx_->atomic_store_relaxed(&c.data), sum);
		check(p, 8, WRITE, site, 0);
		log(site, p, sum);
		return;
	}
	if (threads_run && place_of(p) == HANDED)
		check(p, 8, WRITE | PLAIN, site, 0);
	*p += value;
}

bool covb_model_local_cas(uint64_t *p, uint64_t old, uint64_t value, covb_model_site *site)
{
	if (threads_run && place_of(p) == SHARED) {
		std::fprintf(stderr, "relacy: %s:%u: a local compare-and-swap of what is shared\n", site->file, site->line);
		std::abort();
	}
	if (threads_run && place_of(p) == HANDED)
		check(p, 8, WRITE | PLAIN, site, 0);
	if (*p != old)
		return false;
	*p = value;
	return true;
}

/* ---- what scenarios and the platform call ------------------------------------------------------ */

uint32_t covb_model_thread()
{
	return threads_run ? (uint32_t)rl::ctx().threadx_->index_ : in_the_name_of;
}

void covb_model_be(uint32_t thread)
{
	in_the_name_of = thread;
}

uint32_t covb_model_choose(uint32_t n)
{
	return rl::ctx().rand(n, rl::sched_type_user);
}

void covb_model_yield()
{
	if (threads_run)
		rl::ctx().yield(1, $);
}

void covb_model_sleep(uint32_t *word, uint32_t value)
{
	rl::ctx().sched();
	cell &c = whole_cell(word, 4);

	/* the kernel looks under a lock that the waker takes, too */
	if (c.newest() == value)
		rl::ctx().threadx_->atomic_wait(&c.data, false, false, $);
}

void covb_model_wake(uint32_t *word)
{
	rl::ctx().sched();
	rl::ctx().threadx_->atomic_wake(&whole_cell(word, 4).data, COVB_MODEL_NR_THREADS, $);
}

/* ---- what the compiler calls ------------------------------------------------------------------- */

bool checker_threads_run()
{
	return threads_run;
}

/* The value follows: it is what stands there at the next access. */
void checker_plain_store(const volatile void *p, size_t bytes)
{
	uint32_t at = (uint32_t)shared_offset(p), end = at + (uint32_t)bytes;

	while (at < end) {
		cell &c = cell_of(at, end);

		rl::ctx().threadx_->atomic_store_relaxed(&c.data);
		at = c.end();
	}
}
