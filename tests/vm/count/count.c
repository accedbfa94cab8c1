// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * What hooks, sections, ioctls and context switches cost, by the TSC or time base: instructions, where qemu runs with the
 * -icount of bench/kernel.sh, and nothing that means anything elsewhere. On covbuf.ko, or on a kernel's own KCOV. Each count is the least of
 * some passes, so that interrupts are in none of them. That what is counted did happen, is checked by what was recorded.
 *
 * Prints lines "NAME VALUE"; a value of "-" is of something that this kernel has not. 2: something is wrong.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <linux/kcov.h>
#include <math.h>
#include <sched.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>
#ifdef __powerpc64__
#define ticks() __builtin_ppc_get_timebase()
#else
#include <x86intrin.h>
#define ticks() __rdtsc()
#endif

#include "module/count.h"

#ifndef KCOV_UNIQUE_ENABLE
#define KCOV_UNIQUE_ENABLE _IOW('c', 103, unsigned long)
#define KCOV_RESET_TRACE _IO('c', 104)
#endif
#define KCOV_REFUSED _IO('c', 199)

/* Of a call into another module. POWER's goes by way of a stub, and restores the caller's TOC. */
#ifdef __powerpc64__
#define CALL_INSTRUCTIONS 8
#else
#define CALL_INSTRUCTIONS 1
#endif
#define PASSES 30
#define AREA_WORDS 8192
#define SEEN_WORDS 1024
#define RECORDS 10
#define SWITCH_PASSES 3000

static const char *wrong_where;

static void __attribute__((noreturn, format(printf, 1, 2))) wrong(const char *format, ...)
{
	va_list args;

	fprintf(stderr, "count: %s: ", wrong_where);
	va_start(args, format);
	vfprintf(stderr, format, args);
	va_end(args);
	fprintf(stderr, "\n");
	exit(2);
}

static void check(bool right, const char *what)
{
	if (!right)
		wrong("%s: %s", what, strerror(errno));
}

/* ---- the two devices ------------------------------------------------------------------------- */

static int counter;

struct device {
	int fd;
	uint64_t *area;
};

static struct device device_open(unsigned long nr_words)
{
	struct device device = { .fd = open("/sys/kernel/debug/kcov", O_RDWR | O_CLOEXEC) };

	check(device.fd >= 0, "open kcov");
	check(!ioctl(device.fd, KCOV_INIT_TRACE, nr_words), "KCOV_INIT_TRACE");
	device.area = mmap(NULL, nr_words * 8, PROT_READ | PROT_WRITE, MAP_SHARED, device.fd, 0);
	check(device.area != MAP_FAILED, "mmap");
	return device;
}

static void device_close(struct device *device, unsigned long nr_words)
{
	munmap(device->area, nr_words * 8);
	close(device->fd);
}

static void enable(struct device *device, unsigned long mode)
{
	check(!ioctl(device->fd, KCOV_ENABLE, mode), "KCOV_ENABLE");
}

static void disable(struct device *device)
{
	check(!ioctl(device->fd, KCOV_DISABLE, 0), "KCOV_DISABLE");
}

static uint64_t handle_of(unsigned int i)
{
	return KCOV_SUBSYSTEM_USB | (1 + i);
}

static void remote_enable(struct device *device, unsigned int nr_handles)
{
	struct kcov_remote_arg *arg = calloc(1, sizeof(*arg) + nr_handles * sizeof(arg->handles[0]));

	arg->trace_mode = KCOV_TRACE_PC;
	arg->area_size = AREA_WORDS;
	arg->num_handles = nr_handles;
	for (unsigned int i = 0; i < nr_handles; i++)
		arg->handles[i] = handle_of(i);
	check(!ioctl(device->fd, KCOV_REMOTE_ENABLE, arg), "KCOV_REMOTE_ENABLE");
	free(arg);
}

/* A kernel that is its own KCOV records the system call, too. */
static bool is_covbuf;

static void check_records(uint64_t found, uint64_t expected)
{
	if (is_covbuf ? found != expected : found < expected)
		wrong("%" PRIu64 " records, not %" PRIu64, found, expected);
}

/* ---- counting -------------------------------------------------------------------------------- */

/* Of so many ticks: a whole number, whatever the beginning and the end of the first and last tick did. */
static uint64_t instructions(uint64_t nr_ticks)
{
	return (uint64_t)lrint((double)nr_ticks / COUNT_TICKS);
}

static uint64_t count_once(const struct count_request *what, bool empty)
{
	struct count_request request = *what;

	request.empty = empty;
	check(!ioctl(counter, COUNT_IOCTL, &request), "COUNT_IOCTL");
	return instructions(request.ticks);
}

static uint64_t least(uint64_t a, uint64_t b)
{
	return a < b ? a : b;
}

/* Of the functions that stand in for what is counted: their return. */
static double empty_call;

static void find_empty_call(void)
{
	uint64_t one = ~0ull, calls = ~0ull;

	for (int i = 0; i < PASSES; i++) {
		one = least(one, count_once(&(struct count_request){ .what = COUNT_ONE }, true));
		calls = least(calls, count_once(&(struct count_request){ .what = COUNT_PC }, true));
	}
	empty_call = ((double)calls - (double)one) / (COUNT_CALLS - 1) - CALL_INSTRUCTIONS;
}

static void print(const char *name, double value)
{
	printf("%s %g\n", name, value);
	fflush(stdout);
}

static void print_none(const char *name)
{
	printf("%s -\n", name);
}

/*
 * Counts request again and again; words, if not NULL, is the area, which has so many records each time
 * before, and nr_records more after. Returns the instructions in all calls, without the calls themselves.
 */
static double count(const struct count_request *request, uint64_t *words, uint64_t filled, uint64_t nr_records,
		    unsigned int nr_calls)
{
	uint64_t calls = ~0ull, empty = ~0ull;

	for (int i = 0; i < PASSES; i++) {
		if (words)
			__atomic_store_n(words, filled, __ATOMIC_RELAXED);
		calls = least(calls, count_once(request, false));
		if (words)
			check_records(__atomic_load_n(words, __ATOMIC_RELAXED) - filled, nr_records);
		empty = least(empty, count_once(request, true));
	}
	return (double)calls - (double)empty + empty_call * nr_calls;
}

/* Of one call of a hook. */
static void count_hook(const char *name, const struct count_request *request, uint64_t *words, uint64_t filled,
		       uint64_t nr_records)
{
	wrong_where = name;
	print(name, count(request, words, filled, nr_records, COUNT_CALLS) / COUNT_CALLS);
}

static const struct count_request pc = { .what = COUNT_PC }, cmp = { .what = COUNT_CMP };

static void count_local(const char *name, unsigned long mode, const struct count_request *request, uint64_t nr_records)
{
	struct device device = device_open(AREA_WORDS);

	wrong_where = name;
	enable(&device, mode);
	count_hook(name, request, device.area, 0, nr_records);
	disable(&device);
	device_close(&device, AREA_WORDS);
}

static void count_full(void)
{
	struct device device = device_open(AREA_WORDS);

	wrong_where = "hook_full";
	enable(&device, KCOV_TRACE_PC);
	count_hook("hook_full", &pc, device.area, AREA_WORDS - 1, 0);
	disable(&device);
	device_close(&device, AREA_WORDS);
}

static void count_hardirq(void)
{
	const struct count_request request = { .what = COUNT_PC, .hardirq = true };

	count_local("hook_hardirq", KCOV_TRACE_PC, &request, 0);
}

/* Each of the calls once; then all again. */
static void count_unique(void)
{
	struct device device = device_open(AREA_WORDS);
	uint64_t first = ~0ull, again = ~0ull, empty = ~0ull, *words = device.area + SEEN_WORDS;

	wrong_where = "hook_unique";
	if (ioctl(device.fd, KCOV_UNIQUE_ENABLE, SEEN_WORDS)) {
		check(errno == ENOTTY, "KCOV_UNIQUE_ENABLE");
		print_none("hook_unique_first");
		print_none("hook_unique_again");
		device_close(&device, AREA_WORDS);
		return;
	}
	for (int i = 0; i < PASSES; i++) {
		check(!ioctl(device.fd, KCOV_RESET_TRACE, 0), "KCOV_RESET_TRACE");
		first = least(first, count_once(&pc, false));
		again = least(again, count_once(&pc, false));
		empty = least(empty, count_once(&pc, true));
		check_records(*words, COUNT_CALLS);
	}
	print("hook_unique_first", ((double)first - (double)empty) / COUNT_CALLS + empty_call);
	print("hook_unique_again", ((double)again - (double)empty) / COUNT_CALLS + empty_call);
	disable(&device);
	device_close(&device, AREA_WORDS);
}

static void count_section(const char *name, uint64_t handle, unsigned int nr_records, uint64_t *words, unsigned int nr_found)
{
	const struct count_request request = { .what = COUNT_SECTION, .nr_records = nr_records, .handle = handle };

	wrong_where = name;
	print(name, count(&request, words, 0, nr_found, 2 + nr_records));
}

/* Runs it in a process of its own, for which something else is enabled than for us. */
static void elsewhere(void (*what)(const void *), const void *arg)
{
	int status;
	pid_t pid;

	fflush(stdout);
	pid = fork();
	check(pid >= 0, "fork");
	if (!pid) {
		what(arg);
		fflush(stdout);
		_exit(0);
	}
	check(waitpid(pid, &status, 0) == pid, "waitpid");
	if (status)
		exit(2);
}

static void hook_while_other_traces(const void *arg)
{
	(void)arg;
	count_hook("hook_other", &pc, NULL, 0, 0);
	count_hook("hook_cmp_other", &cmp, NULL, 0, 0);
}

struct sections {
	uint64_t *words;
	unsigned int nr_handles;
};

static void sections_of_other(const void *arg)
{
	const struct sections *sections = arg;
	uint64_t handle = handle_of(sections->nr_handles / 2);

	if (sections->nr_handles == 1) {
		count_section("section_unknown", handle_of(1000), 0, sections->words, 0);
		count_section("section_1_empty", handle, 0, sections->words, 0);
		count_section("section_1_records", handle, RECORDS, sections->words, RECORDS);
	} else {
		count_section("section_100_empty", handle, 0, sections->words, 0);
		count_section("section_100_records", handle, RECORDS, sections->words, RECORDS);
	}
}

static void count_sections(unsigned int nr_handles)
{
	struct device device = device_open(AREA_WORDS);
	struct sections sections = { device.area, nr_handles };

	wrong_where = "sections";
	remote_enable(&device, nr_handles);
	elsewhere(sections_of_other, &sections);
	disable(&device);
	device_close(&device, AREA_WORDS);
}

/* ---- from user space ------------------------------------------------------------------------- */

/* With the two system calls, and without: what they cost when they are refused. */
static void count_ioctls(void)
{
	struct device device = device_open(AREA_WORDS);
	uint64_t pair = ~0ull, refused = ~0ull, start;

	wrong_where = "ioctls";
	for (int i = 0; i < PASSES; i++) {
		start = ticks();
		if (ioctl(device.fd, KCOV_ENABLE, KCOV_TRACE_PC) | ioctl(device.fd, KCOV_DISABLE, 0))
			wrong("ENABLE or DISABLE failed");
		pair = least(pair, instructions(ticks() - start));
		start = ticks();
		if (!(ioctl(device.fd, KCOV_REFUSED, 0) & ioctl(device.fd, KCOV_REFUSED, 0)))
			wrong("an ioctl that is none was not refused");
		refused = least(refused, instructions(ticks() - start));
	}
	print("ioctls_pair", pair);
	print("ioctls_refused", refused);
	device_close(&device, AREA_WORDS);
}

/* A fair scheduler decides by what it remembers of the last seconds; this one takes the same way each time. */
static void schedule_as(int policy)
{
	const struct sched_param param = { .sched_priority = policy == SCHED_FIFO };

	check(!sched_setscheduler(0, policy, &param), "sched_setscheduler");
}

/* A process on this CPU that is woken by what it reads, and answers. */
struct peer {
	int to, from;
	pid_t pid;
};

static struct peer start_peer(void)
{
	struct peer peer;
	int to[2], from[2];
	char byte;

	check(!pipe(to) && !pipe(from), "pipe");
	peer = (struct peer){ .to = to[1], .from = from[0], .pid = fork() };
	check(peer.pid >= 0, "fork");
	if (!peer.pid) {
		close(to[1]);
		while (read(to[0], &byte, 1) == 1)
			if (write(from[1], &byte, 1) != 1)
				break;
		_exit(0);
	}
	close(to[0]);
	close(from[1]);
	return peer;
}

static void stop_peer(struct peer *peer)
{
	close(peer->to);
	close(peer->from);
	waitpid(peer->pid, NULL, 0);
}

/* There and back is two switches, with the reads and writes of the pipes. Returns the instructions of one. */
static double count_switches(struct peer *peer)
{
	uint64_t best = ~0ull, start;
	char byte = 0;

	for (int i = 0; i < SWITCH_PASSES; i++) {
		start = ticks();
		if (write(peer->to, &byte, 1) != 1 || read(peer->from, &byte, 1) != 1)
			wrong("the other process has gone");
		best = least(best, instructions(ticks() - start));
	}
	return (double)best / 2;
}

/* A process that traces, and sleeps. */
static pid_t start_tracer(unsigned long mode)
{
	int ready[2];
	pid_t pid;
	char byte;

	check(!pipe(ready), "pipe");
	pid = fork();
	check(pid >= 0, "fork");
	if (!pid) {
		struct device device;

		prctl(PR_SET_PDEATHSIG, SIGKILL);
		device = device_open(AREA_WORDS);
		enable(&device, mode);
		check(write(ready[1], "", 1) == 1, "write");
		for (;;)
			pause();
	}
	check(read(ready[0], &byte, 1) == 1, "read");
	close(ready[0]);
	close(ready[1]);
	return pid;
}

static void stop_tracer(pid_t pid)
{
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
}

int main(void)
{
	cpu_set_t first;
	struct peer peer;
	pid_t pid;

	wrong_where = "setup";
	CPU_ZERO(&first);
	CPU_SET(0, &first);
	check(!sched_setaffinity(0, sizeof(first), &first), "sched_setaffinity");
	is_covbuf = !access("/sys/kernel/debug/covbuf", F_OK);
	counter = open("/dev/count", O_RDWR | O_CLOEXEC);
	check(counter >= 0, "open /dev/count; is count.ko loaded?");

	/* what is idle comes first: covbuf.ko stays awake for a while */
	find_empty_call();
	print("empty_call", empty_call);
	count_hook("hook_idle", &pc, NULL, 0, 0);
	count_hook("hook_cmp_idle", &cmp, NULL, 0, 0);
	count_section("section_idle", handle_of(0), 0, NULL, 0);
	wrong_where = "switches";
	schedule_as(SCHED_FIFO);
	peer = start_peer();
	print("switch_idle", count_switches(&peer));
	schedule_as(SCHED_OTHER);

	wrong_where = "another task traces";
	pid = start_tracer(KCOV_TRACE_PC);
	hook_while_other_traces(NULL);
	wrong_where = "switches";
	schedule_as(SCHED_FIFO);
	print("switch_collecting", count_switches(&peer));
	schedule_as(SCHED_OTHER);
	stop_tracer(pid);
	stop_peer(&peer);

	count_local("hook_pc_other_mode", KCOV_TRACE_CMP, &pc, 0);
	count_local("hook_cmp_other_mode", KCOV_TRACE_PC, &cmp, 0);
	count_hardirq();
	count_full();
	count_local("hook_pc_record", KCOV_TRACE_PC, &pc, COUNT_CALLS);
	count_local("hook_cmp_record", KCOV_TRACE_CMP, &cmp, COUNT_CALLS);
	count_unique();
	count_sections(1);
	count_sections(100);
	count_ioctls();
	return 0;
}
