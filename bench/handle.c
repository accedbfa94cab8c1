/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * What does it cost to find the owner of a handle, among ten, a thousand, a hundred thousand?
 *
 * Keys are looked up in random order, independent of one another. KCOV's structure is 16 lists under a
 * spinlock; liburcu's table is looked up in a read section (memb) each.
 */
#include <pthread.h>
#include <stdlib.h>
#if defined(BENCH_LFHT)
#include <urcu/urcu-memb.h>
#include <urcu/rculfhash.h>
#endif

#include "engine.h"
#include "libcovbuf/core/engine.h"

#define NR_BUCKETS 16
#define NR_KEYS 65536
#define NR_LOOKUPS 20000

struct size {
	uint32_t nr_handles;
	uint64_t keys[NR_KEYS]; /* what is looked up, in this order */
};

struct node {
	uint64_t key;
	struct node *next;
	void *owner;
#if defined(BENCH_LFHT)
	struct cds_lfht_node ht;
#endif
};

static struct size sizes[] = { { .nr_handles = 10 }, { .nr_handles = 1000 }, { .nr_handles = 100000 } };
static struct node *nodes;
static struct node *buckets[NR_BUCKETS];
static pthread_spinlock_t spinlock;
static uint32_t nr_there; /* handles added so far */

/* As instances come: a number that is given out, some taken. */
static uint64_t handle_of(uint32_t i)
{
	return BENCH_HANDLE(i * 3 + 1);
}

static uint64_t bucket_of(uint64_t key)
{
	return key * 0x61c8864680b583ebull >> 60;
}

static void add_owners(uint32_t nr_handles)
{
	while (nr_there < nr_handles) {
		struct covbuf_owner *owner = bench_owner(COVBUF_MODE_PC, COVBUF_LINEAR, 0);
		uint64_t handles[COVBUF_REMOTE_MAX_HANDLES];
		uint32_t n = 0;

		while (n < COVBUF_REMOTE_MAX_HANDLES && nr_there < nr_handles)
			handles[n++] = handle_of(nr_there++);
		bench_must(covbuf_remote_enable(owner, handles, n, 0), "covbuf_remote_enable");
	}
}

static __attribute__((noinline, aligned(64))) uint64_t pass_covbuf(const struct bench_variant *variant, uint32_t thread)
{
	const struct size *size = variant->arg;
	uint32_t k = thread * 7919;

	for (uint64_t i = 0; i < variant->nr_ops; i++) {
		uint32_t generation;
		struct covbuf_owner *owner = covb_handle_find(size->keys[k++ % NR_KEYS], &generation);

		BENCH_KEEP(owner);
	}
	return variant->nr_ops;
}

static __attribute__((noinline)) void *find_in_bucket(uint64_t key)
{
	struct node *node;

	pthread_spin_lock(&spinlock);
	for (node = buckets[bucket_of(key)]; node && node->key != key; node = node->next)
		;
	pthread_spin_unlock(&spinlock);
	return node ? node->owner : NULL;
}

static __attribute__((noinline, aligned(64))) uint64_t pass_buckets(const struct bench_variant *variant, uint32_t thread)
{
	const struct size *size = variant->arg;
	uint32_t k = thread * 7919;

	for (uint64_t i = 0; i < variant->nr_ops; i++)
		BENCH_KEEP(find_in_bucket(size->keys[k++ % NR_KEYS]));
	return variant->nr_ops;
}

#if defined(BENCH_LFHT)
static struct cds_lfht *table;

static uint64_t hash(uint64_t key)
{
	key *= 0x9e3779b97f4a7c15ull;
	return key ^ key >> 32;
}

static int match(struct cds_lfht_node *node, const void *key)
{
	return caa_container_of(node, struct node, ht)->key == *(const uint64_t *)key;
}

static __attribute__((noinline)) void *find_in_table(uint64_t key)
{
	struct cds_lfht_iter iter;
	struct cds_lfht_node *found;
	void *owner = NULL;

	urcu_memb_read_lock();
	cds_lfht_lookup(table, hash(key), match, &key, &iter);
	found = cds_lfht_iter_get_node(&iter);
	if (found)
		owner = caa_container_of(found, struct node, ht)->owner;
	urcu_memb_read_unlock();
	return owner;
}

static __attribute__((noinline, aligned(64))) uint64_t pass_table(const struct bench_variant *variant, uint32_t thread)
{
	const struct size *size = variant->arg;
	uint32_t k = thread * 7919;

	for (uint64_t i = 0; i < variant->nr_ops; i++)
		BENCH_KEEP(find_in_table(size->keys[k++ % NR_KEYS]));
	return variant->nr_ops;
}
#define LFHT_MISSING NULL
#else
#define pass_table pass_buckets
#define LFHT_MISSING "not measured: liburcu-cds is not installed"
#endif

/* The same handles in each structure. */
static void fill(uint32_t nr_handles)
{
	for (uint32_t i = nr_there; i < nr_handles; i++) {
		struct node *node = &nodes[i];

		node->key = handle_of(i);
		node->owner = node;
		node->next = buckets[bucket_of(node->key)];
		buckets[bucket_of(node->key)] = node;
#if defined(BENCH_LFHT)
		urcu_memb_read_lock();
		cds_lfht_node_init(&node->ht);
		cds_lfht_add(table, hash(node->key), &node->ht);
		urcu_memb_read_unlock();
#endif
	}
	add_owners(nr_handles);
}

static void make_keys(struct size *size)
{
	uint64_t random = 88172645463325252ull;

	for (uint32_t i = 0; i < NR_KEYS; i++) {
		random ^= random << 13;
		random ^= random >> 7;
		random ^= random << 17;
		size->keys[i] = handle_of((uint32_t)(random % size->nr_handles));
	}
}

static void measure(struct size *size, const char *name, double target_ns, double bucket_ratio, double table_ratio,
		    uint64_t nr_bucket_lookups)
{
	struct bench_variant variants[] = {
		{ .name = "covb_handle_find()", .pass = pass_covbuf, .arg = size, .nr_ops = NR_LOOKUPS, .target_ns = target_ns },
		{ .name = "covb_handle_find()", .pass = pass_covbuf, .arg = size, .nr_ops = NR_LOOKUPS, .nr_threads = 2,
		  .target_ns = 1.1 * target_ns },
		{ .name = "16 lists, spinlock (KCOV)", .pass = pass_buckets, .arg = size, .nr_ops = nr_bucket_lookups,
		  .against = "covb_handle_find()", .reference_ratio = bucket_ratio },
		{ .name = "16 lists, spinlock (KCOV)", .pass = pass_buckets, .arg = size, .nr_ops = nr_bucket_lookups,
		  .nr_threads = 2, .against = "covb_handle_find()" },
		{ .name = "liburcu cds_lfht, memb", .pass = pass_table, .arg = size, .nr_ops = NR_LOOKUPS,
		  .missing = LFHT_MISSING, .against = "covb_handle_find()", .reference_ratio = table_ratio },
	};
	struct bench bench = { .name = name, .unit = "lookup, per thread", .variants = variants,
			       .question = "What does it cost to find the owner of a handle?",
			       .nr_variants = BENCH_NR(variants), .repetitions = 40 };

	fill(size->nr_handles);
	make_keys(size);
	bench_run(&bench);
}

int main(int argc, char **argv)
{
	bench_init(argc, argv);
	bench_attach(64u << 20, 1024, 4);
	pthread_spin_init(&spinlock, PTHREAD_PROCESS_PRIVATE);
	nodes = calloc(sizes[2].nr_handles, sizeof(*nodes));
#if defined(BENCH_LFHT)
	urcu_memb_register_thread();
	table = cds_lfht_new_flavor(1024, 1024, 1 << 20, CDS_LFHT_AUTO_RESIZE, &urcu_memb_flavor, NULL);
#endif
	measure(&sizes[0], "handle10", 4.5, 3.0, 5.0, NR_LOOKUPS);
	measure(&sizes[1], "handle1000", 4.5, 39, 6.1, 2000);
	measure(&sizes[2], "handle100000", 12, 7200, 5.2, 50);
	return bench_finish();
}
