// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * The engine, from the sources that userspace has, with counted areas; and how modules start and stop
 * sections in it, which is one flow with it, so that the compiler sees it as one.
 */
#include "kmod.h"

#include "libcovbuf/core/handle.c"
#include "libcovbuf/core/pool.c"
#include "libcovbuf/core/counted.c"
#include "libcovbuf/core/context.c"
#include "libcovbuf/core/handoff.c"
#include "libcovbuf/core/merge.c"
#include "libcovbuf/core/section.c"
#include "libcovbuf/core/owner.c"
#include "remote.c"
