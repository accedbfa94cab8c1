/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Put before each file of shm/ that is built for the checker: what they ask of the C library comes from
 * platform.c, and areas have the model's size.
 */
#ifndef COVB_MODEL_SHM_H
#define COVB_MODEL_SHM_H

#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/types.h>
#include <unistd.h>

#include "../../core/platform.h"
#include "model.h"

#define malloc(bytes) covb_model_malloc(bytes)
#define calloc(nr, bytes) covb_model_calloc((nr), (bytes))
#define free(p) covb_model_free(p)
#define syscall covb_model_syscall
#define pread covb_model_pread

#endif
