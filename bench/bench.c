/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The harness: options, cores, threads, rounds; see bench.h. */
#define _GNU_SOURCE
#include <errno.h>
#include <fnmatch.h>
#include <getopt.h>
#include <pthread.h>
#include <sched.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <covbuf/atomic.h>

#include "harness.h"

#define WARM_UP_ROUNDS 2
#define WARM_UP_NS 20000000u /* the clock of a core that was idle has risen by then */
#define FULL_FACTOR 5
#define LEAST_ROUNDS 3
#define QUICK_SECONDS 0.4
#define FULL_SECONDS 4
#define PROGRESS_NS 2000000000u
#define MAX_ONLY 32

FILE *bench_json;
bool bench_counting;

static bool quick, smoke, list;
static double seconds; /* for the rounds of a bench, unless it says otherwise */
static const char *only[MAX_ONLY];
static uint32_t nr_only, nr_named;
static uint32_t cores[BENCH_MAX_THREADS];
static uint32_t nr_cores;
static double clock_ns;

uint64_t bench_now_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

double bench_seconds(void)
{
	return seconds;
}

double bench_clock_ns(void)
{
	return clock_ns;
}

bool bench_is_quick(void)
{
	return quick;
}

bool bench_is_smoke(void)
{
	return smoke;
}

void bench_must(int err, const char *what)
{
	if (err >= 0)
		return;
	fprintf(stderr, "%s: %s: %s\n", program_invocation_short_name, what, strerror(-err));
	exit(1);
}

/* ---- cores ----------------------------------------------------------------------------------- */

uint32_t bench_nr_cores(void)
{
	return nr_cores;
}

uint32_t bench_thread_counts(uint32_t counts[16])
{
	uint32_t nr = 0;

	for (uint32_t n = 1; n < nr_cores && nr < 15; n *= 2)
		counts[nr++] = n;
	counts[nr++] = nr_cores;
	return nr;
}

void bench_pin(uint32_t thread)
{
	cpu_set_t set;

	CPU_ZERO(&set);
	CPU_SET(cores[thread % nr_cores], &set);
	sched_setaffinity(0, sizeof(set), &set);
}

/* Whether another of the same core's, with a lower number, is there. */
static bool is_sibling(int cpu, const cpu_set_t *set)
{
	char path[96];
	int first = cpu;
	FILE *file;

	snprintf(path, sizeof(path), "/sys/devices/system/cpu/cpu%d/topology/thread_siblings_list", cpu);
	file = fopen(path, "r");
	if (file) {
		if (fscanf(file, "%d", &first) != 1)
			first = cpu;
		fclose(file);
	}
	return first != cpu && first < CPU_SETSIZE && CPU_ISSET(first, set);
}

/* Those that share a core with another come last. */
static void find_cores(void)
{
	cpu_set_t set;

	bench_must(sched_getaffinity(0, sizeof(set), &set) ? -errno : 0, "sched_getaffinity");
	for (int sibling = 0; sibling < 2; sibling++)
		for (int cpu = 0; cpu < CPU_SETSIZE && nr_cores < BENCH_MAX_THREADS; cpu++)
			if (CPU_ISSET(cpu, &set) && is_sibling(cpu, &set) == sibling)
				cores[nr_cores++] = (uint32_t)cpu;
}

static void read_clock_cost(void)
{
	clock_ns = 1e9;
	for (int i = 0; i < 1000; i++) {
		uint64_t begin = bench_now_ns(), ns = bench_now_ns() - begin;

		clock_ns = (double)ns < clock_ns ? (double)ns : clock_ns;
	}
}

static __attribute__((noreturn)) void *sleep_forever(void *arg)
{
	(void)arg;
	for (;;)
		pause();
}

/* libc's locks are not real ones in a process that never had a second thread. */
static void have_threads(void)
{
	pthread_t thread;

	bench_must(-pthread_create(&thread, NULL, sleep_forever, NULL), "pthread_create");
	pthread_detach(thread);
}

/* ---- options --------------------------------------------------------------------------------- */

static void usage(FILE *to, int status)
{
	fprintf(to, "usage: %s [OPTION]...\n"
		"  --quick         a fifth of the rounds, and a tenth of the time\n"
		"  --only NAME     only this bench, or those that the pattern matches; may be given again\n"
		"  --list          names the benches and what they ask, and measures nothing\n"
		"  --json FILE     appends JSON lines to the file\n"
		"  --seconds N     the most that the rounds of one bench take (%g; with --quick %g)\n"
		"  --smoke         one round: whether it runs\n"
		"  --count         under valgrind --tool=callgrind: one counted pass of each variant (count.sh)\n"
		"  --counts FILE   puts what was counted before into the table\n",
		program_invocation_short_name, (double)FULL_SECONDS, QUICK_SECONDS);
	exit(status);
}

static __attribute__((format(printf, 1, 2), noreturn)) void refuse(const char *format, ...)
{
	va_list args;

	fprintf(stderr, "%s: ", program_invocation_short_name);
	va_start(args, format);
	vfprintf(stderr, format, args);
	va_end(args);
	fprintf(stderr, "; see --help\n");
	exit(2);
}

static void open_json(const char *path)
{
	bench_json = fopen(path, "a");
	if (!bench_json)
		refuse("--json: %s: %s", path, strerror(errno));
}

static double positive(const char *text)
{
	char *end;
	double value = strtod(text, &end);

	if (end == text || *end || !(value > 0))
		refuse("--seconds needs a positive number, not '%s'", text);
	return value;
}

static void add_only(const char *name)
{
	if (nr_only == MAX_ONLY)
		refuse("--only: at most %d names", MAX_ONLY);
	only[nr_only++] = name;
}

void bench_init(int argc, char **argv)
{
	static const struct option options[] = {
		{ "quick", no_argument, NULL, 'q' },	  { "only", required_argument, NULL, 'o' },
		{ "list", no_argument, NULL, 'l' },	  { "json", required_argument, NULL, 'j' },
		{ "smoke", no_argument, NULL, 'S' },
		{ "count", no_argument, NULL, 'c' },	  { "counts", required_argument, NULL, 'C' },
		{ "seconds", required_argument, NULL, 's' }, { "help", no_argument, NULL, 'h' },
		{ 0 },
	};
	const char *why;

	for (int option; (option = getopt_long(argc, argv, "h", options, NULL)) != -1;) {
		switch (option) {
		case 'q': quick = true; break;
		case 'S': quick = smoke = true; break;
		case 'l': list = true; break;
		case 'c': bench_counting = true; break;
		case 'o': add_only(optarg); break;
		case 'j': open_json(optarg); break;
		case 'C': bench_counts_load(optarg); break;
		case 's': seconds = positive(optarg); break;
		case 'h': usage(stdout, 0); break;
		default: usage(stderr, 2);
		}
	}
	if (optind < argc)
		refuse("there is no argument '%s'", argv[optind]);
	if (bench_counting && !bench_can_count(&why))
		refuse("--count: %s", why);
	if (seconds <= 0)
		seconds = quick ? QUICK_SECONDS : FULL_SECONDS;
	find_cores();
	bench_pin(0);
	have_threads();
	read_clock_cost();
	if (!bench_counting && !list)
		bench_counters_open();
}

int bench_finish(void)
{
	if (bench_json && fclose(bench_json)) {
		fprintf(stderr, "%s: --json: %s\n", program_invocation_short_name, strerror(errno));
		return 1;
	}
	if (nr_only && !nr_named) {
		fprintf(stderr, "%s: --only: there is no bench '%s'; see --list\n", program_invocation_short_name,
			only[0]);
		return 2;
	}
	return 0;
}

static bool is_named(const char *name)
{
	for (uint32_t i = 0; i < nr_only; i++)
		if (!fnmatch(only[i], name, 0))
			return true;
	return !nr_only;
}

bool bench_wanted(struct bench *bench)
{
	if (!is_named(bench->name))
		return false;
	if (!bench->told)
		nr_named++;
	if (list && !bench->told)
		printf("%-16s %s\n", bench->name, bench->question);
	bench->told = true;
	return !list;
}

/* ---- threads --------------------------------------------------------------------------------- */

/*
 * Helpers sleep at the barrier between passes; from there all spin until the last has arrived, so that
 * none is still waking up while the others work.
 */
static struct helper {
	pthread_t thread;
	uint32_t number;
	double ns __attribute__((aligned(128))); /* per operation, of its last pass */
} helpers[BENCH_MAX_THREADS];
static pthread_barrier_t gather, finish;
static uint32_t nr_arrived;
static const struct bench_variant *work; /* NULL: none any more */

static double one_pass(const struct bench_variant *variant, uint32_t thread)
{
	uint64_t begin = bench_now_ns(), nr_ops = variant->pass(variant, thread);
	double ns = (double)(bench_now_ns() - begin) - clock_ns;

	return (ns > 0 ? ns : 0) / (double)(nr_ops ? nr_ops : 1);
}

static void line_up(uint32_t nr_threads)
{
	__atomic_fetch_add(&nr_arrived, 1, __ATOMIC_ACQ_REL);
	while (__atomic_load_n(&nr_arrived, __ATOMIC_ACQUIRE) < nr_threads)
		covb_relax();
}

static void *help(void *arg)
{
	struct helper *helper = arg;

	bench_pin(helper->number);
	for (;;) {
		pthread_barrier_wait(&gather);
		if (!work)
			return NULL;
		if (helper->number < work->nr_threads) {
			if (work->prepare_thread)
				work->prepare_thread(work, helper->number);
			line_up(work->nr_threads);
			helper->ns = one_pass(work, helper->number);
		}
		pthread_barrier_wait(&finish);
	}
}

static void start_helpers(uint32_t nr_threads)
{
	pthread_barrier_init(&gather, NULL, nr_threads);
	pthread_barrier_init(&finish, NULL, nr_threads);
	for (uint32_t i = 1; i < nr_threads; i++) {
		helpers[i].number = i;
		bench_must(-pthread_create(&helpers[i].thread, NULL, help, &helpers[i]), "pthread_create");
	}
}

static void stop_helpers(uint32_t nr_threads)
{
	work = NULL;
	pthread_barrier_wait(&gather);
	for (uint32_t i = 1; i < nr_threads; i++)
		pthread_join(helpers[i].thread, NULL);
	pthread_barrier_destroy(&gather);
	pthread_barrier_destroy(&finish);
}

/* The slowest thread's. */
static double pass_of_many(const struct bench_variant *variant)
{
	double slowest;

	__atomic_store_n(&nr_arrived, 0, __ATOMIC_RELAXED);
	work = variant;
	pthread_barrier_wait(&gather);
	if (variant->prepare_thread)
		variant->prepare_thread(variant, 0);
	line_up(variant->nr_threads);
	slowest = one_pass(variant, 0);
	pthread_barrier_wait(&finish);
	for (uint32_t i = 1; i < variant->nr_threads; i++)
		slowest = helpers[i].ns > slowest ? helpers[i].ns : slowest;
	return slowest;
}

static double pass_of_one(struct bench_variant *variant)
{
	uint64_t begin, nr_ops;
	double ns;

	if (variant->prepare_thread)
		variant->prepare_thread(variant, 0);
	bench_counters_begin();
	begin = bench_now_ns();
	nr_ops = variant->pass(variant, 0);
	ns = (double)(bench_now_ns() - begin) - clock_ns;
	bench_counters_end(variant, nr_ops);
	return (ns > 0 ? ns : 0) / (double)(nr_ops ? nr_ops : 1);
}

/* ---- rounds ---------------------------------------------------------------------------------- */

static void measure(struct bench_variant *variant)
{
	double ns;

	if (variant->prepare)
		variant->prepare(variant);
	ns = variant->nr_threads > 1 ? pass_of_many(variant) : pass_of_one(variant);
	if (variant->clear_up)
		variant->clear_up(variant);
	bench_sample(variant, ns);
}

static double limit_ns(const struct bench *bench)
{
	return 1e9 * (bench->seconds > 0 ? bench->seconds : seconds);
}

static void show_progress(const struct bench *bench, uint32_t repetitions, double passed_ns)
{
	static uint64_t shown_ns;
	double by_rounds = (double)bench->round / repetitions, by_time = passed_ns / limit_ns(bench);
	uint64_t now = bench_now_ns();

	if (passed_ns < PROGRESS_NS || now - shown_ns < PROGRESS_NS / 10 || !isatty(STDERR_FILENO))
		return;
	shown_ns = now;
	fprintf(stderr, "\r%s: %3.0f %%", bench->name, 100 * (by_rounds > by_time ? by_rounds : by_time));
}

static void end_progress(double passed_ns)
{
	if (passed_ns >= PROGRESS_NS && isatty(STDERR_FILENO))
		fprintf(stderr, "\r\033[K");
}

bool bench_another(struct bench *bench)
{
	uint32_t repetitions = quick ? bench->repetitions : bench->repetitions * FULL_FACTOR;
	uint64_t now = bench_now_ns();

	if (bench_counting)
		return false;
	if (bench->began_ns == 0)
		bench->began_ns = now;
	if (smoke)
		return bench->round++ == 0;
	/* warming up: sampled, and dropped when it is over */
	if (bench->round == WARM_UP_ROUNDS && !bench->is_warm) {
		if (now - bench->began_ns < WARM_UP_NS)
			return true;
		bench_drop_samples(bench);
		bench->is_warm = true;
		bench->round = 0;
		bench->began_ns = now;
	}
	if (bench->is_warm) {
		double passed_ns = (double)(now - bench->began_ns);

		if (bench->round >= repetitions || (bench->round >= LEAST_ROUNDS && passed_ns > limit_ns(bench))) {
			end_progress(passed_ns);
			return false;
		}
		show_progress(bench, repetitions, passed_ns);
	}
	bench->round++;
	return true;
}

void bench_round(struct bench *bench)
{
	for (uint32_t i = 0; i < bench->nr_variants; i++)
		if (!bench->variants[i].missing)
			measure(&bench->variants[i]);
}

static const char *too_few_cores(uint32_t nr_threads)
{
	static char why[BENCH_MAX_THREADS + 1][48];
	char *text = why[nr_threads < BENCH_MAX_THREADS ? nr_threads : BENCH_MAX_THREADS];

	snprintf(text, sizeof(why[0]), "needs %u cores, there %s %u", nr_threads, nr_cores == 1 ? "is" : "are",
		 nr_cores);
	return text;
}

void bench_count_all(const struct bench *bench)
{
	for (uint32_t i = 0; i < bench->nr_variants; i++) {
		const struct bench_variant *variant = &bench->variants[i];

		if (!variant->missing && !variant->uncounted && variant->nr_threads <= 1)
			bench_count(bench, variant);
	}
}

void bench_run_with(struct bench *bench, void (*tell)(struct bench_variant *variant))
{
	uint32_t nr_threads = 1;

	if (!bench_wanted(bench))
		return;
	if (bench_counting)
		bench_count_all(bench);
	for (uint32_t i = 0; i < bench->nr_variants; i++) {
		struct bench_variant *variant = &bench->variants[i];

		if (variant->nr_threads > nr_cores && !variant->missing)
			variant->missing = too_few_cores(variant->nr_threads);
		if (variant->nr_threads > nr_threads && !variant->missing)
			nr_threads = variant->nr_threads;
	}
	if (nr_threads > 1)
		start_helpers(nr_threads);
	while (bench_another(bench))
		bench_round(bench);
	if (nr_threads > 1)
		stop_helpers(nr_threads);
	for (uint32_t i = 0; tell && i < bench->nr_variants; i++)
		if (!bench->variants[i].missing)
			tell(&bench->variants[i]);
	bench_report(bench);
}

void bench_run(struct bench *bench)
{
	bench_run_with(bench, NULL);
}
