/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The engine as one translation unit, in the order in which a section flows through it: its warm
 * entries (COVB_WARM) have all that they call inlined, because the dozen calls of a start and a stop,
 * and the registers that each saves, cost as much as the work. Each file also compiles by itself.
 */
#define COVBUF_OUT_OF_LINE /* covbuf_record() is called, and may call the slow half like any function */
#include "core/handle.c"
#include "core/pool.c"
#include "core/ring.c"
#include "core/chain.c"
#include "core/stack.c"
#include "core/context.c"
#include "core/handoff.c"
#include "core/merge.c"
#include "core/target.c"
#include "core/section.c"
#include "core/remote.c"
#include "core/unwind.c"
#include "core/append.c"
#include "core/image.c"
#include "core/owner.c"
