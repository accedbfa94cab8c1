// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "kmod.h"
#include "libcovbuf/platform/kernel/task.c"
