// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * Preloaded into programs of this machine and into POWER's, which run under qemu-ppc64le: either may execute the
 * other. To the kernel here a program for POWER is none unless somebody has registered it (binfmt_misc), which
 * takes more rights than a test should have. So execve() and its kin, of the shell, of ctest, of a test, find
 * out what they are asked to run, and put qemu before it.
 *
 * Both find their own half by LD_PRELOAD=DIR/$LIB/preload.so. It stays preloaded whatever the environment
 * says: scripts clear it. What starts with posix_spawn(), or is linked statically, goes without.
 *
 * For POWER's programs there is more at the end: where qemu-user claims to have done what it has not, the call
 * fails, and what it makes up is asked of the kernel.
 */
#define _GNU_SOURCE
#include <alloca.h>
#include <dlfcn.h>
#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#define NR_KEPT 4
#define MAX_PRELOAD 4096

extern char **environ;

/* What the environment of each program has to say; the first is LD_PRELOAD. */
static const char *const kept_names[NR_KEPT] = { "LD_PRELOAD", "QEMU_LD_PREFIX", "QEMU_CPU", "QEMU_PAGESIZE" };
static char *kept[NR_KEPT];

/* The C library's: this one's goes to execute(). */
static long (*next_syscall)(long number, ...);

__attribute__((constructor(101))) static void find_next(void)
{
	*(void **)&next_syscall = dlsym(RTLD_NEXT, "syscall");
}

/* LD_PRELOAD may name more than this library. */
__attribute__((constructor)) static void keep(void)
{
	for (int i = 0; i < NR_KEPT; i++) {
		const char *value = getenv(kept_names[i]);
		const char *colon = value && !i ? strrchr(value, ':') : NULL;

		if (value && asprintf(&kept[i], "%s=%s", kept_names[i], colon ? colon + 1 : value) < 0)
			kept[i] = NULL;
	}
}

/* The machine that an ELF file is for, and 0 for any other file; negative: what cannot be executed. */
static int machine_of(const char *path)
{
	int fd = (int)next_syscall(SYS_openat, AT_FDCWD, path, O_RDONLY | O_CLOEXEC);
	Elf64_Ehdr header;
	ssize_t n;

	if (fd < 0)
		return 0;
	n = read(fd, &header, sizeof(header));
	close(fd);
	if (n != sizeof(header) || memcmp(header.e_ident, ELFMAG, SELFMAG))
		return 0;
	return header.e_type == ET_EXEC || header.e_type == ET_DYN ? header.e_machine : -header.e_machine;
}

/* What a program for machine can preload of LD_PRELOAD's value, and this library last. */
static void write_preload(char *out, const char *value, int machine)
{
	char *copy = strdupa(value ? value : ""), *rest = NULL;
	const char *ours = kept[0] + sizeof("LD_PRELOAD=") - 1;
	size_t length = (size_t)sprintf(out, "LD_PRELOAD=");

	for (char *entry = strtok_r(copy, ": ", &rest); entry; entry = strtok_r(NULL, ": ", &rest)) {
		int other = machine_of(entry);

		if (strcmp(entry, ours) && (!other || other == machine) && length + strlen(entry) < MAX_PRELOAD / 2)
			length += (size_t)sprintf(out + length, "%s:", entry);
	}
	snprintf(out + length, MAX_PRELOAD - length, "%s", ours);
}

static const char *value_of(char *const envp[], const char *name)
{
	size_t length = strlen(name);

	for (; envp && *envp; envp++)
		if (!strncmp(*envp, name, length) && (*envp)[length] == '=')
			return *envp + length + 1;
	return NULL;
}

static unsigned int count(char *const list[])
{
	unsigned int nr = 0;

	while (list && list[nr])
		nr++;
	return nr;
}

/* Not a word of libc's that calls another execve() than this one. */
static int execute(const char *path, char *const argv[], char *const envp[])
{
	unsigned int nr_args = count(argv), nr_env = 0;
	char **args = alloca((nr_args + 8) * sizeof(*args)), **env = alloca((count(envp) + NR_KEPT + 1) * sizeof(*env));
	char preload[MAX_PRELOAD], self[PATH_MAX];
	ssize_t length;
	int machine;

	if (!next_syscall)
		find_next();
	if (!kept[0]) /* called before keep(), or not preloaded at all */
		return (int)next_syscall(SYS_execve, path, argv, envp);
	if (!strcmp(path, "/proc/self/exe") && (length = readlink(path, self, sizeof(self) - 1)) > 0) {
		self[length] = 0;
		path = self;
	}
	machine = machine_of(path) == EM_PPC64 && !access(path, X_OK) ? EM_PPC64 : EM_X86_64;
	write_preload(preload, value_of(envp, "LD_PRELOAD"), machine);
	for (unsigned int i = 0; envp && envp[i]; i++)
		if (strncmp(envp[i], "LD_PRELOAD=", 11))
			env[nr_env++] = envp[i];
	for (int i = 1; i < NR_KEPT; i++)
		if (kept[i] && !value_of(envp, kept_names[i]))
			env[nr_env++] = kept[i];
	if (machine != EM_PPC64) {
		env[nr_env++] = preload;
		env[nr_env] = NULL;
		return (int)next_syscall(SYS_execve, path, argv, env);
	}
	env[nr_env] = NULL;
	memcpy(args, ((char *[]){ "qemu-ppc64le", "-E", preload, "-0", nr_args ? argv[0] : "", (char *)path }), 6 * sizeof(*args));
	memcpy(args + 6, argv + 1, nr_args * sizeof(*args)); /* with the NULL */
	return (int)next_syscall(SYS_execve, COVB_QEMU, args, env);
}

/* execvp()'s search. Where nothing is found, the name itself: the kernel is to say what is wrong with it. */
static int search(const char *file, char *const argv[], char *const envp[])
{
	const char *path = getenv("PATH");
	char *copy, *rest = NULL, whole[PATH_MAX];
	bool denied = false;

	if (strchr(file, '/') || !*file)
		return execute(file, argv, envp);
	copy = strdupa(path ? path : "/bin:/usr/bin");
	for (char *dir = strtok_r(copy, ":", &rest); dir; dir = strtok_r(NULL, ":", &rest)) {
		if ((size_t)snprintf(whole, sizeof(whole), "%s/%s", dir, file) >= sizeof(whole))
			continue;
		execute(whole, argv, envp);
		denied |= errno == EACCES;
		if (errno != EACCES && errno != ENOENT && errno != ENOTDIR)
			return -1;
	}
	errno = denied ? EACCES : ENOENT;
	return -1;
}

int execve(const char *path, char *const argv[], char *const envp[])
{
	return execute(path, argv, envp);
}

int execv(const char *path, char *const argv[])
{
	return execute(path, argv, environ);
}

int execvpe(const char *file, char *const argv[], char *const envp[])
{
	return search(file, argv, envp);
}

int execvp(const char *file, char *const argv[])
{
	return search(file, argv, environ);
}

int fexecve(int fd, char *const argv[], char *const envp[])
{
	char name[32], path[PATH_MAX];
	ssize_t length;

	snprintf(name, sizeof(name), "/proc/self/fd/%d", fd);
	length = readlink(name, path, sizeof(path) - 1);
	if (length < 0)
		return -1;
	path[length] = 0;
	return execute(path, argv, envp);
}

/* The arguments from first on, up to NULL, as a vector; last is behind them. */
#define COLLECT(argv, first, last)                                                                 \
	va_list last;                                                                              \
	unsigned int nr_ = 1;                                                                      \
	char **argv;                                                                               \
	va_start(last, first);                                                                     \
	while (va_arg(last, char *))                                                               \
		nr_++;                                                                             \
	va_end(last);                                                                              \
	argv = alloca((nr_ + 1) * sizeof(*argv));                                                  \
	argv[0] = (char *)first;                                                                   \
	va_start(last, first);                                                                     \
	for (unsigned int i_ = 1; i_ <= nr_; i_++)                                                 \
		argv[i_] = va_arg(last, char *)

int execl(const char *path, const char *arg, ...)
{
	COLLECT(argv, arg, rest);
	va_end(rest);
	return execute(path, argv, environ);
}

int execlp(const char *file, const char *arg, ...)
{
	COLLECT(argv, arg, rest);
	va_end(rest);
	return search(file, argv, environ);
}

int execle(const char *path, const char *arg, ...)
{
	char **envp;

	COLLECT(argv, arg, rest);
	envp = va_arg(rest, char **);
	va_end(rest);
	return execute(path, argv, envp);
}

long syscall(long number, ...)
{
	long a[6];
	va_list args;

	va_start(args, number);
	for (int i = 0; i < 6; i++)
		a[i] = va_arg(args, long);
	va_end(args);
	if (!next_syscall)
		find_next();
	if (number == SYS_execve)
		return execute((const char *)a[0], (char *const *)a[1], (char *const *)a[2]);
	return next_syscall(number, a[0], a[1], a[2], a[3], a[4], a[5]);
}

#if defined(__powerpc64__)

static void *end_at_once(void *arg)
{
	return arg;
}

/*
 * Until a process has made a thread, qemu-user takes it to be alone with its memory: no barrier is translated, and
 * stdcx. is a load, a comparison and a store. Other processes see that where memory is shared.
 */
__attribute__((constructor)) static void be_parallel(void)
{
	pthread_t thread;

	if (!pthread_create(&thread, NULL, end_at_once, NULL))
		pthread_join(thread, NULL);
}

/*
 * The kernel gives a reservation up before it returns from a handler; qemu-user does not, and what stdcx. compares is
 * what any ldarx of that word has found last, the handler's too. So each handler is called by this.
 */
static struct sigaction handlers[NSIG];
static int (*next_sigaction)(int number, const struct sigaction *action, struct sigaction *before);

static void handle(int number, siginfo_t *info, void *context)
{
	uint64_t word = 0;

	handlers[number].sa_sigaction(number, info, context);
	__asm__ volatile("stdcx. %1,%y0" : "+Z"(word) : "r"(word) : "cr0", "memory");
}

int sigaction(int number, const struct sigaction *action, struct sigaction *before)
{
	struct sigaction ours, set_before;
	int result;

	if (!next_sigaction)
		*(void **)&next_sigaction = dlsym(RTLD_NEXT, "sigaction");
	if (number < 1 || number >= NSIG)
		return next_sigaction(number, action, before);
	set_before = handlers[number];
	if (action && action->sa_handler != SIG_DFL && action->sa_handler != SIG_IGN) {
		handlers[number] = *action;
		ours = *action;
		ours.sa_sigaction = handle;
		ours.sa_flags |= SA_SIGINFO;
		action = &ours;
	}
	result = next_sigaction(number, action, before);
	if (!result && before && before->sa_sigaction == handle)
		*before = set_before;
	return result;
}

void (*signal(int number, void (*handler)(int)))(int)
{
	struct sigaction action = { .sa_handler = handler, .sa_flags = SA_RESTART }, before;

	return sigaction(number, &action, &before) ? SIG_ERR : before.sa_handler;
}

/* The kernel names a thread after the file that was executed; that was qemu's. */
__attribute__((constructor)) static void name_thread(void)
{
	char path[PATH_MAX];
	ssize_t length = readlink("/proc/self/exe", path, sizeof(path) - 1);

	if (length > 0) {
		path[length] = 0;
		prctl(PR_SET_NAME, strrchr(path, '/') + 1);
	}
}

/* A request that qemu does not know is one that the file's driver does not know. */
int ioctl(int fd, unsigned long request, ...)
{
	va_list args;
	long arg;
	int result;

	va_start(args, request);
	arg = va_arg(args, long);
	va_end(args);
	result = (int)syscall(SYS_ioctl, fd, request, arg);
	if (result < 0 && errno == ENOSYS)
		errno = ENOTTY;
	return result;
}

/*
 * qemu 7.2 does MADV_DONTNEED and says that it did the others. MADV_WIPEONFORK is left at that: without it
 * libcovbuf does not attach at all.
 */
int madvise(void *address, size_t bytes, int advice)
{
	switch (advice) {
	case MADV_REMOVE:
	case MADV_POPULATE_READ:
	case MADV_POPULATE_WRITE:
		errno = EINVAL;
		return -1;
	}
	return (int)syscall(SYS_madvise, address, bytes, advice);
}

/* It ignores this limit, since it would be the emulator's. */
int setrlimit(__rlimit_resource_t resource, const struct rlimit *limit)
{
	if (resource == RLIMIT_AS) {
		errno = EPERM;
		return -1;
	}
	return (int)syscall(SYS_prlimit64, 0, resource, limit, NULL);
}

/* Its own /proc/PID/stat has not the time at which the process started; others read the kernel's. */
int open(const char *path, int flags, ...)
{
	char stat[32], other[48];
	unsigned int mode;
	va_list args;

	va_start(args, flags);
	mode = flags & (O_CREAT | __O_TMPFILE) ? va_arg(args, unsigned int) : 0;
	va_end(args);
	snprintf(stat, sizeof(stat), "/proc/%d/stat", getpid());
	if (!strcmp(path, stat)) {
		snprintf(other, sizeof(other), "/proc/.%s", stat + 5);
		path = other;
	}
	return (int)syscall(SYS_openat, AT_FDCWD, path, flags, mode);
}

#endif
