// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* Tests that end in each way. Their names say what is to be reported of them. */
#include <pthread.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include <criterion/criterion.h>

static int nr_inits, nr_calls;

static void init(void)
{
	nr_inits++;
}

static void fini(void)
{
	puts("fini");
}

static int call(void)
{
	return ++nr_calls;
}

TestSuite(suite, .init = init, .timeout = 5);

Test(suite, ok_init_ran_once)
{
	cr_assert_eq(nr_inits, 1);
}

Test(plain, ok_memory_is_its_own)
{
	cr_assert_eq(nr_inits, 0);
}

Test(plain, ok_every_comparison)
{
	struct opaque *none = NULL;
	struct { unsigned int bits : 3; } field = { 5 };
	uint64_t array[] = { 1, ~0ull };
	char text[] = "text";

	cr_assert(1);
	cr_assert_not(0);
	cr_assert_null(none);
	cr_assert_eq(none, NULL);
	cr_assert_not_null(text, "%s", text);
	cr_assert_eq(field.bits, 5);
	cr_assert_eq(array[1], ~0ull);
	cr_assert_neq(array[0], array[1]);
	cr_assert_lt(-1, 1);
	cr_assert_leq(1, 1);
	cr_assert_gt(array[1], array[0]);
	cr_assert_geq(1u, 1u);
	cr_assert_str_eq(text, "text");
	cr_assert_arr_eq(array, ((uint64_t[]){ 1, ~0ull }), sizeof(array));
	cr_assert_eq(call(), 1, "evaluated once");
	cr_assert_eq(nr_calls, 1);
}

Test(plain, ok_killed_as_it_was_to_be, .signal = SIGABRT)
{
	abort();
}

Test(plain, ok_exits_as_it_was_to, .exit_code = 3)
{
	exit(3);
}

Test(plain, skipped)
{
	cr_skip_test("why: %d", 7);
}

Test(plain, skipped_disabled, .disabled = true)
{
}

Test(plain, not_ok_assert, .fini = fini)
{
	cr_assert_eq(2 + 2, 5, "sums are %s", "hard");
	puts("went on");
}

Test(plain, not_ok_expect_goes_on)
{
	cr_expect(!"first");
	cr_expect_str_eq("second", "third");
	cr_expect_eq(UINT64_MAX, 1);
	cr_expect_fail("%s", "fourth");
}

Test(plain, not_ok_in_init, .init = abort)
{
}

static void fail(void)
{
	cr_assert_fail("in fini");
}

Test(plain, not_ok_in_fini, .fini = fail)
{
}

Test(plain, not_ok_crash)
{
	raise(SIGSEGV);
}

Test(plain, not_ok_killed)
{
	raise(SIGKILL);
}

Test(plain, not_ok_other_signal, .signal = SIGABRT)
{
	raise(SIGBUS);
}

Test(plain, not_ok_no_signal, .signal = SIGABRT)
{
}

Test(plain, not_ok_exit)
{
	exit(4);
}

Test(plain, not_ok_exit_before_its_end)
{
	exit(0);
}

Test(plain, not_ok_no_exit_code, .exit_code = 3)
{
}

static void crash(void)
{
	raise(SIGSEGV);
}

Test(plain, not_ok_crash_at_exit)
{
	atexit(crash);
}

Test(suite, not_ok_timeout)
{
	for (;;)
		pause();
}

Test(plain, not_ok_own_timeout, .timeout = 0.2)
{
	for (;;)
		;
}

Test(plain, not_ok_in_child)
{
	pid_t child = fork();

	if (!child) {
		cr_assert(!"reached");
		_exit(0);
	}
	waitpid(child, NULL, 0);
}

static void *in_thread(void *arg)
{
	cr_assert(!"reached");
	return arg;
}

Test(plain, not_ok_in_thread)
{
	pthread_t thread;

	pthread_create(&thread, NULL, in_thread, NULL);
	pthread_join(thread, NULL);
}

Test(plain, ok_after_all_that)
{
}
