// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * covbuf kernel: record a command's kernel code through a KCOV device.
 *
 * The child enables its device between fork and exec, and is traced until it ends. What others do on its
 * behalf is collected by a second device, which the parent enables before it forks: so the child inherits
 * the common handle, and kernels that allow one device per task are content. The kernel writes into areas of
 * fixed size; when the command has ended they are copied into a file. Modules are looked at before and after.
 */
#include "kernel.h"

#include <errno.h>
#include <inttypes.h>
#include <libgen.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "command.h"
#include "run.h"

struct kernel_run {
	const struct kernel_options *options;
	char *file;		/* the recording */
	struct covb_kcov own, remote;
	bool has_remote;
	struct kernel_map map;
	struct kernel_losses before, after;
	struct child child;
	uint64_t created_ns;
};

/* ---- before ---------------------------------------------------------------------------------- */

/* The file is made at the end: what would prevent that is better known now. */
static int check_file(const struct kernel_run *run)
{
	char *copy = must_dup(run->file);
	const char *directory = dirname(copy);
	struct stat st;
	int err = 0;

	if (!lstat(run->file, &st) && (!run->options->force || !S_ISREG(st.st_mode))) {
		complain(run->file, S_ISREG(st.st_mode) ? "it exists; give another name with -o, or --force to replace it" :
							  "it is not a file; give another name with -o");
		err = -EEXIST;
	} else if (access(directory, W_OK | X_OK)) {
		err = -errno;
		complain(run->file, "it cannot be made in %s: %s", directory, strerror(errno));
	}
	free(copy);
	return err;
}

static int open_device(struct kernel_run *run, struct covb_kcov *kcov)
{
	struct covbuf_message why = { "" };
	int err = covb_kcov_open(kcov, run->options->device, &why);

	if (!err)
		err = covb_kcov_init(kcov, run->options->nr_words, &why);
	if (err)
		complain(NULL, "%s", why.text);
	return err;
}

static int open_devices(struct kernel_run *run)
{
	const struct kernel_options *options = run->options;
	struct covbuf_message why = { "" };
	int err = open_device(run, &run->own);

	if (err || !run->has_remote)
		return err;
	err = open_device(run, &run->remote);
	if (err)
		return err;
	/* Any number that nobody else takes for a common handle. */
	err = covb_kcov_enable_remote(&run->remote, options->mode, options->handles, options->nr_handles,
				      options->common ? (uint64_t)getpid() : 0, &why);
	if (err)
		complain(NULL, "%s", why.text);
	return err;
}

static int look_before(struct kernel_run *run)
{
	struct covbuf_message why = { "" };
	int err = kernel_map_before(&run->map, "", &why);

	if (err)
		complain(NULL, "%s", why.text);
	kernel_losses_read(&run->before, "");
	return err;
}

static uint64_t wall_clock_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_REALTIME, &ts);
	return (uint64_t)ts.tv_sec * 1000000000ull + (uint64_t)ts.tv_nsec;
}

/* ---- meanwhile ------------------------------------------------------------------------------- */

/* In the child. */
static int enable_own(void *arg)
{
	struct kernel_run *run = arg;

	return covb_kcov_enable(&run->own, run->options->mode);
}

static int start(struct kernel_run *run, int *status)
{
	struct covbuf_message why = { "" };
	int err = child_start(&run->child, run->options->argv, enable_own, run, status);

	if (run->child.unprepared) {
		covb_kcov_explain_enable(&run->own, run->options->mode, run->child.unprepared, &why);
		complain(NULL, "%s", why.text);
	}
	/* The child enabled it in its own memory. */
	run->own.mode = run->options->mode;
	return err;
}

static void follow(struct kernel_run *run)
{
	while (!run->child.ended)
		child_wait(&run->child, -1);
	if (run->has_remote && run->options->linger_ms) {
		struct timespec linger = { run->options->linger_ms / 1000, run->options->linger_ms % 1000 * 1000000L };

		nanosleep(&linger, NULL);
	}
	if (run->has_remote)
		covb_kcov_disable(&run->remote);
	kernel_losses_read(&run->after, "");
}

/* ---- afterwards ------------------------------------------------------------------------------ */

static struct kernel_words take_words(const struct covb_kcov *kcov)
{
	struct kernel_words words = { .words = kcov->area ? kcov->area + 1 : NULL, .records = covb_kcov_count(kcov) };

	words.full = kcov->area && words.records == covb_kcov_room(kcov);
	return words;
}

/*
 * covbuf.ko counts for all who record at the time, so it is the most that can be ours: nothing where our
 * area is not full.
 */
static void add_losses(const struct kernel_run *run, struct kernel_result *result)
{
	if (!run->before.known || !run->after.known)
		return;
	if (result->own.full)
		result->own.lost[COVBUF_LOST_FULL] = run->after.full - run->before.full;
	if (!run->has_remote)
		return;
	if (result->remote.full)
		result->remote.lost[COVBUF_LOST_FULL] = run->after.merge - run->before.merge;
	result->remote.lost[COVBUF_LOST_NO_AREA] = run->after.no_area - run->before.no_area;
	result->remote.lost[COVBUF_LOST_STALE] = run->after.stale - run->before.stale;
}

static void print_full(const struct kernel_run *run, const struct kernel_words *words, const char *whose)
{
	if (!words->full)
		return;
	if (run->before.known)
		complain(NULL, "the area for %s is full: at most %" PRIu64 " records are missing; --size keeps more", whose,
			 words->lost[COVBUF_LOST_FULL]);
	else
		complain(NULL, "the area for %s is full: what came after is missing, and this kernel does not count it; --size keeps "
			       "more",
			 whose);
}

static void print_summary(const struct kernel_run *run, const struct kernel_result *result)
{
	uint64_t records = result->own.records + result->remote.records;
	uint64_t unknown = kernel_count_unknown(&run->map, &result->own, result->mode) +
			   kernel_count_unknown(&run->map, &result->remote, result->mode);

	fprintf(stderr, "covbuf kernel: %s: %" PRIu64 " records of %s", run->file, result->own.records, result->program);
	if (run->has_remote)
		fprintf(stderr, ", %" PRIu64 " of work on its behalf", result->remote.records);
	fprintf(stderr, ", through %s\n", run->own.path);
	print_full(run, &result->own, "the command");
	print_full(run, &result->remote, "work on its behalf");
	if (result->remote.lost[COVBUF_LOST_NO_AREA])
		complain(NULL, "at most %" PRIu64 " records of work on its behalf found no area; covbuf.ko's parameters 'areas' and "
			       "'area_kb' make more",
			 result->remote.lost[COVBUF_LOST_NO_AREA]);
	if (!records)
		complain(NULL, "nothing was reached that is instrumented: is a module loaded that is built with "
			       "-fsanitize-coverage=%s, and does the command itself call it, not a child of it?",
			 result->mode == COVBUF_MODE_CMP ? "trace-cmp" : "trace-pc");
	else if (unknown)
		complain(NULL, "%" PRIu64 " records are of modules that came and went meanwhile, or of no module", unknown);
}

static int finish(struct kernel_run *run)
{
	struct kernel_result result = {
		.program = run->options->argv[0],
		.pid = (uint32_t)run->child.pid,
		.mode = run->options->mode,
		.created_ns = run->created_ns,
		.own = take_words(&run->own),
		.remote = take_words(&run->remote),
		.has_remote = run->has_remote,
	};
	struct covbuf_message why = { "" };

	add_losses(run, &result);
	if (kernel_map_after(&run->map, &why))
		complain(NULL, "%s; modules that were loaded meanwhile are not known", why.text);
	kernel_map_find_files(&run->map, run->options->directories);
	if (kernel_save(run->file, &run->map, &result))
		return STATUS_FAILED;
	if (!run->options->quiet)
		print_summary(run, &result);
	return run->child.status;
}

static char *choose_file(const struct kernel_options *options)
{
	const char *base = strrchr(options->argv[0], '/');

	return options->output ? must_dup(options->output) : must_printf("%s.covbuf", base ? base + 1 : options->argv[0]);
}

static int record(const struct kernel_options *options)
{
	struct kernel_run run = {
		.options = options,
		.file = choose_file(options),
		.own = { .fd = -1 },
		.remote = { .fd = -1 },
		.has_remote = options->common || options->nr_handles,
		.created_ns = wall_clock_ns(),
	};
	int status = STATUS_FAILED;

	if (!check_file(&run) && !open_devices(&run) && !look_before(&run) && !start(&run, &status)) {
		follow(&run);
		status = finish(&run);
	}
	covb_kcov_close(&run.own);
	covb_kcov_close(&run.remote);
	kernel_map_fini(&run.map);
	free(run.file);
	return status;
}

static int run_kernel(int argc, char **argv)
{
	struct kernel_options options;
	int status = kernel_parse(argc, argv, &options);

	return status ? status : record(&options);
}

const struct command command_kernel = {
	.name = "kernel",
	.brief = "run a command and record the kernel code that it reaches",
	.usage = kernel_usage,
	.run = run_kernel,
};
