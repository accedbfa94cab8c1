/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* What the parts of the kernel's platform, and the module around them, say to each other. */
#ifndef COVB_PLATFORM_KERNEL_KERNEL_H
#define COVB_PLATFORM_KERNEL_KERNEL_H

#include "../../core/engine.h"

/*
 * The engine without areas: room for so many owners and contexts. fini: nothing uses it any more.
 * Context: may sleep. Errors: -ENOMEM.
 */
int covb_engine_init(uint32_t nr_owners, uint32_t nr_contexts);
void covb_engine_fini(void);

/* Whether any section's frame is on a stack. Context: any. */
bool covb_sections_open(void);

#define COVB_AREAS_MAX 4096

/*
 * The pool: areas of one class at a time.
 *
 * covb_pool_resize(): grows, or gives back as many free areas as it can. covb_pool_set_class(): all areas
 * are made anew, of 64 KiB << area_class; none may be in use, and no owner enabled.
 * Context: may sleep. Errors: -ENOMEM; -EINVAL: more than COVB_AREAS_MAX; -EBUSY: areas in use.
 */
int covb_pool_resize(uint32_t nr_areas);
int covb_pool_set_class(uint32_t area_class);
uint32_t covb_pool_class(void);
uint32_t covb_pool_count(void);

/* Memory enough for so many bytes and a sixteenth of all to spare; vmalloc() asks the OOM killer first. Context: any. */
bool covb_memory_for(uint64_t bytes);

#endif
