// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* What the checks share: the device, the module, children and threads. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>
#include "abi.h"

long check_result(const char *what, long value, int error)
{
	int got = value == -1 ? errno : 0;

	if (got == error)
		return value;
	if (!got)
		fail("%s works, want %s", what, strerror(error));
	fail("%s: %s (%d), want %s", what, strerror(got), got, error ? strerror(error) : "success");
}

int open_device(void)
{
	return works(open(device, O_RDWR | O_CLOEXEC));
}

int open_words(size_t words)
{
	int fd = open_device();

	works(ioctl(fd, KCOV_INIT_TRACE, words));
	return fd;
}

struct cov map_words(size_t words)
{
	struct cov cov = { open_words(words), words, NULL };

	cov.area = (uint64_t *)works(mmap(NULL, words * 8, PROT_READ | PROT_WRITE, MAP_SHARED, cov.fd, 0));
	return cov;
}

struct cov enabled(size_t words, int mode)
{
	struct cov cov = map_words(words);

	works(ioctl(cov.fd, KCOV_ENABLE, mode));
	return cov;
}

int remote_enable(int fd, unsigned int mode, unsigned int area_words, uint64_t common, unsigned int nr_handles,
		  const uint64_t *handles)
{
	struct kcov_remote_arg *arg = calloc(1, sizeof(*arg) + nr_handles * sizeof(*handles));
	int ret, error;

	arg->trace_mode = mode;
	arg->area_size = area_words;
	arg->num_handles = nr_handles;
	arg->common_handle = common;
	if (nr_handles)
		memcpy(arg->handles, handles, nr_handles * sizeof(*handles));
	ret = ioctl(fd, KCOV_REMOTE_ENABLE, arg);
	error = errno;
	free(arg);
	errno = error;
	return ret;
}

void remote_enabled(const struct cov *cov, uint64_t handle)
{
	if (handle >> 56)
		works(remote_enable(cov->fd, KCOV_TRACE_PC, cov->words, 0, 1, &handle));
	else
		works(remote_enable(cov->fd, KCOV_TRACE_PC, cov->words, handle, 0, NULL));
}

/* One file for each process: a held section is released when its file is closed. */
static int module_fd(void)
{
	static int fd = -1;
	static pid_t opener;

	if (fd < 0 || opener != getpid()) {
		fd = open(ABI_DEVICE, O_RDWR | O_CLOEXEC);
		opener = getpid();
		if (fd < 0)
			fail("%s: %s; is abi_mod loaded?", ABI_DEVICE, strerror(errno));
	}
	return fd;
}

void run_job(unsigned long cmd, uint64_t handle, unsigned int function, unsigned int times, unsigned int sections)
{
	struct abi_job job = { .handle = handle, .function = function, .times = times, .sections = sections };

	works(ioctl(module_fd(), cmd, &job));
}

void run_function(unsigned int function, unsigned int times)
{
	run_job(ABI_RUN, ABI_NO_SECTION, function, times, 1);
}

void release_held(void)
{
	works(ioctl(module_fd(), ABI_RELEASE));
}

uint64_t common_handle(void)
{
	uint64_t handle;

	works(ioctl(module_fd(), ABI_HANDLE, &handle));
	return handle;
}

void compare_values(unsigned long cmd, uint64_t a, uint64_t b)
{
	struct abi_values values = { a, b };

	works(ioctl(module_fd(), cmd, &values));
}

/* As the kernel itself tells root. */
uint64_t kaslr_offset(void)
{
#ifdef __powerpc64__
	static const uint64_t linked = 0xc000000000000000;
#else
	static const uint64_t linked = 0xffffffff81000000; /* CONFIG_PHYSICAL_START is the default on all kernels tested */
#endif
	unsigned long long address;
	char name[128], line[256];
	FILE *symbols = fopen("/proc/kallsyms", "r");

	while (symbols && fgets(line, sizeof(line), symbols)) {
		if (sscanf(line, "%llx %*c %127s", &address, name) == 2 && !strcmp(name, "_text")) {
			fclose(symbols);
			expect(address >= linked, "_text is at %llx in /proc/kallsyms", address);
			return address - linked;
		}
	}
	fail("there is no _text in /proc/kallsyms");
}

bool pc_in(uint64_t pc, unsigned int function)
{
	static struct abi_range ranges[ABI_FUNCTIONS];

	if (!ranges[0].end) {
		uint64_t offset = kaslr_offset();

		for (unsigned int i = ABI_FUNCTIONS; i-- > 0;) {
			ranges[i].function = i;
			works(ioctl(module_fd(), ABI_RANGE, &ranges[i]));
			ranges[i].start -= offset;
			ranges[i].end -= offset;
		}
	}
	/* Of a call, what it returns to. */
	return pc > ranges[function].start && pc <= ranges[function].end;
}

unsigned long nr_pcs(const struct cov *cov, unsigned int function)
{
	uint64_t nr = cov->area[0];
	unsigned long found = 0;

	expect(nr < cov->words, "word 0 is %lu in an area of %zu words", nr, cov->words);
	for (uint64_t i = 1; i <= nr; i++)
		found += pc_in(cov->area[i], function);
	return found;
}

unsigned long nr_others(const struct cov *cov, unsigned int function)
{
	unsigned long found = 0;

	for (unsigned int i = 0; i < ABI_FUNCTIONS; i++)
		if (i != function)
			found += nr_pcs(cov, i);
	return found;
}

unsigned long pcs_per_call(void)
{
	static unsigned long per_call;
	pid_t child;
	uint32_t *words;

	if (per_call)
		return per_call;
	/* Elsewhere: the caller's own state stays what it is. */
	words = shared_words();
	child = fork();
	if (!child) {
		struct cov cov = enabled(64 * PAGE_WORDS, KCOV_TRACE_PC);

		cov.area[0] = 0;
		run_function(0, 1);
		words[0] = nr_pcs(&cov, 0);
		_exit(0);
	}
	wait_child(child);
	per_call = words[0];
	expect(per_call > 1, "a call leaves %lu PCs", per_call);
	return per_call;
}

void expect_calls(const struct cov *cov, unsigned int function, unsigned long calls)
{
	unsigned long want = calls * pcs_per_call(), got = nr_pcs(cov, function), others = nr_others(cov, function);

	expect(got == want, "%lu PCs of the function, want %lu", got, want);
	expect(!others, "%lu PCs of other functions", others);
}

pid_t start_child(void (*body)(void *), void *data)
{
	pid_t child = fork();

	if (child < 0)
		fail("fork: %s", strerror(errno));
	if (!child) {
		body(data);
		_exit(0);
	}
	return child;
}

int reap(pid_t child)
{
	int status;

	works(waitpid(child, &status, 0));
	return status;
}

void wait_child(pid_t child)
{
	int status = reap(child);

	if (WIFSIGNALED(status))
		fail("a child died: %s", strsignal(WTERMSIG(status)));
	if (WEXITSTATUS(status))
		_exit(WEXITSTATUS(status)); /* it has said why */
}

void in_child(void (*body)(void *), void *data)
{
	wait_child(start_child(body, data));
}

struct thread {
	void (*body)(void *);
	void *data;
};

static void *thread_main(void *argument)
{
	struct thread *thread = argument;

	thread->body(thread->data);
	return NULL;
}

void in_thread(void (*body)(void *), void *data)
{
	struct thread thread = { body, data };
	pthread_t id;

	if (pthread_create(&id, NULL, thread_main, &thread) || pthread_join(id, NULL))
		fail("no thread");
}

uint32_t *shared_words(void)
{
	return (uint32_t *)works(mmap(NULL, page_bytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0));
}

void post(uint32_t *word, uint32_t value)
{
	__atomic_store_n(word, value, __ATOMIC_RELEASE);
}

void await(const uint32_t *word, uint32_t value)
{
	static const struct timespec pause = { 0, 200000 };

	while (__atomic_load_n(word, __ATOMIC_ACQUIRE) != value)
		nanosleep(&pause, NULL);
}

static void __attribute__((noreturn)) exec_self(const char *what, unsigned int function, unsigned int times)
{
	char name[16], count[16];

	snprintf(name, sizeof(name), "%u", function);
	snprintf(count, sizeof(count), "%u", times);
	execl("/proc/self/exe", "abi", what, name, count, (char *)NULL);
	fail("exec: %s", strerror(errno));
}

void exec_run(unsigned int function, unsigned int times)
{
	exec_self("--run", function, times);
}

void exec_work(unsigned int function, unsigned int times)
{
	exec_self("--work", function, times);
}
