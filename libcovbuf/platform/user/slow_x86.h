/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * What slow_x86.S knows of the engine's structures. tls.c holds these numbers against them.
 */
#ifndef COVB_SLOW_X86_H
#define COVB_SLOW_X86_H

/* struct covbuf_context */
#define COVB_ASM_CURSOR 0
#define COVB_ASM_TOP 16
#define COVB_ASM_PRIV 72

/* struct covb_frame */
#define COVB_ASM_START 8
#define COVB_ASM_END 16
#define COVB_ASM_RING 48
#define COVB_ASM_MASK 56
#define COVB_ASM_INDEX 64
#define COVB_ASM_ZERO 153
#define COVB_ASM_KIND 155
#define COVB_ASM_MODE 156
#define COVB_ASM_FLAGS 158
#define COVB_ASM_GROW_OR_FILTER 129
#define COVB_ASM_GUARD_BYTES 2048

/* struct covb_context_private, struct covbuf_context_slot */
#define COVB_ASM_SLOT 0
#define COVB_ASM_LOST_FULL 16

#define COVB_ASM_PC 0
#define COVB_ASM_CMP 1
#define COVB_ASM_LINEAR 0
#define COVB_ASM_RING_KIND 1

#endif
