/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Basic types and compiler attributes, for every world the engine is built in.
 *
 * Everything that runs inside a coverage callback is marked COVBUF_NOINSTR: it may be reached from
 * code that is itself instrumented, in a signal handler, or before the program has started, so it
 * must carry no instrumentation of any kind.
 */
#ifndef COVBUF_TYPES_H
#define COVBUF_TYPES_H

#ifdef __KERNEL__
#include <linux/compiler.h>
#include <linux/types.h>
#include <linux/build_bug.h>
#include <linux/limits.h>
#include <linux/stddef.h>
/* What a context is there, and how it is found, is the platform's affair. */
#define COVBUF_CONTEXT_OF_PLATFORM
/* Sanitizers are a matter of whole files there: always_inline functions do not mix. */
#define COVBUF_NOINSTR notrace
#define COVB_ATOMIC_HEADER <covbuf/arch/kernel.h>
typedef long intptr_t;
#ifndef UINT32_MAX
#define UINT32_MAX U32_MAX
#define UINT64_MAX U64_MAX
#endif
#else
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#endif

#ifdef __cplusplus
#define COVBUF_BEGIN_DECLS extern "C" {
#define COVBUF_END_DECLS }
#define COVBUF_STATIC_ASSERT(cond, why) static_assert(cond, why)
#else
#define COVBUF_BEGIN_DECLS
#define COVBUF_END_DECLS
#define COVBUF_STATIC_ASSERT(cond, why) _Static_assert(cond, why)
#endif

#define COVBUF_LIKELY(x) __builtin_expect(!!(x), 1)
#define COVBUF_UNLIKELY(x) __builtin_expect(!!(x), 0)
#define COVBUF_INLINE static inline __attribute__((__always_inline__))

/* Not every compiler can do it on every machine. */
#if defined(__has_attribute)
#if __has_attribute(patchable_function_entry)
#define COVB_NOT_PATCHED , patchable_function_entry(0)
#endif
#endif
#if !defined(COVB_NOT_PATCHED)
#define COVB_NOT_PATCHED
#endif

/*
 * clang's no_sanitize("thread") leaves the function entry hooks in; disable_sanitizer_instrumentation does
 * not; what looks for undefined behaviour only heeds no_sanitize(). Whoever tests the engine with a race
 * detector, which must see what it does, defines this as nothing.
 */
#if defined(COVBUF_NOINSTR)
#elif defined(__clang__)
#define COVBUF_NOINSTR                                                                             \
	__attribute__((no_instrument_function, no_profile_instrument_function,                     \
		       disable_sanitizer_instrumentation, no_sanitize("all", "coverage"),          \
		       no_stack_protector, xray_never_instrument COVB_NOT_PATCHED))
#else
#define COVBUF_NOINSTR                                                                             \
	__attribute__((no_instrument_function, no_profile_instrument_function,                     \
		       no_sanitize_address, no_sanitize_thread, no_sanitize_undefined,             \
		       no_sanitize_coverage, no_stack_protector COVB_NOT_PATCHED))
#endif

#define COVBUF_PUBLIC __attribute__((visibility("default")))
#define COVBUF_HIDDEN __attribute__((visibility("hidden")))

/* Producers, collector and pool flags are kept this far apart: POWER's line; on x86 a pair of lines is fetched at once. */
#define COVBUF_LINE_BYTES 128

#endif
