// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * covbuf stat: what is in a segment, thread by thread, at this moment or after the end.
 */
#include <inttypes.h>
#include <string.h>
#include <time.h>

#include "command.h"
#include "output.h"
#include "recording.h"
#include "survey.h"
#include "table.h"

static const char usage[] =
	"Usage: covbuf stat [--json] SEGMENT\n"
	"Threads and processes that record or recorded into a segment: records, areas, and what was\n"
	"lost by cause. Looking on does not disturb them.\n\n"
	"  SEGMENT     a file, or name:/NAME for one in /dev/shm\n"
	"  --json      as one JSON object\n"
	"  -h, --help  this text\n\n"
	"Lost: full (area or ring), no area (empty pool), abandoned (left by a longjmp or a death);\n"
	"sections: unknown (handle), shut (context), level, stale; invalid: a value that is no record.\n";

static const char *mode_name(uint32_t mode)
{
	return mode == COVBUF_MODE_CMP ? "cmp" : "pc";
}

/* How programs record into it by themselves. */
static const char *automatic_name(const struct covbuf_auto *automatic)
{
	if (!automatic->enabled)
		return "by hand";
	if (automatic->kind == COVBUF_RING)
		return automatic->mode == COVBUF_MODE_CMP ? "cmp, drained" : "trace, drained";
	if (automatic->mode == COVBUF_MODE_CMP)
		return "cmp";
	return automatic->flags & (COVBUF_AUTO_UNIQUE | COVBUF_AUTO_UNIQUE_CONTEXT) ? "unique" : "trace";
}

static const char *proc_state(struct covbuf_segment *segment, uint32_t i, const struct covbuf_proc *proc)
{
	if ((proc->state & 0xff) == COVBUF_PROC_ENDED)
		return "ended";
	return covbuf_proc_alive(segment, i) ? "live" : "dead";
}

/* ---- text ------------------------------------------------------------------------------------ */

static void print_header(const char *path, const struct covbuf_header *header, const struct survey *survey)
{
	time_t created = (time_t)(header->created_ns / 1000000000u);
	char size[16], limit[16], when[64] = "?";
	struct tm tm;

	if (localtime_r(&created, &tm))
		strftime(when, sizeof(when), "%F %T", &tm);
	printf("%s: %s of %s, ", path, format_bytes(header->size_bytes, size), format_bytes(header->limit_bytes, limit));
	if (header->maker_pid)
		printf("made %s by process %" PRIu32 ", records %s\n", when, header->maker_pid,
		       automatic_name(&header->automatic));
	else
		printf("merged, the earliest of %s\n", when);
	printf("%" PRIu64 " records in %" PRIu64 " area%s, %" PRIu64 " free, %" PRIu64 " lost, %" PRIu32
	       " process%s, %" PRIu32 " live\n",
	       survey->records, survey->areas, survey->areas == 1 ? "" : "s", survey->free_areas, survey->sum_lost, survey->nr_procs,
	       survey->nr_procs == 1 ? "" : "es", survey->nr_live);
	if (survey->holes)
		printf("%" PRIu64 " slots were claimed and never filled\n", survey->holes);
	if (header->lost_contexts || header->lost_procs)
		printf("no room for %" PRIu64 " threads and %" PRIu64 " processes\n", header->lost_contexts,
		       header->lost_procs);
}

static void print_threads(const struct survey *survey)
{
	struct table *table;
	char columns[8 + COVBUF_NR_LOSSES] = "rrllrr";
	unsigned int shown = 0;
	unsigned int cause[COVBUF_NR_LOSSES];

	for (unsigned int i = 0; i < COVBUF_NR_LOSSES; i++)
		if (survey->lost[i])
			cause[shown++] = i;
	memset(columns + 6, 'r', shown ? shown : 1);
	table = table_create(columns);
	table_cell(table, "PID");
	table_cell(table, "TID");
	table_cell(table, "Name");
	table_cell(table, "Mode");
	table_cell(table, "Records");
	table_cell(table, "Areas");
	if (!shown)
		table_cell(table, "Lost");
	for (unsigned int i = 0; i < shown; i++)
		table_cell(table, "Lost: %s", loss_name(cause[i]));
	for (size_t k = 0; k < survey->nr; k++) {
		const struct survey_row *row = &survey->rows[k];

		table_cell(table, "%" PRIu32, row->pid);
		table_cell(table, "%" PRIu32, row->tid);
		table_cell(table, "%s", row->name);
		table_cell(table, "%s", !row->live ? "ended" : !row->mode ? "shut" : mode_name(row->mode - 1));
		table_cell(table, "%" PRIu64, row->records);
		table_cell(table, "%" PRIu64, row->areas);
		if (!shown)
			table_cell(table, "0");
		for (unsigned int i = 0; i < shown; i++)
			table_cell(table, "%" PRIu64, row->lost[cause[i]]);
	}
	table_print(table, stdout);
}

static void print_procs(struct covbuf_segment *segment, const struct covbuf_header *header)
{
	struct table *table = table_create("rrll");

	table_cell(table, "PID");
	table_cell(table, "Parent");
	table_cell(table, "State");
	table_cell(table, "Program");
	for (uint32_t i = 1; i < header->procs.nr; i++) {
		struct covbuf_proc proc;

		if (covbuf_view_proc(segment, i, &proc))
			continue;
		table_cell(table, "%" PRIu32, proc.pid);
		table_cell(table, "%" PRIu32, proc.ppid);
		table_cell(table, "%s", proc_state(segment, i, &proc));
		table_cell(table, "%s", proc.path);
	}
	table_print(table, stdout);
}

/* ---- JSON ------------------------------------------------------------------------------------ */

static void write_losses(const uint64_t *lost)
{
	fputs("\"lost\":{", stdout);
	for (unsigned int i = 0; i < COVBUF_NR_LOSSES; i++)
		printf("%s\"%s\":%" PRIu64, i ? "," : "", loss_name(i), lost[i]);
	putchar('}');
}

static void write_threads(const struct survey *survey)
{
	for (size_t i = 0; i < survey->nr; i++) {
		const struct survey_row *row = &survey->rows[i];

		printf("%s\n{\"pid\":%" PRIu32 ",\"tid\":%" PRIu32 ",\"name\":", i ? "," : "", row->pid, row->tid);
		json_write_text(row->name, stdout);
		printf(",\"live\":%s,\"mode\":\"%s\",\"records\":%" PRIu64 ",\"holes\":%" PRIu64 ",\"areas\":%" PRIu64 ",",
		       row->live ? "true" : "false", !row->mode ? "shut" : mode_name(row->mode - 1), row->records, row->holes,
		       row->areas);
		write_losses(row->lost);
		putchar('}');
	}
}

static void write_procs(struct covbuf_segment *segment, const struct covbuf_header *header)
{
	bool first = true;

	for (uint32_t i = 1; i < header->procs.nr; i++) {
		struct covbuf_proc proc;

		if (covbuf_view_proc(segment, i, &proc))
			continue;
		printf("%s\n{\"pid\":%" PRIu32 ",\"ppid\":%" PRIu32 ",\"state\":\"%s\",\"path\":", first ? "" : ",", proc.pid,
		       proc.ppid, proc_state(segment, i, &proc));
		json_write_text(proc.path, stdout);
		putchar('}');
		first = false;
	}
}

static void write_json(const char *path, struct covbuf_segment *segment, const struct covbuf_header *header,
		       const struct survey *survey)
{
	fputs("{\"segment\":", stdout);
	json_write_text(path, stdout);
	printf(",\"size_bytes\":%" PRIu64 ",\"limit_bytes\":%" PRIu64 ",\"created_ns\":%" PRIu64 ",\"maker_pid\":%" PRIu32
	       ",\"automatic\":\"%s\",\n",
	       header->size_bytes, header->limit_bytes, header->created_ns, header->maker_pid,
	       automatic_name(&header->automatic));
	printf("\"records\":%" PRIu64 ",\"holes\":%" PRIu64 ",\"areas\":%" PRIu64 ",\"free_areas\":%" PRIu64
	       ",\"lost_contexts\":%" PRIu64 ",\"lost_procs\":%" PRIu64 ",\"damaged\":%" PRIu64 ",",
	       survey->records, survey->holes, survey->areas, survey->free_areas, header->lost_contexts,
	       header->lost_procs, survey->damaged);
	write_losses(survey->lost);
	fputs(",\n\"threads\":[", stdout);
	write_threads(survey);
	fputs("],\n\"processes\":[", stdout);
	write_procs(segment, header);
	fputs("]}\n", stdout);
}

/* ---- command --------------------------------------------------------------------------------- */

static int stat_segment(const char *path, bool json)
{
	struct covbuf_segment *segment = open_segment(path);
	struct covbuf_header header;
	struct survey survey;
	int err;

	if (!segment)
		return STATUS_FAILED;
	err = covbuf_view_header(segment, &header);
	if (err) {
		complain(path, "its header cannot be read: %s", strerror(-err));
		covbuf_segment_close(segment);
		return STATUS_FAILED;
	}
	survey_take(&survey, segment, &header, false);
	if (json) {
		write_json(path, segment, &header, &survey);
	} else {
		print_header(path, &header, &survey);
		putchar('\n');
		print_threads(&survey);
		putchar('\n');
		print_procs(segment, &header);
	}
	if (survey.damaged)
		complain(path, "%" PRIu64 " parts are damaged or cut off, and were left out", survey.damaged);
	survey_fini(&survey);
	covbuf_segment_close(segment);
	return finish_output(stdout, NULL) ? STATUS_FAILED : STATUS_OK;
}

static int run_stat(int argc, char **argv)
{
	static const struct option longs[] = {
		{ "json", no_argument, NULL, 'j' },
		{ "help", no_argument, NULL, 'h' },
		{ NULL, 0, NULL, 0 },
	};
	bool json = false;
	int opt;

	while ((opt = getopt_long(argc, argv, ":h", longs, NULL)) != -1) {
		if (opt == 'j')
			json = true;
		else
			finish_option(opt, argv);
	}
	if (argc - optind != 1)
		return bad_usage(optind == argc ? "which segment?" : "one segment at a time");
	return stat_segment(argv[optind], json);
}

const struct command command_stat = {
	.name = "stat",
	.brief = "threads, records and losses of a segment",
	.usage = usage,
	.run = run_stat,
};
