// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * Profiles of modules that were built with profile.mk, in debugfs covbuf/profile/MODULE: they come and go with their
 * modules, or are kept.
 *
 * The counters are the module's own. A module is found by its parameters (adapters/llvmprof/module/module.h), when it
 * comes and, of those that were there before us, when we do: neither uses the other's symbols. What it says of
 * itself is checked as far as a mistake goes; its code runs in the kernel anyway.
 */
#include <linux/debugfs.h>
#include <linux/notifier.h>
#include <linux/slab.h>
#include <linux/stringify.h>
#include <linux/vmalloc.h>

#include "profile.h"

#define FILE_BYTES_MAX (256ul << 20)

DEFINE_MUTEX(covb_profiles_lock);
static LIST_HEAD(profiles); /* those that are kept from the oldest on */
static struct dentry *profiles_dir;
static unsigned int keep_kb;
static u64 kept_bytes;

static void free_profile(struct covb_profile *profile)
{
	vfree(profile->since);
	vfree(profile->had);
	vfree(profile->kept);
	kfree(profile);
}

/* Of profiles that are no longer in the list, without the lock. */
static void remove_profiles(struct list_head *gone)
{
	struct covb_profile *profile, *next;

	list_for_each_entry_safe(profile, next, gone, list) {
		debugfs_remove(profile->dir);
		free_profile(profile);
	}
}

/* ---- what is kept --------------------------------------------------------------------------------- */

/* Takes the oldest out of the list until the rest fits. */
static void drop_kept(u64 bytes, struct list_head *gone)
{
	struct covb_profile *profile, *next;

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
static bool keep(struct covb_profile *profile, struct list_head *gone)
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
	covb_profile_write(profile, file);
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
	mutex_lock(&covb_profiles_lock);
	keep_kb = kb;
	drop_kept(kb * 1024ull, &gone);
	mutex_unlock(&covb_profiles_lock);
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

static struct covb_profile *find_name(const char *name)
{
	struct covb_profile *profile;

	list_for_each_entry(profile, &profiles, list)
		if (!strcmp(profile->name, name))
			return profile;
	return NULL;
}

/* What was kept counts on. */
static void add_kept(struct covb_profile *profile)
{
	const u64 *counters = (const u64 *)(profile->kept + profile->note.counters_offset);

	for (u64 i = 0; i < covb_profile_counters(profile); i++)
		profile->since[i] = -counters[i];
	memcpy(profile->had, profile->kept + profile->note.bitmaps_offset, profile->note.bitmaps_bytes);
	kept_bytes -= profile->note.file_bytes;
	vfree(profile->kept);
	profile->kept = NULL;
}

/* Takes what was kept under the module's name out of the list, where it is of another build. */
static void drop_other_build(const char *name, const struct covbuf_profile_note *note, struct list_head *gone)
{
	struct covb_profile *profile = find_name(name);

	if (!profile || !profile->kept || !memcmp(&profile->note, note, sizeof(*note)))
		return;
	pr_info("%s: another build: what was kept of the last one's profile is dropped\n", name);
	kept_bytes -= profile->note.file_bytes;
	list_move_tail(&profile->list, gone);
}

static bool allocate(struct covb_profile *profile)
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

static struct covb_profile *get_profile(const char *name, const struct covbuf_profile_note *note)
{
	struct covb_profile *profile = find_name(name);

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
	struct covb_profile *profile = get_profile(module->name, note);

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
		covb_profile_make_files(profile, profiles_dir);
}

static struct covb_profile *find_module_profile(const struct module *module)
{
	struct covb_profile *profile;

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
	mutex_lock(&covb_profiles_lock);
	drop_other_build(module->name, note, &gone);
	mutex_unlock(&covb_profiles_lock);
	remove_profiles(&gone);

	mutex_lock(&covb_profiles_lock);
	if (!find_module_profile(module))
		attach(module, its, note);
	mutex_unlock(&covb_profiles_lock);
	kfree(note);
}

static void on_going(const struct module *module)
{
	struct covb_profile *profile;
	LIST_HEAD(gone);

	mutex_lock(&covb_profiles_lock);
	profile = find_module_profile(module);
	if (profile) {
		if (!profile->kept && !keep(profile, &gone))
			list_move_tail(&profile->list, &gone);
		profile->its = NULL;
		profile->module = NULL;
	}
	mutex_unlock(&covb_profiles_lock);
	remove_profiles(&gone);
}

static bool is_known(const struct module *module)
{
	bool known;

	mutex_lock(&covb_profiles_lock);
	known = find_module_profile(module);
	mutex_unlock(&covb_profiles_lock);
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
	mutex_lock(&covb_profiles_lock);
	while ((module = find_unknown())) {
		const struct covb_profile_module *its = find_its(module);

		memset(note, 0, sizeof(*note));
		if (look_at(module, its, note))
			its = NULL;
		attach(module, its, note);
		if (!find_module_profile(module))
			break; /* no memory, as was said */
	}
	mutex_unlock(&covb_profiles_lock);
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
	mutex_lock(&covb_profiles_lock);
	list_splice_init(&profiles, &gone);
	kept_bytes = 0;
	mutex_unlock(&covb_profiles_lock);
	remove_profiles(&gone);
}
