/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * What does it cost to find the owner of a handle, among ten, a thousand, a hundred thousand: by one thread, by
 * two, and beside one that adds and removes handles as fast as it can?
 */
#include <stdio.h>

#include "handle.h"
#include "libcovbuf/core/engine.h"

#define NR_LOOKUPS 32768

#define OURS "covb_handle_find()"
#define UPDATES ", beside updates"
#define TABLE "liburcu cds_lfht, memb"

uint32_t handle_nr_finding;

#if !defined(BENCH_URCU_CDS)
#define NO_TABLE(flavour)                                                                          \
	const struct handle_peer handle_table_##flavour = { .name = "liburcu cds_lfht, " #flavour,  \
			.missing = "package liburcu-dev is not installed" }
NO_TABLE(memb);
NO_TABLE(bp);
NO_TABLE(qsbr);
#endif

static const struct handle_peer *const peers[] = {
	&handle_array, &handle_kcov, &handle_lists, &handle_table_memb, &handle_table_bp, &handle_table_qsbr,
};
#define NR_PEERS BENCH_NR(peers)
static uint32_t nr_there;

/* What is looked up is in the thread's caches as far as it fits. */
static void warm(const struct bench_variant *variant, uint32_t thread)
{
	struct handle_work quiet = *(const struct handle_work *)variant->arg;
	struct bench_variant once = *variant;

	quiet.updated = false;
	once.arg = &quiet;
	if (once.nr_ops > HANDLE_NR_KEYS)
		once.nr_ops = HANDLE_NR_KEYS;
	once.pass(&once, thread);
	if (!thread)
		covb_store(&handle_nr_finding, 1);
}

/* ---- ours ------------------------------------------------------------------------------------ */

static struct covbuf_owner *extra_owner;

static inline void *find(uint64_t key)
{
	uint32_t generation;

	return covb_handle_find(key, &generation);
}

static void update(uint32_t i)
{
	covb_plat_lock();
	covb_handle_add(handle_extra(i), extra_owner);
	covb_handle_remove(handle_extra(i));
	covb_plat_unlock();
}
HANDLE_PASS(covbuf, find, update, , , )

static void add_owners(uint32_t nr_handles)
{
	uint32_t there = nr_there;

	while (there < nr_handles) {
		struct covbuf_owner *owner = bench_owner(COVBUF_MODE_PC, COVBUF_LINEAR, 0);
		uint64_t handles[COVBUF_REMOTE_MAX_HANDLES];
		uint32_t n = 0;

		while (n < COVBUF_REMOTE_MAX_HANDLES && there < nr_handles)
			handles[n++] = handle_of(there++);
		bench_must(covbuf_remote_enable(owner, handles, n, 0), "covbuf_remote_enable");
	}
}

/* ---- the three sizes ------------------------------------------------------------------------- */

/* The same handles in each structure. */
static void fill(uint32_t nr_handles)
{
	add_owners(nr_handles);
	for (uint32_t p = 0; p < NR_PEERS; p++) {
		if (peers[p]->missing)
			continue;
		if (peers[p]->fit)
			peers[p]->fit(nr_handles);
		for (uint32_t i = nr_there; i < nr_handles; i++)
			peers[p]->add(i);
	}
	nr_there = nr_handles;
}

static void make_keys(uint64_t *keys, uint32_t nr_handles)
{
	uint64_t random = 88172645463325252ull;

	for (uint32_t i = 0; i < HANDLE_NR_KEYS; i++) {
		random ^= random << 13;
		random ^= random >> 7;
		random ^= random << 17;
		keys[i] = handle_of((uint32_t)(random % nr_handles));
	}
}

static uint64_t lookups_of(const struct handle_peer *peer, uint32_t nr_handles)
{
	/* a list of thousands takes as long as a thousand other look-ups; a lock that two want, as long as ten */
	if (peer == &handle_kcov && nr_handles > 100)
		return nr_handles > 10000 ? 50 : 2000;
	return peer == &handle_kcov || peer == &handle_lists ? NR_LOOKUPS / 4 : NR_LOOKUPS;
}

static void measure(uint32_t size, uint32_t nr_handles, const char *name, double target_ns)
{
	static uint64_t keys[HANDLE_NR_KEYS];
	struct handle_work quiet = { .nr_handles = nr_handles, .keys = keys };
	struct handle_work updated = { .nr_handles = nr_handles, .keys = keys, .updated = true };
	struct bench_variant variants[3 * (NR_PEERS + 1)] = {
		{ .name = OURS, .pass = pass_covbuf, .prepare_thread = warm, .arg = &quiet, .nr_ops = NR_LOOKUPS,
		  .target_ns = target_ns, .targets = { { .ratio = 0.25, .against = TABLE } } },
		{ .name = OURS, .pass = pass_covbuf, .prepare_thread = warm, .arg = &quiet, .nr_ops = NR_LOOKUPS,
		  .nr_threads = 2 },
		{ .name = OURS UPDATES, .pass = pass_covbuf, .prepare_thread = warm, .arg = &updated,
		  .nr_ops = NR_LOOKUPS,
		  .nr_threads = 2, .against = OURS },
	};
	char names[NR_PEERS][64];
	struct bench_variant *to = variants + 3;
	struct bench bench = { .name = name, .unit = "lookup, per thread", .variants = variants, .repetitions = 40,
			       .question = "What does it cost to find the owner of a handle?" };

	for (uint32_t p = 0; p < NR_PEERS; p++) {
		const struct handle_peer *peer = peers[p];
		struct bench_variant variant = { .name = peer->name, .pass = peer->pass, .prepare_thread = warm,
						 .arg = &quiet, .nr_ops = lookups_of(peer, nr_handles),
						 .missing = peer->missing,
						 .against = OURS, .reference_ratio = peer->reference[size] };

		*to++ = variant;
		variant.nr_threads = 2;
		variant.reference_ratio = 0;
		*to++ = variant;
		if (peer->no_updates)
			continue;
		snprintf(names[p], sizeof(names[p]), "%s" UPDATES, peer->name);
		variant.name = names[p];
		variant.arg = &updated;
		variant.against = OURS UPDATES;
		*to++ = variant;
	}
	bench.nr_variants = (uint32_t)(to - variants);
	if (!bench_wanted(&bench))
		return;
	fill(nr_handles);
	make_keys(keys, nr_handles);
	bench_run(&bench);
}

int main(int argc, char **argv)
{
	bench_init(argc, argv);
	bench_attach(64u << 20, 1024, 4);
	extra_owner = bench_owner(COVBUF_MODE_PC, COVBUF_LINEAR, 0);
	measure(0, 10, "handle10", 4.5);
	measure(1, 1000, "handle1000", 4.5);
	measure(2, 100000, "handle100000", 12);
	return bench_finish();
}
