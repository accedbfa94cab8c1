/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * One instrumented image: what it tells the engine of itself, when it is loaded and before it goes.
 *
 * The compiler's own constructors, which name the guards and counters, have priority 2, programs' begin
 * at 101; these come between, so that what a program does in its constructors is recorded. Whatever
 * arrives earlier (an IFUNC resolver) finds a context that is shut, or no context, and returns.
 */
#define _GNU_SOURCE
#include <link.h>
#include <pthread.h>

#include "images.h"

#if !defined(__clang__)
#pragma GCC diagnostic ignored "-Wprio-ctor-dtor"
#endif
#define ATTACH_PRIORITY 3

/* An image other than the engine's must run on where there is no engine. Functions only: see context.h. */
#if defined(COVBUF_IMAGE)
#pragma weak covbuf_image_attach
#pragma weak covbuf_image_detach
#endif
#pragma weak covb_text_wanted

void __sanitizer_cov_trace_pc_guard_init(uint32_t *start, uint32_t *end);

COVBUF_HIDDEN struct covbuf_image covbuf_this_image;
COVBUF_HIDDEN struct covb_sancov_image covb_this_sancov_image = { .image = &covbuf_this_image };

/* Guards are 0 when the image is loaded, which is how an unseen site looks. */
COVB_CALLBACK void __sanitizer_cov_trace_pc_guard_init(uint32_t *start, uint32_t *end)
{
	if (start >= end)
		return;
	covbuf_this_image.guards = start;
	covbuf_this_image.guards_end = end;
}

/* Whether trace_pc.c is in this image. An image may have been compiled with guards, without, or both ways. */
static COVBUF_NOINSTR bool text_wanted(void)
{
	const char *wanted = &covb_text_wanted;

	__asm__("" : "+r"(wanted)); /* weak: the address may be 0 after all */
	return wanted != NULL;
}

/* dl_iterate_phdr() callback: the executable part of the object that this file is linked into. */
static COVBUF_NOINSTR int find_text(struct dl_phdr_info *info, size_t size, void *arg)
{
	uintptr_t here = (uintptr_t)&covbuf_this_image;
	uintptr_t start = UINTPTR_MAX, end = 0;
	bool mine = false;

	(void)size;
	(void)arg;
	for (int i = 0; i < info->dlpi_phnum; i++) {
		const ElfW(Phdr) *segment = &info->dlpi_phdr[i];
		uintptr_t from = info->dlpi_addr + segment->p_vaddr;
		uintptr_t to = from + segment->p_memsz;

		if (segment->p_type != PT_LOAD)
			continue;
		if (here >= from && here < to)
			mine = true;
		if (!(segment->p_flags & PF_X))
			continue;
		start = from < start ? from : start;
		end = to > end ? to : end;
	}
	if (!mine || start >= end)
		return mine;
	covbuf_this_image.text_start = start;
	covbuf_this_image.text_end = end;
	return 1;
}

static COVBUF_NOINSTR void record_counters(struct covbuf_image *image)
{
	(void)image;
	covb_counters_record(&covb_this_sancov_image);
}

/* A fork child has its parent's counts, which are the parent's to record. */
static COVBUF_NOINSTR void forget_counters(void)
{
	covb_counters_forget(&covb_this_sancov_image);
}

COVBUF_NOINSTR void covb_counters_registered(struct covb_sancov_image *owner)
{
	owner->image->sync = record_counters;
}

COVBUF_NOINSTR bool covb_has_counters(void)
{
	return covbuf_this_image.sync != NULL;
}

__attribute__((constructor(ATTACH_PRIORITY))) static COVBUF_NOINSTR void attach(void)
{
#if defined(COVBUF_IMAGE)
	if (!covbuf_image_attach)
		return;
#endif
#if defined(COVBUF_SANCOV_CONTEXT)
	covbuf_own_image = &covbuf_this_image;
#endif
	if (text_wanted())
		dl_iterate_phdr(find_text, NULL);
	if (covbuf_image_attach(&covbuf_this_image, COVBUF_ABI) == 0 && covbuf_this_image.sync)
		pthread_atfork(NULL, NULL, forget_counters);
}

__attribute__((destructor(ATTACH_PRIORITY))) static COVBUF_NOINSTR void detach(void)
{
	if (covbuf_this_image.sync)
		record_counters(&covbuf_this_image);
#if defined(COVBUF_IMAGE)
	if (covbuf_image_detach)
		covbuf_image_detach(&covbuf_this_image);
#endif
}
