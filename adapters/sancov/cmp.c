/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * trace-cmp: the operands of comparisons, as KCOV records them.
 *
 * A floating-point comparison, which gcc reports, is recorded as the bit patterns of its operands. A
 * switch is recorded as a comparison with each of its cases.
 */
#include "callback.h"

void __sanitizer_cov_trace_cmp1(uint8_t arg1, uint8_t arg2);
void __sanitizer_cov_trace_cmp2(uint16_t arg1, uint16_t arg2);
void __sanitizer_cov_trace_cmp4(uint32_t arg1, uint32_t arg2);
void __sanitizer_cov_trace_cmp8(uint64_t arg1, uint64_t arg2);
void __sanitizer_cov_trace_const_cmp1(uint8_t arg1, uint8_t arg2);
void __sanitizer_cov_trace_const_cmp2(uint16_t arg1, uint16_t arg2);
void __sanitizer_cov_trace_const_cmp4(uint32_t arg1, uint32_t arg2);
void __sanitizer_cov_trace_const_cmp8(uint64_t arg1, uint64_t arg2);
void __sanitizer_cov_trace_cmpf(float arg1, float arg2);
void __sanitizer_cov_trace_cmpd(double arg1, double arg2);
void __sanitizer_cov_trace_switch(uint64_t val, const uint64_t *cases);

COVBUF_INLINE COVBUF_NOINSTR void trace(uint64_t type, uint64_t arg1, uint64_t arg2)
{
	struct covbuf_context *ctx = covbuf_context();
	uint64_t *slot;

	if (covb_context_missing(ctx))
		return;
	slot = covb_slot_cmp(ctx);
	if (COVBUF_LIKELY(!slot))
		return;
	covb_append_cmp(ctx, slot, type, arg1, arg2, COVB_CALLER());
}

COVB_HOT void __sanitizer_cov_trace_cmp1(uint8_t arg1, uint8_t arg2)
{
	trace(COVBUF_CMP_SIZE(0), arg1, arg2);
}

COVB_HOT void __sanitizer_cov_trace_cmp2(uint16_t arg1, uint16_t arg2)
{
	trace(COVBUF_CMP_SIZE(1), arg1, arg2);
}

COVB_HOT void __sanitizer_cov_trace_cmp4(uint32_t arg1, uint32_t arg2)
{
	trace(COVBUF_CMP_SIZE(2), arg1, arg2);
}

COVB_HOT void __sanitizer_cov_trace_cmp8(uint64_t arg1, uint64_t arg2)
{
	trace(COVBUF_CMP_SIZE(3), arg1, arg2);
}

COVB_HOT void __sanitizer_cov_trace_const_cmp1(uint8_t arg1, uint8_t arg2)
{
	trace(COVBUF_CMP_SIZE(0) | COVBUF_CMP_CONST, arg1, arg2);
}

COVB_HOT void __sanitizer_cov_trace_const_cmp2(uint16_t arg1, uint16_t arg2)
{
	trace(COVBUF_CMP_SIZE(1) | COVBUF_CMP_CONST, arg1, arg2);
}

COVB_HOT void __sanitizer_cov_trace_const_cmp4(uint32_t arg1, uint32_t arg2)
{
	trace(COVBUF_CMP_SIZE(2) | COVBUF_CMP_CONST, arg1, arg2);
}

COVB_HOT void __sanitizer_cov_trace_const_cmp8(uint64_t arg1, uint64_t arg2)
{
	trace(COVBUF_CMP_SIZE(3) | COVBUF_CMP_CONST, arg1, arg2);
}

COVB_HOT void __sanitizer_cov_trace_cmpf(float arg1, float arg2)
{
	uint32_t bits1, bits2;

	__builtin_memcpy(&bits1, &arg1, sizeof(bits1));
	__builtin_memcpy(&bits2, &arg2, sizeof(bits2));
	trace(COVBUF_CMP_SIZE(2), bits1, bits2);
}

COVB_HOT void __sanitizer_cov_trace_cmpd(double arg1, double arg2)
{
	uint64_t bits1, bits2;

	__builtin_memcpy(&bits1, &arg1, sizeof(bits1));
	__builtin_memcpy(&bits2, &arg2, sizeof(bits2));
	trace(COVBUF_CMP_SIZE(3), bits1, bits2);
}

/* cases: how many, the value's size in bits, then the values. */
COVB_COLD void append_switch(uint64_t val, const uint64_t *cases, uint64_t pc)
{
	uint64_t type = COVBUF_CMP_CONST;
	uint64_t i;

	switch (cases[1]) {
	case 8:
		type |= COVBUF_CMP_SIZE(0);
		break;
	case 16:
		type |= COVBUF_CMP_SIZE(1);
		break;
	case 32:
		type |= COVBUF_CMP_SIZE(2);
		break;
	case 64:
		type |= COVBUF_CMP_SIZE(3);
		break;
	default:
		return;
	}
	for (i = 0; i < cases[0]; i++)
		covbuf_trace_cmp(type, cases[2 + i], val, pc);
}

COVB_HOT void __sanitizer_cov_trace_switch(uint64_t val, const uint64_t *cases)
{
	const struct covbuf_context *ctx = covbuf_context();

	if (covb_context_missing(ctx) || COVBUF_LIKELY(!covb_slot_cmp(ctx)))
		return;
	append_switch(val, cases, COVB_CALLER());
}
