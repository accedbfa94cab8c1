/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* What is tested. It knows nothing of coverage. */
#include <stdio.h>

#include "calendar.h"

bool is_leap_year(int year)
{
	return (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
}

int days_in_month(int year, int month)
{
	static const int days[] = { 31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31 };

	if (month < 1 || month > 12)
		return 0;
	if (month == 2 && is_leap_year(year))
		return 29;
	return days[month - 1];
}

bool parse_date(const char *text, int *year, int *month, int *day)
{
	char end;

	if (sscanf(text, "%4d-%2d-%2d%c", year, month, day, &end) != 3)
		return false;
	return *day >= 1 && *day <= days_in_month(*year, *month);
}
