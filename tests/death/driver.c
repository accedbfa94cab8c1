// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* See driver.h. */
#define _GNU_SOURCE
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "driver.h"
#include "shm/shm.h"

#define POINTS_MAX 65536

struct driver driver = { .limit = 250, .seconds = 15, .patience_seconds = 60 };

static struct step_trace *recorded; /* shared */
static uint64_t start_ns;

extern uint8_t __executable_start[];

uint64_t driver_now_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000000000ull + (uint64_t)now.tv_nsec;
}

uint64_t driver_offset(const struct step_instruction *at)
{
	return (uint64_t)(at->address - __executable_start);
}

/* ---- the run --------------------------------------------------------------------------------- */

static void parse(int argc, char **argv)
{
	driver.seed = driver_now_ns();
	for (int i = 1; i < argc; i++) {
		const bool more = i + 1 < argc;

		if (!strcmp(argv[i], "--long"))
			driver.limit = UINT32_MAX;
		else if (!strcmp(argv[i], "--seed") && more)
			driver.seed = strtoull(argv[++i], NULL, 0);
		else if (!strcmp(argv[i], "--limit") && more)
			driver.limit = (uint32_t)strtoul(argv[++i], NULL, 0);
		else if (!strcmp(argv[i], "--seconds") && more)
			driver.seconds = (uint32_t)strtoul(argv[++i], NULL, 0);
		else if (!strcmp(argv[i], "--patience") && more)
			driver.patience_seconds = (uint32_t)strtoul(argv[++i], NULL, 0);
		else if (!strcmp(argv[i], "--only") && more)
			driver.only = argv[++i];
		else
			exit(CANNOT);
	}
	driver.random = driver.seed | 1;
	printf("seed %lu\n", driver.seed);
	fflush(stdout);
}

int driver_begin(int argc, char **argv)
{
	int err;

	start_ns = driver_now_ns();
	parse(argc, argv);
	err = step_init();
	if (err == -ENOTSUP) {
		puts("dying at a chosen instruction is for plain x86-64 builds");
		return 77;
	}
	recorded = mmap(NULL, sizeof(*recorded) + POINTS_MAX * sizeof(*recorded->at), PROT_READ | PROT_WRITE,
			MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (err || recorded == MAP_FAILED || books_init()) {
		fputs("cannot begin\n", stderr);
		return CANNOT;
	}
	recorded->at = (struct step_instruction *)(recorded + 1);
	return -1;
}

int driver_end(void)
{
	printf("%lu killed, %lu not, in %.1f s\n", driver.kills, driver.survived,
	       (double)(driver_now_ns() - start_ns) / 1e9);
	if (books->errors)
		fprintf(stderr, "%lu errors; again with --seed %lu\n", books->errors, driver.seed);
	return books->errors != 0;
}

bool driver_wants(const char *name)
{
	return !driver.only || strstr(name, driver.only);
}

int driver_begin_world(struct judge *judge, enum victim_world world, const char *where)
{
	/* few slots, so that they are used again and again, and none may be lost */
	struct covbuf_segment_options options = {
		.limit_bytes = 16u << 20, .initial_bytes = NR_AREAS * 65536, .nr_procs = NR_PROCS,
		.nr_contexts = NR_CONTEXTS, .nr_owners = 12, .nr_modules = 32,
	};
	struct covbuf_segment *segment;
	int err;

	if (world != ASKED)
		options.automatic = (struct covbuf_auto){ .enabled = 1, .flags = COVBUF_AUTO_GROW };
	if (world == FOLLOWED)
		options.automatic.flags |= COVBUF_AUTO_FOLLOW;
	err = covbuf_segment_create(where, &options, &segment, NULL);
	if (!err)
		err = covbuf_segment_consume(segment);
	if (err)
		return err;
	snprintf(victim.where[world], sizeof(victim.where[world]), "fd:%d", covbuf_segment_descriptor(segment));
	err = judge_init(judge, segment, world != ASKED);
	/* every slot has been used before */
	for (uint32_t i = 0; i < NR_CONTEXTS && !err; i++)
		driver_work_on(judge, world);
	return err;
}

/* ---- processes ------------------------------------------------------------------------------- */

bool driver_fork(pid_t *pid)
{
	*pid = fork();
	if (!*pid)
		alarm(driver.patience_seconds);
	return !*pid;
}

bool driver_wait(pid_t pid)
{
	int status;

	if (waitpid(pid, &status, 0) != pid)
		books_fail("a process cannot be waited for");
	else if (WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL)
		return true;
	else if (WIFSIGNALED(status))
		books_fail("a process died of signal %d%s", WTERMSIG(status),
			   WTERMSIG(status) == SIGALRM ? ": it hung" : "");
	else if (WEXITSTATUS(status))
		books_fail("a process failed: %d", WEXITSTATUS(status));
	return false;
}

void driver_die(void)
{
	kill(getpid(), SIGKILL);
}

void driver_consume(struct covbuf_segment *segment, bool yes)
{
	if (yes) {
		if (covbuf_segment_consume(segment))
			books_fail("there is another consumer");
		return;
	}
	covb_storage_unlock(segment, COVBUF_LOCK_CONSUMER);
	segment->consumer = false;
}

void driver_work_on(struct judge *judge, enum victim_world world)
{
	const struct judge_limits none = { 0 };
	pid_t pid;

	judge_new_round(judge, driver.rounds++);
	if (driver_fork(&pid)) {
		int wrong = successor_work(world);

		_exit(wrong ? 100 + wrong : SURVIVED);
	}
	if (driver_wait(pid))
		books_fail("the process that comes afterwards was killed");
	judge_books(judge, &none);
	judge_pool(judge);
}

/* ---- points ---------------------------------------------------------------------------------- */

void driver_record(step_fn body)
{
	struct step_trace trace = { 0 };

	if (step_record(&trace, body) || trace.nr > POINTS_MAX)
		_exit(CANNOT);
	memcpy(recorded->at, trace.at, trace.nr * sizeof(*trace.at));
	recorded->nr = trace.nr;
	_exit(SURVIVED);
}

bool driver_recorded(struct step_trace *trace)
{
	*trace = (struct step_trace){ .nr = recorded->nr, .room = recorded->nr };
	recorded->nr = 0;
	trace->at = malloc((trace->nr + 1) * sizeof(*trace->at));
	if (!trace->at || !trace->nr)
		return false;
	memcpy(trace->at, recorded->at, trace->nr * sizeof(*trace->at));
	return true;
}

uint32_t driver_stride(const struct step_trace *trace)
{
	return trace->nr / driver.limit + 1;
}

void driver_expect_hits(const char *name, uint32_t tried, uint32_t hit)
{
	if (hit + 4 < tried - tried / 4)
		books_fail("\"%s\": only %u of %u came to the instruction", name, hit, tried);
}
