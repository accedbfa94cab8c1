/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#ifndef TESTS_SANCOV_POINTS_H
#define TESTS_SANCOV_POINTS_H

void point_1(void);
void point_2(void);
void point_3(void);

#endif
