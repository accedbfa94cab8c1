/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Ways to leave a program on which no destructor runs: inline counters are recorded first.
 *
 * These stand before the C library's in the search order, so they are for programs that are linked
 * dynamically (in a static one abort() is the C library's own, or traps); a call within the C library does not pass here (abort() from assert() does not). The
 * program itself must have counters: those of its libraries alone are not enough to look here. A
 * vfork child that execs records its parent's counters, in its parent's name, which is right: it is
 * its parent until then.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <stdarg.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <covbuf/sancov.h>

#include "images.h"

/* weak: a static program may need the C library's object of one of these for the sake of another function in it */
#define EXIT_HOOK COVBUF_PUBLIC COVBUF_NOINSTR __attribute__((weak))

extern char **environ;

/* In a program without counters these functions are the C library's own, locks and all. */
static COVBUF_NOINSTR void record_counters(void)
{
	if (covb_has_counters())
		covbuf_counters_sync();
}

/*
 * The C library's functions behind these, looked up before anything can be in a signal handler or in a
 * vfork child: the dynamic linker's lock is not for those.
 */
static struct {
	__attribute__((noreturn)) void (*quick_exit)(int);
	__attribute__((noreturn)) void (*abort)(void);
	int (*execvpe)(const char *, char *const *, char *const *);
	int (*fexecve)(int, char *const *, char *const *);
} next;

__attribute__((constructor(101))) static COVBUF_NOINSTR void find_next(void)
{
	*(void **)&next.quick_exit = dlsym(RTLD_NEXT, "quick_exit");
	*(void **)&next.abort = dlsym(RTLD_NEXT, "abort");
	*(void **)&next.execvpe = dlsym(RTLD_NEXT, "execvpe");
	*(void **)&next.fexecve = dlsym(RTLD_NEXT, "fexecve");
}

__attribute__((noreturn)) EXIT_HOOK void _exit(int status)
{
	record_counters();
	for (;;)
		syscall(SYS_exit_group, status);
}

__attribute__((noreturn)) EXIT_HOOK void _Exit(int status)
{
	_exit(status);
}

__attribute__((noreturn)) EXIT_HOOK void quick_exit(int status)
{
	record_counters();
	if (!next.quick_exit)
		_exit(status);
	next.quick_exit(status);
}

__attribute__((noreturn)) EXIT_HOOK void abort(void)
{
	record_counters();
	if (!next.abort)
		__builtin_trap();
	next.abort();
}

EXIT_HOOK int execve(const char *path, char *const argv[], char *const envp[])
{
	record_counters();
	return (int)syscall(SYS_execve, path, argv, envp);
}

EXIT_HOOK int execv(const char *path, char *const argv[])
{
	return execve(path, argv, environ);
}

EXIT_HOOK int execvpe(const char *file, char *const argv[], char *const envp[])
{
	record_counters();
	if (!next.execvpe) {
		errno = ENOSYS;
		return -1;
	}
	return next.execvpe(file, argv, envp);
}

EXIT_HOOK int execvp(const char *file, char *const argv[])
{
	return execvpe(file, argv, environ);
}

EXIT_HOOK int fexecve(int fd, char *const argv[], char *const envp[])
{
	record_counters();
	if (!next.fexecve) {
		errno = ENOSYS;
		return -1;
	}
	return next.fexecve(fd, argv, envp);
}

/* Arguments up to the NULL, without a heap: a vfork child may be the caller. */
static COVBUF_NOINSTR size_t count_arguments(va_list args)
{
	size_t nr = 1;

	while (va_arg(args, char *))
		nr++;
	return nr + 1;
}

static COVBUF_NOINSTR void fill_arguments(char **argv, size_t nr, const char *first, va_list args)
{
	argv[0] = (char *)(uintptr_t)first;
	for (size_t i = 1; i < nr; i++)
		argv[i] = va_arg(args, char *);
}

EXIT_HOOK int execl(const char *path, const char *arg, ...)
{
	va_list args;
	size_t nr;

	va_start(args, arg);
	nr = count_arguments(args);
	va_end(args);

	char *argv[nr];

	va_start(args, arg);
	fill_arguments(argv, nr, arg, args);
	va_end(args);
	return execve(path, argv, environ);
}

EXIT_HOOK int execlp(const char *file, const char *arg, ...)
{
	va_list args;
	size_t nr;

	va_start(args, arg);
	nr = count_arguments(args);
	va_end(args);

	char *argv[nr];

	va_start(args, arg);
	fill_arguments(argv, nr, arg, args);
	va_end(args);
	return execvpe(file, argv, environ);
}

EXIT_HOOK int execle(const char *path, const char *arg, ...)
{
	char **envp;
	va_list args;
	size_t nr;

	va_start(args, arg);
	nr = count_arguments(args);
	va_end(args);

	char *argv[nr];

	va_start(args, arg);
	fill_arguments(argv, nr, arg, args);
	envp = va_arg(args, char **);
	va_end(args);
	return execve(path, argv, envp);
}
