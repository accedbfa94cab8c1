/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Callbacks of -fsanitize-coverage options that nothing is recorded for: they are there so that a
 * program that was built with such an option links.
 */
#include "callback.h"

void __sanitizer_cov_trace_pc_indir(uintptr_t callee);
void __sanitizer_cov_trace_div4(uint32_t divisor);
void __sanitizer_cov_trace_div8(uint64_t divisor);
void __sanitizer_cov_trace_gep(uintptr_t index);
void __sanitizer_cov_load1(uint8_t *address);
void __sanitizer_cov_load2(uint16_t *address);
void __sanitizer_cov_load4(uint32_t *address);
void __sanitizer_cov_load8(uint64_t *address);
void __sanitizer_cov_load16(void *address);
void __sanitizer_cov_store1(uint8_t *address);
void __sanitizer_cov_store2(uint16_t *address);
void __sanitizer_cov_store4(uint32_t *address);
void __sanitizer_cov_store8(uint64_t *address);
void __sanitizer_cov_store16(void *address);
void __sanitizer_cov_cfs_init(const uintptr_t *start, const uintptr_t *end);

COVB_HOT void __sanitizer_cov_trace_pc_indir(uintptr_t callee)
{
	(void)callee;
}

COVB_HOT void __sanitizer_cov_trace_div4(uint32_t divisor)
{
	(void)divisor;
}

COVB_HOT void __sanitizer_cov_trace_div8(uint64_t divisor)
{
	(void)divisor;
}

COVB_HOT void __sanitizer_cov_trace_gep(uintptr_t index)
{
	(void)index;
}

COVB_HOT void __sanitizer_cov_load1(uint8_t *address)
{
	(void)address;
}

COVB_HOT void __sanitizer_cov_load2(uint16_t *address)
{
	(void)address;
}

COVB_HOT void __sanitizer_cov_load4(uint32_t *address)
{
	(void)address;
}

COVB_HOT void __sanitizer_cov_load8(uint64_t *address)
{
	(void)address;
}

COVB_HOT void __sanitizer_cov_load16(void *address)
{
	(void)address;
}

COVB_HOT void __sanitizer_cov_store1(uint8_t *address)
{
	(void)address;
}

COVB_HOT void __sanitizer_cov_store2(uint16_t *address)
{
	(void)address;
}

COVB_HOT void __sanitizer_cov_store4(uint32_t *address)
{
	(void)address;
}

COVB_HOT void __sanitizer_cov_store8(uint64_t *address)
{
	(void)address;
}

COVB_HOT void __sanitizer_cov_store16(void *address)
{
	(void)address;
}

COVB_CALLBACK void __sanitizer_cov_cfs_init(const uintptr_t *start, const uintptr_t *end)
{
	(void)start;
	(void)end;
}
