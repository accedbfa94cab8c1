/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The harness's figures: statistics, ratios, targets, the table, the JSON lines; see README.md for both. */
#define _GNU_SOURCE
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "harness.h"

#define NAME_COLUMNS 48

/* ---- samples --------------------------------------------------------------------------------- */

void bench_sample(struct bench_variant *variant, double ns)
{
	uint32_t n = variant->nr_samples;

	/* grows at powers of two */
	if (!(n & (n - 1))) {
		variant->samples = realloc(variant->samples, (n ? 2 * n : 1) * sizeof(double));
		if (!variant->samples)
			abort();
	}
	variant->samples[variant->nr_samples++] = ns;
}

void bench_drop_samples(struct bench *bench)
{
	for (uint32_t i = 0; i < bench->nr_variants; i++) {
		struct bench_variant *variant = &bench->variants[i];

		free(variant->samples);
		variant->samples = NULL;
		variant->nr_samples = 0;
		variant->instructions = variant->cycles = 0;
	}
}

void bench_value(struct bench_variant *variant, const char *name, double value)
{
	for (uint32_t i = 0; i < BENCH_MAX_VALUES; i++) {
		struct bench_value *there = &variant->values[i];

		if (there->name && strcmp(there->name, name))
			continue;
		*there = (struct bench_value){ name, value };
		return;
	}
}

static int compare(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return x < y ? -1 : x > y;
}

static void summarise(struct bench_variant *variant)
{
	const double *samples = variant->samples;
	uint32_t n = variant->nr_samples;

	if (!n) {
		if (!variant->missing)
			variant->missing = "no samples";
		return;
	}
	qsort(variant->samples, n, sizeof(double), compare);
	variant->min_ns = samples[0];
	variant->median_ns = samples[n / 2];
	variant->p95_ns = samples[(uint64_t)n * 95 / 100];
	if (variant->median_ns > 0)
		variant->spread = (samples[(uint64_t)n * 3 / 4] - samples[n / 4]) / variant->median_ns;
}

/* ---- ratios and targets ---------------------------------------------------------------------- */

static uint32_t threads_of(const struct bench_variant *variant)
{
	return variant->nr_threads > 1 ? variant->nr_threads : 1;
}

static bool of_medians(const struct bench_variant *variant)
{
	return variant->nr_threads > 1 || variant->by_median;
}

/* The one of that name that is most like this: its threads, its place on the axis. */
static const struct bench_variant *find_base(const struct bench *bench, const struct bench_variant *variant,
					     const char *name, uint32_t threads)
{
	const struct bench_variant *best = NULL;
	int best_likeness = -1;

	for (uint32_t i = 0; name && i < bench->nr_variants; i++) {
		const struct bench_variant *other = &bench->variants[i];
		int likeness = 2 * (threads_of(other) == threads) + (other->x == variant->x);

		if (!strcmp(other->name, name) && likeness > best_likeness) {
			best = other;
			best_likeness = likeness;
		}
	}
	return best;
}

/* What ratios and targets are about: 0 if it was not measured. */
static double figure(const struct bench_variant *variant)
{
	if (variant->missing)
		return 0;
	return of_medians(variant) ? variant->median_ns : variant->min_ns;
}

static double ratio_to(const struct bench *bench, const struct bench_variant *variant, const char *name,
		       uint32_t threads)
{
	const struct bench_variant *base = find_base(bench, variant, name, threads);

	if (!base || base->missing || variant->missing)
		return 0;
	if (of_medians(variant))
		return base->median_ns > 0 ? variant->median_ns / base->median_ns : 0;
	return base->min_ns > 0 ? variant->min_ns / base->min_ns : 0;
}

static double ratio_of(const struct bench *bench, const struct bench_variant *variant)
{
	return ratio_to(bench, variant, variant->against, threads_of(variant));
}

/* With threads on the axis: how much more is done in the same time than by one. */
static double speed_up_of(const struct bench *bench, const struct bench_variant *variant)
{
	if (!bench->x_unit || strcmp(bench->x_unit, "threads") || variant->missing)
		return 0;
	for (uint32_t i = 0; i < bench->nr_variants; i++) {
		const struct bench_variant *one = &bench->variants[i];

		if (one->x == 1 && !one->missing && !strcmp(one->name, variant->name))
			return variant->x * one->median_ns / variant->median_ns;
	}
	return 0;
}

static uint32_t targets_of(const struct bench_variant *variant, struct bench_target targets[BENCH_MAX_TARGETS])
{
	uint32_t nr = 0;

	if (variant->target_ratio > 0)
		targets[nr++] = (struct bench_target){ .ratio = variant->target_ratio, .against = variant->against };
	if (variant->target_ns > 0)
		targets[nr++] = (struct bench_target){ .ns = variant->target_ns };
	for (uint32_t i = 0; i < BENCH_NR(variant->targets); i++)
		if (variant->targets[i].ratio > 0 || variant->targets[i].ns > 0)
			targets[nr++] = variant->targets[i];
	return nr;
}

static double limit_of(const struct bench_target *target)
{
	return target->ratio > 0 ? target->ratio : target->ns;
}

/* What the target is held against; 0: not measured. */
static double reached(const struct bench *bench, const struct bench_variant *variant, const struct bench_target *target)
{
	if (target->ratio > 0)
		return ratio_to(bench, variant, target->against,
				target->threads ? target->threads : threads_of(variant));
	return figure(variant);
}

/* Half a unit of the last digit that is shown does not miss it. */
static bool is_met(const struct bench_target *target, double value)
{
	return value <= limit_of(target) + (target->ratio > 0 ? 0.005 : 0.0005);
}

/* ---- the table ------------------------------------------------------------------------------- */

/* x_unit is a plural: of one its last letter is dropped. */
static void format_x(char *text, size_t bytes, const struct bench *bench, double x)
{
	static const char *const units[] = { "B", "KiB", "MiB", "GiB" };
	uint32_t unit = 0;

	if (strcmp(bench->x_unit, "bytes")) {
		snprintf(text, bytes, "%.15g %.*s", x, (int)strlen(bench->x_unit) - (x == 1), bench->x_unit);
		return;
	}
	for (; x >= 1024 && unit < BENCH_NR(units) - 1; unit++)
		x /= 1024;
	snprintf(text, bytes, "%g %s", x, units[unit]);
}

static void format_name(char *text, size_t bytes, const struct bench *bench, const struct bench_variant *variant)
{
	char x[48];

	if (bench->x_unit) {
		format_x(x, sizeof(x), bench, variant->x);
		snprintf(text, bytes, "%s, %s", variant->name, x);
	} else if (variant->nr_threads > 1) {
		snprintf(text, bytes, "%s, %u threads", variant->name, variant->nr_threads);
	} else {
		snprintf(text, bytes, "%s", variant->name);
	}
}

static void print_number(double value, int columns, int digits)
{
	if (value > 0)
		printf(" %*.*f", columns, digits, value);
	else
		printf(" %*s", columns, "-");
}

/* Five digits or the decimals that are worth it. */
static void print_ns(double ns)
{
	printf(" %9.*f", ns < 100 ? 3 : ns < 10000 ? 1 : 0, ns);
}

static void print_targets(const struct bench *bench, const struct bench_variant *variant)
{
	struct bench_target targets[BENCH_MAX_TARGETS];
	uint32_t nr = targets_of(variant, targets);

	for (uint32_t i = 0; i < nr; i++) {
		const struct bench_target *target = &targets[i];
		double value = reached(bench, variant, target), limit = limit_of(target);

		printf("  <=%g%s", limit, target->ratio > 0 ? "x" : "ns");
		if (i && target->against)
			printf(" %s", target->against);
		if (!(value > 0))
			printf(" not measured");
		else if (is_met(target, value))
			printf(" met");
		else
			printf(" MISSED by %.0f%%", ceil(100 * (value / limit - 1)));
	}
}

/* Those that not every table has. */
struct columns {
	bool instructions, cycles, speed_up;
};

static void print_row(const struct bench *bench, const struct bench_variant *variant, const struct columns *columns)
{
	char name[128];

	format_name(name, sizeof(name), bench, variant);
	if (variant->missing) {
		printf("  %-*s %s\n", NAME_COLUMNS, name, variant->missing);
		return;
	}
	printf("  %-*s", NAME_COLUMNS, name);
	print_ns(variant->min_ns);
	print_ns(variant->median_ns);
	print_ns(variant->p95_ns);
	printf(" %5.0f%%", 100 * variant->spread);
	if (columns->instructions)
		print_number(variant->instructions, 8, 1);
	if (columns->cycles)
		print_number(variant->cycles, 8, 1);
	if (columns->speed_up)
		print_number(speed_up_of(bench, variant), 8, 2);
	print_number(ratio_of(bench, variant), 8, 2);
	print_targets(bench, variant);
	for (uint32_t i = 0; i < BENCH_MAX_VALUES && variant->values[i].name; i++)
		printf("  %s %.4g", variant->values[i].name, variant->values[i].value);
	printf("\n");
}

/* Lines of a series stay together, though they were measured a point at a time. */
static const struct bench_variant *next_row(const struct bench *bench, bool told[])
{
	const struct bench_variant *next = NULL, *variants = bench->variants;
	static const char *line;

	for (uint32_t i = 0; i < bench->nr_variants && !next; i++)
		if (!told[i] && line && bench->x_unit && !strcmp(variants[i].name, line))
			next = &variants[i];
	for (uint32_t i = 0; i < bench->nr_variants && !next; i++)
		if (!told[i])
			next = &variants[i];
	line = next ? next->name : NULL;
	if (next)
		told[next - variants] = true;
	return next;
}

static void print_table(const struct bench *bench)
{
	bool *told = calloc(bench->nr_variants, sizeof(*told));
	const struct bench_variant *row;
	struct columns columns = { .speed_up = bench->x_unit && !strcmp(bench->x_unit, "threads") };

	if (!told)
		abort();
	for (uint32_t i = 0; i < bench->nr_variants; i++) {
		columns.instructions |= bench->variants[i].instructions > 0;
		columns.cycles |= bench->variants[i].cycles > 0;
	}
	printf("%s: %s\n", bench->name, bench->question);
	printf("  %-*s %9s %9s %9s %6s", NAME_COLUMNS, bench->unit, "min ns", "median", "p95", "spread");
	printf("%s%s%s %8s  %s\n", columns.instructions ? "   instr." : "", columns.cycles ? "   cycles" : "",
	       columns.speed_up ? " speed-up" : "", "ratio", "target");
	while ((row = next_row(bench, told)))
		print_row(bench, row, &columns);
	printf("\n");
	fflush(stdout);
	free(told);
}

/* ---- JSON lines ------------------------------------------------------------------------------ */

/* What comes before the next field. */
static const char *separator;

static void open_object(const char *before)
{
	fputs(before, bench_json);
	separator = "{";
}

static void put_text(const char *text)
{
	fputc('"', bench_json);
	for (const char *p = text; *p; p++) {
		if (*p == '"' || *p == '\\')
			fprintf(bench_json, "\\%c", *p);
		else if ((unsigned char)*p < 0x20)
			fprintf(bench_json, "\\u%04x", *p);
		else
			fputc(*p, bench_json);
	}
	fputc('"', bench_json);
}

static void put_key(const char *key)
{
	fputs(separator, bench_json);
	separator = ",";
	put_text(key);
	fputc(':', bench_json);
}

static void put_string(const char *key, const char *text)
{
	put_key(key);
	put_text(text);
}

static void put_number(const char *key, double value)
{
	put_key(key);
	if (isfinite(value))
		fprintf(bench_json, "%.9g", value);
	else
		fputs("null", bench_json);
}

static void put_known(const char *key, double value)
{
	if (value > 0)
		put_number(key, value);
}

static void put_targets(const struct bench *bench, const struct bench_variant *variant)
{
	struct bench_target targets[BENCH_MAX_TARGETS];
	uint32_t nr = targets_of(variant, targets);

	if (!nr)
		return;
	put_key("targets");
	for (uint32_t i = 0; i < nr; i++) {
		const struct bench_target *target = &targets[i];
		double value = reached(bench, variant, target);

		open_object(i ? "," : "[");
		put_string("unit", target->ratio > 0 ? "x" : "ns");
		put_number("limit", limit_of(target));
		put_known("stretch", target->stretch);
		if (target->ratio > 0) {
			put_string("against", target->against);
			put_known("against_threads", target->threads);
		}
		put_number("figure", value > 0 ? value : NAN);
		put_key("met");
		fputs(!(value > 0) ? "null" : is_met(target, value) ? "true" : "false", bench_json);
		fputc('}', bench_json);
	}
	fputc(']', bench_json);
}

static void put_values(const struct bench_variant *variant)
{
	if (!variant->values[0].name)
		return;
	put_key("values");
	open_object("");
	for (uint32_t i = 0; i < BENCH_MAX_VALUES && variant->values[i].name; i++)
		put_number(variant->values[i].name, variant->values[i].value);
	fputc('}', bench_json);
	separator = ",";
}

static void put_figures(const struct bench *bench, const struct bench_variant *variant)
{
	put_number("min_ns", variant->min_ns);
	put_number("median_ns", variant->median_ns);
	put_number("p95_ns", variant->p95_ns);
	put_number("figure_ns", figure(variant));
	put_number("spread", variant->spread);
	put_number("samples", variant->nr_samples);
	put_known("instructions", variant->instructions);
	put_known("cycles", variant->cycles);
	put_known("speed_up", speed_up_of(bench, variant));
}

static void put_line(const struct bench *bench, const struct bench_variant *variant)
{
	open_object("");
	put_string("bench", bench->name);
	put_string("question", bench->question);
	put_string("variant", variant->name);
	put_string("unit", bench->unit);
	put_number("threads", threads_of(variant));
	if (bench->x_unit) {
		put_number("x", variant->x);
		put_string("x_unit", bench->x_unit);
	}
	if (variant->missing)
		put_string("missing", variant->missing);
	else
		put_figures(bench, variant);
	if (variant->against) {
		put_string("against", variant->against);
		put_known("ratio", ratio_of(bench, variant));
		put_known("reference_ratio", variant->reference_ratio);
	}
	put_values(variant);
	put_targets(bench, variant);
	fputs("}\n", bench_json);
}

void bench_report(struct bench *bench)
{
	if (!bench_wanted(bench) || bench_counting)
		return;
	bench_counts_apply(bench);
	for (uint32_t i = 0; i < bench->nr_variants; i++)
		summarise(&bench->variants[i]);
	print_table(bench);
	for (uint32_t i = 0; bench_json && i < bench->nr_variants; i++)
		put_line(bench, &bench->variants[i]);
	if (bench_json)
		fflush(bench_json);
	bench_drop_samples(bench);
}
