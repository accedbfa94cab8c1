/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * POWER, 64 bits, userspace. What is atomic against this thread's own handlers only is a reservation pair
 * without a barrier: whatever a handler is entered and left by goes through the kernel, which takes the
 * reservation away on its way back, so stdcx. fails and the pair is tried again.
 *
 * In assembly, because nothing may come between the two: without optimisation clang puts accesses to the
 * stack there, each of which may cost the reservation. What orders accesses between processors is the
 * compiler's; docs/power.md has the instructions of each.
 */
#ifndef COVBUF_ARCH_POWER_H
#define COVBUF_ARCH_POWER_H

/* "b": addi takes register 0 for the number 0. "Z", "%y": the address is a register, or the sum of two. */
COVBUF_INLINE COVBUF_NOINSTR void covb_local_inc(uint64_t *p)
{
	uint64_t sum;

	__asm__ volatile("1:	ldarx	%0,%y1\n"
			 "	addi	%0,%0,1\n"
			 "	stdcx.	%0,%y1\n"
			 "	bne-	1b"
			 : "=&b"(sum), "+Z"(*p) : : "memory", "cr0");
}

COVBUF_INLINE COVBUF_NOINSTR void covb_local_add(uint64_t *p, uint64_t v)
{
	uint64_t sum;

	__asm__ volatile("1:	ldarx	%0,%y1\n"
			 "	add	%0,%0,%2\n"
			 "	stdcx.	%0,%y1\n"
			 "	bne-	1b"
			 : "=&r"(sum), "+Z"(*p) : "r"(v) : "memory", "cr0");
}

/*
 * Returns true and stores v where *p was old. The outcome is where it goes on: gcc would fetch it from the
 * condition register and test it once more.
 */
COVBUF_INLINE COVBUF_NOINSTR bool covb_local_cas(uint64_t *p, uint64_t old, uint64_t v)
{
	__asm__ goto("1:	ldarx	0,0,%0\n"
		     "	cmpd	0,%1\n"
		     "	bne-	%l[differs]\n"
		     "	stdcx.	%2,0,%0\n"
		     "	bne-	1b"
		     : : "r"(p), "r"(old), "r"(v) : "memory", "cr0", "r0" : differs);
	return true;
differs:
	return false;
}

/* Lower the priority among the core's hardware threads, and raise it again. */
COVBUF_INLINE COVBUF_NOINSTR void covb_relax(void)
{
	__asm__ volatile("or 1,1,1\n\tor 2,2,2" : : : "memory");
}

/* dcbtst */
COVBUF_INLINE COVBUF_NOINSTR void covb_prefetch_write(const void *p)
{
	__builtin_prefetch(p, 1);
}

#endif
