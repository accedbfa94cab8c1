// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* Functions that only return, to be subtracted from what is counted. */
#include <linux/export.h>
#include <linux/module.h>
#include <linux/types.h>

void empty_hook_pc(void);
void empty_hook_cmp8(u64 arg1, u64 arg2);
void empty_remote_start(u64 handle);
void empty_remote_stop(void);

void empty_hook_pc(void)
{
}
EXPORT_SYMBOL(empty_hook_pc);

void empty_hook_cmp8(u64 arg1, u64 arg2)
{
}
EXPORT_SYMBOL(empty_hook_cmp8);

void empty_remote_start(u64 handle)
{
}
EXPORT_SYMBOL(empty_remote_start);

void empty_remote_stop(void)
{
}
EXPORT_SYMBOL(empty_remote_stop);

MODULE_DESCRIPTION("Functions that only return");
MODULE_LICENSE("Dual BSD/GPL");
