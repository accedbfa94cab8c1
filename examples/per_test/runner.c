/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * A small test runner whose tests have their own coverage: after each, what it has covered is saved under its name.
 * runner [TEST...]: those tests, otherwise all.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <covbuf/profile.h>

#include "calendar.h"

static bool knows_leap_years(void)
{
	return is_leap_year(2024) && !is_leap_year(2023) && !is_leap_year(1900) && is_leap_year(2000);
}

static bool knows_short_months(void)
{
	return days_in_month(2023, 4) == 30 && days_in_month(2023, 2) == 28 && days_in_month(2024, 2) == 29;
}

static bool refuses_what_is_no_date(void)
{
	int year, month, day;

	return !parse_date("yesterday", &year, &month, &day) && !parse_date("2023-13-01", &year, &month, &day) &&
	       !parse_date("2023-04-31", &year, &month, &day);
}

static const struct test {
	const char *name;
	bool (*run)(void);
} tests[] = {
	{ "knows_leap_years", knows_leap_years },
	{ "knows_short_months", knows_short_months },
	{ "refuses_what_is_no_date", refuses_what_is_no_date },
};

static struct covbuf_message why;

static void must(int err)
{
	if (!err)
		return;
	fprintf(stderr, "runner: %s\n", why.text);
	exit(2);
}

static bool run(const struct test *test, struct covbuf_profile_base *base)
{
	struct covbuf_profile_difference *diff;
	const struct covbuf_profile_part *part;
	unsigned long nr_counters = 0;
	bool passed = test->run();

	must(covbuf_profile_diff(base, &diff, &why));
	for (uint32_t i = 0; (part = covbuf_profile_diff_part(diff, i)); i++)
		nr_counters += part->nr_counters;
	must(covbuf_profile_diff_save(diff, test->name, NULL, &why));
	covbuf_profile_diff_destroy(diff);
	printf("%-7s%-24s %2lu counters\n", passed ? "ok" : "not ok", test->name, nr_counters);
	return passed;
}

static bool is_wanted(const char *name, int argc, char **argv)
{
	for (int i = 1; i < argc; i++)
		if (!strcmp(argv[i], name))
			return true;
	return argc < 2;
}

int main(int argc, char **argv)
{
	struct covbuf_profile_base *base;
	bool passed = true;

	/* each test is to have all its own MC/DC, also what an earlier one has shown */
	must(covbuf_profile_baseline(COVBUF_PROFILE_CLEAR_BITMAPS, &base, &why));
	for (size_t i = 0; i < sizeof(tests) / sizeof(tests[0]); i++)
		if (is_wanted(tests[i].name, argc, argv))
			passed &= run(&tests[i], base);
	covbuf_profile_baseline_destroy(base);
	return passed ? 0 : 1;
}
