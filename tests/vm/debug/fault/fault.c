// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * fault COVBUF.KO CLIENT.KO [OPERATION...]: what covbuf.ko does when memory runs out, allocation by allocation.
 *
 * By /proc/thread-self/fail-nth the kernel fails the Nth allocation (or copy from or to this program) that this
 * thread asks for. For N = 1, 2, ... until there is no Nth, a child does each operation on a fresh state. If that
 * fails, it has to say ENOMEM (EFAULT where a copy was failed), and has to succeed when done again, unharmed.
 * The child's end undoes everything, and the module has to be at rest with nothing gone from its pool.
 *
 * The module is not loaded before and not after. Needs a kernel with CONFIG_FAULT_INJECTION, FAILSLAB and
 * FAIL_PAGE_ALLOC.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/kcov.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#define UNIQUE_ENABLE _IOW('c', 103, unsigned long)
#define STATS "/sys/kernel/debug/covbuf/stats"
#define KCOV "/sys/kernel/debug/kcov"
#define COVBUF "/dev/covbuf"
#define AREAS "/sys/module/covbuf/parameters/areas"
#define PARAMETERS "areas=2 area_kb=64 contexts=64 owners=8"

enum { AREA_WORDS = 4096, NR_HANDLES = 40, AREAS_BEFORE = 2, AREAS_MORE = 6 };

/* How an operation ended: with no fault, with an error (of a copy), without what was refused; or wrongly. */
enum outcome { NO_FAULT, REFUSED, COPY_REFUSED, DONE_WITHOUT, NOT_OK };

static const char *covbuf_ko, *client_ko;
static const char *operation;	/* for messages: its name, and the number of the fault */
static unsigned int nth;
static int device = -1, fail_nth = -1;

static void __attribute__((format(printf, 1, 2), noreturn)) not_ok(const char *format, ...)
{
	va_list args;

	printf("not ok fault/%s: with allocation %u failed: ", operation, nth);
	va_start(args, format);
	vprintf(format, args);
	va_end(args);
	putchar('\n');
	fflush(stdout);
	_exit(NOT_OK);
}

static int result(long ret)
{
	return ret < 0 ? -errno : 0;
}

/* ---------------------------------------------------------------- the fault */

static void arm(unsigned int n)
{
	char text[16];
	int length = snprintf(text, sizeof(text), "%u", n);

	/* Its own copy may be the one that fails; then, too, none is pending. */
	if (pwrite(fail_nth, text, length, 0) != length && errno != EFAULT)
		not_ok("cannot write fail-nth: %s", strerror(errno));
}

/* Whether the fault that arm() prepared has happened; none is pending after. */
static int disarm(void)
{
	char text[16] = "";
	/* Reading counts as well, being a copy to this program: where one more was missing, it fails. */
	int was_next = pread(fail_nth, text, sizeof(text) - 1, 0) < 0 && errno == EFAULT;

	arm(0);
	return !was_next && atoi(text) == 0;
}

/* ---------------------------------------------------------------- the module */

static int load(const char *path, const char *parameters)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC), ret;

	if (fd < 0)
		return -errno;
	ret = result(syscall(SYS_finit_module, fd, parameters, 0));
	close(fd);
	return ret;
}

/* As rmmod does: EAGAIN while in use. */
static int unload(const char *name)
{
	return result(syscall(SYS_delete_module, name, O_NONBLOCK));
}

static long stat_of(const char *name)
{
	char line[128], at[64];
	long value, found = -1;
	FILE *stats = fopen(STATS, "re");

	if (!stats)
		not_ok("%s: %s", STATS, strerror(errno));
	while (fgets(line, sizeof(line), stats))
		if (sscanf(line, "%63s %ld", at, &value) == 2 && !strcmp(at, name))
			found = value;
	fclose(stats);
	if (found < 0)
		not_ok("%s has no '%s'", STATS, name);
	return found;
}

static void await(const char *name, long value)
{
	for (int i = 0; stat_of(name) != value; i++) {
		if (i == 1000)
			not_ok("%s is %ld after 10 s, not %ld", name, stat_of(name), value);
		usleep(10000);
	}
}

static void at_rest(void)
{
	await("owners", 0);
	await("owners_enabled", 0);
	await("areas_held", 0);
	await("areas_queued", 0);
	await("areas_free", stat_of("areas"));
}

/* ---------------------------------------------------------------- the operations */

static int open_path(const char *path)
{
	device = open(path, O_RDWR | O_CLOEXEC);
	return result(device);
}

static int open_kcov(void)
{
	return open_path(KCOV);
}

static int open_covbuf(void)
{
	return open_path(COVBUF);
}

static int init(void)
{
	return result(ioctl(device, KCOV_INIT_TRACE, AREA_WORDS));
}

static int map(void)
{
	void *area = mmap(NULL, AREA_WORDS * 8, PROT_READ | PROT_WRITE, MAP_SHARED, device, 0);

	return result(area == MAP_FAILED ? -1 : 0);
}

static int enable(void)
{
	return result(ioctl(device, KCOV_ENABLE, KCOV_TRACE_PC));
}

static int enable_unique(void)
{
	return result(ioctl(device, UNIQUE_ENABLE, AREA_WORDS / 2));
}

static int enable_remote(void)
{
	struct kcov_remote_arg *remote = calloc(1, sizeof(*remote) + NR_HANDLES * sizeof(remote->handles[0]));
	int ret;

	remote->trace_mode = KCOV_TRACE_PC;
	remote->area_size = AREA_WORDS;
	remote->num_handles = NR_HANDLES;
	remote->common_handle = kcov_remote_handle(KCOV_SUBSYSTEM_COMMON, 0x77);
	for (int i = 0; i < NR_HANDLES; i++)
		remote->handles[i] = kcov_remote_handle(KCOV_SUBSYSTEM_USB, i + 1);
	ret = result(ioctl(device, KCOV_REMOTE_ENABLE, remote));
	free(remote);
	return ret;
}

static int disable(void)
{
	return result(ioctl(device, KCOV_DISABLE, 0));
}

static int close_device(void)
{
	return result(close(device));
}

static int set_areas(int nr)
{
	char text[16];
	int length = snprintf(text, sizeof(text), "%d", nr), fd = open(AREAS, O_WRONLY | O_CLOEXEC), ret;

	if (fd < 0)
		return -errno;
	ret = result(write(fd, text, length));
	close(fd);
	return ret;
}

static int grow_pool(void)
{
	return set_areas(AREAS_MORE);
}

static int shrink_pool(void)
{
	return set_areas(AREAS_BEFORE);
}

static int load_covbuf(void)
{
	return load(covbuf_ko, PARAMETERS);
}

static int unload_covbuf(void)
{
	return unload("covbuf");
}

static int load_client(void)
{
	return load(client_ko, "");
}

static int unload_client(void)
{
	return unload("fault_client");
}

/* The first ENABLE registers probes, which the last DISABLE leaves on for a while. */
static int await_probes_off(void)
{
	await("collecting", 0);
	return 0;
}

struct operation {
	const char *name;
	int (*run)(void);
	int (*prepare[4])(void);
};

static const struct operation operations[] = {
	{ "load", load_covbuf },
	{ "unload", unload_covbuf, { load_covbuf } },
	{ "load_client", load_client },
	{ "unload_client", unload_client, { load_client } },
	{ "open_kcov", open_kcov },
	{ "open_covbuf", open_covbuf },
	{ "init", init, { open_covbuf } },
	{ "map", map, { open_covbuf, init } },
	{ "enable_first", enable, { open_covbuf, init, map, await_probes_off } },
	{ "enable", enable, { open_covbuf, init, map } },
	{ "enable_unique", enable_unique, { open_covbuf, init, map } },
	{ "enable_remote", enable_remote, { open_covbuf, init, map } },
	{ "disable", disable, { open_covbuf, init, map, enable } },
	{ "disable_remote", disable, { open_covbuf, init, map, enable_remote } },
	{ "close_enabled", close_device, { open_covbuf, init, enable_remote } },
	{ "grow_pool", grow_pool },
	{ "shrink_pool", shrink_pool, { grow_pool } },
};

/* ---------------------------------------------------------------- each of them */

static int about_loading(const struct operation *op)
{
	return op->run == load_covbuf || op->run == unload_covbuf;
}

/* Loaded in spite of a fault: what debugfs could not make may be missing, as with any module, but not the device. */
static void check_loaded(void)
{
	if (access(COVBUF, F_OK))
		not_ok("covbuf.ko was loaded, but there is no " COVBUF);
}

static void must(int ret, const char *what)
{
	if (ret)
		not_ok("%s: %s", what, strerror(-ret));
}

/* In a child: the operation with its Nth fault. */
static enum outcome attempt(const struct operation *op)
{
	long areas = 0;
	int ret, fault;

	fail_nth = open("/proc/thread-self/fail-nth", O_RDWR | O_CLOEXEC);
	if (fail_nth < 0)
		not_ok("/proc/thread-self/fail-nth: %s", strerror(errno));
	for (int i = 0; i < 4 && op->prepare[i]; i++)
		must(op->prepare[i](), "what comes before it");
	if (!about_loading(op))
		areas = stat_of("areas");

	arm(nth);
	ret = op->run();
	fault = disarm();

	if (!fault)
		must(ret, "without a fault");
	if (op->run == load_covbuf && !ret)
		check_loaded();
	if (!ret)
		return fault ? DONE_WITHOUT : NO_FAULT;
	if (ret != -ENOMEM && ret != -EFAULT)
		not_ok("refused with '%s', not with ENOMEM", strerror(-ret));
	if (!about_loading(op) && stat_of("areas") != areas)
		not_ok("refused, but the pool went from %ld areas to %ld", areas, stat_of("areas"));
	must(op->run(), "done again without a fault");
	return ret == -EFAULT ? COPY_REFUSED : REFUSED;
}

/* What the child's end did not undo. */
static void settle(const struct operation *op)
{
	unload_client();
	if (about_loading(op)) {
		int ret = unload_covbuf();

		if (ret && ret != -ENOENT)
			must(ret, "unloading it then");
	} else {
		must(shrink_pool(), "shrinking the pool then");
		at_rest();
	}
}

static enum outcome attempt_in_child(const struct operation *op)
{
	int status;
	pid_t child;

	fflush(stdout);
	child = fork();
	if (child < 0)
		not_ok("fork: %s", strerror(errno));
	if (!child) {
		status = attempt(op);
		fflush(stdout);
		_exit(status);
	}
	if (waitpid(child, &status, 0) < 0)
		not_ok("waitpid: %s", strerror(errno));
	if (!WIFEXITED(status))
		not_ok("the program died of signal %d", WTERMSIG(status));
	return WEXITSTATUS(status);
}

/* Returns whether it went as it should. */
static int fail_each(const struct operation *op)
{
	unsigned int nr[NOT_OK + 1] = { 0 };
	enum outcome outcome;

	operation = op->name;
	for (nth = 1; ; nth++) {
		outcome = attempt_in_child(op);
		nr[outcome]++;
		settle(op);
		if (outcome == NO_FAULT || outcome == NOT_OK)
			break;
	}
	if (outcome == NOT_OK)
		return 0;
	printf("%-14s %3u sites: %u refused, %u of a copy, %u done without\n", op->name, nth - 1,
	       nr[REFUSED] + nr[COPY_REFUSED], nr[COPY_REFUSED], nr[DONE_WITHOUT]);
	printf("ok fault/%s\n", op->name);
	fflush(stdout);
	return 1;
}

/* All allocations count, whatever their size and flags; failing them is not news. */
static void set_up_faults(void)
{
	static const struct { const char *file, *value; } settings[] = {
		{ "failslab/ignore-gfp-wait", "N" },
		{ "failslab/verbose", "0" },
		{ "fail_page_alloc/ignore-gfp-wait", "N" },
		{ "fail_page_alloc/ignore-gfp-highmem", "N" },
		{ "fail_page_alloc/min-order", "0" },
		{ "fail_page_alloc/verbose", "0" },
		{ "fail_usercopy/verbose", "0" },
	};
	char path[128];
	int fd;

	for (size_t i = 0; i < sizeof(settings) / sizeof(settings[0]); i++) {
		snprintf(path, sizeof(path), "/sys/kernel/debug/%s", settings[i].file);
		fd = open(path, O_WRONLY | O_CLOEXEC);
		if (fd < 0 || write(fd, settings[i].value, strlen(settings[i].value)) < 0)
			not_ok("%s: %s", path, strerror(errno));
		close(fd);
	}
}

static int asked_for(const char *name, char **names)
{
	if (!*names)
		return 1;
	for (; *names; names++)
		if (!strcmp(*names, name))
			return 1;
	return 0;
}

int main(int argc, char **argv)
{
	int all_well = 1, ret;

	if (argc < 3) {
		fprintf(stderr, "usage: fault COVBUF.KO CLIENT.KO [OPERATION...]\n");
		return 2;
	}
	covbuf_ko = argv[1];
	client_ko = argv[2];
	operation = "set_up";
	set_up_faults();

	for (size_t i = 0; i < sizeof(operations) / sizeof(operations[0]); i++) {
		if (!asked_for(operations[i].name, argv + 3))
			continue;
		operation = operations[i].name;
		nth = 0;
		ret = about_loading(&operations[i]) ? 0 : load_covbuf();
		must(ret, "loading covbuf.ko before it");
		all_well &= fail_each(&operations[i]);
		ret = unload_covbuf();
		if (ret != -ENOENT)
			must(ret, "unloading covbuf.ko after it");
	}
	return all_well ? 0 : 1;
}
