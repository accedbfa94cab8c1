/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The instrumented functions of the ABI test's module. */
#ifndef COVBUF_ABI_SITES_H
#define COVBUF_ABI_SITES_H

#include <linux/types.h>
#include "abi_mod.h"

/* The same argument takes the same way, so leaves the same PCs. */
typedef u64 abi_function(u64 x);
extern abi_function *const abi_plain[ABI_PLAIN];

/* Compares the lowest 1, 2, 4 and 8 bytes of A with those of B; A with constants; and switches on A. */
u64 abi_compare(u64 a, u64 b);

#endif
