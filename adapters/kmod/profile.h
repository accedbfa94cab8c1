/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Profiles of modules that were built with profile.mk, inside covbuf.ko: which there are, as modules come and go
 * (profile.c), and the files of each, profraw and reset (profile_files.c).
 *
 * Who may run with whom: covb_profiles_lock covers all that is below, and is held while a module's counters are read:
 * the module cannot be freed then, since its going waits for the lock in the notifier. It is never held while files are
 * removed, for which those who open them are waited for.
 */
#ifndef COVB_KMOD_PROFILE_H
#define COVB_KMOD_PROFILE_H

#include <linux/module.h>
#include <linux/mutex.h>

#include "adapters/llvmprof/module/module.h"
#include "kmod.h"

struct covb_profile {
	struct list_head list;
	char name[MODULE_NAME_LEN];
	struct covbuf_profile_note note;
	struct dentry *dir;	      /* NULL: refused */
	const struct module *module;  /* NULL: not loaded */
	const struct covb_profile_module *its; /* NULL: refused, or not loaded */
	u64 *since;		      /* what of each counter does not count */
	u8 *had;		      /* bits of earlier loads */
	char *kept;		      /* the file, of a module that is not loaded */
};

extern struct mutex covb_profiles_lock;

static inline u64 covb_profile_counters(const struct covb_profile *profile)
{
	return profile->note.counters_bytes / sizeof(u64);
}

/* profile_files.c. With the lock; @file has note.file_bytes, and is zero. */
void covb_profile_write(const struct covb_profile *profile, char *file);
void covb_profile_make_files(struct covb_profile *profile, struct dentry *dir);

#endif
