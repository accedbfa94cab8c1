// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* The module's logic as a program: what it counts under compiler-rt is what the module has to count. */
#include "logic.h"

int main(void)
{
	logic_early();
	logic_run();
	logic_run();
	logic_late();
	return 0;
}
