/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Unique mode per context with the archive that is meant for it: a site's instructions are single-stepped, and at one
 * after the other a handler comes in that opens the context, gives it its first marks, or collects in another mode
 * meanwhile. Each section has each site that ran in it, once or twice where a handler came in between.
 */
#define _GNU_SOURCE
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <covbuf/covbuf.h>
#include <covbuf/segment.h>

int context_site(int x);
int context_other(int x);

#define HANDLE(n) (COVBUF_SUBSYSTEM_USER | (n))
#define TRAP_FLAG 0x100
#define SITE_BYTES_MAX 96

enum { BASE_AUTOMATIC, BASE_ALL, BASE_PROCESS, BASE_CONTEXT, BASE_CONTEXT_AGAIN, BASE_SHUT, NR_BASES };
enum { HANDLER_RECORDS, HANDLER_IN_CONTEXT, HANDLER_IN_PROCESS, HANDLER_IN_ALL, HANDLER_JUMPS, NR_HANDLERS };

static const char *const base_names[] = { "automatic, unborn", "all", "process", "context", "context, seen", "shut" };
static const char *const handler_names[] = { "records", "in a context", "in the process", "in all", "jumps" };

/* Handles of the sections of either level. */
enum { ALL = 1, PROCESS, CONTEXT, HANDLER_ALL, HANDLER_PROCESS, HANDLER_CONTEXT, NR_SECTIONS };

static struct {
	int base, handler, at, step;
	bool came;
	uint64_t site[NR_SECTIONS], other[NR_SECTIONS];
} test;
static sigjmp_buf out;

static void fail(const char *what)
{
	fprintf(stderr, "not ok %s, handler %s, at %d: %s\n", base_names[test.base], handler_names[test.handler], test.at,
		what);
	exit(1);
}

static covbuf_token start(int section)
{
	covbuf_token token = covbuf_remote_start(HANDLE(section));

	if (!token)
		fail("no section was started");
	return token;
}

static void stop(covbuf_token token)
{
	if (covbuf_remote_stop(token))
		fail("a section was not stopped");
}

static void in_section(int section)
{
	covbuf_token token = start(section);

	context_site(1);
	context_other(1);
	context_site(1);
	if (test.handler != HANDLER_JUMPS)
		stop(token);
}

static void handle(void)
{
	test.came = true;
	switch (test.handler) {
	case HANDLER_RECORDS:
		context_other(1);
		return;
	case HANDLER_IN_CONTEXT:
		in_section(HANDLER_CONTEXT);
		return;
	case HANDLER_IN_PROCESS:
		in_section(HANDLER_PROCESS);
		return;
	case HANDLER_IN_ALL:
		in_section(HANDLER_ALL);
		return;
	case HANDLER_JUMPS:
		in_section(HANDLER_CONTEXT);
		siglongjmp(out, 1);
	}
}

#if defined(__x86_64__)
static void on_step(int signal, siginfo_t *info, void *uc)
{
	uintptr_t ip = (uintptr_t)((ucontext_t *)uc)->uc_mcontext.gregs[REG_RIP];

	(void)signal;
	(void)info;
	if (ip - (uintptr_t)context_site >= SITE_BYTES_MAX || test.step++ != test.at)
		return;
	((ucontext_t *)uc)->uc_mcontext.gregs[REG_EFL] &= ~TRAP_FLAG;
	handle();
}

static void step(bool on)
{
	if (on)
		__asm__ volatile("lea -128(%%rsp), %%rsp; pushfq; orq $0x100, (%%rsp); popfq; lea 128(%%rsp), %%rsp" : : :
				 "memory", "cc");
	else
		__asm__ volatile("lea -128(%%rsp), %%rsp; pushfq; andq $~0x100, (%%rsp); popfq; lea 128(%%rsp), %%rsp" : : :
				 "memory", "cc");
}
#else
/* No stepping: the handler comes before the site. */
static void on_step(int signal, siginfo_t *info, void *uc)
{
	(void)signal;
	(void)info;
	(void)uc;
	handle();
}

static void step(bool on)
{
	if (on && test.step++ == test.at)
		raise(SIGTRAP);
}
#endif

/* The site, interrupted. */
static void interrupted_site(void)
{
	struct covbuf_mark mark;

	covbuf_mark(&mark);
	if (sigsetjmp(out, 1)) {
		if (covbuf_unwind(&mark))
			fail("no way back");
		return;
	}
	step(true);
	context_site(1);
	step(false);
}

static void *thread(void *arg)
{
	static const int sections[] = { [BASE_ALL] = ALL, [BASE_PROCESS] = PROCESS, [BASE_CONTEXT] = CONTEXT,
					[BASE_CONTEXT_AGAIN] = CONTEXT };
	bool section = test.base != BASE_AUTOMATIC && test.base != BASE_SHUT;
	covbuf_token token = section ? start(sections[test.base]) : 0;

	(void)arg;
	if (test.base == BASE_CONTEXT_AGAIN)
		context_site(1);
	interrupted_site();
	context_site(1); /* it may have been cut short by a jump, but not this */
	context_site(1);
	if (section)
		stop(token);
	return NULL;
}

static int count(const struct covbuf_batch *batch, void *arg)
{
	uint64_t section = batch->handle ? batch->handle - HANDLE(0) : 0;

	(void)arg;
	for (uint64_t i = 0; i < batch->nr_words && section < NR_SECTIONS; i++) {
		test.site[section] += batch->words[i] == (uintptr_t)context_site + 1;
		test.other[section] += batch->words[i] == (uintptr_t)context_other + 1;
	}
	return 0;
}

static void drain(void)
{
	struct covbuf_drained drained = { 0 };

	memset(test.site, 0, sizeof(test.site));
	memset(test.other, 0, sizeof(test.other));
	if (covbuf_drain(covbuf_attached_segment(), COVBUF_DRAIN_AUDIT, count, NULL, &drained) < 0)
		fail("covbuf_drain()");
	if (drained.lost)
		fail("records were lost");
}

/* The sites of a section: once, and twice where a handler came in between. */
static void expect(const char *what, uint64_t got, uint64_t least, uint64_t most)
{
	if (got >= least && got <= most)
		return;
	fprintf(stderr, "%s: %llu records, not %llu to %llu\n", what, (unsigned long long)got, (unsigned long long)least,
		(unsigned long long)most);
	fail("wrong records");
}

static void check(bool automatic)
{
	static const int of_base[] = { 0, ALL, PROCESS, CONTEXT, CONTEXT, 0 };
	uint64_t in_base = test.site[of_base[test.base]];
	bool jumps = test.handler == HANDLER_JUMPS;

	if (test.base == BASE_ALL)
		expect("all", in_base, jumps && test.came ? 2 : 3, 3);
	else if (test.base != BASE_SHUT || automatic)
		expect("unique", in_base, 1, 2);
	if (!test.came)
		return;
	if (test.handler == HANDLER_IN_ALL)
		expect("the handler's, all", test.site[HANDLER_ALL], 2, 2);
	if (test.handler == HANDLER_IN_PROCESS)
		expect("the handler's, in the process", test.site[HANDLER_PROCESS], 1, 1);
	if (test.handler == HANDLER_IN_CONTEXT)
		expect("the handler's, in a context", test.site[HANDLER_CONTEXT], 1, 1);
	if (test.handler == HANDLER_RECORDS && test.base != BASE_SHUT)
		expect("the handler's own", test.other[of_base[test.base]], 1, 1);
}

static struct covbuf_owner *owners[NR_SECTIONS];

/* Each round has new epochs per process; those of contexts are new in any section. */
static void enable_all(void)
{
	static const uint32_t flags[] = { [PROCESS] = COVBUF_OWNER_UNIQUE, [HANDLER_PROCESS] = COVBUF_OWNER_UNIQUE,
					  [CONTEXT] = COVBUF_OWNER_UNIQUE_CONTEXT,
					  [HANDLER_CONTEXT] = COVBUF_OWNER_UNIQUE_CONTEXT, [HANDLER_ALL] = 0 };
	struct covbuf_owner_options options = { .mode = COVBUF_MODE_PC };

	for (int i = 1; i < NR_SECTIONS; i++) {
		uint64_t handle = HANDLE(i);

		options.flags = flags[i];
		if (!owners[i] && covbuf_owner_create(&options, &owners[i]))
			fail("covbuf_owner_create()");
		if (covbuf_remote_enable(owners[i], &handle, 1, 0))
			fail("covbuf_remote_enable()");
	}
}

static void disable_all(void)
{
	for (int i = 1; i < NR_SECTIONS; i++)
		if (covbuf_disable(owners[i]))
			fail("covbuf_disable()");
}

static void run(int base, int handler, bool automatic)
{
	pthread_t id;

	test.base = base;
	test.handler = handler;
	test.at = 0;
	do {
		test.step = 0;
		test.came = false;
		enable_all();
		if (pthread_create(&id, NULL, thread, NULL) || pthread_join(id, NULL))
			fail("no thread");
		drain();
		disable_all();
		check(automatic);
		test.at++;
	} while (test.came);
	printf("ok %s, handler %s: %d points\n", base_names[base], handler_names[handler], test.at - 1);
}

/* A child that is followed has each site once, whatever its parent had; one that is not, nothing. */
static void fork_child(bool automatic)
{
	int status;
	pid_t pid;

	context_site(1);
	pid = fork();
	if (!pid) {
		context_site(1);
		context_site(1);
		_exit(0);
	}
	if (waitpid(pid, &status, 0) != pid || status)
		fail("the child crashed");
	drain(); /* of the child, which is dead; this thread has its area still */
	expect("the child's", test.site[0], automatic, automatic ? 2 : 0); /* its first finds the context unborn */
	printf("ok fork\n");
}

int main(int argc, char **argv)
{
	bool automatic = argc > 1 && !strcmp(argv[1], "automatic");
	struct covbuf_segment_options options = {
		.limit_bytes = 64u << 20, .initial_bytes = 4u << 20,
		.automatic = { .enabled = automatic, .mode = COVBUF_MODE_PC,
			       .flags = COVBUF_AUTO_GROW | COVBUF_AUTO_FOLLOW | COVBUF_AUTO_UNIQUE_CONTEXT },
	};
	struct sigaction action = { .sa_sigaction = on_step, .sa_flags = SA_SIGINFO | SA_NODEFER };
	struct covbuf_segment *segment;
	struct covbuf_message why = { "" };

	if (covbuf_segment_create(NULL, &options, &segment, &why) || covbuf_segment_consume(segment) ||
	    covbuf_attach_segment(segment)) {
		fprintf(stderr, "%s\n", why.text);
		return 1;
	}
	sigaction(SIGTRAP, &action, NULL);
	for (int base = automatic ? BASE_AUTOMATIC : BASE_ALL; base < NR_BASES; base++)
		for (int handler = 0; handler < NR_HANDLERS; handler++)
			run(base, handler, automatic);
	fork_child(automatic);
	return 0;
}
