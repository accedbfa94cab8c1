/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * What a module that was built with profile.mk and covbuf.ko know of each other. Neither needs the other to
 * be loaded: there is no symbol between them.
 *
 * covbuf.ko finds the structure as the argument of a module parameter of this name, which has no file in sysfs and
 * cannot be set: struct module tells its parameters to everybody, before the module's init runs.
 */
#ifndef COVB_LLVMPROF_MODULE_H
#define COVB_LLVMPROF_MODULE_H

#include "../format.h"

#define COVB_PROFILE_PARAMETER covbuf_profile
#define COVB_PROFILE_MODULE_MAGIC 0x6d66727062766f63ull /* "covbprfm" */
#define COVB_PROFILE_MODULE_VERSION 1

/*
 * @version: of this structure, and of all that is called through it
 * @atomic: counters and bitmaps are updated atomically
 * @counters, @bitmaps: from here up to @..._end
 * @describe: fills in a note, which is zero before. Returns NULL, or what is wrong. Context: any, for some time
 * @write: fills in a file of note.file_bytes, which is zero before, but for counters and bitmaps. Context: the same
 */
struct covb_profile_module {
	uint64_t magic;
	uint32_t version;
	uint32_t atomic;
	uint64_t *counters, *counters_end;
	unsigned char *bitmaps, *bitmaps_end;
	const char *(*describe)(struct covbuf_profile_note *note);
	void (*write)(void *file);
};

#endif
