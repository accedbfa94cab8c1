// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* Plain accesses, as the compiler reports them to ThreadSanitizer, whose place this takes. */
#include "checker.h"

#include <cstring>

static void plain(const volatile void *p, size_t bytes, int kind, const void *pc)
{
	static covb_model_site nowhere = { "", "", "", 0, COVB_MODEL_STORE, 0, 0 };
	place where = checker_threads_run() ? place_of(p) : PRIVATE;

	if (where == PRIVATE)
		return;
	check(p, bytes, kind | PLAIN, 0, pc);
	log(&nowhere, p, 0, kind & WRITE ? "plain write" : "plain read");
	if (where == SHARED && (kind & WRITE))
		checker_plain_store(p, bytes);
}

#define PLAIN_ACCESS(name, bytes, kind)                                                            \
	extern "C" void __tsan_##name(void *p)                                                     \
	{                                                                                          \
		plain(p, (bytes), (kind), __builtin_return_address(0));                            \
	}
#define PLAIN_ACCESSES(prefix, n)                                                                  \
	PLAIN_ACCESS(prefix##read##n, n, 0)                                                        \
	PLAIN_ACCESS(prefix##write##n, n, WRITE)

PLAIN_ACCESSES(, 1)
PLAIN_ACCESSES(, 2)
PLAIN_ACCESSES(, 4)
PLAIN_ACCESSES(, 8)
PLAIN_ACCESSES(, 16)
PLAIN_ACCESSES(unaligned_, 2)
PLAIN_ACCESSES(unaligned_, 4)
PLAIN_ACCESSES(unaligned_, 8)
PLAIN_ACCESSES(unaligned_, 16)
PLAIN_ACCESSES(volatile_, 1)
PLAIN_ACCESSES(volatile_, 2)
PLAIN_ACCESSES(volatile_, 4)
PLAIN_ACCESSES(volatile_, 8)

extern "C" void __tsan_read_range(void *p, size_t bytes)
{
	plain(p, bytes, 0, __builtin_return_address(0));
}

extern "C" void __tsan_write_range(void *p, size_t bytes)
{
	plain(p, bytes, WRITE, __builtin_return_address(0));
}

extern "C" void *__tsan_memcpy(void *to, const void *from, size_t bytes)
{
	plain(from, bytes, 0, __builtin_return_address(0));
	plain(to, bytes, WRITE, __builtin_return_address(0));
	return std::memcpy(to, from, bytes);
}

extern "C" void *__tsan_memmove(void *to, const void *from, size_t bytes)
{
	plain(from, bytes, 0, __builtin_return_address(0));
	plain(to, bytes, WRITE, __builtin_return_address(0));
	return std::memmove(to, from, bytes);
}

extern "C" void *__tsan_memset(void *to, int value, size_t bytes)
{
	plain(to, bytes, WRITE, __builtin_return_address(0));
	return std::memset(to, value, bytes);
}

/* shm/wait.c and grow.c count with the compiler's own. */
extern "C" uint32_t __tsan_atomic32_fetch_add(volatile uint32_t *p, uint32_t value, int)
{
	static covb_model_site site = { "shm/wait.c", "covb_announce", "", 0, COVB_MODEL_ADD_ACQ_REL, WEAKER_ACQUIRE, 0 };

	return (uint32_t)covb_model_rmw(p, 4, value, &site);
}

extern "C" void __tsan_func_entry(void *)
{
}

extern "C" void __tsan_func_exit()
{
}

extern "C" void __tsan_init()
{
}
