/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The context: what a coverage callback finds of its own thread, in thread-local storage.
 *
 * A context is a cursor per mode and the frame on top of its stack; everything else is in the frame.
 * Of the two cursors at most one is open. A shut cursor is NULL. A context that nobody has looked at
 * yet is *unborn*: its cursors point at words that are not zero, so that its first callback takes the
 * slow path, which opens or shuts it.
 *
 * There is one context per thread in the whole process. The image that holds the engine (the program,
 * or libcovbuf.so) defines the thread-local object; every other image reaches it through an offset
 * from the thread pointer that covbuf_image_attach() tells it, and which is 0 until then. No image but
 * those two names the symbol: an unbound weak thread-local symbol would be the thread control block.
 */
#ifndef COVBUF_CONTEXT_H
#define COVBUF_CONTEXT_H

#include <covbuf/atomic.h>
#include <covbuf/format.h>
#if !defined(COVBUF_CONTEXT_OF_PLATFORM)
#include <covbuf/arch/thread.h>
#endif

COVBUF_BEGIN_DECLS

struct covb_frame;

/* Layouts of struct covbuf_context and struct covbuf_image; an image built for another one is refused. */
#define COVBUF_ABI 3

/*
 * What a guard word holds that was never marked. A context that collects no PCs has this epoch, which
 * decides nothing (its cursor does), but spares most of its sites the look at the cursor.
 */
#define COVBUF_EPOCH_SHUT 0
/* An epoch that no mark ever is: every site is recorded, none is marked. The only one with bit 31. */
#define COVBUF_EPOCH_NONE 0xffffffffu
/*
 * From here on epochs of one context, whose marks are behind seen; below, those of the process, whose marks are the
 * guard words. So a mark of one kind never equals an epoch of the other, whatever a handler changed between the loads.
 * What a guard word holds that has bit 31 is no mark, but an adapter's, which may keep there what it likes while the
 * site is unseen.
 */
#define COVBUF_EPOCH_CONTEXT 0x40000000u
#define COVBUF_EPOCH_LIMIT 0x80000000u

/*
 * Written by its own thread only, and by handlers that interrupt it, which leave it as they found it.
 * 128 bytes with reserve: static TLS of a library that is opened late is scarce.
 */
struct covbuf_context {
	uint64_t *cursor[COVBUF_NR_MODES];
	struct covb_frame *top;	/* NULL: nothing collects */
	uint32_t epoch;		/* what a site's mark holds once seen; 0 before the program starts */
	uint32_t nr_seen;	/* words behind seen */
	uint32_t *seen;		/* unique per context: a word per site of the process; once there, they stay */
	uint32_t level;		/* raised by covbuf_signal_enter() */
	uint32_t closed;	/* its thread is ending: stays shut */
	uint32_t hint;		/* index of the area that was taken last */
	uint32_t reserved32;
	intptr_t marks_at;	/* bytes from covbuf_own_image's guards to its sites' marks; 0: it has none */
	uint64_t common_handle;
	void *priv;		/* the engine's half; NULL: not open */
	uint64_t capacity;	/* counted areas: records that fit behind the open cursor, which points at the count */
	uint64_t collects;	/* counted areas: from which task and level; the platform's */
	uint64_t reserved[4];
};
COVBUF_STATIC_ASSERT(sizeof(struct covbuf_context) == 128, "part of the ABI between images");

/* What an instrumented image holds of the engine; hidden, one in each. Filled in by covbuf_image_attach(). */
struct covbuf_image {
	intptr_t tls_offset;	/* of the context, covb_thread_offset(); 0: no engine, return */
	bool (*slow_pc)(uint64_t *slot, uint64_t pc);
	bool (*slow_cmp)(uint64_t *slot, uint64_t type, uint64_t arg1, uint64_t arg2, uint64_t pc);
	uint32_t *guards, *guards_end;	/* trace-pc-guard */
	uint32_t site_base;	/* number of this image's first site in the process */
	uint32_t nr_sites;
	uintptr_t text_start;	/* trace-pc: a site is every fourth byte from here */
	uint32_t *seen;		/* trace-pc, unique per process: a word per site, like guards; or NULL */
	uintptr_t text_end;
	void *engine;		/* the engine's */
	void (*sync)(struct covbuf_image *image); /* inline counters: record what they hold; or NULL */
	uint64_t reserved[5];
};

/*
 * The instrumented image that holds the engine, if its callbacks look at marks_at; set by its constructor, before it
 * attaches. Hidden, so that callbacks which do can be linked into no other image.
 */
extern COVBUF_HIDDEN struct covbuf_image *covbuf_own_image;

/**
 * covbuf_image_attach() - make an instrumented image known to the engine
 * @image: hidden object of the image; guards or text_start and text_end filled in by the caller
 * @abi: COVBUF_ABI that the image was built with
 *
 * Called by the constructor of each instrumented image through a weak reference, so an image without
 * an engine runs on and records nothing.
 *
 * Context: sleeping level.
 * Ordering: tls_offset is written last, release; callbacks of other threads read it relaxed, and the
 * addresses of the slow half behind a fence.
 * Errors: -EPROTO for another ABI; -EALREADY if it is attached.
 * Return: 0 or a negative error number.
 */
COVBUF_PUBLIC int covbuf_image_attach(struct covbuf_image *image, uint32_t abi);

/**
 * covbuf_image_detach() - an image is about to be unmapped
 * @image: as for covbuf_image_attach()
 *
 * Context: sleeping level; no thread may be inside the image's code.
 */
COVBUF_PUBLIC void covbuf_image_detach(struct covbuf_image *image);

#if !defined(COVBUF_CONTEXT_OF_PLATFORM)

/**
 * covbuf_append_slow_pc() - the rest of an append whose slot was not free
 * @slot: the slot that was claimed
 * @pc: the record
 *
 * Decides from the frame on top why the slot was not free: the area is full, a nested append took the
 * slot, the frame has changed, or the context is unborn or shut.
 *
 * Context: async signal handler, interrupt. Wait-free: at most one scan of an area.
 * Return: whether the record was stored.
 */
/* In what is only linked into a program, together with libcovbuf.a, the distance from the thread pointer is a number. */
#if defined(COVBUF_IN_PROGRAM)
extern COVBUF_PUBLIC __thread struct covbuf_context covbuf_tls __attribute__((tls_model("local-exec")));
#elif !defined(COVBUF_IMAGE)
extern COVBUF_PUBLIC __thread struct covbuf_context covbuf_tls __attribute__((tls_model("initial-exec")));
#endif

/*
 * Reached from inlined callbacks, so they clobber as little as can be had: an assembly thunk keeps all
 * general registers; clang is told so, gcc has no way to be told. A callback that is not inlined defines
 * COVBUF_OUT_OF_LINE: the slow half is then called like any function, which clang turns into a jump; a
 * call that promises more than its caller is none, and costs a push and a pop each time.
 */
#if defined(__clang__) && defined(__x86_64__) && !defined(COVBUF_OUT_OF_LINE)
#define COVBUF_SLOW_CALL __attribute__((preserve_most))
#else
#define COVBUF_SLOW_CALL
#endif
COVBUF_PUBLIC COVBUF_SLOW_CALL bool covbuf_append_slow_pc(uint64_t *slot, uint64_t pc);
COVBUF_PUBLIC COVBUF_SLOW_CALL bool covbuf_append_slow_cmp(uint64_t *slot, uint64_t type, uint64_t arg1,
							   uint64_t arg2, uint64_t pc);

/*
 * The empty asm makes the compiler load the address into a register first: on Zen a count or cursor
 * that is read and written through %fs:disp32 costs 7 cycles, through a base register 2. It has to be the
 * context's own address: with the distance in a displacement of 32 bits zlib's called callbacks took a fifth longer
 * on a Sapphire Rapids Xeon.
 */
#if defined(COVBUF_IMAGE)
extern COVBUF_HIDDEN struct covbuf_image covbuf_this_image;

/* NULL until the image is attached. */
COVBUF_INLINE COVBUF_NOINSTR struct covbuf_context *covbuf_context(void)
{
	intptr_t offset = covb_load(&covbuf_this_image.tls_offset);
	struct covbuf_context *ctx;

	if (COVBUF_UNLIKELY(!offset))
		return NULL;
	ctx = (struct covbuf_context *)covb_at_thread(offset);
	if (!ctx)
		__builtin_unreachable(); /* spares the caller's test, which the asm would make it repeat */
	return ctx;
}
#else
COVBUF_INLINE COVBUF_NOINSTR struct covbuf_context *covbuf_context(void)
{
	struct covbuf_context *ctx = &covbuf_tls;

	__asm__("" : "+r"(ctx));
	return ctx;
}
#endif

#endif /* COVBUF_CONTEXT_OF_PLATFORM */

COVBUF_END_DECLS

#endif
