/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * liburcu's cds_lfht, inlined as far as it can be. A look-up is a read section; who removes a node waits for a grace
 * period, as it must before the node is used again. Compiled once for each flavour of RCU: BENCH_BP, BENCH_QSBR,
 * otherwise memb.
 */
#define _GNU_SOURCE
#define _LGPL_SOURCE
#define URCU_API_MAP /* rcu_read_lock() and the others are the flavour's */
#include <stdlib.h>
#if defined(BENCH_BP)
#include <urcu/urcu-bp.h>
#define NAME "liburcu cds_lfht, bp"
#define PEER handle_table_bp
#elif defined(BENCH_QSBR)
#include <urcu/urcu-qsbr.h>
#define NAME "liburcu cds_lfht, qsbr"
#define PEER handle_table_qsbr
#else
#include <urcu/urcu-memb.h>
#define NAME "liburcu cds_lfht, memb"
#define PEER handle_table_memb
#endif
#include <urcu/rculfhash.h>

#include "handle.h"

struct node {
	uint64_t key;
	void *owner;
	struct cds_lfht_node ht;
};

static struct cds_lfht *table;
static struct node extra[HANDLE_NR_EXTRA];

static uint64_t hash(uint64_t key)
{
	key *= 0x9e3779b97f4a7c15ull;
	return key ^ key >> 32;
}

static int match(struct cds_lfht_node *node, const void *key)
{
	return caa_container_of(node, struct node, ht)->key == *(const uint64_t *)key;
}

static void fit(uint32_t nr_handles)
{
	uint64_t nr_buckets = 2ull << (63 - __builtin_clzll(nr_handles));

	rcu_register_thread();
	if (!table)
		table = cds_lfht_new(nr_buckets, 1, 0, 0, NULL);
	else
		cds_lfht_resize(table, nr_buckets);
	rcu_unregister_thread();
}

static void add(uint32_t i)
{
	struct node *node = malloc(sizeof(*node));

	if (!node)
		abort();
	*node = (struct node){ .key = handle_of(i), .owner = node };
	cds_lfht_node_init(&node->ht);
	rcu_register_thread();
	rcu_read_lock();
	cds_lfht_add(table, hash(node->key), &node->ht);
	rcu_read_unlock();
	rcu_unregister_thread();
}

static __attribute__((noinline)) void *find(uint64_t key)
{
	struct cds_lfht_iter iter;
	struct cds_lfht_node *found;
	void *owner = NULL;

	rcu_read_lock();
	cds_lfht_lookup(table, hash(key), match, &key, &iter);
	found = cds_lfht_iter_get_node(&iter);
	if (found)
		owner = caa_container_of(found, struct node, ht)->owner;
	rcu_read_unlock();
	return owner;
}

static void update(uint32_t i)
{
	struct node *node = &extra[i % HANDLE_NR_EXTRA];

	node->key = handle_extra(i);
	cds_lfht_node_init(&node->ht);
	rcu_read_lock();
	cds_lfht_add(table, hash(node->key), &node->ht);
	cds_lfht_del(table, &node->ht);
	rcu_read_unlock();
	synchronize_rcu();
}

#if defined(BENCH_QSBR)
/* it holds nothing just now */
#define OFTEN rcu_quiescent_state()
#else
#define OFTEN
#endif
HANDLE_PASS(table, find, update, rcu_register_thread(), OFTEN, rcu_unregister_thread())

const struct handle_peer PEER = {
	.name = NAME, .pass = pass_table, .add = add, .fit = fit, .reference = { 5.0, 6.1, 5.2 }
};
