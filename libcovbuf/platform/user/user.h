/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * What the parts of the userspace platform offer one another.
 */
#ifndef COVB_USER_H
#define COVB_USER_H

#include "../../core/engine.h"
#include "../../../shm/shm.h"

/* The segment that the engine is attached to, or NULL. */
extern COVBUF_HIDDEN struct covbuf_segment *covb_segment;

/* engine.c: what the constructor does, whoever comes first. */
void covb_init(void);

/* thread.c */
int covb_threads_init(void);

/* fork.c */
int covb_fork_init(void);
int covb_alive_init(void);
void covb_alive_set(void);

/* image.c: what an attached segment asks of images that were there before it. */
void covb_images_refresh(void);

/* engine.c: write down what the dynamic linker has loaded. Under covb_plat_lock(). */
void covb_engine_sync_modules(void);

/* engine.c: in the parent, before it is forked: what the child will have. */
void covb_engine_before_fork(void);

/* engine.c: in a fork child, go on in a process slot of its own, or be off. */
void covb_engine_after_fork(void);

/* engine2.c: false where another image holds the engine of this process. */
bool covb_engine_is_the_only(void);

#endif
