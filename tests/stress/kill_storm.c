// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * kill -9 at random moments, hundreds of times, of a process that records with several threads, nested
 * handlers and sections into a segment that outlives it. After each kill the collector reads what there
 * is, and then
 *
 *   every area is free again (I4), and the next process finds the same segment in order
 *   nothing is found that was not emitted, or twice, or in halves (I2)
 *   what was emitted was found or counted (I1), but for one record of each thread and level that was killed
 *   in an append, or in a call that may drop stale records: it had made the record nothing, and not counted it yet
 *
 * Now and then the process may end by itself; then the books balance exactly.
 *
 * The maker is the parent, which is also the consumer; the children execute this program anew, because
 * a process that was forked is not what crashes in practice.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "check.h"
#include "emit.h"
#include "shm/shm.h"

#define NR_THREADS 3
#define NR_LEVELS 3
#define NR_AREAS 40
#define NR_OWNERS 5
#define NR_CONTEXTS 64

/*
 * Memory that parent and child have in common. A record is begun before it is made, and done after. dropping: in a call
 * that may drop stale records.
 */
struct shared {
	uint32_t round;
	uint32_t ready, finish;
	struct {
		uint32_t begun, done, dropping;
	} count[NR_THREADS][NR_LEVELS];
};

static struct shared *shared;

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

static struct shared *map_shared(int fd)
{
	void *p = mmap(NULL, sizeof(*shared), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);

	return p == MAP_FAILED ? NULL : p;
}

/* ---- the process that is killed -------------------------------------------------------------- */

static __thread uint32_t thread;
static __thread volatile uint32_t level;
static __thread uint64_t random_state[NR_LEVELS];
static __thread bool has_handlers;

static const struct covbuf_owner_options kinds[NR_OWNERS] = {
	{ .name = "plain" },
	{ .flags = COVBUF_OWNER_GROW, .name = "grow" },
	{ .kind = COVBUF_RING, .name = "ring" },
	{ .mode = COVBUF_MODE_CMP, .flags = COVBUF_OWNER_GROW, .name = "cmp" },
	{ .mode = COVBUF_MODE_CMP, .kind = COVBUF_RING, .name = "cmp ring" },
};

static uint32_t below(uint32_t n)
{
	return stamp_below(&random_state[level], n);
}

static void emit(void)
{
	const struct covbuf_context *ctx = covbuf_context();
	uint32_t number = shared->count[thread][level].begun;
	struct stamp stamp = { .thread = thread, .level = level, .round = shared->round, .number = number };

	if (number + 1 >= STAMP_NUMBERS ||
	    (!emit_collects(ctx, COVBUF_MODE_PC) && !emit_collects(ctx, COVBUF_MODE_CMP)))
		return;
	__atomic_store_n(&shared->count[thread][level].begun, number + 1, __ATOMIC_RELEASE);
	emit_one(stamp_make(&stamp));
	__atomic_store_n(&shared->count[thread][level].done, number + 1, __ATOMIC_RELEASE);
}

static void burst(void)
{
	for (uint32_t n = below(200) ? below(level ? 6 : 60) : 9000; n; n--)
		emit();
}

static void may_drop(uint32_t dropping)
{
	__atomic_store_n(&shared->count[thread][level].dropping, dropping, __ATOMIC_RELEASE);
}

static int stop(covbuf_token token)
{
	int err;

	may_drop(1);
	err = covbuf_remote_stop(token);
	may_drop(0);
	return err;
}

static int switch_local(int (*how)(struct covbuf_owner *owner), struct covbuf_owner *local)
{
	int err;

	may_drop(1);
	err = how(local);
	may_drop(0);
	return err;
}

static void sections(uint32_t depth)
{
	covbuf_token token = covbuf_remote_start(COVBUF_SUBSYSTEM_USER | (1 + below(NR_OWNERS)));

	burst();
	if (depth > 1 && below(2))
		sections(depth - 1);
	burst();
	stop(token);
}

static void on_signal(int number)
{
	(void)number;
	if (!has_handlers || level + 1 >= NR_LEVELS)
		return;
	level++;
	burst();
	sections(2);
	level--;
}

static void *record_until_killed(void *arg)
{
	struct covbuf_owner *local;

	thread = (uint32_t)(uintptr_t)arg;
	for (uint32_t l = 0; l < NR_LEVELS; l++)
		random_state[l] = (now_ns() + thread * 3 + l) | 1;
	has_handlers = true;
	if (covbuf_owner_create(&kinds[below(NR_OWNERS)], &local))
		_exit(3);
	while (!__atomic_load_n(&shared->finish, __ATOMIC_RELAXED)) {
		bool enabled = switch_local(covbuf_enable, local) == 0;

		for (uint32_t n = below(20); n; n--)
			sections(2);
		if (enabled && switch_local(covbuf_disable, local))
			_exit(4);
	}
	has_handlers = false;
	return NULL;
}

static int child(char **argv)
{
	struct sigaction action = { .sa_handler = on_signal, .sa_flags = SA_NODEFER | SA_RESTART };
	struct covbuf_owner *owner[NR_OWNERS];
	pthread_t threads[NR_THREADS];
	int err;

	shared = map_shared(atoi(argv[3]));
	err = shared ? covbuf_attach(argv[2]) : -ENOMEM;
	if (err) {
		fprintf(stderr, "cannot attach: %s\n", strerror(-err));
		return 3;
	}
	sigaction(SIGUSR1, &action, NULL);
	sigaction(SIGUSR2, &action, NULL);
	for (uint32_t o = 0; o < NR_OWNERS; o++) {
		uint64_t handle = COVBUF_SUBSYSTEM_USER | (1 + o);

		if (covbuf_owner_create(&kinds[o], &owner[o]) || covbuf_remote_enable(owner[o], &handle, 1, 0))
			return 3;
	}
	for (uint32_t t = 0; t < NR_THREADS; t++)
		if (pthread_create(&threads[t], NULL, record_until_killed, (void *)(uintptr_t)t))
			return 3;
	__atomic_store_n(&shared->ready, 1, __ATOMIC_RELEASE);
	random_state[0] = now_ns() | 1;
	while (!__atomic_load_n(&shared->finish, __ATOMIC_RELAXED)) {
		pthread_kill(threads[below(NR_THREADS)], below(2) ? SIGUSR1 : SIGUSR2);
		sleep_us(below(40));
	}
	for (uint32_t t = 0; t < NR_THREADS; t++)
		pthread_join(threads[t], NULL);
	return 0;
}

/* ---- the one that stays ---------------------------------------------------------------------- */

static struct {
	uint64_t seed, random, kills, ends, found, lost, cut_short, reclaimed, early;
	struct covbuf_context_slot contexts[NR_CONTEXTS]; /* before the child began */
	uint32_t seconds;
	struct covbuf_segment *segment;
	char *program;
	int shared_fd, segment_fd;
} test = { .seconds = 6 };

static uint64_t counted(const uint64_t *lost)
{
	return lost[COVBUF_LOST_FULL] + lost[COVBUF_LOST_NO_AREA] + lost[COVBUF_LOST_STALE];
}

static uint64_t counted_by_all(void)
{
	uint64_t sum = 0;

	for (uint32_t i = 0; i < test.segment->layout.contexts.nr; i++)
		sum += counted(test.segment->contexts[i].lost);
	for (uint32_t i = 0; i < test.segment->layout.procs.nr; i++)
		sum += counted(test.segment->procs[i].lost);
	for (uint32_t i = 0; i < test.segment->layout.owners.nr; i++)
		sum += test.segment->owners[i].stale;
	return sum;
}

/* A thread that is killed while it takes over a slot has added what the last one lost to its process's, and left it. */
static uint64_t counted_twice(void)
{
	uint64_t sum = 0;

	for (uint32_t i = 0; i < NR_CONTEXTS; i++)
		for (uint32_t cause = 0; cause < COVBUF_NR_LOSSES; cause++)
			if (test.segment->contexts[i].state >> 24 != test.contexts[i].state >> 24 &&
			    test.segment->contexts[i].lost[cause] == test.contexts[i].lost[cause])
				sum += test.contexts[i].lost[cause];
	return sum;
}

/* A record is begun before it can be found, so what was begun is asked for afterwards. */
static int look(const struct covbuf_batch *batch, void *floor)
{
	for (uint32_t t = 0; t < NR_THREADS; t++)
		for (uint32_t l = 0; l < NR_LEVELS; l++)
			check.source[t][l].emitted =
				__atomic_load_n(&shared->count[t][l].begun, __ATOMIC_ACQUIRE);
	return check_batch(batch, floor);
}

static void drain(unsigned int flags)
{
	struct covbuf_drained drained;
	struct check_floor floor = { 0 };
	int err = covbuf_drain(test.segment, flags, look, &floor, &drained);

	if (err)
		check_fail("drain: %s", strerror(-err));
	test.reclaimed += drained.reclaimed;
}

static pid_t start_child(void)
{
	char where[32], fd[16];
	pid_t pid;

	snprintf(where, sizeof(where), "fd:%d", test.segment_fd);
	snprintf(fd, sizeof(fd), "%d", test.shared_fd);
	pid = fork();
	if (!pid) {
		execl(test.program, test.program, "--child", where, fd, (char *)NULL);
		_exit(127);
	}
	return pid;
}

/* Let it run for a while, draining now and then, and end it. Returns whether it ended by itself. */
static bool run_child(pid_t pid)
{
	bool finish = stamp_below(&test.random, 16) == 0;
	uint64_t wait_us = stamp_below(&test.random, 25000);
	uint64_t end_ns = now_ns() + wait_us * 1000;
	int status;

	if (stamp_below(&test.random, 8))
		while (!__atomic_load_n(&shared->ready, __ATOMIC_ACQUIRE) && waitpid(pid, &status, WNOHANG) == 0)
			sleep_us(100);
	else
		test.early++;
	if (__atomic_load_n(&shared->ready, __ATOMIC_ACQUIRE))
		end_ns = now_ns() + wait_us * 1000;
	while (now_ns() < end_ns) {
		if (stamp_below(&test.random, 2))
			drain(COVBUF_DRAIN_LIVE | (stamp_below(&test.random, 2) ? COVBUF_DRAIN_AUDIT : 0));
		else
			sleep_us(stamp_below(&test.random, 3000));
	}
	if (finish && shared->ready)
		__atomic_store_n(&shared->finish, 1, __ATOMIC_RELEASE);
	else
		kill(pid, SIGKILL);
	if (waitpid(pid, &status, 0) != pid)
		check_fail("the child cannot be waited for");
	else if (WIFEXITED(status) && WEXITSTATUS(status))
		check_fail("the child failed: %d", WEXITSTATUS(status));
	return WIFEXITED(status);
}

static void balance(bool ended, uint64_t lost)
{
	uint64_t begun = 0, done = 0, open = 0, dropping = 0;

	for (uint32_t t = 0; t < NR_THREADS; t++)
		for (uint32_t l = 0; l < NR_LEVELS; l++) {
			begun += shared->count[t][l].begun;
			done += shared->count[t][l].done;
			open += shared->count[t][l].begun - shared->count[t][l].done;
			dropping += shared->count[t][l].dropping;
		}
	if (check.found + lost > begun + counted_twice() || check.found + lost + dropping < done ||
	    (ended && (open || dropping)))
		check_fail("%lu begun, %lu done, %lu calls may drop, %s; %lu found, %lu lost: %ld too many", begun, done,
			   dropping, ended ? "ended" : "killed", check.found, lost,
			   (long)(check.found + lost - begun));
	test.found += check.found;
	test.lost += lost;
	test.cut_short += open;
}

static void one_kill(uint32_t round)
{
	uint64_t before = counted_by_all(), forgotten = 0;
	uint64_t states[64], lost_of[64];
	uint32_t nr_procs = test.segment->layout.procs.nr;
	pid_t pid;
	bool ended;

	memset(shared, 0, sizeof(*shared));
	check_new_round(round);
	shared->round = check.round;
	for (uint32_t i = 0; i < nr_procs; i++) {
		states[i] = test.segment->procs[i].state;
		lost_of[i] = counted(test.segment->procs[i].lost);
	}
	memcpy(test.contexts, test.segment->contexts, sizeof(test.contexts));
	pid = start_child();
	ended = run_child(pid);
	test.kills += !ended;
	test.ends += ended;
	drain(COVBUF_DRAIN_LIVE | COVBUF_DRAIN_AUDIT);
	/* a process slot that is used again forgets what was lost in it; not yet, if its taker was killed at that */
	for (uint32_t i = 0; i < nr_procs; i++) {
		const struct covbuf_proc *proc = &test.segment->procs[i];

		if (states[i] >> 8 != proc->state >> 8 &&
		    ((proc->state & 0xff) != COVBUF_PROC_NONE || counted(proc->lost) != lost_of[i]))
			forgotten += lost_of[i];
	}
	balance(ended, counted_by_all() + forgotten - before);
	if (covbuf_segment_free_areas(test.segment, 0) != NR_AREAS)
		check_fail("%u areas are free, %u were made", covbuf_segment_free_areas(test.segment, 0), NR_AREAS);
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
		else
			exit(2);
	}
	test.random = test.seed | 1;
	printf("seed %lu\n", test.seed);
	fflush(stdout);
}

static int begin(void)
{
	/* few slots, so that they are used again and again */
	struct covbuf_segment_options options = { .limit_bytes = 16u << 20, .initial_bytes = NR_AREAS * 65536,
						  .nr_procs = 12, .nr_contexts = NR_CONTEXTS, .nr_owners = 32 };
	int err = covbuf_segment_create(NULL, &options, &test.segment, NULL);

	if (!err)
		err = covbuf_segment_consume(test.segment);
	if (err)
		return err;
	test.segment_fd = dup(covbuf_segment_descriptor(test.segment)); /* not close-on-exec */
	test.shared_fd = memfd_create("stress", 0);
	if (test.segment_fd < 0 || test.shared_fd < 0 || ftruncate(test.shared_fd, sizeof(*shared)))
		return -errno;
	shared = map_shared(test.shared_fd);
	return shared && !check_init(NR_THREADS) ? 0 : -ENOMEM;
}

int main(int argc, char **argv)
{
	uint64_t end_ns;
	uint32_t round = 0;
	int err;

	if (argc == 4 && !strcmp(argv[1], "--child"))
		return child(argv);
	parse(argc, argv);
	test.program = argv[0];
	err = begin();
	if (err) {
		fprintf(stderr, "cannot begin: %s\n", strerror(-err));
		return 2;
	}
	end_ns = now_ns() + test.seconds * 1000000000ull;
	while (now_ns() < end_ns && !check.errors)
		one_kill(round++);
	printf("%lu killed (%lu early), %lu ended: %lu records found, %lu counted as lost, %lu cut short; %lu areas came "
	       "back\n", test.kills, test.early, test.ends, test.found, test.lost, test.cut_short, test.reclaimed);
	if (check.errors)
		fprintf(stderr, "%lu errors; again with --seed %lu\n", check.errors, test.seed);
	return check.errors != 0;
}
