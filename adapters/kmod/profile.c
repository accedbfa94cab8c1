// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * Profiles of modules that were built with profile.mk: debugfs covbuf/profile/MODULE/profraw, a raw profile
 * of LLVM's, made when it is opened; and reset.
 *
 * The counters are the module's own. A module is found by its parameters (adapters/llvmprof/module/module.h), when it
 * comes and, of those that were there before us, when we do: neither uses the other's symbols. What it says of
 * itself is checked as far as a mistake goes; its code runs in the kernel anyway.
 *
 * What a snapshot is: each counter as it was at a moment while the file was opened, not all of them at one. They are
 * read from the last to the first, so that what a function counts further on is never more than what led
 * there, on x86 and with atomic updates; or LLVM would make counts below zero of it.
 *
 * Who may run with whom: profiles_lock covers all that is below, and is held while a module's counters are read: the
 * module cannot be freed then, since its going waits for the lock in the notifier. It is never held while files are
 * removed, for which those who open them are waited for.
 */
#include <linux/debugfs.h>
#include <linux/fs.h>
#include <linux/module.h>
#include <linux/mutex.h>
#include <linux/notifier.h>
#include <linux/sched.h>
#include <linux/slab.h>
#include <linux/stringify.h>
#include <linux/uaccess.h>
#include <linux/vmalloc.h>

#include "adapters/llvmprof/module/module.h"
#include "kmod.h"

#define FILE_BYTES_MAX (256ul << 20)

struct profile {
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

static LIST_HEAD(profiles); /* those that are kept from the oldest on */
static DEFINE_MUTEX(profiles_lock);
static struct dentry *profiles_dir;
static unsigned int keep_kb;
static u64 kept_bytes;

static u64 nr_counters(const struct profile *profile)
{
	return profile->note.counters_bytes / sizeof(u64);
}

static void free_profile(struct profile *profile)
{
	vfree(profile->since);
	vfree(profile->had);
	vfree(profile->kept);
	kfree(profile);
}

/* Of profiles that are no longer in the list, without the lock. */
static void remove_profiles(struct list_head *gone)
{
	struct profile *profile, *next;

	list_for_each_entry_safe(profile, next, gone, list) {
		debugfs_remove(profile->dir);
		free_profile(profile);
	}
}

/* ---- what is read --------------------------------------------------------------------------------- */

/* From the last to the first: see above. */
static void read_counters(const struct profile *profile, u64 *to)
{
	for (u64 i = nr_counters(profile); i-- > 0;) {
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
static void set_baseline(const struct profile *profile)
{
	for (u64 i = 0; i < nr_counters(profile); i++) {
		profile->since[i] = READ_ONCE(profile->its->counters[i]);
		smp_rmb(); /* as above, the other way round */
		if (i % 4096 == 0)
			cond_resched();
	}
}

static void read_bitmaps(const struct profile *profile, u8 *to)
{
	for (u64 i = 0; i < profile->note.bitmaps_bytes; i++)
		to[i] = READ_ONCE(profile->its->bitmaps[i]) | profile->had[i];
}

static void clear_bitmaps(const struct profile *profile)
{
	for (u64 i = 0; i < profile->note.bitmaps_bytes; i++) {
		WRITE_ONCE(profile->its->bitmaps[i], 0);
		profile->had[i] = 0;
	}
}

/* @file is zero. */
static void write_file(const struct profile *profile, char *file)
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
	struct profile *profile = inode->i_private;
	u64 bytes = profile->note.file_bytes;
	struct snapshot *snapshot = __vmalloc(sizeof(*snapshot) + bytes, GFP_KERNEL_ACCOUNT | __GFP_ZERO);
	int err;

	if (!snapshot)
		return -ENOMEM;
	snapshot->bytes = bytes;
	err = mutex_lock_killable(&profiles_lock);
	if (err)
		goto free;
	err = profile->its || profile->kept ? 0 : -ENODEV;
	if (!err)
		write_file(profile, snapshot->file);
	mutex_unlock(&profiles_lock);
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

static int reset_kept(const struct profile *profile, bool counters, bool bitmaps)
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
static int reset(const struct profile *profile, bool counters, bool bitmaps, bool quiet)
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
	const struct profile *profile = file->private_data;
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
	err = mutex_lock_killable(&profiles_lock);
	if (err)
		return err;
	err = reset(profile, true, all, quiet);
	mutex_unlock(&profiles_lock);
	return err ?: bytes;
}

static const struct file_operations reset_fops = {
	.owner = THIS_MODULE,
	.open = simple_open,
	.write = reset_write,
	.llseek = noop_llseek,
};

/* ---- what is kept --------------------------------------------------------------------------------- */

/* Takes the oldest out of the list until the rest fits. */
static void drop_kept(u64 bytes, struct list_head *gone)
{
	struct profile *profile, *next;

	list_for_each_entry_safe(profile, next, &profiles, list) {
		if (kept_bytes <= bytes)
			return;
		if (!profile->kept)
			continue;
		kept_bytes -= profile->note.file_bytes;
		list_move_tail(&profile->list, gone);
	}
}

/* The module is going: nothing of it runs. */
static bool keep(struct profile *profile, struct list_head *gone)
{
	u64 limit = keep_kb * 1024ull, bytes = profile->note.file_bytes;
	char *file = NULL;

	if (!limit || !profile->its)
		return false;
	if (bytes <= limit)
		file = vzalloc(bytes);
	if (!file) {
		pr_warn("%s: its profile is not kept: it has %llu KiB, and profile_keep_kb is %u\n", profile->name,
			(unsigned long long)bytes / 1024 + 1, keep_kb);
		return false;
	}
	write_file(profile, file);
	vfree(profile->since);
	vfree(profile->had);
	profile->since = NULL;
	profile->had = NULL;
	drop_kept(limit - bytes, gone);
	profile->kept = file;
	kept_bytes += bytes;
	list_move_tail(&profile->list, &profiles);
	return true;
}

static int keep_kb_set(const char *text, const struct kernel_param *param)
{
	LIST_HEAD(gone);
	unsigned int kb;
	int err = kstrtouint(text, 0, &kb);

	if (err)
		return err;
	mutex_lock(&profiles_lock);
	keep_kb = kb;
	drop_kept(kb * 1024ull, &gone);
	mutex_unlock(&profiles_lock);
	remove_profiles(&gone);
	return 0;
}

static const struct kernel_param_ops keep_kb_ops = { .set = keep_kb_set, .get = param_get_uint };
module_param_cb(profile_keep_kb, &keep_kb_ops, &keep_kb, 0600);
MODULE_PARM_DESC(profile_keep_kb, "KiB for profiles of modules that have gone, the oldest goes first; 0: none is kept");

/* ---- coming and going ----------------------------------------------------------------------------- */

static bool within(const struct module *module, const void *start, u64 bytes)
{
	unsigned long first = (unsigned long)start;

	return !bytes || (within_module_core(first, module) && within_module_core(first + bytes - 1, module));
}

/* What the module says of itself, or NULL: it has no profile. */
static const struct covb_profile_module *find_its(const struct module *module)
{
	for (unsigned int i = 0; i < module->num_kp; i++) {
		const struct covb_profile_module *its = module->kp[i].arg;

		if (strcmp(module->kp[i].name, __stringify(COVB_PROFILE_PARAMETER)))
			continue;
		return within(module, its, sizeof(*its)) && its->magic == COVB_PROFILE_MODULE_MAGIC ? its : NULL;
	}
	return NULL;
}

static const char *check_note(const struct covbuf_profile_note *note, const struct module *module,
			      const struct covb_profile_module *its)
{
	u64 counters_bytes = (unsigned long)its->counters_end - (unsigned long)its->counters;
	u64 bitmaps_bytes = its->bitmaps_end - its->bitmaps;

	if (note->counters_bytes != counters_bytes || note->bitmaps_bytes != bitmaps_bytes ||
	    !within(module, its->counters, counters_bytes) || !within(module, its->bitmaps, bitmaps_bytes))
		return "its counters lie elsewhere than it says";
	if (note->file_bytes > FILE_BYTES_MAX || note->counters_offset % COVBUF_PROFILE_ALIGN ||
	    note->counters_offset < sizeof(*note) || note->counters_offset > note->bitmaps_offset ||
	    note->bitmaps_offset - note->counters_offset < counters_bytes ||
	    note->bitmaps_offset > note->file_bytes || note->file_bytes - note->bitmaps_offset < bitmaps_bytes)
		return "the parts of its file overlap";
	return NULL;
}

/* Fills in the note. Returns 0, or -EINVAL, having said what is wrong. */
static int look_at(const struct module *module, const struct covb_profile_module *its, struct covbuf_profile_note *note)
{
	const char *wrong;

	if (its->version != COVB_PROFILE_MODULE_VERSION) {
		pr_err("%s: no profile: it was built with version %u of profile.mk, covbuf.ko knows version %d: "
		       "build both from the same covbuf\n", module->name, its->version, COVB_PROFILE_MODULE_VERSION);
		return -EINVAL;
	}
	wrong = its->describe(note);
	if (!wrong && note->version != COVBUF_PROFILE_VERSION)
		wrong = "its files are of another version than covbuf.ko's";
	if (!wrong)
		wrong = check_note(note, module, its);
	if (!wrong)
		return 0;
	pr_err("%s: no profile: %s: build all of it anew, by one clang\n", module->name, wrong);
	return -EINVAL;
}

static struct profile *find_name(const char *name)
{
	struct profile *profile;

	list_for_each_entry(profile, &profiles, list)
		if (!strcmp(profile->name, name))
			return profile;
	return NULL;
}

/* What was kept counts on. */
static void add_kept(struct profile *profile)
{
	const u64 *counters = (const u64 *)(profile->kept + profile->note.counters_offset);

	for (u64 i = 0; i < nr_counters(profile); i++)
		profile->since[i] = -counters[i];
	memcpy(profile->had, profile->kept + profile->note.bitmaps_offset, profile->note.bitmaps_bytes);
	kept_bytes -= profile->note.file_bytes;
	vfree(profile->kept);
	profile->kept = NULL;
}

/* Takes what was kept under the module's name out of the list, where it is of another build. */
static void drop_other_build(const char *name, const struct covbuf_profile_note *note, struct list_head *gone)
{
	struct profile *profile = find_name(name);

	if (!profile || !profile->kept || !memcmp(&profile->note, note, sizeof(*note)))
		return;
	pr_info("%s: another build: what was kept of the last one's profile is dropped\n", name);
	kept_bytes -= profile->note.file_bytes;
	list_move_tail(&profile->list, gone);
}

static bool allocate(struct profile *profile)
{
	profile->since = vzalloc(profile->note.counters_bytes);
	profile->had = vzalloc(profile->note.bitmaps_bytes + 1);
	if (profile->since && profile->had)
		return true;
	vfree(profile->since);
	vfree(profile->had);
	profile->since = NULL;
	profile->had = NULL;
	return false;
}

static void make_files(struct profile *profile)
{
	struct dentry *file;

	profile->dir = debugfs_create_dir(profile->name, profiles_dir);
	file = debugfs_create_file_unsafe("profraw", 0400, profile->dir, profile, &profraw_fops);
	if (!IS_ERR(file))
		i_size_write(d_inode(file), profile->note.file_bytes);
	debugfs_create_file("reset", 0200, profile->dir, profile, &reset_fops);
}

static struct profile *get_profile(const char *name, const struct covbuf_profile_note *note)
{
	struct profile *profile = find_name(name);

	if (profile)
		return profile;
	profile = kzalloc(sizeof(*profile), GFP_KERNEL);
	if (!profile)
		return NULL;
	strscpy(profile->name, name, sizeof(profile->name));
	profile->note = *note;
	list_add_tail(&profile->list, &profiles);
	return profile;
}

/* @its: NULL for a module that was refused, which is remembered. */
static void attach(const struct module *module, const struct covb_profile_module *its,
		   const struct covbuf_profile_note *note)
{
	struct profile *profile = get_profile(module->name, note);

	if (!profile || (its && !allocate(profile))) {
		pr_err("%s: no profile: no memory for %llu KiB of counters\n", module->name,
		       (unsigned long long)note->counters_bytes / 1024);
		its = NULL;
	}
	if (!profile)
		return;
	profile->module = module;
	profile->its = its;
	if (!its)
		return;
	if (profile->kept)
		add_kept(profile);
	if (!profile->dir)
		make_files(profile);
}

static struct profile *find_module_profile(const struct module *module)
{
	struct profile *profile;

	list_for_each_entry(profile, &profiles, list)
		if (profile->module == module)
			return profile;
	return NULL;
}

static void on_coming(const struct module *module)
{
	const struct covb_profile_module *its = find_its(module);
	struct covbuf_profile_note *note;
	LIST_HEAD(gone);

	if (!its)
		return;
	note = kzalloc(sizeof(*note), GFP_KERNEL);
	if (!note) {
		pr_err("%s: no profile: no memory\n", module->name);
		return;
	}
	if (look_at(module, its, note))
		its = NULL;
	mutex_lock(&profiles_lock);
	drop_other_build(module->name, note, &gone);
	mutex_unlock(&profiles_lock);
	remove_profiles(&gone);

	mutex_lock(&profiles_lock);
	if (!find_module_profile(module))
		attach(module, its, note);
	mutex_unlock(&profiles_lock);
	kfree(note);
}

static void on_going(const struct module *module)
{
	struct profile *profile;
	LIST_HEAD(gone);

	mutex_lock(&profiles_lock);
	profile = find_module_profile(module);
	if (profile) {
		if (!profile->kept && !keep(profile, &gone))
			list_move_tail(&profile->list, &gone);
		profile->its = NULL;
		profile->module = NULL;
	}
	mutex_unlock(&profiles_lock);
	remove_profiles(&gone);
}

static bool is_known(const struct module *module)
{
	bool known;

	mutex_lock(&profiles_lock);
	known = find_module_profile(module);
	mutex_unlock(&profiles_lock);
	return known;
}

static int on_module(struct notifier_block *block, unsigned long state, void *data)
{
	if (state == MODULE_STATE_COMING || (state == MODULE_STATE_LIVE && !is_known(data)))
		on_coming(data); /* LIVE: it was told of before we could hear, and was not in sysfs yet when we looked there */
	else if (state == MODULE_STATE_GOING)
		on_going(data);
	return NOTIFY_DONE;
}

static struct notifier_block notifier = { .notifier_call = on_module };

/* ---- those that were there before us -------------------------------------------------------------- */

/*
 * A module in sysfs that has a profile and is not in our list, or NULL. It stays while the lock is held: it is not
 * going yet, and when it goes it waits for the lock.
 */
static const struct module *find_unknown(void)
{
	struct kset *modules = THIS_MODULE->mkobj.kobj.kset;
	const struct module *found = NULL;
	struct kobject *kobj;

	spin_lock(&modules->list_lock);
	list_for_each_entry(kobj, &modules->list, entry) {
		const struct module *module = container_of(kobj, struct module_kobject, kobj)->mod; /* NULL: what is built in */

		if (!module || READ_ONCE(module->state) == MODULE_STATE_GOING || !find_its(module) ||
		    find_module_profile(module))
			continue;
		found = module;
		break;
	}
	spin_unlock(&modules->list_lock);
	return found;
}

static int find_loaded(void)
{
	struct covbuf_profile_note *note = kzalloc(sizeof(*note), GFP_KERNEL);
	const struct module *module;

	if (!note)
		return -ENOMEM;
	mutex_lock(&profiles_lock);
	while ((module = find_unknown())) {
		const struct covb_profile_module *its = find_its(module);

		memset(note, 0, sizeof(*note));
		if (look_at(module, its, note))
			its = NULL;
		attach(module, its, note);
		if (!find_module_profile(module))
			break; /* no memory, as was said */
	}
	mutex_unlock(&profiles_lock);
	kfree(note);
	return 0;
}

int covb_profiles_init(struct dentry *dir)
{
	int err;

	profiles_dir = debugfs_create_dir("profile", dir);
	err = register_module_notifier(&notifier);
	if (err)
		return err;
	err = find_loaded();
	if (err)
		covb_profiles_fini();
	return err;
}

void covb_profiles_fini(void)
{
	LIST_HEAD(gone);

	unregister_module_notifier(&notifier);
	mutex_lock(&profiles_lock);
	list_splice_init(&profiles, &gone);
	kept_bytes = 0;
	mutex_unlock(&profiles_lock);
	remove_profiles(&gone);
}
