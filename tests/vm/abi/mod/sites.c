// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* The instrumented functions of the ABI test's module: each in a range of addresses of its own. */
#include <linux/compiler.h>
#include "sites.h"

#define PLAIN(n)							\
	static noinline u64 plain_##n(u64 x)				\
	{								\
		u64 sum = n;						\
									\
		while (x) {						\
			if (x & 1)					\
				sum += x;				\
			else						\
				sum ^= x;				\
			barrier();					\
			x >>= 1;					\
		}							\
		return sum;						\
	}
PLAIN(0) PLAIN(1) PLAIN(2) PLAIN(3) PLAIN(4) PLAIN(5) PLAIN(6) PLAIN(7)

abi_function *const abi_plain[ABI_PLAIN] = { plain_0, plain_1, plain_2, plain_3, plain_4, plain_5, plain_6, plain_7 };

noinline u64 abi_compare(u64 a, u64 b)
{
	u64 sum = 0;

	if ((u8)a == (u8)b)
		sum |= 1;
	if ((u16)a == (u16)b)
		sum |= 2;
	if ((u32)a == (u32)b)
		sum |= 4;
	if (a == b)
		sum |= 8;
	if ((u8)a == 0x5a)
		sum |= 16;
	if ((u16)a == 0x5a5a)
		sum |= 32;
	if ((u32)a == 0x5a5a5a5a)
		sum |= 64;
	if (a == 0x5a5a5a5a5a5a5a5aull)
		sum |= 128;
	switch ((u32)a) {
	case 11:
		return sum + 3;
	case 2222:
		return sum * 5;
	case 333333:
		return sum ^ 7;
	case 44444444:
		return sum << 9;
	case 55555555:
		return sum - 13;
	}
	return sum;
}
