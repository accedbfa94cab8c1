/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * How the callbacks are compiled, in each of the libraries that are made of the same sources.
 *
 *   nothing                  the image that holds the engine: the context is a thread-local symbol
 *   COVBUF_IN_PROGRAM        that image is a program, not a library: a symbol whose place is known at link time
 *   COVBUF_IMAGE             any other image: the context is at an offset that the engine has told
 *   COVBUF_SANCOV_INLINE     bitcode, for a linker that inlines the callbacks
 *   COVBUF_SANCOV_PRELOAD    one object for all images of the process, found by the dynamic linker
 *
 * Callbacks are hidden, so that each image calls its own copy, directly and without a PLT.
 */
#ifndef COVB_SANCOV_CALLBACK_H
#define COVB_SANCOV_CALLBACK_H

#if !defined(COVBUF_SANCOV_INLINE)
#define COVBUF_OUT_OF_LINE
#endif
#include <covbuf/trace.h>

#if defined(COVBUF_SANCOV_PRELOAD)
#define COVB_CALLBACK COVBUF_PUBLIC COVBUF_NOINSTR
#else
#define COVB_CALLBACK COVBUF_HIDDEN COVBUF_NOINSTR
#endif

#if defined(COVBUF_SANCOV_INLINE)

#define COVB_HOT COVB_CALLBACK __attribute__((always_inline))

/* Inlined, what records is moved out of the way: most code runs while nobody collects, or in unique mode. */
#define COVB_IDLE(condition) COVBUF_LIKELY(condition)

/*
 * The address of the next instruction: where the callback was inlined there is no return address. As
 * with one, the byte before it belongs to the instruction that it stands for. Volatile, since it is
 * another one at each site; nomerge, since two sites may have the same code behind it.
 */
COVBUF_INLINE COVBUF_NOINSTR uint64_t covb_here(void)
{
	uint64_t pc;

#if defined(__x86_64__)
	__attribute__((nomerge)) { __asm__ volatile("leaq 0(%%rip), %0" : "=r"(pc)); }
#elif defined(__powerpc64__) && defined(_ARCH_PWR9)
	__attribute__((nomerge)) { __asm__ volatile("lnia %0" : "=r"(pc)); }
#elif defined(__aarch64__)
	__attribute__((nomerge)) { __asm__ volatile("adr %0, . + 4" : "=r"(pc)); }
#else
#error "no cheap way to the program counter here: link the callbacks out of line"
#endif
	return pc;
}
#define COVB_CALLER() covb_here()

#else

#define COVB_HOT COVB_CALLBACK __attribute__((aligned(64)))

/*
 * Called, recording falls through: one jump more that is taken, besides call and return, nearly doubles
 * the time of a callback, so whoever pays for it should be who records nothing.
 */
#define COVB_IDLE(condition) COVBUF_UNLIKELY(condition)
#if defined(__powerpc64__)
/*
 * The link register holds it until something is called, which here comes after. __builtin_return_address()
 * makes clang build a frame and read it from there, recording or not.
 */
COVBUF_INLINE COVBUF_NOINSTR uint64_t covb_caller(void)
{
	uint64_t pc;

	__asm__ volatile("mflr %0" : "=r"(pc) : : "memory");
	return pc;
}
#define COVB_CALLER() covb_caller()
#else
#define COVB_CALLER() ((uint64_t)(uintptr_t)__builtin_return_address(0))
#endif

#endif

#endif
