/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#ifndef CALENDAR_H
#define CALENDAR_H

#include <stdbool.h>

bool is_leap_year(int year);
int days_in_month(int year, int month); /* 0: no such month */
bool parse_date(const char *text, int *year, int *month, int *day); /* YYYY-MM-DD, of a day that is there */

#endif
