/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#ifndef TRACED_H
#define TRACED_H

#include <linux/types.h>
#include "sections.h"

extern void (*const sections_fns[SECTIONS_NR_FNS])(u64 value);

#endif
