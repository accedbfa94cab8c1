/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Linked into both forms of a program, and not instrumented: the points at which the two can be compared.
 *
 * SIGUSR1 writes compiler-rt's profile, where the program has it, and ends the program there. With
 * COVB_TEST_STOP in the environment it stops when all else it does at exit is done.
 */
#include <signal.h>
#include <stdlib.h>
#include <unistd.h>

extern int __llvm_profile_write_file(void) __attribute__((weak));

static void write_and_end(int signal)
{
	(void)signal;
	_exit(__llvm_profile_write_file());
}

__attribute__((constructor)) static void prepare(void)
{
	if (__llvm_profile_write_file)
		signal(SIGUSR1, write_and_end);
}

__attribute__((destructor)) static void stop(void)
{
	if (getenv("COVB_TEST_STOP"))
		raise(SIGSTOP);
}
