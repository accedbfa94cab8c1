/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The engine as adapters/kmod/engine.c has it, with counted areas. */
#include "libcovbuf/core/handle.c"
#include "libcovbuf/core/pool.c"
#include "libcovbuf/core/counted.c"
#include "libcovbuf/core/context.c"
#include "libcovbuf/core/handoff.c"
#include "libcovbuf/core/merge.c"
#include "libcovbuf/core/section.c"
#include "libcovbuf/core/owner.c"
