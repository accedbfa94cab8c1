/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* What /proc says of a process: for process.c, which writes it down, and liveness.c, which compares. */
#ifndef COVB_LIVENESS_H
#define COVB_LIVENESS_H

#include <stdint.h>

/* Field 22 of /proc/PID/stat. Errors: -ENOENT: no such process; -EIO: something else is there; what open() gives. */
int covb_start_ticks(uint32_t pid, uint64_t *ticks);

/* The caller's pid namespace, by its inode; 0: cannot be found out. */
uint32_t covb_pid_namespace(void);

#endif
