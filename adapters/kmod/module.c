// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * Instrumented modules: which there are, where their text is, and whether they are recorded.
 *
 * Every module that uses our symbols is loaded after us, and goes before us, so the notifier sees them all.
 * Special hooks look at the entries without a lock: an entry is empty before it changes.
 */
#include <linux/debugfs.h>
#include <linux/fs.h>
#include <linux/kstrtox.h>
#include <linux/module.h>
#include <linux/mutex.h>
#include <linux/notifier.h>
#include <linux/uaccess.h>
#include <linux/version.h>

#include "kmod.h"

struct covb_text covb_texts[COVB_MODULES_MAX + 1] = {
	[COVB_MODULES_MAX] = { .start = 0, .bytes = ~0ul, .first_site = COVB_NO_SITE },
};

/* A name that was seen keeps its entry, and so its sites, after the module has gone. */
struct traced {
	char name[MODULE_NAME_LEN];
	unsigned long start, bytes; /* of its text; bytes 0: not loaded */
	unsigned long first_site, nr_sites;
	bool off;
	struct dentry *dir;
};

static struct traced traced[COVB_MODULES_MAX];
static unsigned long nr_sites;
static DEFINE_MUTEX(traced_lock);
static struct dentry *modules_dir;

static void set_text(unsigned int i, const struct traced *from)
{
	struct covb_text *text = &covb_texts[i];

	WRITE_ONCE(text->bytes, 0);
	smp_wmb(); /* empty before it changes */
	if (!from)
		return;
	WRITE_ONCE(text->start, from->start);
	WRITE_ONCE(text->first_site, from->first_site);
	smp_wmb(); /* there before it is found; no code of the module runs yet */
	WRITE_ONCE(text->bytes, from->bytes);
}

static void set_off(struct traced *module, bool off)
{
	if (module->off == off)
		return;
	WRITE_ONCE(module->off, off);
	WRITE_ONCE(covb_texts[module - traced].off, off);
	if (off)
		covb_special_get();
	else
		covb_special_put();
}

/* ---- the control ----------------------------------------------------------------------------- */

static ssize_t enabled_read(struct file *file, char __user *to, size_t bytes, loff_t *pos)
{
	const struct traced *module = file->private_data;

	return simple_read_from_buffer(to, bytes, pos, READ_ONCE(module->off) ? "0\n" : "1\n", 2);
}

static ssize_t enabled_write(struct file *file, const char __user *from, size_t bytes, loff_t *pos)
{
	struct traced *module = file->private_data;
	bool enabled;
	int err = kstrtobool_from_user(from, bytes, &enabled);

	if (err)
		return err;
	mutex_lock(&traced_lock);
	if (module->bytes)
		set_off(module, !enabled);
	mutex_unlock(&traced_lock);
	return bytes;
}

static const struct file_operations enabled_fops = {
	.owner = THIS_MODULE,
	.open = simple_open,
	.read = enabled_read,
	.write = enabled_write,
	.llseek = default_llseek,
};

/* ---- coming and going ------------------------------------------------------------------------ */

static bool uses_us(struct module *module)
{
	struct module_use *use;

	list_for_each_entry(use, &module->target_list, target_list)
		if (use->target == THIS_MODULE)
			return true;
	return false;
}

static void get_text(const struct module *module, unsigned long *start, unsigned long *bytes)
{
#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 4, 0)
	*start = (unsigned long)module->mem[MOD_TEXT].base;
	*bytes = module->mem[MOD_TEXT].size;
#else
	*start = (unsigned long)module->core_layout.base;
	*bytes = module->core_layout.text_size;
#endif
}

/* The entry of that name, or one that none has, or whose module is not loaded. */
static struct traced *find_entry(const char *name)
{
	struct traced *unused = NULL;

	for (unsigned int i = 0; i < COVB_MODULES_MAX; i++) {
		if (!strcmp(traced[i].name, name))
			return &traced[i];
		if (!unused && !traced[i].name[0])
			unused = &traced[i];
	}
	for (unsigned int i = 0; !unused && i < COVB_MODULES_MAX; i++)
		if (!traced[i].bytes)
			unused = &traced[i];
	return unused;
}

static void add_module(const struct module *module)
{
	struct traced *entry = find_entry(module->name);
	unsigned long needed;

	if (!entry) {
		pr_warn("%s: more than %d instrumented modules; it is recorded, but has no control\n", module->name,
			COVB_MODULES_MAX);
		return;
	}
	get_text(module, &entry->start, &entry->bytes);
	needed = entry->bytes / 4 + 1;
	if (strcmp(entry->name, module->name) || needed > entry->nr_sites) {
		entry->first_site = nr_sites;
		entry->nr_sites = needed;
		nr_sites += needed;
	}
	strscpy(entry->name, module->name, sizeof(entry->name));
	set_text(entry - traced, entry);
	entry->dir = debugfs_create_dir(entry->name, modules_dir);
	debugfs_create_file("enabled", 0600, entry->dir, entry, &enabled_fops);
}

static struct traced *find_loaded(const struct module *module)
{
	struct traced *entry = find_entry(module->name);

	return entry && entry->bytes && !strcmp(entry->name, module->name) ? entry : NULL;
}

/* Returns what is left to remove without the lock: a control that is being written waits for it. */
static struct dentry *remove_module(const struct module *module)
{
	struct traced *entry = find_loaded(module);
	struct dentry *dir;

	if (!entry)
		return NULL;
	set_off(entry, false);
	set_text(entry - traced, NULL);
	entry->bytes = 0;
	dir = entry->dir;
	entry->dir = NULL;
	return dir;
}

static int on_module(struct notifier_block *block, unsigned long state, void *data)
{
	struct module *module = data;
	struct dentry *dir = NULL;

	if (module == THIS_MODULE)
		return NOTIFY_DONE;
	mutex_lock(&traced_lock);
	if (state == MODULE_STATE_COMING && uses_us(module))
		add_module(module);
	else if (state == MODULE_STATE_GOING)
		dir = remove_module(module);
	mutex_unlock(&traced_lock);
	debugfs_remove(dir);
	return NOTIFY_DONE;
}

static struct notifier_block notifier = { .notifier_call = on_module };

int covb_modules_init(struct dentry *dir)
{
	modules_dir = debugfs_create_dir("modules", dir);
	return register_module_notifier(&notifier);
}

void covb_modules_fini(void)
{
	unregister_module_notifier(&notifier);
}
