/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * What the programs of these tests share: KCOV's files, scripts for sections.ko, covbuf's statistics. Whatever the
 * kernel refuses that it should not ends the program with a result "not ok".
 */
#ifndef KIT_H
#define KIT_H

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>
#include <linux/kcov.h>

#include "module/sections.h"

#define KCOV_FILE "/sys/kernel/debug/kcov"
#define COVBUF_FILE "/dev/covbuf"
#define STATS_FILE "/sys/kernel/debug/covbuf/stats"

#define NR_FNS SECTIONS_NR_FNS
#define ARRAY_SIZE(a) (sizeof(a) / sizeof((a)[0]))

__attribute__((noreturn, format(printf, 2, 3)))
static inline void die(const char *name, const char *format, ...)
{
	int err = errno;
	va_list args;

	printf("not ok %s: ", name);
	va_start(args, format);
	vprintf(format, args);
	va_end(args);
	printf(": %s\n", strerror(err));
	exit(1);
}

/* ---- KCOV ------------------------------------------------------------------------------------ */

struct cov {
	int fd;
	uint64_t nr_words;
	uint64_t *words;
};

static inline uint64_t page_words(void)
{
	return (uint64_t)sysconf(_SC_PAGESIZE) / 8;
}

/* At least so many words: whole pages can be mapped. */
static inline int cov_open(struct cov *cov, const char *file, uint64_t nr_words)
{
	nr_words = (nr_words + page_words() - 1) / page_words() * page_words();
	cov->nr_words = nr_words;
	cov->fd = open(file, O_RDWR | O_CLOEXEC);
	if (cov->fd < 0)
		return -errno;
	if (ioctl(cov->fd, KCOV_INIT_TRACE, nr_words))
		goto close;
	cov->words = mmap(NULL, nr_words * 8, PROT_READ | PROT_WRITE, MAP_SHARED, cov->fd, 0);
	if (cov->words != MAP_FAILED)
		return 0;
close:
	close(cov->fd);
	return -errno;
}

static inline void cov_close(struct cov *cov)
{
	munmap(cov->words, cov->nr_words * 8);
	close(cov->fd);
}

static inline int cov_remote_enable(const struct cov *cov, unsigned int mode, uint64_t handle, uint64_t common)
{
	struct {
		struct kcov_remote_arg arg;
		uint64_t handle;
	} remote = {
		.arg = { .trace_mode = mode, .area_size = cov->nr_words, .num_handles = !!handle, .common_handle = common },
		.handle = handle,
	};

	return ioctl(cov->fd, KCOV_REMOTE_ENABLE, &remote);
}

static inline uint64_t cov_count(const struct cov *cov)
{
	return __atomic_load_n(&cov->words[0], __ATOMIC_ACQUIRE);
}

static inline void cov_clear(const struct cov *cov)
{
	__atomic_store_n(&cov->words[0], 0, __ATOMIC_RELAXED);
}

/* ---- scripts --------------------------------------------------------------------------------- */

#define CALL(function, times) { .what = SECTIONS_CALL, .fn = (function), .n = (times) }
#define START(handle) { .what = SECTIONS_START, .value = (handle) }
#define STOP { .what = SECTIONS_STOP }
#define IN(level) { .what = SECTIONS_IN, .fn = SECTIONS_##level }
#define OUT { .what = SECTIONS_OUT }
#define SLEEP(us) { .what = SECTIONS_SLEEP, .n = (us) }

/* Tell each IN where its OUT is: the OUT is the last of its operations. */
static inline void close_scopes(struct sections_op *ops, uint32_t nr_ops)
{
	uint32_t open[16], depth = 0;

	for (uint32_t i = 0; i < nr_ops; i++)
		if (ops[i].what == SECTIONS_IN)
			open[depth++] = i;
		else if (ops[i].what == SECTIONS_OUT)
			depth--, ops[open[depth]].n = i - open[depth];
}

static inline int run_ops(int sections, struct sections_op *ops, uint32_t nr_ops, uint8_t seen[SECTIONS_NR_LEVELS])
{
	struct sections_run run = { .ops = (uintptr_t)ops, .nr_ops = nr_ops };
	int err;

	close_scopes(ops, nr_ops);
	err = ioctl(sections, SECTIONS_RUN, &run);
	if (seen)
		memcpy(seen, run.seen, sizeof(run.seen));
	return err;
}

/* Where the records of each function point to, as the first calls show. */
struct places {
	uint64_t pc[NR_FNS], cmp[NR_FNS];
};

/* False, with the reason: the module's functions do not make one record a call. */
static inline const char *find_places(int sections, struct places *places)
{
	static struct sections_op ops[NR_FNS];
	struct sections_info info;
	struct cov cov;
	const char *why = NULL;

	for (int i = 0; i < NR_FNS; i++)
		ops[i] = (struct sections_op)CALL(i, 1);
	if (ioctl(sections, SECTIONS_INFO, &info) || cov_open(&cov, COVBUF_FILE, 8192))
		return "no device";
	for (int mode = 0; mode < 2 && !why; mode++) {
		uint64_t *place = mode ? places->cmp : places->pc;

		if (ioctl(cov.fd, KCOV_ENABLE, mode ? KCOV_TRACE_CMP : KCOV_TRACE_PC))
			return "not enabled";
		cov_clear(&cov);
		if (run_ops(sections, ops, NR_FNS, NULL))
			why = "the script was refused";
		ioctl(cov.fd, KCOV_DISABLE, 0);
		if (!why && cov_count(&cov) != NR_FNS)
			why = "not one record a call";
		for (int i = 0; i < NR_FNS && !why; i++) {
			place[i] = cov.words[mode ? 4 + i * 4 : 1 + i];
			/* all as far from their function's beginning, which is not told to programs but for the kernel's offset */
			if (place[i] - place[0] != info.fns[i] - info.fns[0])
				why = "a record points elsewhere than its function";
		}
	}
	cov_close(&cov);
	return why;
}

/* The function that a record of PC mode points to, or -1. */
static inline int fn_of(const struct places *places, uint64_t pc)
{
	uint64_t step = places->pc[1] - places->pc[0], index = (pc - places->pc[0]) / step;

	return index < NR_FNS && places->pc[index] == pc ? (int)index : -1;
}

/* ---- statistics ------------------------------------------------------------------------------ */

struct stats {
	char text[4096];
};

static inline void read_stats(struct stats *stats)
{
	int fd = open(STATS_FILE, O_RDONLY | O_CLOEXEC);
	ssize_t n = fd < 0 ? -1 : read(fd, stats->text, sizeof(stats->text) - 1);

	if (n < 0)
		die("stats", "cannot read " STATS_FILE);
	stats->text[n] = '\0';
	close(fd);
}

static inline uint64_t stat_of(const struct stats *stats, const char *name)
{
	size_t length = strlen(name);

	for (const char *line = stats->text; line; line = strchr(line, '\n')) {
		line += *line == '\n';
		if (!strncmp(line, name, length) && line[length] == ' ')
			return strtoull(line + length, NULL, 10);
	}
	errno = ENOENT;
	die("stats", "no line %s", name);
}

static inline int set_parameter(const char *name, unsigned int value)
{
	char path[128], text[16];
	int fd, n = snprintf(text, sizeof(text), "%u", value), err = 0;

	snprintf(path, sizeof(path), "/sys/module/covbuf/parameters/%s", name);
	fd = open(path, O_WRONLY | O_CLOEXEC);
	if (fd < 0 || write(fd, text, n) != n)
		err = -errno;
	if (fd >= 0)
		close(fd);
	return err;
}

#endif
