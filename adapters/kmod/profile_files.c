// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * The files of a profile in debugfs: profraw, a raw profile of LLVM's, made when it is opened; and reset.
 *
 * What a snapshot is: each counter as it was at a moment while the file was opened, not all of them at one. They are
 * read from the last to the first, so that what a function counts further on is never more than what led
 * there, on x86 and with atomic updates; or LLVM would make counts below zero of it.
 */
#include <linux/debugfs.h>
#include <linux/fs.h>
#include <linux/sched.h>
#include <linux/slab.h>
#include <linux/uaccess.h>
#include <linux/vmalloc.h>

#include "profile.h"

/* ---- what is read --------------------------------------------------------------------------------- */

/* From the last to the first: see above. */
static void read_counters(const struct covb_profile *profile, u64 *to)
{
	for (u64 i = covb_profile_counters(profile); i-- > 0;) {
		u64 now = READ_ONCE(profile->its->counters[i]) - profile->since[i];

		smp_rmb(); /* this one before the one that leads to it; with the updates, where these have an order */
		to[i] = (s64)now < 0 ? 0 : now;
		if (i % 4096 == 0)
			cond_resched();
	}
}

/*
 * From the first to the last, or what a function counts further on could get ahead of what led there by all that runs
 * meanwhile. What is in the middle of a function now counts the rest of it from here on, though: by so much it may.
 */
static void set_baseline(const struct covb_profile *profile)
{
	for (u64 i = 0; i < covb_profile_counters(profile); i++) {
		profile->since[i] = READ_ONCE(profile->its->counters[i]);
		smp_rmb(); /* as above, the other way round */
		if (i % 4096 == 0)
			cond_resched();
	}
}

static void read_bitmaps(const struct covb_profile *profile, u8 *to)
{
	for (u64 i = 0; i < profile->note.bitmaps_bytes; i++)
		to[i] = READ_ONCE(profile->its->bitmaps[i]) | profile->had[i];
}

static void clear_bitmaps(const struct covb_profile *profile)
{
	for (u64 i = 0; i < profile->note.bitmaps_bytes; i++) {
		WRITE_ONCE(profile->its->bitmaps[i], 0);
		profile->had[i] = 0;
	}
}

void covb_profile_write(const struct covb_profile *profile, char *file)
{
	if (profile->kept) {
		memcpy(file, profile->kept, profile->note.file_bytes);
		return;
	}
	profile->its->write(file);
	read_counters(profile, (u64 *)(file + profile->note.counters_offset));
	read_bitmaps(profile, (u8 *)file + profile->note.bitmaps_offset);
}

struct snapshot {
	u64 bytes;
	char file[];
};

static int profraw_open(struct inode *inode, struct file *file)
{
	struct covb_profile *profile = inode->i_private;
	u64 bytes = profile->note.file_bytes;
	struct snapshot *snapshot = __vmalloc(sizeof(*snapshot) + bytes, GFP_KERNEL_ACCOUNT | __GFP_ZERO);
	int err;

	if (!snapshot)
		return -ENOMEM;
	snapshot->bytes = bytes;
	err = mutex_lock_killable(&covb_profiles_lock);
	if (err)
		goto free;
	err = profile->its || profile->kept ? 0 : -ENODEV;
	if (!err)
		covb_profile_write(profile, snapshot->file);
	mutex_unlock(&covb_profiles_lock);
	if (err)
		goto free;
	file->private_data = snapshot;
	return 0;
free:
	vfree(snapshot);
	return err;
}

static ssize_t profraw_read(struct file *file, char __user *to, size_t bytes, loff_t *pos)
{
	const struct snapshot *snapshot = file->private_data;

	return simple_read_from_buffer(to, bytes, pos, snapshot->file, snapshot->bytes);
}

static loff_t profraw_llseek(struct file *file, loff_t offset, int whence)
{
	const struct snapshot *snapshot = file->private_data;

	return fixed_size_llseek(file, offset, whence, snapshot->bytes);
}

static int profraw_release(struct inode *inode, struct file *file)
{
	vfree(file->private_data);
	return 0;
}

/* Not through debugfs's proxy: what was opened can be read to its end, whatever has become of the module. */
static const struct file_operations profraw_fops = {
	.owner = THIS_MODULE,
	.open = profraw_open,
	.read = profraw_read,
	.llseek = profraw_llseek,
	.release = profraw_release,
};

/* ---- reset ---------------------------------------------------------------------------------------- */

static int reset_kept(const struct covb_profile *profile, bool counters, bool bitmaps)
{
	if (counters)
		memset(profile->kept + profile->note.counters_offset, 0, profile->note.counters_bytes);
	if (bitmaps)
		memset(profile->kept + profile->note.bitmaps_offset, 0, profile->note.bitmaps_bytes);
	return 0;
}

/*
 * Counters are never written, since a counter that a CPU has read already would come back: they get a
 * baseline. Bits cannot be subtracted.
 */
static int reset(const struct covb_profile *profile, bool counters, bool bitmaps, bool quiet)
{
	if (profile->kept)
		return reset_kept(profile, counters, bitmaps);
	if (!profile->its)
		return -ENODEV;
	if (bitmaps && profile->note.bitmaps_bytes && !profile->its->atomic && !quiet) {
		pr_info("%s: nothing is reset: its bitmaps are not updated atomically, what is cleared comes back while it runs: "
			"write \"counters\" to leave them, or \"quiet\" while nothing of it runs\n", profile->name);
		return -EBUSY;
	}
	if (counters)
		set_baseline(profile);
	if (bitmaps)
		clear_bitmaps(profile);
	return 0;
}

static ssize_t reset_write(struct file *file, const char __user *from, size_t bytes, loff_t *pos)
{
	const struct covb_profile *profile = file->private_data;
	char text[16] = {};
	bool quiet, all;
	int err;

	if (bytes >= sizeof(text))
		return -EINVAL;
	if (copy_from_user(text, from, bytes))
		return -EFAULT;
	quiet = sysfs_streq(text, "quiet");
	all = quiet || sysfs_streq(text, "1");
	if (!all && !sysfs_streq(text, "counters"))
		return -EINVAL;
	err = mutex_lock_killable(&covb_profiles_lock);
	if (err)
		return err;
	err = reset(profile, true, all, quiet);
	mutex_unlock(&covb_profiles_lock);
	return err ?: bytes;
}

static const struct file_operations reset_fops = {
	.owner = THIS_MODULE,
	.open = simple_open,
	.write = reset_write,
	.llseek = noop_llseek,
};

void covb_profile_make_files(struct covb_profile *profile, struct dentry *dir)
{
	struct dentry *file;

	profile->dir = debugfs_create_dir(profile->name, dir);
	file = debugfs_create_file_unsafe("profraw", 0400, profile->dir, profile, &profraw_fops);
	if (!IS_ERR(file))
		i_size_write(d_inode(file), profile->note.file_bytes);
	debugfs_create_file("reset", 0200, profile->dir, profile, &reset_fops);
}
