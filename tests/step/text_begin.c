// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* First of a stepper's objects: its own instructions begin here. */
#include "bodies.h"

void text_begin(void)
{
}
