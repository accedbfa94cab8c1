// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * covbuf top: a segment while it is recorded into.
 */
#include <curses.h>
#include <errno.h>
#include <inttypes.h>
#include <locale.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "command.h"
#include "table.h"
#include "top_sample.h"

static const char usage[] =
	"Usage: covbuf top [--once] [-d SECONDS] SEGMENT\n"
	"A segment while programs record into it: records per second of each thread, losses, and\n"
	"the functions that most records come from (a sample; in unique mode, the newest).\n\n"
	"  SEGMENT              a file, or name:/NAME for one in /dev/shm\n"
	"  -d, --delay SECONDS  between looks, 0.1 to 60; default 1\n"
	"  --once               look for one delay, print, and leave; needs no terminal\n"
	"  -h, --help           this text\n\n"
	"Keys: q leaves.\n";

static int compare_threads(const void *a, const void *b)
{
	const struct top_thread *x = *(const struct top_thread *const *)a;
	const struct top_thread *y = *(const struct top_thread *const *)b;

	if (x->fresh != y->fresh)
		return x->fresh > y->fresh ? -1 : 1;
	if (x->live != y->live)
		return x->live ? -1 : 1;
	return x->tid < y->tid ? -1 : x->tid > y->tid;
}

static double per_second(const struct top_sample *sample, uint64_t n)
{
	return sample->interval_ns ? (double)n * 1e9 / (double)sample->interval_ns : 0;
}

static void print_threads(const struct top_sample *sample, size_t most, FILE *out)
{
	const struct top_thread **sorted = must_alloc(sample->nr_threads * sizeof(struct top_thread *));
	struct table *table = table_create("rrlrrr");

	for (size_t i = 0; i < sample->nr_threads; i++)
		sorted[i] = &sample->threads[i];
	if (sample->nr_threads)
		qsort(sorted, sample->nr_threads, sizeof(struct top_thread *), compare_threads);
	table_cell(table, "PID");
	table_cell(table, "TID");
	table_cell(table, "Name");
	table_cell(table, "Records/s");
	table_cell(table, "Records");
	table_cell(table, "Lost");
	for (size_t i = 0; i < sample->nr_threads && i < most; i++) {
		table_cell(table, "%" PRIu32, sorted[i]->pid);
		table_cell(table, "%" PRIu32, sorted[i]->tid);
		table_cell(table, "%s%s", sorted[i]->name, sorted[i]->live ? "" : " (ended)");
		table_cell(table, "%.0f", per_second(sample, sorted[i]->fresh));
		table_cell(table, "%" PRIu64, sorted[i]->records);
		table_cell(table, "%" PRIu64, sorted[i]->lost);
	}
	table_print(table, out);
	free(sorted);
}

static void print_functions(const struct top_sample *sample, size_t most, FILE *out)
{
	struct table *table = table_create("rll");
	double all = 0;

	for (size_t i = 0; i < sample->nr_functions; i++)
		all += sample->functions[i].weight;
	table_cell(table, "Share");
	table_cell(table, "Function");
	table_cell(table, "Module");
	for (size_t i = 0; i < sample->nr_functions && i < most; i++) {
		table_cell(table, "%.1f%%", 100 * sample->functions[i].weight / all);
		table_cell(table, "%s", sample->functions[i].name);
		table_cell(table, "%s", sample->functions[i].module);
	}
	table_print(table, out);
}

static void print_frame(const struct top_sample *sample, const char *path, size_t lines, FILE *out)
{
	size_t threads = lines > 12 ? (lines - 5) / 2 : 5;
	char size[16];

	fprintf(out, "%s: %s, %.0f records/s, %" PRIu64 " records, %" PRIu64 " lost\n\n", path,
		format_bytes(sample->header.size_bytes, size), per_second(sample, sample->fresh), sample->records,
		sample->lost);
	print_threads(sample, threads, out);
	fputc('\n', out);
	if (sample->nr_threads < threads)
		threads = sample->nr_threads;
	print_functions(sample, lines > threads + 6 ? lines - threads - 6 : 1, out);
}

static void sleep_for(double seconds)
{
	struct timespec time = { (time_t)seconds, (long)((seconds - (double)(time_t)seconds) * 1e9) };

	while (nanosleep(&time, &time) && errno == EINTR)
		;
}

static int show_once(struct top_sample *sample, const char *path, double delay)
{
	int err = top_look(sample);

	if (!err) {
		sleep_for(delay);
		err = top_look(sample);
	}
	if (err) {
		complain(path, "cannot be read any more: %s", strerror(-err));
		return STATUS_FAILED;
	}
	print_frame(sample, path, 40, stdout);
	return finish_output(stdout, NULL) ? STATUS_FAILED : STATUS_OK;
}

static void draw(const struct top_sample *sample, const char *path)
{
	char *text = NULL, *line, *rest;
	size_t bytes;
	FILE *out = open_memstream(&text, &bytes);
	int y = 0;

	if (!out)
		return;
	print_frame(sample, path, (size_t)(LINES > 0 ? LINES : 24), out);
	fclose(out);
	erase();
	for (rest = text; y < LINES && (line = strsep(&rest, "\n")); y++) {
		if (!y)
			attron(A_BOLD);
		mvaddnstr(y, 0, line, COLS);
		attroff(A_BOLD);
	}
	refresh();
	free(text);
}

static int show_live(struct top_sample *sample, const char *path, double delay)
{
	int err = 0, key = 0;

	setlocale(LC_CTYPE, "");
	if (!newterm(NULL, stdout, stdin)) {
		complain(NULL, "this terminal (TERM=%s) is not known; --once prints without one",
			 getenv("TERM") ? getenv("TERM") : "");
		return STATUS_FAILED;
	}
	cbreak();
	noecho();
	curs_set(0);
	timeout((int)(delay * 1000));
	while (!err && key != 'q') {
		err = top_look(sample);
		if (err)
			break;
		draw(sample, path);
		key = getch();
	}
	endwin();
	if (err)
		complain(path, "cannot be read any more: %s", strerror(-err));
	return err ? STATUS_FAILED : STATUS_OK;
}

static int show(const char *path, bool once, double delay)
{
	struct top_sample sample = { .segment = NULL };
	int status;

	if (!once && !(isatty(STDOUT_FILENO) && isatty(STDIN_FILENO))) {
		complain(NULL, "needs a terminal; --once prints one look as text");
		return STATUS_FAILED;
	}
	sample.segment = open_segment(path);
	if (!sample.segment)
		return STATUS_FAILED;
	status = once ? show_once(&sample, path, delay) : show_live(&sample, path, delay);
	top_fini(&sample);
	covbuf_segment_close(sample.segment);
	return status;
}

static int run_top(int argc, char **argv)
{
	static const struct option longs[] = {
		{ "once", no_argument, NULL, 'o' },
		{ "delay", required_argument, NULL, 'd' },
		{ "help", no_argument, NULL, 'h' },
		{ NULL, 0, NULL, 0 },
	};
	bool once = false;
	double delay = 1;
	char *end;
	int opt;

	while ((opt = getopt_long(argc, argv, ":hd:", longs, NULL)) != -1) {
		switch (opt) {
		case 'o':
			once = true;
			break;
		case 'd':
			delay = strtod(optarg, &end);
			if (end == optarg || *end || !(delay >= 0.1 && delay <= 60))
				return bad_usage("--delay: '%s' is not between 0.1 and 60 seconds", optarg);
			break;
		default:
			finish_option(opt, argv);
		}
	}
	if (argc - optind != 1)
		return bad_usage(optind == argc ? "which segment?" : "one segment at a time");
	return show(argv[optind], once, delay);
}

const struct command command_top = {
	.name = "top",
	.brief = "watch a segment while it is recorded into",
	.usage = usage,
	.run = run_top,
};
