/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The ABI test: what its checks share. A check is a function that returns if the rule holds, and calls fail() or skip()
 * if not; it runs in a process of its own, so what it leaves enabled, open or mapped ends with it. The device is a
 * KCOV one, the kernel's own or covbuf.ko's: no check asks which.
 */
#ifndef COVBUF_ABI_H
#define COVBUF_ABI_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>
#include <linux/kcov.h>
#include "mod/abi_mod.h"

#ifndef KCOV_UNIQUE_ENABLE
#define KCOV_UNIQUE_ENABLE _IOW('c', 103, unsigned long)
#endif
#ifndef KCOV_RESET_TRACE
#define KCOV_RESET_TRACE _IO('c', 104)
#endif

#define ENOTSUPP 524 /* the kernel's own, which leaks */

struct check {
	const char *name;
	void (*run)(void);
};

/* Each ends with an entry without a name. */
extern const struct check open_checks[], map_checks[], enable_checks[], trace_checks[], task_checks[], remote_checks[],
	merge_checks[], unique_checks[];

extern const char *device;

/* Prints the check's one line of result and ends its process. Any thread, and any child made by start_child(). */
void fail(const char *format, ...) __attribute__((noreturn, format(printf, 1, 2)));
void skip(const char *format, ...) __attribute__((noreturn, format(printf, 1, 2)));

/* The call is to give 0 (or a number >= 0), or to fail with ERROR; VALUE must be a long that is -1 on failure. */
#define works(call) check_result(#call, (long)(call), 0)
#define fails(error, call) check_result(#call, (long)(call), error)
long check_result(const char *what, long value, int error);
#define expect(condition, ...) do { if (!(condition)) fail(__VA_ARGS__); } while (0)

/* An area of words * 8 bytes, whole pages of which are mapped. */
struct cov {
	int fd;
	size_t words;
	volatile uint64_t *area;
};

extern unsigned long page_bytes;
#define PAGE_WORDS (page_bytes / 8)

int open_device(void);                 /* not INITed */
int open_words(size_t words);          /* INITed, not mapped */
struct cov map_words(size_t words);    /* INITed and mapped, writable */
struct cov enabled(size_t words, int mode);

int remote_enable(int fd, unsigned int mode, unsigned int area_words, uint64_t common, unsigned int nr_handles,
		  const uint64_t *handles);
/* Enables for the one handle, an area of the same size for each section, PC mode. */
void remote_enabled(const struct cov *cov, uint64_t handle);

#define USB(instance) (1ull << 56 | (instance))
#define COMMON(instance) ((uint64_t)(instance))

/* The module. */
void run_function(unsigned int function, unsigned int times);
void run_job(unsigned long cmd, uint64_t handle, unsigned int function, unsigned int times, unsigned int sections);
#define work(handle, function, times) run_job(ABI_WORK, handle, function, times, 1)
#define softirq(handle, function, times) run_job(ABI_SOFTIRQ, handle, function, times, 1)
void release_held(void);
uint64_t common_handle(void);
void compare_values(unsigned long cmd, uint64_t a, uint64_t b);

/* How far the kernel and its modules are from where they were linked. */
uint64_t kaslr_offset(void);

/* PCs of FUNCTION among the area's; of any other function of the module; and how many one call of a plain one leaves. */
bool pc_in(uint64_t pc, unsigned int function);
unsigned long nr_pcs(const struct cov *cov, unsigned int function);
unsigned long nr_others(const struct cov *cov, unsigned int function);
unsigned long pcs_per_call(void);
/* The area has the PCs of that many calls of FUNCTION and of no other one of the module. */
void expect_calls(const struct cov *cov, unsigned int function, unsigned long calls);

/* A child that runs BODY and exits with 0, or with what fail() does. wait_child() fails with it; killed ones are for reap(). */
pid_t start_child(void (*body)(void *), void *data);
void wait_child(pid_t child);
int reap(pid_t child);
void in_child(void (*body)(void *), void *data);
/* The same for a thread. */
void in_thread(void (*body)(void *), void *data);

/* A page that processes and threads share; words of it are posted and awaited. */
uint32_t *shared_words(void);
void post(uint32_t *word, uint32_t value);
void await(const uint32_t *word, uint32_t value);

/* Becomes this program, started anew: it runs FUNCTION that many times, in a work item of the common handle with exec_work(). */
void exec_run(unsigned int function, unsigned int times) __attribute__((noreturn));
void exec_work(unsigned int function, unsigned int times) __attribute__((noreturn));

#endif
