// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * load [--seconds N] [--seed SEED] [--shifting]
 *
 * One round: many processes trace themselves, start and stop sections for others, enable and disable, fork, exec, map, close,
 * and are killed, while the number of areas goes up and down. Some handles are enabled from the first to the last moment, so
 * what was emitted for them is known: at the end it is in their areas, or was counted as lost, to the record.
 * With --shifting there are handles that come and go, and a module that is switched, unloaded and loaded; what is
 * lost is then not told apart by handle, so this sum is left out, and staleness looked for.
 */
#define _GNU_SOURCE
#include <sched.h>
#include <signal.h>
#include <sys/wait.h>
#include <time.h>

#include "../sections/owners.h"
#include "load.h"

struct shared *shared;
uint64_t seed = 1;
int sections;
struct places places;

static struct owner steady[NR_STEADY];
static struct sections_info began, ended;
static struct stats before, after;

uint32_t draw(uint32_t below)
{
	seed ^= seed << 13;
	seed ^= seed >> 7;
	seed ^= seed << 17;
	return (seed >> 16) % below;
}

void fail(const char *format, ...)
{
	va_list args;

	if (!__atomic_exchange_n(&shared->failed, 1, __ATOMIC_SEQ_CST)) {
		va_start(args, format);
		vsnprintf(shared->why, sizeof(shared->why), format, args);
		va_end(args);
	}
	__atomic_store_n(&shared->stop, 1, __ATOMIC_SEQ_CST);
	_exit(1);
}

/* ---- the processes --------------------------------------------------------------------------- */

static const struct kind {
	void (*run)(uint32_t i);
	uint32_t nr;
	bool killed, shifting;
} kinds[] = {
	{ trace, NR_TRACERS, true, false },
	{ work, 8, true, false },
	{ churn, 2, true, false },
	{ shift, NR_SHIFTING, false, true },
	{ own_mortal, NR_MORTAL, true, true },
	{ pass_by, 2, true, true },
	{ reload, 1, false, true },
};

#define MAX_WORKERS 32
static struct worker {
	const struct kind *kind;
	uint32_t index;
	pid_t pid;
} workers[MAX_WORKERS];
static uint32_t nr_workers;

static void spawn(struct worker *worker)
{
	uint64_t its_seed = seed * 0x9e3779b97f4a7c15 + worker->index + 1;

	draw(2);
	worker->pid = fork();
	if (worker->pid < 0)
		fail("fork: %s", strerror(errno));
	if (worker->pid)
		return;
	die_with_parent();
	seed = its_seed ? its_seed : 1;
	worker->kind->run(worker->index);
	_exit(0);
}

static void spawn_all(void)
{
	for (size_t k = 0; k < ARRAY_SIZE(kinds); k++)
		for (uint32_t i = 0; i < kinds[k].nr && (shared->shifting || !kinds[k].shifting); i++) {
			workers[nr_workers] = (struct worker){ .kind = &kinds[k], .index = i };
			spawn(&workers[nr_workers++]);
		}
}

/* Whoever has ended begins anew. */
static void reap(void)
{
	int status;
	pid_t pid;

	while ((pid = waitpid(-1, &status, WNOHANG)) > 0)
		for (uint32_t i = 0; i < nr_workers; i++)
			if (workers[i].pid == pid) {
				if (WIFSIGNALED(status) && WTERMSIG(status) != SIGKILL)
					fail("a worker died of signal %d", WTERMSIG(status));
				spawn(&workers[i]);
			}
}

static void disturb(uint64_t end_s)
{
	/* before workers of real-time priority, which would keep the machine for themselves */
	struct sched_param parameter = { .sched_priority = 50 };
	struct timespec now;

	sched_setscheduler(0, SCHED_FIFO | SCHED_RESET_ON_FORK, &parameter);
	do {
		struct worker *worker = &workers[draw(nr_workers)];

		usleep(2000 + draw(20000));
		if (worker->kind->killed && !draw(2)) {
			kill(worker->pid, SIGKILL);
			tally(&shared->nr_kills, 1);
		}
		/* busy: fewer than are in use were asked for */
		if (!draw(8)) {
			int err = set_parameter("areas", 8 + draw(72));

			if (err && err != -EBUSY)
				fail("areas cannot be set: %s", strerror(-err));
		}
		reap();
		clock_gettime(CLOCK_MONOTONIC, &now);
	} while (going_on() && (uint64_t)now.tv_sec < end_s);
	__atomic_store_n(&shared->stop, 1, __ATOMIC_SEQ_CST);
	for (uint32_t i = 0; i < nr_workers; i++)
		waitpid(workers[i].pid, NULL, 0);
}

/* ---- what is left in the end ----------------------------------------------------------------- */

static uint64_t since(const char *name)
{
	return stat_of(&after, name) - stat_of(&before, name);
}

static uint64_t check_steady(struct owner *owner, uint32_t i)
{
	uint64_t count = cov_count(&owner->cov), step = record_words(owner->mode);

	if (count > owner_capacity(owner))
		fail("word 0 of steady handle %u is %llu", i, (unsigned long long)count);
	for (uint64_t k = 0; k < count; k++) {
		uint64_t place = owner->cov.words[(k + 1) * step];
		uint32_t fn = FN_STEADY(i);
		bool own = owner->mode == KCOV_TRACE_CMP ? place == places.cmp[fn] : place == places.pc[fn];

		if (!own && !shared->shifting)
			fail("I3: record %llu of steady handle %u is %llx, function %d", (unsigned long long)k, i,
			     (unsigned long long)place, fn_of(&places, place));
	}
	return count;
}

static void check_conservation(uint64_t stored)
{
	uint64_t emitted = 0, lost;

	for (uint32_t i = 0; i < NR_STEADY; i++)
		emitted += ended.emitted[ACCOUNT_STEADY(i)] - began.emitted[ACCOUNT_STEADY(i)];
	lost = since("lost_full") + since("lost_no_area") + since("lost_stale") + since("lost_merge");
	printf("emitted %llu, stored %llu, lost %llu (no area %llu, full %llu, merge %llu)\n", (unsigned long long)emitted,
	       (unsigned long long)stored, (unsigned long long)lost, (unsigned long long)since("lost_no_area"),
	       (unsigned long long)since("lost_full"), (unsigned long long)since("lost_merge"));
	if (shared->shifting)
		return;
	if (emitted != stored + lost)
		fail("I1: %llu records emitted for steady handles, %llu stored, %llu lost", (unsigned long long)emitted,
		     (unsigned long long)stored, (unsigned long long)lost);
	if (since("lost_shut") || since("lost_contexts") || since("lost_stale"))
		fail("%llu sections shut out, %llu contexts missing, %llu records stale, where there is no reason to",
		     (unsigned long long)since("lost_shut"), (unsigned long long)since("lost_contexts"),
		     (unsigned long long)since("lost_stale"));
}

/* I4: softirqs that were under way may need a moment. */
static void check_areas(void)
{
	for (int tries = 0; tries < 2000; tries++) {
		read_stats(&after);
		if (stat_of(&after, "areas_free") == stat_of(&after, "areas"))
			return;
		usleep(10000);
	}
	fail("I4: %llu areas, %llu free, %llu held, %llu queued", (unsigned long long)stat_of(&after, "areas"),
	     (unsigned long long)stat_of(&after, "areas_free"), (unsigned long long)stat_of(&after, "areas_held"),
	     (unsigned long long)stat_of(&after, "areas_queued"));
}

static void one_round(unsigned int seconds)
{
	uint64_t stored = 0;
	struct timespec now;

	read_stats(&before);
	ioctl(sections, SECTIONS_INFO, &began);
	for (uint32_t i = 0; i < NR_STEADY; i++) {
		/* word 0 and a power of two: no multiple of a record's length, and large, or the rest is lost and counted */
		owner_create(&steady[i], HANDLE_STEADY(i), 0, i % 3 == 2 ? KCOV_TRACE_CMP : KCOV_TRACE_PC, 1 << 20);
		if (owner_enable(&steady[i]))
			fail("REMOTE_ENABLE of steady handle %u: %s", i, strerror(steady[i].err));
	}
	clock_gettime(CLOCK_MONOTONIC, &now);
	spawn_all();
	disturb(now.tv_sec + seconds);
	if (shared->failed)
		return;
	check_areas();
	for (uint32_t i = 0; i < NR_STEADY; i++)
		if (owner_disable(&steady[i]))
			fail("DISABLE of steady handle %u: %s", i, strerror(steady[i].err));
	ioctl(sections, SECTIONS_INFO, &ended);
	read_stats(&after);
	for (uint32_t i = 0; i < NR_STEADY; i++)
		stored += check_steady(&steady[i], i);
	check_conservation(stored);
	check_areas();
	for (uint32_t i = 0; i < NR_STEADY; i++)
		owner_destroy(&steady[i]);
}

int main(int argc, char **argv)
{
	unsigned int seconds = 5;
	const char *other;
	int fd = -1, status;
	pid_t pid;

	setvbuf(stdout, NULL, _IOLBF, 0);
	shared = mmap(NULL, sizeof(*shared), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	for (int i = 1; i < argc; i++)
		if (!strcmp(argv[i], "--shifting"))
			shared->shifting = true;
		else if (i + 1 < argc && !strcmp(argv[i], "--seconds"))
			seconds = atoi(argv[++i]);
		else if (i + 1 < argc && !strcmp(argv[i], "--seed"))
			seed = strtoull(argv[++i], NULL, 0) | 1;
		else if (i + 1 < argc && !strcmp(argv[i], "--after-exec"))
			fd = atoi(argv[++i]);
	sections = open("/dev/sections", O_RDWR | O_CLOEXEC);
	if (sections < 0)
		die("load", "cannot open /dev/sections");
	if (fd >= 0)
		return churn_after_exec(fd);
	other = find_places(sections, &places);
	if (other)
		die("load", "%s", other);
	shared->places = places;
	/* fail() leaves the process, so the round has one of its own */
	pid = fork();
	if (!pid) {
		one_round(seconds);
		_exit(shared->failed);
	}
	waitpid(pid, &status, 0);
	printf("%llu scripts, %llu records compared, %llu enables, %llu children, %llu kills, %llu reloads\n",
	       (unsigned long long)shared->nr_scripts, (unsigned long long)shared->nr_records,
	       (unsigned long long)shared->nr_enables, (unsigned long long)shared->nr_execs,
	       (unsigned long long)shared->nr_kills, (unsigned long long)shared->nr_reloads);
	if (shared->failed || status)
		printf("%s\n", shared->failed ? shared->why : "the round was killed");
	return shared->failed || status;
}
