/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * As much of Criterion's interface as the tests here use, for where there is no Criterion (Debian has none for
 * ppc64el). Names and meanings are Criterion's: https://criterion.readthedocs.io
 *
 * Each test runs in a process of its own. One is passed if it ran to its end, or ended as .exit_code or .signal
 * say, within .timeout seconds, and nothing that it expected failed, in children of its process neither.
 */
#ifndef COVB_CRITERION_H
#define COVB_CRITERION_H

/* Comparisons here are between whatever types the tests have. */
#pragma GCC system_header

#include <stdbool.h>
#include <stddef.h>
#include <string.h>

struct cr_options {
	void (*init)(void);
	void (*fini)(void);
	double timeout; /* seconds; 0: the suite's, or 300 */
	int signal;	/* that it is to be killed by */
	int exit_code;	/* that it is to exit with */
	bool disabled;
	const char *description;
};

/* A suite's options have neither name nor function; they are what its tests leave out. */
struct cr_test {
	const char *suite, *name;
	void (*run)(void);
	struct cr_options options;
	struct cr_test *next;
};

void cr_add(struct cr_test *test);
void cr_failed(bool stops, const char *file, unsigned int line, const char *text, const char *format, ...)
	__attribute__((format(printf, 5, 6)));
void cr_skip(const char *format, ...) __attribute__((noreturn, format(printf, 1, 2)));
void cr_show(const char *format, ...) __attribute__((format(printf, 1, 2)));

#define CR_REGISTER(suite_, name_, id, function, ...)                                              \
	__attribute__((constructor)) static void id##_add(void)                                    \
	{                                                                                          \
		static struct cr_test test = { suite_, name_, function, { __VA_ARGS__ }, NULL };   \
		cr_add(&test);                                                                     \
	}

#define Test(suite_, name_, ...)                                                                   \
	static void suite_##_##name_##_run(void);                                                  \
	CR_REGISTER(#suite_, #name_, suite_##_##name_, suite_##_##name_##_run, __VA_ARGS__)        \
	static void suite_##_##name_##_run(void)

#define TestSuite(suite_, ...) CR_REGISTER(#suite_, NULL, suite_##_suite, NULL, __VA_ARGS__)

/* A message may follow, as for printf. */
#define CR_FAIL(stops, text, ...) cr_failed(stops, __FILE__, __LINE__, text, "" __VA_ARGS__)

#define CR_TRUE(stops, condition, text, ...)                                                       \
	do {                                                                                       \
		if (!(condition))                                                                  \
			CR_FAIL(stops, text, ##__VA_ARGS__);                                       \
	} while (0)

/* Both sides are evaluated once. What ?: gives of an array is a pointer, and of a bit-field a number. */
#define CR_COMPARE(stops, a, operator, b, text, ...)                                               \
	do {                                                                                       \
		__typeof__(1 ? (a) : (a)) cr_a = (a);                                              \
		__typeof__(1 ? (b) : (b)) cr_b = (b);                                              \
		if (!(cr_a operator cr_b)) {                                                       \
			cr_show("%lld (%#llx) and %lld (%#llx)", (long long)cr_a, (long long)cr_a, \
				(long long)cr_b, (long long)cr_b);                                 \
			CR_FAIL(stops, text, ##__VA_ARGS__);                                       \
		}                                                                                  \
	} while (0)

#define CR_STRINGS(stops, a, b, text, ...)                                                         \
	do {                                                                                       \
		const char *cr_a = (a), *cr_b = (b);                                               \
		if (strcmp(cr_a, cr_b)) {                                                          \
			cr_show("\"%s\" and \"%s\"", cr_a, cr_b);                                  \
			CR_FAIL(stops, text, ##__VA_ARGS__);                                       \
		}                                                                                  \
	} while (0)

/* assert: the test ends here. expect: it goes on. */
#define cr_assert(condition, ...) CR_TRUE(true, condition, #condition, ##__VA_ARGS__)
#define cr_assert_not(condition, ...) CR_TRUE(true, !(condition), "not " #condition, ##__VA_ARGS__)
#define cr_assert_null(p, ...) CR_TRUE(true, !(p), #p " is NULL", ##__VA_ARGS__)
#define cr_assert_not_null(p, ...) CR_TRUE(true, (p) != NULL, #p " is not NULL", ##__VA_ARGS__)
#define cr_assert_eq(a, b, ...) CR_COMPARE(true, a, ==, b, #a " == " #b, ##__VA_ARGS__)
#define cr_assert_neq(a, b, ...) CR_COMPARE(true, a, !=, b, #a " != " #b, ##__VA_ARGS__)
#define cr_assert_lt(a, b, ...) CR_COMPARE(true, a, <, b, #a " < " #b, ##__VA_ARGS__)
#define cr_assert_leq(a, b, ...) CR_COMPARE(true, a, <=, b, #a " <= " #b, ##__VA_ARGS__)
#define cr_assert_gt(a, b, ...) CR_COMPARE(true, a, >, b, #a " > " #b, ##__VA_ARGS__)
#define cr_assert_geq(a, b, ...) CR_COMPARE(true, a, >=, b, #a " >= " #b, ##__VA_ARGS__)
#define cr_assert_str_eq(a, b, ...) CR_STRINGS(true, a, b, #a " is " #b, ##__VA_ARGS__)
#define cr_assert_arr_eq(a, b, bytes, ...)                                                         \
	CR_TRUE(true, !memcmp((a), (b), (bytes)), #a " has the bytes of " #b, ##__VA_ARGS__)
#define cr_assert_fail(...) CR_FAIL(true, "failed", ##__VA_ARGS__)

#define cr_expect(condition, ...) CR_TRUE(false, condition, #condition, ##__VA_ARGS__)
#define cr_expect_not(condition, ...) CR_TRUE(false, !(condition), "not " #condition, ##__VA_ARGS__)
#define cr_expect_null(p, ...) CR_TRUE(false, !(p), #p " is NULL", ##__VA_ARGS__)
#define cr_expect_not_null(p, ...) CR_TRUE(false, (p) != NULL, #p " is not NULL", ##__VA_ARGS__)
#define cr_expect_eq(a, b, ...) CR_COMPARE(false, a, ==, b, #a " == " #b, ##__VA_ARGS__)
#define cr_expect_neq(a, b, ...) CR_COMPARE(false, a, !=, b, #a " != " #b, ##__VA_ARGS__)
#define cr_expect_lt(a, b, ...) CR_COMPARE(false, a, <, b, #a " < " #b, ##__VA_ARGS__)
#define cr_expect_leq(a, b, ...) CR_COMPARE(false, a, <=, b, #a " <= " #b, ##__VA_ARGS__)
#define cr_expect_gt(a, b, ...) CR_COMPARE(false, a, >, b, #a " > " #b, ##__VA_ARGS__)
#define cr_expect_geq(a, b, ...) CR_COMPARE(false, a, >=, b, #a " >= " #b, ##__VA_ARGS__)
#define cr_expect_str_eq(a, b, ...) CR_STRINGS(false, a, b, #a " is " #b, ##__VA_ARGS__)
#define cr_expect_arr_eq(a, b, bytes, ...)                                                         \
	CR_TRUE(false, !memcmp((a), (b), (bytes)), #a " has the bytes of " #b, ##__VA_ARGS__)
#define cr_expect_fail(...) CR_FAIL(false, "failed", ##__VA_ARGS__)

#define cr_skip_test(...) cr_skip("" __VA_ARGS__)

#endif
