// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * The instrumented part: functions that can be told apart. Each is one basic block with one comparison with a
 * constant, so a call makes exactly one PC record and one CMP record.
 */
#include <linux/compiler.h>
#include "traced.h"

static bool equal;

#define FN(n) static noinline void fn_##n(u64 value) { WRITE_ONCE(equal, value == SECTIONS_CONSTANT + n); }
#define NAME(n) fn_##n,
#define EIGHT(F, a) F(a##0) F(a##1) F(a##2) F(a##3) F(a##4) F(a##5) F(a##6) F(a##7)
#define ALL(F) EIGHT(F, 00) EIGHT(F, 01) EIGHT(F, 02) EIGHT(F, 03) EIGHT(F, 04) EIGHT(F, 05) EIGHT(F, 06) EIGHT(F, 07)

ALL(FN)
void (*const sections_fns[SECTIONS_NR_FNS])(u64 value) = { ALL(NAME) };
