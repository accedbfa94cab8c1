/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Peers with a spinlock: KCOV's 16 lists, and twice as many lists as there are keys; and what nothing can beat. */
#include <pthread.h>
#include <stdlib.h>

#include "handle.h"
#include "kcov.h"

struct node {
	uint64_t key;
	struct node *next;
	void *owner;
};

/* ---- KCOV's ---------------------------------------------------------------------------------- */

static struct kcov kcov = { .refs = 1 };
static struct kcov_remote extra_remotes[HANDLE_NR_EXTRA];

static void add_kcov(uint32_t i)
{
	struct kcov_remote *remote = malloc(sizeof(*remote));

	if (!remote)
		abort();
	*remote = (struct kcov_remote){ .handle = handle_of(i), .kcov = &kcov };
	kcov_add(remote);
}

static void update_kcov(uint32_t i)
{
	struct kcov_remote *remote = &extra_remotes[i % HANDLE_NR_EXTRA];

	remote->handle = handle_extra(i);
	kcov_add(remote);
	kcov_remove(remote);
}
HANDLE_PASS(kcov, kcov_get, update_kcov, , , )

/* ---- the same with a list for each key -------------------------------------------------------- */

static pthread_spinlock_t lock;
static struct node **lists, extra[HANDLE_NR_EXTRA];
static uint32_t shift;

static struct node **list_of(uint64_t key)
{
	return &lists[key * 0x9e3779b97f4a7c15ull >> shift];
}

static void insert(struct node *node)
{
	struct node **list = list_of(node->key);

	pthread_spin_lock(&lock);
	node->next = *list;
	*list = node;
	pthread_spin_unlock(&lock);
}

static __attribute__((noinline)) void *find_in_lists(uint64_t key)
{
	struct node *node;

	pthread_spin_lock(&lock);
	for (node = *list_of(key); node && node->key != key; node = node->next)
		;
	pthread_spin_unlock(&lock);
	return node ? node->owner : NULL;
}

static void update_lists(uint32_t i)
{
	struct node *node = &extra[i % HANDLE_NR_EXTRA], **link;

	node->key = handle_extra(i);
	insert(node);
	pthread_spin_lock(&lock);
	for (link = list_of(node->key); *link != node; link = &(*link)->next)
		;
	*link = node->next;
	pthread_spin_unlock(&lock);
}

static void add_to_lists(uint32_t i)
{
	struct node *node = malloc(sizeof(*node));

	if (!node)
		abort();
	*node = (struct node){ .key = handle_of(i), .owner = node };
	insert(node);
}

static void fit_lists(uint32_t nr_handles)
{
	struct node **old = lists;
	uint64_t nr_old = old ? 1ull << (64 - shift) : 0;

	if (!old)
		pthread_spin_init(&lock, PTHREAD_PROCESS_PRIVATE);
	shift = 63 - (64 - (uint32_t)__builtin_clzll(nr_handles));
	lists = calloc(1ull << (64 - shift), sizeof(*lists));
	if (!lists)
		abort();
	for (uint64_t i = 0; i < nr_old; i++)
		for (struct node *node = old[i], *next; node; node = next) {
			next = node->next;
			insert(node);
		}
	free(old);
}
HANDLE_PASS(lists, find_in_lists, update_lists, , , )

/* ---- an array: the number in the handle is the place -------------------------------------------- */

static void **array;

static void fit_array(uint32_t nr_handles)
{
	array = reallocarray(array, nr_handles, sizeof(*array));
	if (!array)
		abort();
}

static void add_to_array(uint32_t i)
{
	array[i] = &array[i];
}

static __attribute__((noinline)) void *find_in_array(uint64_t key)
{
	return covb_load(&array[(uint32_t)key / 3]);
}

HANDLE_PASS(array, find_in_array, (void), , , )

const struct handle_peer handle_array = {
	.name = "an array, nothing compared", .pass = pass_array, .add = add_to_array, .fit = fit_array,
	.no_updates = true
};
const struct handle_peer handle_kcov = {
	.name = "16 lists, spinlock (KCOV)", .pass = pass_kcov, .add = add_kcov, .reference = { 3.0, 39, 7200 }
};
const struct handle_peer handle_lists = {
	.name = "a list for each, spinlock", .pass = pass_lists, .add = add_to_lists, .fit = fit_lists,
	.reference = { 2.7, 2.8, 3 }
};
