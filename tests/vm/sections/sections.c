// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * sections [--seed SEED] [--scripts NR] [--case NAME]
 *
 * Which records come to lie in which area, exactly: each case runs scripts in sections.ko, and says which function's
 * records the areas have then, in which order, and what the statistics count.
 */
#define _GNU_SOURCE
#include <sched.h>
#include <signal.h>
#include <sys/utsname.h>
#include <sys/wait.h>

#include "model.h"

#define HANDLE(instance) (KCOV_SUBSYSTEM_USB | (instance))
#define A HANDLE(0xa)
#define B HANDLE(0xb)
#define C HANDLE(0xc)
#define CMPS HANDLE(0xd)
#define SMALL HANDLE(0xe)
#define UNKNOWN HANDLE(0xbad)
#define COMMON (KCOV_SUBSYSTEM_COMMON | 7)
#define OWNER_WORDS (1 << 16)

struct places places;
static int sections;
static bool is_rt;
static uint8_t seen[SECTIONS_NR_LEVELS];
static struct cov local;
static struct owner owners[4], *const owner_a = &owners[0], *const owner_b = &owners[1], *const owner_cmp = &owners[3];
static struct owner local_owner; /* to compare with; nobody enables it */
static char why[512];
static struct stats before;

/* ---- what a case is made of ------------------------------------------------------------------ */

/* The first thing that is wrong is what is told. */
__attribute__((format(printf, 1, 2)))
static void wrong(const char *format, ...)
{
	va_list args;

	if (why[0])
		return;
	va_start(args, format);
	vsnprintf(why, sizeof(why), format, args);
	va_end(args);
}

#define CHECK(condition) do { if (!(condition)) wrong("line %d: not %s", __LINE__, #condition); } while (0)

static void run_array(struct sections_op *ops, uint32_t nr_ops)
{
	if (run_ops(sections, ops, nr_ops, seen))
		wrong("a script was refused: %s", strerror(errno));
}

#define RUN(...)                                                                                   \
	do {                                                                                       \
		struct sections_op ops_[] = { __VA_ARGS__ };                                       \
		run_array(ops_, ARRAY_SIZE(ops_));                                                 \
	} while (0)

static void local_on(void)
{
	cov_clear(&local);
	if (ioctl(local.fd, KCOV_ENABLE, KCOV_TRACE_PC))
		wrong("ENABLE: %s", strerror(errno));
}

static void local_off(void)
{
	if (ioctl(local.fd, KCOV_DISABLE, 0))
		wrong("DISABLE: %s", strerror(errno));
}

/* "0*20 3*10": twenty records of function 0, then ten of 3. */
static void want(struct owner *owner, const char *text)
{
	unsigned int fn, times;
	int length;

	for (; sscanf(text, "%u*%u%n", &fn, &times, &length) == 2; text += length)
		for (unsigned int i = 0; i < times; i++)
			owner_want(owner, fn, i);
}

static void check(struct owner *owner)
{
	const char *other = owner_check(owner);

	if (other)
		wrong("%s", other);
}

static void holds(struct owner *owner, const char *text)
{
	want(owner, text);
	check(owner);
}

/* Since the case began. */
static void counted(const char *name, uint64_t times)
{
	struct stats after;
	uint64_t n;

	read_stats(&after);
	n = stat_of(&after, name) - stat_of(&before, name);
	if (n != times)
		wrong("%s: %llu more, %llu wanted", name, (unsigned long long)n, (unsigned long long)times);
}

static void at_rest(void)
{
	struct stats now;

	read_stats(&now);
	if (stat_of(&now, "areas_free") != stat_of(&now, "areas"))
		wrong("%llu of %llu areas are free", (unsigned long long)stat_of(&now, "areas_free"),
		      (unsigned long long)stat_of(&now, "areas"));
	CHECK(stat_of(&now, "areas_held") == 0);
	CHECK(stat_of(&now, "areas_queued") == 0);
}

static void nothing_lost(void)
{
	static const char *const names[] = { "lost_full", "lost_no_area", "lost_unknown", "lost_shut", "lost_level",
					     "lost_abandoned", "lost_stale", "lost_merge", "lost_contexts" };

	for (size_t i = 0; i < ARRAY_SIZE(names); i++)
		counted(names[i], 0);
}

static void pin(int cpu)
{
	cpu_set_t set;

	CPU_ZERO(&set);
	CPU_SET(cpu, &set);
	sched_setaffinity(0, sizeof(set), &set);
}

/* ---- cases ----------------------------------------------------------------------------------- */

static void a_call_is_a_record(void)
{
	local_on();
	RUN(CALL(3, 5), CALL(4, 2));
	local_off();
	holds(&local_owner, "3*5 4*2");
	counted("records", 7);
	nothing_lost();
}

static void softirq_sections_nest_in_a_tasks(void)
{
	local_on();
	for (int i = 0; i < 10; i++) {
		RUN(START(A), CALL(0, 10), IN(BH),
		    CALL(2, 3), START(B), CALL(1, 5), START(B), CALL(4, 7), STOP, CALL(1, 5), STOP, CALL(2, 3),
		    OUT, CALL(3, 10), STOP, CALL(5, 2));
		want(owner_a, "0*10 3*10");
		want(owner_b, "4*7 1*10");
		want(&local_owner, "5*2");
		CHECK(seen[SECTIONS_BH] == (SECTIONS_SEEN_SOFTIRQ | SECTIONS_SEEN_BORROWED));
	}
	local_off();
	check(owner_a);
	check(owner_b);
	check(&local_owner);
	counted("sections", 30);
	nothing_lost();
}

#define EVERYWHERE(ROUND)                                                                          \
	ROUND(BH) ROUND(TASKLET) ROUND(TIMER) ROUND(HRTIMER) ROUND(WORK) ROUND(BH_OFF) ROUND(PREEMPT_OFF) ROUND(IRQ_OFF)

static void every_level_collects(void)
{
	local_on();
#define ROUND(level)                                                                               \
	RUN(START(A), CALL(0, 4), IN(level), START(B), CALL(1, 5), START(A), CALL(2, 6), STOP, CALL(1, 1), STOP, \
	    OUT, CALL(3, 2), STOP, CALL(6, 1));                                                    \
	holds(owner_b, "1*6");                                                                     \
	holds(owner_a, "2*6 0*4 3*2");                                                             \
	if (why[0])                                                                                \
		wrong("at %s", #level);
	EVERYWHERE(ROUND)
#undef ROUND
	local_off();
	holds(&local_owner, "6*8");
	CHECK(seen[SECTIONS_TASKLET] == 0); /* of the last script only */
	nothing_lost();
}

static void levels_are_where_they_should_be(void)
{
	RUN(IN(BH), OUT, IN(TASKLET), OUT, IN(TIMER), OUT, IN(HRTIMER), OUT, IN(HARDTIMER), OUT, IN(IRQ_WORK), OUT,
	    IN(HARDIRQ), OUT, IN(WORK), OUT);
	CHECK(seen[SECTIONS_BH] == (SECTIONS_SEEN_SOFTIRQ | SECTIONS_SEEN_BORROWED));
	CHECK(seen[SECTIONS_TASKLET] & SECTIONS_SEEN_SOFTIRQ);
	CHECK(seen[SECTIONS_TIMER] & SECTIONS_SEEN_SOFTIRQ);
	CHECK(seen[SECTIONS_HRTIMER] & SECTIONS_SEEN_SOFTIRQ);
	CHECK(seen[SECTIONS_HARDTIMER] == (SECTIONS_SEEN_HARDIRQ | SECTIONS_SEEN_BORROWED));
	CHECK(seen[SECTIONS_HARDIRQ] == (SECTIONS_SEEN_HARDIRQ | SECTIONS_SEEN_BORROWED));
	CHECK(seen[SECTIONS_WORK] == SECTIONS_SEEN_TASK);
	if (is_rt)
		CHECK(seen[SECTIONS_IRQ_WORK] == SECTIONS_SEEN_TASK);
	else
		CHECK(seen[SECTIONS_IRQ_WORK] & SECTIONS_SEEN_HARDIRQ);
}

/* On PREEMPT_RT this irq_work runs in a thread, which collects like any task; elsewhere it never collects. */
static void irq_work_collects_in_threads_only(void)
{
	RUN(IN(IRQ_WORK), START(A), CALL(1, 5), STOP, OUT);
	holds(owner_a, is_rt ? "1*5" : "");
}

static void sections_nest_16_deep(void)
{
	struct sections_op ops[4 * 16], *op = ops;
	const struct sections_op stop = STOP;
	uint64_t handles[] = { A, B };

	for (int i = 0; i < 16; i++) {
		*op++ = (struct sections_op)START(handles[i % 2]);
		*op++ = (struct sections_op)CALL(i, 1 + i);
	}
	for (int i = 15; i >= 0; i--) {
		*op++ = (struct sections_op)CALL(16 + i, 2);
		*op++ = stop;
		for (int n = 0; n < 1 + i; n++)
			owner_want(i % 2 ? owner_b : owner_a, i, n);
		for (int n = 0; n < 2; n++)
			owner_want(i % 2 ? owner_b : owner_a, 16 + i, n);
	}
	run_array(ops, op - ops);
	check(owner_a);
	check(owner_b);
	counted("sections", 16);
	counted("records", 16 * 17 / 2 + 32);
	nothing_lost();
}

/* Put a start of an unknown handle and its stop around each part of a script that is whole. */
static void unknown_handles_change_nothing(void)
{
	const struct sections_op script[] = {
		CALL(0, 2), START(A), CALL(1, 2), IN(BH), CALL(2, 1), START(B), CALL(3, 2), START(A), CALL(4, 2), STOP,
		CALL(5, 2), STOP, OUT, CALL(6, 2), STOP, CALL(7, 2),
	};
	struct sections_op ops[ARRAY_SIZE(script) + 2];
	uint64_t tried = 0;

	local_on();
	for (uint32_t first = 0; first < ARRAY_SIZE(script); first++) {
		int depth = 0;

		for (uint32_t last = first; last < ARRAY_SIZE(script); last++) {
			uint16_t what = script[last].what;

			depth += (what == SECTIONS_START || what == SECTIONS_IN) -
				 (what == SECTIONS_STOP || what == SECTIONS_OUT);
			if (depth < 0)
				break;
			if (depth)
				continue;
			memcpy(ops, script, first * sizeof(*ops));
			ops[first] = (struct sections_op)START(UNKNOWN);
			memcpy(&ops[first + 1], &script[first], (last - first + 1) * sizeof(*ops));
			ops[last + 2] = (struct sections_op)STOP;
			memcpy(&ops[last + 3], &script[last + 1], (ARRAY_SIZE(script) - last - 1) * sizeof(*ops));
			run_array(ops, ARRAY_SIZE(ops));
			want(owner_a, "4*2 1*2 6*2");
			want(owner_b, "3*2 5*2");
			want(&local_owner, "0*2 7*2");
			tried++;
		}
	}
	local_off();
	check(owner_a);
	check(owner_b);
	check(&local_owner);
	counted("lost_unknown", tried);
	counted("sections", 3 * tried);
	counted("lost_no_area", 0);
}

static void nobody_collects_what_no_section_wants(void)
{
	RUN(CALL(0, 5), START(UNKNOWN), CALL(1, 5), STOP, IN(BH), CALL(2, 5), START(UNKNOWN), CALL(3, 5), STOP, OUT,
	    START(0), CALL(4, 5), STOP, START(A), CALL(5, 1), STOP, CALL(6, 1));
	holds(owner_a, "5*1");
	holds(owner_b, "");
	counted("records", 1);
}

/* A stop too many ends neither the task's own coverage nor a section of another level. */
static void a_stop_without_a_start_does_nothing(void)
{
	local_on();
	RUN(STOP, CALL(0, 1), START(A), CALL(1, 1), IN(BH), STOP, STOP, OUT, CALL(2, 1), STOP, STOP, CALL(3, 1));
	local_off();
	holds(owner_a, "1*1 2*1");
	holds(&local_owner, "0*1 3*1");
}

static void an_empty_pool_is_counted(void)
{
	struct sections_op ops[64], *op = ops;
	struct stats now;
	uint64_t nr_areas;

	read_stats(&now);
	nr_areas = stat_of(&now, "areas");
	CHECK(!set_parameter("areas", 4));
	read_stats(&now);
	CHECK(stat_of(&now, "areas") == 4);
	for (int i = 0; i < 10; i++) {
		*op++ = (struct sections_op)START(A);
		*op++ = (struct sections_op)CALL(i, 10 + i);
	}
	for (int i = 9; i >= 0; i--) {
		*op++ = (struct sections_op)CALL(10 + i, 1);
		*op++ = (struct sections_op)STOP;
	}
	local_on();
	run_array(ops, op - ops);
	RUN(CALL(30, 3), START(A), CALL(31, 1), STOP);
	local_off();
	holds(owner_a, "3*13 13*1 2*12 12*1 1*11 11*1 0*10 10*1 31*1");
	holds(&local_owner, "30*3");
	counted("lost_no_area", 14 + 15 + 16 + 17 + 18 + 19 + 6);
	CHECK(!set_parameter("areas", 1));
	RUN(START(A), CALL(0, 1), START(A), CALL(1, 10), START(B), CALL(2, 20), IN(BH), START(A), CALL(3, 30), START(B),
	    CALL(4, 40), STOP, STOP, OUT, STOP, CALL(5, 50), STOP, CALL(6, 1), STOP);
	RUN(START(B), CALL(0, 1), START(A), CALL(1, 10), START(CMPS), CALL(2, 20), START(CMPS), CALL(3, 30), STOP,
	    STOP, CALL(5, 50), STOP, CALL(6, 1), STOP);
	holds(owner_a, "0*1 6*1");
	holds(owner_b, "0*1 6*1");
	holds(owner_cmp, "");
	counted("lost_no_area", 14 + 15 + 16 + 17 + 18 + 19 + 6 + 150 + 110);
	counted("records", 4 * 10 + 6 + 4 + 4 + 4);
	at_rest();
	CHECK(!set_parameter("areas", nr_areas));
	at_rest();
}

static void hardirqs_record_nothing(void)
{
	local_on();
	RUN(IN(HARDIRQ), CALL(1, 5), START(A), CALL(2, 5), STOP, CALL(1, 5), OUT, CALL(3, 1),
	    START(A), CALL(4, 1), IN(HARDTIMER), STOP, START(B), CALL(5, 7), OUT, CALL(6, 1),
	    IN(BH), START(B), CALL(7, 1), IN(HARDIRQ), CALL(8, 3), START(A), STOP, OUT, CALL(9, 1), STOP, OUT,
	    STOP, CALL(10, 1));
	local_off();
	CHECK(seen[SECTIONS_HARDIRQ] == (SECTIONS_SEEN_HARDIRQ | SECTIONS_SEEN_BORROWED));
	CHECK(seen[SECTIONS_HARDTIMER] == (SECTIONS_SEEN_HARDIRQ | SECTIONS_SEEN_BORROWED));
	holds(owner_a, "4*1 6*1");
	holds(owner_b, "7*1 9*1");
	holds(&local_owner, "3*1 10*1");
	counted("sections", 2);
	counted("lost_hardirq", 15 + 7 + 3);
	counted("lost_level", 3);
}

static void comparisons_are_recorded_in_sections(void)
{
	local_on();
	RUN(CALL(0, 1), START(CMPS), CALL(1, 5), IN(BH), START(A), CALL(2, 5), START(CMPS), CALL(3, 3), STOP, CALL(4, 1),
	    STOP, OUT, CALL(5, 2), STOP, CALL(6, 1));
	local_off();
	holds(owner_cmp, "3*3 1*5 5*2");
	holds(owner_a, "2*5 4*1");
	holds(&local_owner, "0*1 6*1");
	counted("records", 2 + 10 + 6);
	nothing_lost();
}

static void a_stale_section_is_dropped(void)
{
	RUN(START(A), CALL(0, 5));
	CHECK(!owner_disable(owner_a));
	CHECK(!owner_enable(owner_a));
	RUN(CALL(0, 2), START(A), CALL(1, 3), STOP, CALL(0, 1), STOP);
	holds(owner_a, "1*3");
	counted("lost_stale", 8);
	/* and one whose owner is not enabled any more at all */
	RUN(START(A), CALL(0, 5));
	CHECK(!owner_disable(owner_a));
	RUN(CALL(0, 1), STOP);
	holds(owner_a, "");
	CHECK(!owner_enable(owner_a));
	holds(owner_a, "");
	counted("lost_stale", 14);
	counted("records", 3);
	at_rest();
}

static void a_full_owner_counts_the_rest(void)
{
	const unsigned int room = page_words() - 1, nr = page_words() * 5 / 8; /* two sections' are more than there is room for */
	const unsigned int cmp_room = room / 4, nr_cmp = cmp_room * 5 / 8, lost = 2 * nr - room, lost_cmp = 2 * nr_cmp - cmp_room;
	struct owner small;
	char text[64];

	owner_create(&small, SMALL, 0, KCOV_TRACE_PC, page_words());
	CHECK(!owner_enable(&small));
	RUN(START(SMALL), CALL(0, nr), STOP, START(SMALL), CALL(1, nr), STOP, START(SMALL), CALL(2, 10), STOP);
	snprintf(text, sizeof(text), "0*%u 1*%u", nr, room - nr);
	want(&small, text);
	CHECK(small.cov.words[0] == room);
	check(&small);
	counted("lost_merge", lost + 10);
	CHECK(!owner_disable(&small));
	small.mode = KCOV_TRACE_CMP;
	CHECK(!owner_enable(&small));
	RUN(START(SMALL), CALL(0, nr_cmp), STOP, START(SMALL), CALL(1, nr_cmp), STOP);
	snprintf(text, sizeof(text), "0*%u 1*%u", nr_cmp, cmp_room - nr_cmp);
	want(&small, text);
	CHECK(small.cov.words[0] == cmp_room);
	check(&small);
	counted("lost_merge", lost + 10 + lost_cmp);
	CHECK(!owner_disable(&small));
	/* whatever the client wrote there */
	small.mode = KCOV_TRACE_PC;
	CHECK(!owner_enable(&small));
	small.cov.words[0] = ~0ull;
	RUN(START(SMALL), CALL(0, 10), STOP);
	CHECK(small.cov.words[0] == ~0ull || small.cov.words[0] == room);
	counted("lost_merge", lost + 10 + lost_cmp + 10);
	CHECK(!owner_disable(&small));
	owner_destroy(&small);
}

static void a_full_area_counts_the_rest(void)
{
	struct stats now;
	uint64_t room;

	read_stats(&now);
	room = stat_of(&now, "area_words") - 1;
	CHECK(room < OWNER_WORDS);
	RUN(START(A), CALL(0, 1), START(A), CALL(1, room + 100), STOP, CALL(2, 1), STOP);
	for (uint64_t i = 0; i < room; i++)
		owner_want(owner_a, 1, i);
	holds(owner_a, "0*1 2*1");
	counted("lost_full", 100);
	local_on();
	RUN(CALL(3, OWNER_WORDS + 49));
	local_off();
	for (uint64_t i = 0; i < OWNER_WORDS - 1; i++)
		owner_want(&local_owner, 3, i);
	check(&local_owner);
	counted("lost_full", 150);
}

static void work_runs_for_the_one_who_asked(void)
{
	struct owner common;
	struct cov mine;
	pid_t pid;

	/* enabled by this task, for whom its children ask */
	if (cov_open(&mine, COVBUF_FILE, 4096) ||
	    cov_remote_enable(&mine, KCOV_TRACE_PC, 0, COMMON))
		wrong("REMOTE_ENABLE: %s", strerror(errno));
	common = (struct owner){ .cov = mine, .want = calloc(mine.nr_words, 8), .mode = KCOV_TRACE_PC };
	pid = fork();
	if (!pid) {
		pid = fork();
		if (!pid) {
			RUN(IN(WORK), START(SECTIONS_COMMON), CALL(1, 5), STOP, CALL(2, 5), OUT, CALL(3, 5),
			    IN(BH), START(SECTIONS_COMMON), CALL(4, 2), STOP, OUT);
			_exit(why[0] != 0);
		}
		waitpid(pid, NULL, 0);
		_exit(0);
	}
	waitpid(pid, NULL, 0);
	holds(&common, "1*5 4*2");
	/* local coverage beside it, by the same task */
	local_on();
	RUN(CALL(0, 1), IN(WORK), START(SECTIONS_COMMON), CALL(1, 5), STOP, OUT, CALL(2, 1), START(SECTIONS_COMMON), CALL(3, 1), STOP);
	local_off();
	holds(&common, "1*5 3*1");
	holds(&local_owner, "0*1 2*1");
	ioctl(mine.fd, KCOV_DISABLE, 0);
	RUN(START(SECTIONS_COMMON), CALL(0, 1), STOP);
	holds(&common, "");
	cov_close(&mine);
	free(common.want);
}

static void what_a_dying_task_had_is_delivered(void)
{
	for (int how = 0; how < 2; how++) {
		pid_t pid = fork();

		if (!pid) {
			RUN(START(A), CALL(0, 5), START(B), CALL(1, 5));
			if (how)
				raise(SIGKILL);
			_exit(0);
		}
		waitpid(pid, NULL, 0);
		want(owner_a, "0*5");
		want(owner_b, "1*5");
	}
	check(owner_a);
	check(owner_b);
	counted("lost_abandoned", 4);
	at_rest();
}

/* ---- tasks against softirqs and each other --------------------------------------------------- */

static volatile bool over;
static uint64_t nr_task_sections, nr_over;

static void *preempt(void *arg)
{
	struct sched_param parameter = { .sched_priority = 60 };
	struct sections_op ops[] = { START(A), CALL(8, 5), STOP };
	uint8_t where[SECTIONS_NR_LEVELS];

	(void)arg;
	pin(0);
	if (sched_setscheduler(0, SCHED_FIFO, &parameter))
		wrong("SCHED_FIFO: %s", strerror(errno));
	while (!over) {
		usleep(1000);
		if (run_ops(sections, ops, ARRAY_SIZE(ops), where))
			wrong("a script was refused: %s", strerror(errno));
		nr_task_sections++;
		nr_over += !!(where[SECTIONS_TASK] & SECTIONS_SEEN_OVER);
	}
	return NULL;
}

/* On PREEMPT_RT a task with a section preempts a softirq with one, on the same CPU. */
static void tasks_preempt_softirqs(void)
{
	struct sections_op ops[] = { IN(TIMER), START(B), CALL(1, 400), STOP, OUT };
	pthread_t thread;

	ops[2].pause_us = 20;
	nr_task_sections = nr_over = 0;
	over = false;
	pthread_create(&thread, NULL, preempt, NULL);
	pin(0);
	for (int i = 0; i < 100 && (i < 10 || (is_rt && !nr_over)); i++) {
		run_array(ops, ARRAY_SIZE(ops));
		want(owner_b, "1*400");
	}
	over = true;
	pthread_join(thread, NULL);
	for (uint64_t i = 0; i < nr_task_sections; i++)
		want(owner_a, "8*5");
	check(owner_a);
	check(owner_b);
	if (is_rt != (nr_over > 0))
		wrong("%llu of %llu sections of the task were over one of a softirq", (unsigned long long)nr_over,
		      (unsigned long long)nr_task_sections);
	nothing_lost();
}

struct neighbour {
	pthread_t thread;
	unsigned int fn;
	char why[256];
};

/* Runs its own function, and has the late probe of sched_switch run the next one when it goes. */
static void *trace_beside(void *arg)
{
	struct neighbour *me = arg;
	struct sections_op ops[] = { CALL(me->fn, 50), SLEEP(50), CALL(me->fn, 50) };
	int device = open("/dev/sections", O_RDWR | O_CLOEXEC);
	struct cov cov;

	pin(me->fn / 2 % 2);
	if (device < 0 || ioctl(device, SECTIONS_PROBE, me->fn + 1) || cov_open(&cov, COVBUF_FILE, 4096) ||
	    ioctl(cov.fd, KCOV_ENABLE, KCOV_TRACE_PC)) {
		snprintf(me->why, sizeof(me->why), "cannot trace: %s", strerror(errno));
		return NULL;
	}
	for (int round = 0; round < 100 && !me->why[0]; round++) {
		unsigned int own = 0;

		cov_clear(&cov);
		run_ops(device, ops, ARRAY_SIZE(ops), NULL);
		for (uint64_t i = 0; i < cov_count(&cov); i++) {
			int fn = fn_of(&places, cov.words[1 + i]);

			if (fn == (int)me->fn)
				own++;
			else
				snprintf(me->why, sizeof(me->why), "function %d in the trace of %u", fn, me->fn);
		}
		if (own != 100)
			snprintf(me->why, sizeof(me->why), "%u records of 100 in the trace of %u", own, me->fn);
	}
	close(device);
	cov_close(&cov);
	return NULL;
}

static void late_probes_find_nobodys_area(void)
{
	struct neighbour neighbours[8] = { 0 };

	for (unsigned int i = 0; i < ARRAY_SIZE(neighbours); i++) {
		neighbours[i].fn = 2 * i;
		pthread_create(&neighbours[i].thread, NULL, trace_beside, &neighbours[i]);
	}
	for (unsigned int i = 0; i < ARRAY_SIZE(neighbours); i++) {
		pthread_join(neighbours[i].thread, NULL);
		if (neighbours[i].why[0])
			wrong("%s", neighbours[i].why);
	}
}

/* ---- random scripts -------------------------------------------------------------------------- */

static uint64_t seed = 1;
static unsigned int nr_scripts = 150;

static uint32_t draw(uint32_t below)
{
	seed ^= seed << 13;
	seed ^= seed >> 7;
	seed ^= seed << 17;
	return (seed >> 16) % below;
}

/*
 * A context has few frames without an area, and sections that find none share one where they are of one mode and one
 * level: exact as long as modes do not alternate too often, so here they do not where areas are scarce.
 */
static bool scarce;

/* Operations that are whole, at a level at which those of may are allowed. */
static struct sections_op *add_random(struct sections_op *op, const struct sections_op *end, uint32_t may, int depth)
{
	static const uint64_t handles[] = { A, A, B, B, C, UNKNOWN, SECTIONS_COMMON, CMPS, CMPS };
	const uint32_t soft = 1u << SECTIONS_BH | 1u << SECTIONS_TASKLET | 1u << SECTIONS_TIMER | 1u << SECTIONS_HRTIMER;
	const uint32_t hard = 1u << SECTIONS_HARDTIMER | 1u << SECTIONS_HARDIRQ, irq_off = 1u << SECTIONS_IRQ_OFF;
	const uint32_t here = 1u << SECTIONS_BH_OFF | 1u << SECTIONS_PREEMPT_OFF | irq_off;

	for (uint32_t n = 1 + draw(5); n && end - op > 8; n--) {
		uint32_t level = draw(SECTIONS_NR_LEVELS);

		switch (draw(8)) {
		case 0 ... 2:
			*op++ = (struct sections_op)CALL(draw(NR_FNS), 1 + draw(20));
			break;
		case 3 ... 5:
			if (depth > 24)
				break;
			*op++ = (struct sections_op)START(handles[draw(ARRAY_SIZE(handles) - 2 * scarce)]);
			op = add_random(op, end - 1, may, depth + 1);
			*op++ = (struct sections_op)STOP;
			break;
		case 6 ... 7:
			if (!(may & 1u << level))
				break;
			*op++ = (struct sections_op){ .what = SECTIONS_IN, .fn = level };
			op = add_random(op, end - 1, hard & 1u << level || level == SECTIONS_IRQ_WORK || irq_off & 1u << level ? 0 :
					here & 1u << level || soft & 1u << level ? may & (hard | irq_off) : may & (soft | hard | here),
					depth + 1);
			*op++ = (struct sections_op)OUT;
			break;
		}
	}
	return op;
}

static void scripts_do_what_the_model_says(void)
{
	static struct sections_op ops[250];
	uint32_t may = (1u << SECTIONS_NR_LEVELS) - 1 - (1u << SECTIONS_TASK);
	uint64_t began = seed, nr_areas;
	struct stats now;
	struct model model = { .owners = owners, .nr_owners = ARRAY_SIZE(owners), .seen = seen };

	read_stats(&now);
	nr_areas = stat_of(&now, "areas");
	model.area_words = stat_of(&now, "area_words");
	for (unsigned int i = 0; i < nr_scripts && !why[0]; i++) {
		struct sections_op *end;

		scarce = draw(2);
		model.nr_areas = scarce ? 1 + draw(12) : nr_areas;
		model.local = draw(3) ? &local_owner : NULL;
		end = add_random(ops, ops + 10 + draw(ARRAY_SIZE(ops) - 10), may, 0);
		CHECK(!set_parameter("areas", model.nr_areas));
		if (model.local)
			local_on();
		run_array(ops, end - ops);
		if (model.local)
			local_off();
		model_run(&model, ops, end - ops);
		for (uint32_t k = 0; k < ARRAY_SIZE(owners); k++)
			check(&owners[k]);
		check(&local_owner);
		counted("sections", model.sections);
		counted("lost_unknown", model.lost_unknown);
		counted("lost_no_area", model.lost_no_area);
		counted("lost_full", model.lost_full);
		counted("lost_merge", model.lost_merge);
		if (why[0]) {
			printf("script %u of seed %llu:", i, (unsigned long long)began);
			for (const struct sections_op *op = ops; op < end; op++)
				printf(" %u:%u:%u:%llx", op->what, op->fn, op->n, (unsigned long long)op->value);
			printf("\n");
		}
	}
	at_rest();
	CHECK(!set_parameter("areas", nr_areas));
}

/* ---- all of them ----------------------------------------------------------------------------- */

static const struct {
	const char *name;
	void (*run)(void);
} cases[] = {
#define CASE(name) { #name, name }
	CASE(levels_are_where_they_should_be),
	CASE(a_call_is_a_record),
	CASE(nobody_collects_what_no_section_wants),
	CASE(softirq_sections_nest_in_a_tasks),
	CASE(every_level_collects),
	CASE(irq_work_collects_in_threads_only),
	CASE(sections_nest_16_deep),
	CASE(unknown_handles_change_nothing),
	CASE(a_stop_without_a_start_does_nothing),
	CASE(an_empty_pool_is_counted),
	CASE(hardirqs_record_nothing),
	CASE(comparisons_are_recorded_in_sections),
	CASE(a_stale_section_is_dropped),
	CASE(a_full_owner_counts_the_rest),
	CASE(a_full_area_counts_the_rest),
	CASE(work_runs_for_the_one_who_asked),
	CASE(what_a_dying_task_had_is_delivered),
	CASE(tasks_preempt_softirqs),
	CASE(late_probes_find_nobodys_area),
	CASE(scripts_do_what_the_model_says),
};

static void run_case(uint32_t i)
{
	cpu_set_t all;

	sched_getaffinity(0, sizeof(all), &all);
	why[0] = '\0';
	for (uint32_t k = 0; k < ARRAY_SIZE(owners); k++)
		owners[k].nr_want = 0;
	local_owner.nr_want = 0;
	for (uint32_t k = 0; k < ARRAY_SIZE(owners); k++)
		if (!owners[k].enabled && owner_enable(&owners[k]))
			wrong("REMOTE_ENABLE: %s", strerror(owners[k].err));
	for (uint32_t k = 0; k < ARRAY_SIZE(owners); k++)
		cov_clear(&owners[k].cov);
	read_stats(&before);
	cases[i].run();
	sched_setaffinity(0, sizeof(all), &all);
	if (why[0])
		printf("not ok %s: %s\n", cases[i].name, why);
	else
		printf("ok %s\n", cases[i].name);
}

int main(int argc, char **argv)
{
	const char *other, *only = NULL;
	struct utsname kernel;

	setvbuf(stdout, NULL, _IOLBF, 0);
	for (int i = 1; i + 1 < argc; i += 2)
		if (!strcmp(argv[i], "--seed"))
			seed = strtoull(argv[i + 1], NULL, 0);
		else if (!strcmp(argv[i], "--scripts"))
			nr_scripts = atoi(argv[i + 1]);
		else if (!strcmp(argv[i], "--case"))
			only = argv[i + 1];
	uname(&kernel);
	is_rt = strstr(kernel.version, "PREEMPT_RT") || strstr(kernel.version, "PREEMPT RT");
	sections = open("/dev/sections", O_RDWR | O_CLOEXEC);
	if (sections < 0)
		die("sections", "cannot open /dev/sections");
	other = find_places(sections, &places);
	if (other)
		die("sections", "%s", other);
	owner_create(&owners[0], A, 0, KCOV_TRACE_PC, OWNER_WORDS);
	owner_create(&owners[1], B, 0, KCOV_TRACE_PC, OWNER_WORDS);
	owner_create(&owners[2], C, 0, KCOV_TRACE_PC, OWNER_WORDS);
	owner_create(&owners[3], CMPS, 0, KCOV_TRACE_CMP, OWNER_WORDS);
	owner_create(&local_owner, 0, 0, KCOV_TRACE_PC, OWNER_WORDS);
	local = local_owner.cov;
	for (uint32_t i = 0; i < ARRAY_SIZE(cases); i++)
		if (!only || !strcmp(only, cases[i].name))
			run_case(i);
	for (uint32_t i = 0; i < ARRAY_SIZE(owners); i++) {
		owner_disable(&owners[i]);
		owner_destroy(&owners[i]);
	}
	owner_destroy(&local_owner);
	return 0;
}
