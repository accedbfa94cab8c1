// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* All its tests are skipped. */
#include <criterion/criterion.h>

Test(nothing, runs)
{
	cr_skip_test("this is not %s", "there");
}
