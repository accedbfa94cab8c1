/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Programs instrumented with inline counters (clang's inline-8bit-counters and inline-bool-flag).
 *
 * Such a program calls nothing when it reaches a site: it counts, in its own memory. The counts become
 * PC records when they are synchronised: here, and at exit, _exit, quick_exit, abort and exec. All other
 * instrumentation records at once, and needs none of this.
 */
#ifndef COVBUF_SANCOV_H
#define COVBUF_SANCOV_H

#include <covbuf/types.h>

COVBUF_BEGIN_DECLS

/**
 * covbuf_counters_sync() - record the sites that inline counters have counted since the last time
 *
 * One PC record for each counter that is not 0, in the calling thread's context, whichever thread
 * reached the site: inline counters do not know. The counters of what was recorded become 0. A pc
 * table is needed (pc-table); without one nothing is recorded. Where the context is shut or collects
 * CMP records, the counters stay as they are.
 *
 * The record is the address of the site's block plus one, so that it is looked up like a return
 * address. A count is lost if it is made while the counter is set to 0, but not the site: that one has
 * just been recorded.
 *
 * Context: sleeping level. Safe beside instrumented threads and beside itself; then a site may be
 * recorded twice.
 */
COVBUF_PUBLIC void covbuf_counters_sync(void);

COVBUF_END_DECLS

#endif
