// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* For kernel.sh: functions in the sections that a kernel module has. No kernel is needed to build it. */
int state;
#ifdef OTHER
int other;
#endif

__attribute__((noinline)) int reached(int a)
{
	if (a > 3)
		state = a; /* reached */
	else
		state = -a; /* reached */
	return state;
}

__attribute__((noinline)) int not_reached(int a)
{
	if (a > 7)
		state = a; /* not */
	return state;
}

__attribute__((noinline, section(".exit.text"))) void leave(void)
{
	state = 0; /* leave */
}

__attribute__((noinline, section(".init.text"))) int begin(void)
{
	return reached(1); /* begin */
}
