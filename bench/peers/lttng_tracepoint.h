/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* LTTng-UST's form of a record that is a program counter. */
#undef LTTNG_UST_TRACEPOINT_PROVIDER
#define LTTNG_UST_TRACEPOINT_PROVIDER covb_bench
#undef LTTNG_UST_TRACEPOINT_INCLUDE
#define LTTNG_UST_TRACEPOINT_INCLUDE "./lttng_tracepoint.h"
#if !defined(COVB_BENCH_LTTNG_TRACEPOINT_H) || defined(LTTNG_UST_TRACEPOINT_HEADER_MULTI_READ)
#define COVB_BENCH_LTTNG_TRACEPOINT_H
#include <lttng/tracepoint.h>

LTTNG_UST_TRACEPOINT_EVENT(covb_bench, pc, LTTNG_UST_TP_ARGS(uint64_t, pc),
			   LTTNG_UST_TP_FIELDS(lttng_ust_field_integer_hex(uint64_t, pc, pc)))

#endif
#include <lttng/tracepoint-event.h>
