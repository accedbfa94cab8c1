// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * Everything at once, in rounds: threads that record, nested handlers, nested sections of random
 * handles, owners enabled, disabled, reset, dropped and made anew, a pool that is nearly empty, threads
 * that end and begin, collectors. When a round is over and all is quiet, the books must balance:
 *
 *   I1  emitted = found + counted as lost or stale; exact, but for records that a jump cut short
 *   I2  what is found was emitted in this round, and is found once, whole
 *   I3  what was emitted in a section is in that section's area, and what was not is not
 *   I4  every area is free again, its words zero
 *   I7  nothing of an earlier enable is delivered into a later one
 *   I8  a KCOV owner's target does not change after the waiting disable
 *
 * Under a sanitizer handlers come late and at few places, so the interleavings within an append are
 * step_inside's and the plain build's to find.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "libcovbuf/core/engine.h"
#include "worker.h"

#ifndef sigev_notify_thread_id
#define sigev_notify_thread_id _sigev_un._tid
#endif

struct remote {
	struct covbuf_owner *owner;
	struct covbuf_owner_options options;
	uint64_t *target, target_words;
	bool enabled;
	uint64_t nr_enables;
};

static struct {
	uint64_t seed, random;
	uint32_t seconds, nr_threads;
	struct worker worker[STAMP_THREADS];
	struct remote remote[NR_OWNERS];
	struct covbuf_segment *segment;
	bool jumps, collects_live;
	uint32_t stop;
	uint32_t left_behind;	/* areas that jumps left in nobody's hands, so far */
	/* totals */
	uint64_t rounds, emitted, found, full, no_area, stale, dropped, sections, refused, signals, enables,
		uncertain, starts, abandoned;
} test = { .seconds = 4, .nr_threads = 4 };

static uint32_t below(uint32_t n)
{
	return stamp_below(&test.random, n);
}

static uint64_t now_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000000000ull + (uint64_t)now.tv_nsec;
}

static void sleep_us(uint32_t us)
{
	const struct timespec t = { .tv_nsec = us * 1000l };

	nanosleep(&t, NULL);
}

/* ---- owners ---------------------------------------------------------------------------------- */

static struct covbuf_owner_options random_options(bool remote)
{
	struct covbuf_owner_options options = { .mode = below(3) == 0, .name = "stress" };

	switch (below(remote ? 6 : 5)) {
	case 0:
		options.kind = COVBUF_RING;
		break;
	case 1:
		options.flags = test.jumps ? 0 : COVBUF_OWNER_GROW;
		break;
	case 2:
		options.flags = COVBUF_OWNER_UNIQUE;
		break;
	case 3:
		options.flags = COVBUF_OWNER_UNIQUE_CONTEXT | (test.jumps ? 0 : COVBUF_OWNER_GROW);
		break;
	case 5:
		options.flags = COVBUF_OWNER_KCOV;
		options.target_words = below(2) ? 4000 : 0;
		break;
	}
	return options;
}

static void make_owner(struct remote *r)
{
	int err;

	r->options = random_options(true);
	r->enabled = false;
	r->target = NULL;
	err = covbuf_owner_create(&r->options, &r->owner);
	if (err == -ENOSPC) { /* the pool has no area for a target */
		r->options.flags = 0;
		r->options.target_words = 0;
		err = covbuf_owner_create(&r->options, &r->owner);
	}
	if (err) {
		fprintf(stderr, "cannot make an owner: %s\n", strerror(-err));
		exit(2);
	}
	if (r->options.flags & COVBUF_OWNER_KCOV)
		covbuf_owner_target(r->owner, &r->target, &r->target_words);
}

static void enable(struct remote *r)
{
	uint32_t o = (uint32_t)(r - test.remote);
	uint64_t handles[HANDLES_PER_OWNER], common = 0;
	uint32_t nr = 0;
	int err;

	for (uint32_t k = 0; k < HANDLES_PER_OWNER; k++) {
		uint64_t handle = handle_of(o, k);

		if (handle & COVBUF_SUBSYSTEM_MASK)
			handles[nr++] = handle;
		else
			common = handle;
	}
	err = covbuf_remote_enable(r->owner, handles, nr, common);
	if (err) {
		check_fail("owner %u cannot be enabled: %s", o, strerror(-err));
		return;
	}
	for (uint32_t k = 0; k < HANDLES_PER_OWNER; k++) {
		uint64_t i = handle_of(o, k) % CHECK_HANDLES;

		__atomic_store_n(&check.floor_handle[i], enable_of[i], __ATOMIC_RELEASE);
	}
	r->enabled = true;
	test.enables++;
}

/* What is started from here on is of the next enable. */
static void count_enable(struct remote *r)
{
	uint32_t o = (uint32_t)(r - test.remote);

	for (uint32_t k = 0; k < HANDLES_PER_OWNER; k++) {
		uint64_t i = handle_of(o, k) % CHECK_HANDLES;

		__atomic_store_n(&enable_of[i], enable_of[i] + 1, __ATOMIC_RELEASE);
	}
}

static uint64_t sum_of(const uint64_t *words, uint64_t nr_words)
{
	uint64_t sum = 0;

	for (uint64_t i = 0; i < nr_words; i++)
		sum = (sum ^ covb_load(&words[i])) * 0x100000001b3ull; /* FNV */
	return sum;
}

/* Disable and wait; then the target must be still, whoever is in a section. */
static void disable_wait(struct remote *r)
{
	int err = covbuf_disable_wait(r->owner);

	if (err)
		check_fail("owner cannot be disabled: %s", strerror(-err));
	if (r->target) {
		uint64_t sum = sum_of(r->target, r->target_words);

		sleep_us(below(300));
		if (sum != sum_of(r->target, r->target_words))
			check_fail("a target changed after the waiting disable");
		check_target(r->target, r->target_words, r->options.mode);
	}
	count_enable(r);
	r->enabled = false;
}

static void disable(struct remote *r)
{
	int err;

	if (r->target || below(2)) {
		disable_wait(r);
		return;
	}
	err = covbuf_disable(r->owner);
	if (err)
		check_fail("owner cannot be disabled: %s", strerror(-err));
	count_enable(r);
	r->enabled = false;
}

static void drop_owner(struct remote *r)
{
	if (r->enabled && (r->target || below(2)))
		disable_wait(r);
	else if (r->enabled)
		count_enable(r);
	covbuf_owner_put(r->owner);
	r->owner = NULL;
}

static void collect(struct covbuf_owner *owner)
{
	struct check_floor floor;
	int n;

	check_take_floor(&floor);
	n = covbuf_collect(owner, check_batch, &floor);
	if (n < 0)
		check_fail("collect: %s", strerror(-n));
}

/* A reset forgets what is in a target, which the books cannot know. */
static void reset(struct remote *r)
{
	int err;

	if (r->target)
		return;
	count_enable(r); /* too early: asks less of what is started until the reset */
	err = covbuf_reset(r->owner);
	if (err)
		check_fail("owner cannot be reset: %s", strerror(-err));
	for (uint32_t k = 0; k < HANDLES_PER_OWNER; k++) {
		uint64_t i = handle_of((uint32_t)(r - test.remote), k) % CHECK_HANDLES;

		__atomic_store_n(&check.floor_handle[i], enable_of[i], __ATOMIC_RELEASE);
	}
}

static void change_an_owner(void)
{
	struct remote *r = &test.remote[below(NR_OWNERS)];

	switch (below(8)) {
	case 0:
		drop_owner(r);
		make_owner(r);
		break;
	case 1:
		if (r->enabled)
			reset(r);
		break;
	case 2:
	case 3:
		if (!r->target)
			collect(r->owner);
		break;
	default:
		if (r->enabled)
			disable(r);
		else
			enable(r);
	}
}

/* ---- the pool -------------------------------------------------------------------------------- */

#define NR_TICKETS 24
static uint64_t tickets[NR_TICKETS];

static void take_ticket(uint64_t *ticket)
{
	uint64_t *words, nr_words;

	if (*ticket) {
		if (covbuf_area_give(*ticket))
			check_fail("a ticket is not taken back");
		if (covbuf_area_give(*ticket) != -ESTALE)
			check_fail("a ticket is taken back twice");
		*ticket = 0;
		return;
	}
	if (covbuf_area_take(0, &words, &nr_words, ticket))
		return;
	for (uint64_t i = 0; i < nr_words; i++)
		if (covb_load(&words[i])) {
			check_fail("word %lu of an area that was taken is %#lx", i, words[i]);
			break;
		}
	for (uint64_t i = 0; i < COVBUF_GUARD_WORDS; i++)
		if (covb_load(&words[nr_words + i]) != COVBUF_GUARD_VALUE) {
			check_fail("guard word %lu of an area that was taken is %#lx", i, words[nr_words + i]);
			break;
		}
}

static uint32_t areas_made(void)
{
	struct covbuf_header header;

	if (covbuf_view_header(test.segment, &header))
		check_fail("the header cannot be read");
	return header.nr_areas - header.nr_retired;
}

static void change_the_pool(void)
{
	uint32_t nr_areas = areas_made();

	if (below(64) == 0 && nr_areas < 96)
		covbuf_pool_grow(0, 1 + below(4));
	else if (below(64) == 0 && nr_areas > 32)
		covbuf_pool_shrink(0, 1 + below(8));
	else
		take_ticket(&tickets[below(NR_TICKETS)]);
}

static void return_tickets(void)
{
	for (uint32_t i = 0; i < NR_TICKETS; i++)
		if (tickets[i])
			take_ticket(&tickets[i]);
}

/* ---- threads --------------------------------------------------------------------------------- */

static void start_worker(struct worker *w, bool again)
{
	struct covbuf_owner_options options = random_options(false);

	if (covbuf_owner_create(&options, &w->local)) {
		fputs("cannot make an owner\n", stderr);
		exit(2);
	}
	w->jumps = test.jumps;
	w->leaves_enabled = below(4) == 0;
	w->restarted = again;
	if (again)
		__atomic_store_n(&check.tid[w->id], 0, __ATOMIC_RELAXED);
	w->stop = 0;
	for (uint32_t l = 0; l < STAMP_LEVELS; l++)
		w->at[l].random = stamp_random(&test.random) | 1;
	if (pthread_create(&w->thread, NULL, worker_run, w))
		exit(2);
	test.starts++;
}

static void stop_worker(struct worker *w)
{
	covb_store(&w->stop, 1);
	pthread_join(w->thread, NULL);
	if (w->left_enabled) {
		int err = covbuf_disable(w->local); /* its thread has ended */

		if (err)
			check_fail("the owner of a thread that ended cannot be disabled: %s", strerror(-err));
	}
	collect(w->local);
	covbuf_owner_put(w->local);
}

static void signal_worker(struct worker *w)
{
	static const int numbers[] = { SIGUSR1, SIGUSR2 };

	pthread_mutex_lock(&w->lock);
	if (w->alive)
		pthread_kill(w->thread, numbers[below(2)]);
	pthread_mutex_unlock(&w->lock);
}

static void *signal_all(void *arg)
{
	uint64_t random = *(uint64_t *)arg | 1;
	static const int numbers[] = { SIGUSR1, SIGUSR2 };

	while (!covb_load(&test.stop)) {
		struct worker *w = &test.worker[stamp_below(&random, test.nr_threads)];

		pthread_mutex_lock(&w->lock);
		for (uint32_t n = stamp_below(&random, 4); w->alive && n; n--)
			pthread_kill(w->thread, numbers[n & 1]);
		pthread_mutex_unlock(&w->lock);
		if (stamp_below(&random, 2))
			sleep_us(stamp_below(&random, 60));
	}
	return NULL;
}

static void *drain_all(void *arg)
{
	(void)arg;
	while (!covb_load(&test.stop)) {
		struct check_floor floor;
		int err;

		check_take_floor(&floor);
		err = covbuf_drain(test.segment, COVBUF_DRAIN_LIVE, check_batch, &floor, NULL);
		if (err)
			check_fail("drain: %s", strerror(-err));
		sleep_us(50);
	}
	return NULL;
}

/* ---- a round --------------------------------------------------------------------------------- */

static void finish_owners(void)
{
	for (uint32_t o = 0; o < NR_OWNERS; o++) {
		struct remote *r = &test.remote[o];

		if (r->enabled)
			disable_wait(r);
		if (!r->target)
			collect(r->owner);
		drop_owner(r);
	}
}

static void balance(uint64_t lost, uint64_t dropped)
{
	uint64_t emitted = 0, uncertain = 0;

	for (uint32_t t = 0; t < test.nr_threads; t++) {
		for (uint32_t l = 0; l < STAMP_LEVELS; l++)
			emitted += check.source[t][l].emitted;
		uncertain += test.worker[t].uncertain;
		test.worker[t].uncertain = 0;
	}
	test.emitted += emitted;
	test.found += check.found;
	test.uncertain += uncertain;
	if (check.found + lost + dropped > emitted || check.found + lost + dropped + uncertain < emitted)
		check_fail("round %lu: %lu emitted (%lu cut short); %lu found, %lu lost, %lu stale: %ld too many",
			   test.rounds, emitted, uncertain, check.found, lost, dropped,
			   (long)(check.found + lost + dropped - emitted));
}

static uint64_t lost_records(void)
{
	return check_lost(COVBUF_LOST_FULL) + check_lost(COVBUF_LOST_NO_AREA) + check_lost(COVBUF_LOST_STALE);
}

static uint64_t nr_jumps(void)
{
	uint64_t sum = 0;

	for (uint32_t t = 0; t < test.nr_threads; t++)
		sum += test.worker[t].nr_jumps;
	return sum;
}

static void one_round(uint64_t until_ns)
{
	uint64_t lost = lost_records(), dropped = check_dropped(), signal_seed = stamp_random(&test.random);
	pthread_t signaller, drainer;
	uint64_t jumped = nr_jumps();
	struct check_floor floor;
	uint32_t nr_areas;
	int err;

	check_new_round((uint32_t)test.rounds);
	test.jumps = STRESS_JUMPS && below(4) == 0;
	test.collects_live = below(2);
	test.stop = 0;
	for (uint32_t o = 0; o < NR_OWNERS; o++) {
		make_owner(&test.remote[o]);
		if (below(4))
			enable(&test.remote[o]);
	}
	for (uint32_t t = 0; t < test.nr_threads; t++)
		start_worker(&test.worker[t], false);
	pthread_create(&signaller, NULL, signal_all, &signal_seed);
	if (test.collects_live)
		pthread_create(&drainer, NULL, drain_all, NULL);
	while (now_ns() < until_ns) {
		uint32_t what = below(32);

		if (what == 0) {
			struct worker *w = &test.worker[below(test.nr_threads)];

			stop_worker(w);
			start_worker(w, true);
		} else if (what < 12) {
			change_an_owner();
		} else if (what < 28) {
			change_the_pool();
		} else {
			signal_worker(&test.worker[below(test.nr_threads)]);
			sleep_us(below(400));
		}
	}
	return_tickets();
	for (uint32_t t = 0; t < test.nr_threads; t++)
		stop_worker(&test.worker[t]);
	covb_store(&test.stop, 1);
	pthread_join(signaller, NULL);
	if (test.collects_live)
		pthread_join(drainer, NULL);
	finish_owners();
	/* what was on its way to the queue of an owner that is gone */
	check_take_floor(&floor);
	err = covbuf_drain(test.segment, 0, check_batch, &floor, NULL);
	if (err)
		check_fail("drain: %s", strerror(-err));
	balance(lost_records() - lost, check_dropped() - dropped);
	/* a jump out of a section's first record may leave the area behind that this was about to use */
	nr_areas = check_areas(test.left_behind + (uint32_t)(nr_jumps() - jumped));
	if (nr_areas != areas_made())
		check_fail("there are %u areas, %u were made", nr_areas, areas_made());
	test.left_behind = check_held();
	test.rounds++;
}

static void print_totals(void)
{
	for (uint32_t t = 0; t < test.nr_threads; t++) {
		test.sections += test.worker[t].nr_sections;
		test.refused += test.worker[t].nr_refused;
		test.signals += test.worker[t].nr_signals;
		test.enables += test.worker[t].nr_enables;
	}
	printf("%lu rounds: %lu records emitted, %lu found, %lu full, %lu without an area, %lu stale, %lu dropped by "
	       "readers\n%lu sections, %lu abandoned, %lu refused; %lu signals, %lu jumps; %lu enables; %lu threads\n",
	       test.rounds, test.emitted, test.found, check_lost(COVBUF_LOST_FULL), check_lost(COVBUF_LOST_NO_AREA),
	       check_lost(COVBUF_LOST_STALE), check_dropped(), test.sections, check_lost(COVBUF_LOST_ABANDONED),
	       test.refused, test.signals, nr_jumps(), test.enables, test.starts);
}

static void parse(int argc, char **argv)
{
	test.seed = now_ns();
	for (int i = 1; i + 1 < argc; i += 2) {
		uint64_t value = strtoull(argv[i + 1], NULL, 0);

		if (!strcmp(argv[i], "--seed"))
			test.seed = value;
		else if (!strcmp(argv[i], "--seconds"))
			test.seconds = (uint32_t)value;
		else if (!strcmp(argv[i], "--threads") && value && value < STAMP_THREADS)
			test.nr_threads = (uint32_t)value;
		else
			exit(2);
	}
	test.random = test.seed | 1;
	printf("seed %lu\n", test.seed);
	fflush(stdout);
}

int main(int argc, char **argv)
{
	struct covbuf_segment_options options = { .limit_bytes = 64u << 20, .initial_bytes = 32 * 65536 };
	uint64_t end;
	int err;

	parse(argc, argv);
	err = covbuf_segment_create(NULL, &options, &test.segment, NULL);
	if (!err)
		err = covbuf_attach_segment(test.segment);
	if (!err)
		err = covbuf_segment_consume(test.segment);
	if (err || check_init(test.nr_threads)) {
		fprintf(stderr, "cannot begin: %s\n", strerror(-err));
		return 2;
	}
	covb_sites_reserve(STAMP_LEVELS * NR_SITES);
	check.by_token = true;
	worker_setup();
	for (uint32_t t = 0; t < test.nr_threads; t++) {
		test.worker[t].id = t;
		pthread_mutex_init(&test.worker[t].lock, NULL);
	}
	end = now_ns() + test.seconds * 1000000000ull;
	do {
		one_round(now_ns() + (20 + below(200)) * 1000000ull);
	} while (now_ns() < end && !check.errors);
	print_totals();
	if (check.errors)
		fprintf(stderr, "%lu errors; again with --seed %lu\n", check.errors, test.seed);
	return check.errors != 0;
}
