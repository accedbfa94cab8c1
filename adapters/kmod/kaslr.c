// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * By how much the kernel was moved at boot. KCOV subtracts it from every PC, of modules too, so that PCs
 * mean the same after each boot; kaslr_offset() is not there for modules. The note that the kernel leaves
 * for a crash dump says it.
 */
#include <linux/io.h>
#include <linux/string.h>
#include <linux/version.h>
#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 9, 0)
#include <linux/vmcore_info.h>
#else
#include <linux/crash_core.h>
#endif

#include "kmod.h"

#ifdef CONFIG_RANDOMIZE_BASE

unsigned long covb_kaslr_offset __read_mostly;

#define NOTE_HEADER_BYTES 24 /* an ELF note: three words, "VMCOREINFO" and its padding */

void covb_find_kaslr_offset(void)
{
	phys_addr_t note = paddr_vmcoreinfo_note();
	const char *text, *found;
	unsigned long offset;

	text = note ? (const char *)phys_to_virt(note) + NOTE_HEADER_BYTES : NULL;
	found = text ? strnstr(text, "KERNELOFFSET=", VMCOREINFO_NOTE_SIZE - NOTE_HEADER_BYTES) : NULL;
	if (found && sscanf(found, "KERNELOFFSET=%lx", &offset) == 1)
		covb_kaslr_offset = offset;
	else
		pr_warn("the kernel does not say by how much KASLR moved it: PCs are as they run\n");
}

#else

void covb_find_kaslr_offset(void)
{
}

#endif
