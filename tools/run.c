// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * covbuf run: make a segment, run a program that records into it, keep areas ready, and tidy up.
 *
 * The segment is in the file that the recording is to be, so there is nothing to save: whoever is
 * killed, program or covbuf, the file holds what was recorded up to then. With --stream the segment is
 * in /dev/shm and holds rings, which are drained into the file.
 */
#include "run.h"

#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "command.h"
#include "recording.h"
#include "survey.h"

#define AUDIT_NS 100000000ull
#define AUDIT_HURRY_NS 5000000ull /* when what the dead hold is missed */
#define ASK_NS 50000000ull
#define MAX_WAIT_MS 20

/* Areas of each way to record, how much of them is kept free ahead, and how large it may all become. */
static const struct way {
	uint32_t area_class;
	uint64_t ahead_bytes, limit_bytes;
	uint32_t max_step; /* areas made in one go */
	int wait_ms; /* between looks while programs are busy */
} ways[] = {
	[0] = { 0, 4ull << 20, 256ull << 20, 256, 5 }, /* unique */
	[1] = { 4, 256ull << 20, 4096ull << 20, 256, 2 }, /* trace, cmp: what two threads write in 30 ms */
	[2] = { 6, 32ull << 20, 1024ull << 20, 8, 1 }, /* stream: a tight loop fills a ring in 5 ms */
};

struct run {
	const struct run_options *options;
	const struct way *way;
	char *file;		/* the recording */
	char *where;		/* the segment, for covbuf_segment_create() */
	char *name;		/* the segment, for COVBUF_SEGMENT */
	char *library;		/* to be preloaded, or NULL */
	struct covbuf_segment *segment;
	struct stream *stream;
	struct grower grower;
	struct child child;
	uint64_t audited_ns, asked_ns;
	uint32_t audited_changes; /* header.procs_changed at the last audit */
	bool announced, others, damaged;
	uint64_t drained;	/* records, in the last pass */
};

static const struct way *choose_way(const struct run_options *options)
{
	return &ways[options->stream ? 2 : options->unique ? 0 : 1];
}

static struct covbuf_segment_options plan_segment(const struct run *run)
{
	const struct run_options *options = run->options;
	uint64_t limit = options->limit_bytes ? options->limit_bytes : run->way->limit_bytes;
	bool small = limit < 64ull << 20;
	struct covbuf_segment_options plan = {
		.limit_bytes = limit,
		.initial_bytes = covbuf_class_bytes(run->way->area_class),
		.nr_procs = small ? 128 : 1024,
		.nr_contexts = small ? 1024 : 4096,
		.nr_owners = 64,
		.nr_modules = small ? 512 : 4096,
		.automatic = {
			.enabled = 1,
			.mode = options->mode,
			.kind = options->stream ? COVBUF_RING : COVBUF_LINEAR,
			.area_class = run->way->area_class,
			.flags = options->stream ? 0 : COVBUF_AUTO_GROW | COVBUF_AUTO_KEEP,
		},
	};

	if (options->unique)
		plan.automatic.flags |= COVBUF_AUTO_UNIQUE;
	if (options->follow)
		plan.automatic.flags |= COVBUF_AUTO_FOLLOW;
	return plan;
}

/* ---- names ----------------------------------------------------------------------------------- */

static char *absolute_path(const char *path)
{
	char *cwd, *absolute;

	if (*path == '/')
		return must_dup(path);
	cwd = getcwd(NULL, 0);
	absolute = must_printf("%s/%s", cwd ? cwd : ".", path);
	free(cwd);
	return absolute;
}

static void choose_names(struct run *run)
{
	const char *program = run->options->argv[0];
	const char *base = strrchr(program, '/');

	run->file = run->options->output ? must_dup(run->options->output) :
					   must_printf("%s.covbuf", base ? base + 1 : program);
	run->where = run->options->stream ? must_printf("name:/covbuf-run-%d", (int)getpid()) :
					    absolute_path(run->file);
	run->name = must_dup(run->where);
}

/* Only a file goes: --force does not remove a device that somebody named. */
static int remove_old(const struct run *run)
{
	struct stat st;

	if (lstat(run->file, &st))
		return 0;
	if (!run->options->force) {
		complain(run->file, "it exists; give another name with -o, or --force to replace it");
		return -EEXIST;
	}
	if (!S_ISREG(st.st_mode)) {
		complain(run->file, "it is not a file; give another name with -o");
		return -EEXIST;
	}
	if (unlink(run->file)) {
		complain(run->file, "it cannot be removed: %s", strerror(errno));
		return -errno;
	}
	return 0;
}

static void remove_segment(const struct run *run)
{
	if (run->options->stream)
		shm_unlink(run->where + strlen("name:"));
}

/* ---- before ---------------------------------------------------------------------------------- */

static int make_segment(struct run *run)
{
	struct covbuf_segment_options plan = plan_segment(run);
	struct covbuf_message why = { "" };
	uint64_t ahead = run->way->ahead_bytes;
	int err;

	err = covbuf_segment_create(run->where, &plan, &run->segment, &why);
	if (err) {
		complain(run->file, "%s", why.text);
		return err;
	}
	err = covbuf_segment_consume(run->segment);
	if (err) {
		complain(run->file, "cannot become its consumer: %s", strerror(-err));
		return err;
	}
	if (ahead > plan.limit_bytes / 4)
		ahead = plan.limit_bytes / 4;
	grower_init(&run->grower, run->segment, run->way->area_class, ahead, run->way->max_step);
	while (grower_tick(&run->grower), run->grower.free_areas < run->grower.ahead && !run->grower.refused)
		;
	return 0;
}

static int prepare(struct run *run)
{
	int err = remove_old(run);

	if (!err)
		err = make_segment(run);
	if (!err && run->options->stream)
		err = stream_create(run->file, run->options->force, run->segment, &run->stream);
	if (err && run->options->stream && run->segment)
		remove_segment(run);
	return err;
}

/* ---- meanwhile ------------------------------------------------------------------------------- */

static void drain(struct run *run, unsigned int flags)
{
	struct covbuf_drained drained = { 0 };
	int err;

	if (run->stream) {
		/* tables first: the records that follow are of modules that are in them */
		stream_sync(run->stream);
		err = covbuf_drain(run->segment, flags | COVBUF_DRAIN_LIVE, stream_add, run->stream, &drained);
		stream_add_holes(run->stream, drained.lost);
	} else {
		err = covbuf_drain(run->segment, flags, NULL, NULL, &drained);
	}
	run->drained = drained.records;
	if (err == -EPROTO && !run->damaged)
		complain(run->file, "a program has damaged the segment; what can be read is kept");
	run->damaged |= err == -EPROTO;
}

/*
 * The dead hold areas and process slots until somebody looks for them. Often enough, and at once where
 * many processes have come since, or areas run out.
 */
static bool audit_is_due(struct run *run)
{
	uint64_t now = now_ns();
	struct covbuf_header header;
	bool hurry;

	if (now - run->audited_ns < AUDIT_HURRY_NS || covbuf_view_header(run->segment, &header))
		return false;
	hurry = header.procs_changed - run->audited_changes > header.procs.nr / 8 || run->grower.free_areas < 2;
	if (!hurry && !run->child.ended && now - run->audited_ns < AUDIT_NS)
		return false;
	run->audited_ns = now;
	run->audited_changes = header.procs_changed;
	return true;
}

static void audit(struct run *run)
{
	bool due = audit_is_due(run);

	run->drained = 0;
	if (due || run->stream)
		drain(run, due ? COVBUF_DRAIN_AUDIT : 0);
}

/* Whether to go on for processes that the program has left behind. */
static bool others_record(struct run *run)
{
	struct covbuf_header header;
	uint32_t live;

	if (!run->options->wait || run->child.interrupts >= 2)
		return false;
	/* asking every process is work: not at each turn */
	if (run->others && now_ns() - run->asked_ns < ASK_NS)
		return true;
	run->asked_ns = now_ns();
	if (covbuf_view_header(run->segment, &header))
		return false;
	live = survey_live(run->segment, &header);
	if (live && !run->announced && (run->child.interrupts || !run->options->quiet)) {
		complain(NULL, "the program has ended, %" PRIu32 " of its processes still record%s; interrupt twice to leave "
			       "them",
			 live, live == 1 ? "s" : "");
		run->announced = true;
	}
	run->others = live != 0;
	return run->others;
}

static void follow(struct run *run)
{
	int wait_ms = run->way->wait_ms;

	do {
		bool busy;

		child_wait(&run->child, run->drained ? 0 : wait_ms);
		busy = grower_tick(&run->grower) || run->drained;
		audit(run);
		if (busy || run->drained)
			wait_ms = run->way->wait_ms;
		else if (wait_ms < MAX_WAIT_MS && !run->stream)
			wait_ms++;
	} while (!run->child.ended || others_record(run));
}

/* ---- after ----------------------------------------------------------------------------------- */

static void print_losses(const struct survey *survey, FILE *out)
{
	const char *separator = " (";

	for (unsigned int i = 0; i < COVBUF_NR_LOSSES; i++) {
		if (!survey->lost[i])
			continue;
		fprintf(out, "%s%s %" PRIu64, separator, loss_name(i), survey->lost[i]);
		separator = ", ";
	}
	fputc(')', out);
}

static void print_summary(const struct run *run, const struct survey *survey, const struct covbuf_header *header)
{
	uint64_t records = survey->records, bytes;
	const char *limit = run->grower.refused ? "; it could not grow: a higher --limit, or free disk space, may help" : "";

	if (run->stream)
		stream_count(run->stream, &bytes, &records);
	fprintf(stderr, "covbuf run: %s: %" PRIu64 " records of %zu thread%s in %" PRIu32 " process%s, ", run->file,
		records, survey->nr, survey->nr == 1 ? "" : "s", survey->nr_procs, survey->nr_procs == 1 ? "" : "es");
	if (survey->sum_lost) {
		fprintf(stderr, "%" PRIu64 " lost", survey->sum_lost);
		print_losses(survey, stderr);
		fprintf(stderr, "%s", limit);
	} else {
		fputs("none lost", stderr);
	}
	if (header->lost_contexts || header->lost_procs)
		fprintf(stderr, "; no room for %" PRIu64 " threads and %" PRIu64 " processes", header->lost_contexts,
			header->lost_procs);
	fputc('\n', stderr);
	if (!survey->nr_procs)
		complain(run->options->argv[0], "it did not record; if it has not said why, it is not linked with libcovbuf%s",
			 run->options->preload ? ", or has no weak callbacks" : ": for weak callbacks there is --preload");
}

static void drain_rest(struct run *run)
{
	unsigned int passes = 0;

	do
		drain(run, COVBUF_DRAIN_AUDIT);
	while (run->stream && run->drained && ++passes < 1000);
}

static void complain_untrimmed(const struct run *run, int err)
{
	if (err == -EIO)
		complain(run->file, "somebody has cut it while it was recorded: it is not complete");
	else if (err)
		complain(run->file, "it could not be trimmed; it is complete, and larger than need be");
}

static int finish(struct run *run)
{
	struct covbuf_header header;
	struct survey survey;
	bool left = run->child.interrupts >= 2 || !run->options->wait;
	int status = run->child.status;

	drain_rest(run);
	if (!covbuf_view_header(run->segment, &header)) {
		survey_take(&survey, run->segment, &header, true);
		if (!run->options->quiet)
			print_summary(run, &survey, &header);
		left = left && survey.nr_live;
		survey_fini(&survey);
	}
	if (run->stream) {
		if (stream_finish(run->stream) && !status)
			status = STATUS_FAILED;
		remove_segment(run);
	} else if (!left) {
		complain_untrimmed(run, covbuf_segment_trim(run->segment));
	}
	covbuf_segment_close(run->segment);
	return status;
}

/* In the child. */
static int name_segment(void *arg)
{
	const struct run *run = arg;
	const char *others = getenv("LD_PRELOAD");

	setenv("COVBUF_SEGMENT", run->name, 1);
	if (run->library && others && *others)
		setenv("LD_PRELOAD", must_printf("%s:%s", run->library, others), 1);
	else if (run->library)
		setenv("LD_PRELOAD", run->library, 1);
	return 0;
}

static int run_program(const struct run_options *options)
{
	struct run run = { .options = options, .way = choose_way(options) };
	int status = STATUS_FAILED;

	choose_names(&run);
	if (options->preload && !(run.library = find_preload()))
		goto out;
	if (prepare(&run))
		goto out;
	if (child_start(&run.child, options->argv, name_segment, &run, &status)) {
		remove_segment(&run);
		unlink(run.file);
		covbuf_segment_close(run.segment);
		goto out;
	}
	follow(&run);
	status = finish(&run);
out:
	free(run.file);
	free(run.where);
	free(run.name);
	free(run.library);
	return status;
}

static int run_run(int argc, char **argv)
{
	struct run_options options = { .follow = true, .wait = true };
	int status = run_parse(argc, argv, &options);

	if (status)
		return status;
	return options.profile ? run_profile(&options) : run_program(&options);
}

const struct command command_run = {
	.name = "run",
	.brief = "run a program and record it",
	.usage = run_usage,
	.run = run_run,
};
