/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#ifndef TESTS_SANCOV_WORKLOAD_H
#define TESTS_SANCOV_WORKLOAD_H

#include <stdint.h>

/* What positions are told from. */
uint64_t workload_base(void);
uint64_t workload(unsigned int rounds);

#define WORKLOAD_ROUNDS 40

#endif
