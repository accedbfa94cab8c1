/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#ifndef COVB_TEST_SUBJECT_H
#define COVB_TEST_SUBJECT_H

void subject_loop(int nr);
int subject_decide(int a, int b, int c);

#endif
