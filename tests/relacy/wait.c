/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* One sleep of the consumer, without the clock that the loop around it looks at. */
#include "shm/wait.c"

#include "libcovbuf/platform/model/world.h"

bool covb_model_wait_once(struct covbuf_segment *segment, int timeout_ms)
{
	return wait_once(segment, timeout_ms);
}
