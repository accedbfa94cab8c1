/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Functions of one site each, which context.c runs; the first is interrupted everywhere. */
int context_site(int x);
int context_other(int x);

int context_site(int x)
{
	return x + 1;
}

int context_other(int x)
{
	return x + 2;
}
