// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* Last of a stepper's objects: its own instructions end here; what follows is the library's. */
#include "bodies.h"

void text_end(void)
{
}
