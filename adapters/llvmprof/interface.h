/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * compiler-rt's interface to a program. The first is what clang's driver asks its archive for, with -fprofile-instr-generate at
 * the link; programs may call the others. Weak, so that what else they may call can come from the archive.
 */
#ifndef COVB_LLVMPROF_INTERFACE_H
#define COVB_LLVMPROF_INTERFACE_H

#include <string.h>

#include "image.h"

#if defined(__cplusplus)
extern "C" {
#endif
#define COVB_INTERFACE __attribute__((weak)) COVB_HIDDEN

extern int __llvm_profile_runtime;
COVB_INTERFACE void __llvm_profile_reset_counters(void);
COVB_INTERFACE void __llvm_profile_initialize_file(void);
COVB_INTERFACE void __llvm_profile_set_filename(const char *name);
COVB_INTERFACE int __llvm_profile_write_file(void);
COVB_INTERFACE int __llvm_profile_dump(void);
COVB_INTERFACE int __llvm_profile_register_write_file_atexit(void);

COVB_HIDDEN int __llvm_profile_runtime = 0;

/* As there: what other threads count meanwhile may stay, or bring back what was. */
void __llvm_profile_reset_counters(void)
{
	memset(__start___llvm_prf_cnts, 0, COVB_SECTION_BYTES(cnts));
	memset(__start___llvm_prf_bits, 0, COVB_SECTION_BYTES(bits));
}

/* The file is COVBUF_PROFILE's, and it is written. */
void __llvm_profile_initialize_file(void)
{
}

void __llvm_profile_set_filename(const char *name)
{
	(void)name;
}

int __llvm_profile_write_file(void)
{
	return 0;
}

int __llvm_profile_dump(void)
{
	return 0;
}

int __llvm_profile_register_write_file_atexit(void)
{
	return 0;
}

#if defined(__cplusplus)
}
#endif

#endif
