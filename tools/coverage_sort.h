/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#ifndef COVBUF_COVERAGE_SORT_H
#define COVBUF_COVERAGE_SORT_H

#include "coverage.h"

/* Fill in files, lines and functions from the points. */
void coverage_sort(struct coverage *coverage);

#endif
