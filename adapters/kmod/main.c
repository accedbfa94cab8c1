// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * covbuf.ko: KCOV for modules, on a kernel that was built without, and LLVM's profiles of modules. How it starts,
 * how it ends, and what can be set.
 */
#include <linux/debugfs.h>
#include <linux/module.h>

#include "kmod.h"

static unsigned int areas = 64;
static unsigned int area_kb = 64;
static unsigned int contexts = 2048;
static unsigned int owners = 1024;
static bool ready; /* the parameters act at once */
static struct dentry *debugfs_dir;

/* 64 KiB << n, or -EINVAL. */
static int class_of(unsigned int kb)
{
	for (uint32_t area_class = 0; area_class < COVBUF_NR_CLASSES; area_class++)
		if (covbuf_class_bytes(area_class) == (u64)kb * 1024)
			return area_class;
	return -EINVAL;
}

static int areas_set(const char *text, const struct kernel_param *param)
{
	unsigned int nr;
	int err = kstrtouint(text, 0, &nr);

	if (!err && nr > COVB_AREAS_MAX)
		err = -EINVAL;
	if (!err && ready)
		err = covb_pool_resize(nr);
	if (!err)
		areas = nr;
	return err;
}

static int areas_get(char *text, const struct kernel_param *param)
{
	return sysfs_emit(text, "%u\n", ready ? covb_pool_count() : areas);
}

static int area_kb_set(const char *text, const struct kernel_param *param)
{
	unsigned int kb;
	int err = kstrtouint(text, 0, &kb), area_class;

	if (err)
		return err;
	area_class = class_of(kb);
	if (area_class < 0)
		return area_class;
	if (ready)
		err = covb_devices_set_class(area_class);
	if (!err)
		area_kb = kb;
	return err;
}

static const struct kernel_param_ops areas_ops = { .set = areas_set, .get = areas_get };
static const struct kernel_param_ops area_kb_ops = { .set = area_kb_set, .get = param_get_uint };
module_param_cb(areas, &areas_ops, &areas, 0600);
MODULE_PARM_DESC(areas, "areas in the pool, for remote sections; can be set at any time");
module_param_cb(area_kb, &area_kb_ops, &area_kb, 0600);
MODULE_PARM_DESC(area_kb, "size of each, 64, 128 ... 131072 KiB; can be set while nothing is enabled");
module_param(contexts, uint, 0400);
MODULE_PARM_DESC(contexts, "tasks that can collect, or inherit a common handle, at once");
module_param(owners, uint, 0400);
MODULE_PARM_DESC(owners, "files that can be initialised at once");

static int check_parameters(void)
{
	if (contexts && contexts <= 16384 && owners && owners <= 65535)
		return 0;
	pr_err("contexts must be 1 to 16384, owners 1 to 65535\n");
	return -EINVAL;
}

static int make_pool(void)
{
	int err = covb_pool_set_class(class_of(area_kb));

	if (!err)
		err = covb_pool_resize(areas);
	if (err)
		pr_err("no memory for %u areas of %u KiB; load with areas=N area_kb=N for less\n", areas, area_kb);
	return err;
}

/* The parameters' files are there before the module starts, and after it has ended. */
static void set_ready(bool is)
{
	kernel_param_lock(THIS_MODULE);
	ready = is;
	kernel_param_unlock(THIS_MODULE);
}

static int __init covbuf_init(void)
{
	int err = check_parameters();

	if (err)
		return err;
	covb_find_kaslr_offset();
	err = covb_engine_init(owners, contexts);
	if (err)
		return err;
	err = make_pool();
	if (err)
		goto engine;
	err = covb_tasks_init(contexts, covb_kcov_task_gone);
	if (err)
		goto engine;
	debugfs_dir = debugfs_create_dir("covbuf", NULL);
	covb_stats_init(debugfs_dir);
	err = covb_modules_init(debugfs_dir);
	if (err)
		goto tasks;
	err = covb_profiles_init(debugfs_dir);
	if (err)
		goto modules;
	err = covb_devices_init();
	if (err)
		goto profiles;
	set_ready(true);
	return 0;

profiles:
	covb_profiles_fini();
modules:
	covb_modules_fini();
tasks:
	debugfs_remove(debugfs_dir);
	covb_tasks_stop();
	covb_tasks_fini();
engine:
	covb_engine_fini();
	return err;
}

/*
 * Nothing uses us: no file, mapping or enable, no module with our hooks. Left are a hook that was preempted
 * in a module that has gone since, probes, and what was put off.
 */
static void __exit covbuf_exit(void)
{
	set_ready(false);
	covb_devices_fini();
	covb_profiles_fini();
	covb_modules_fini();
	debugfs_remove(debugfs_dir);
	covb_tasks_stop();
	covb_devices_flush();
	covb_tasks_fini();
	covb_engine_fini();
}

module_init(covbuf_init);
module_exit(covbuf_exit);
MODULE_DESCRIPTION("Code coverage of modules, by KCOV's ABI");
MODULE_LICENSE("Dual BSD/GPL");
