/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The engine's own structures: private to the process (or kernel), so that nothing a peer writes into
 * the segment can lead a pointer astray. Shared tables are reached through the engine and only ever
 * indexed with numbers that have been checked.
 *
 * The flows: start is remote.c -> handle.c -> section.c -> pool.c -> stack.c, stop is remote.c ->
 * section.c -> stack.c -> handoff.c -> pool.c.
 *
 * Two kinds of world. Where anything may interrupt an append and append in turn, as a signal handler may,
 * records are claimed and tested (append.c, stack.c, chain.c, ring.c, target.c). Where nothing that
 * collects in the same area can, because each level of a kernel collects in areas of its own, every area
 * has KCOV's layout, a count and then the records (counted.c). COVB_PLAT_COUNTED says which; everything
 * else is the same.
 */
#ifndef COVB_CORE_ENGINE_H
#define COVB_CORE_ENGINE_H

#include <covbuf/owner.h>

#include "flag.h"
#include "platform.h"
#include "queue.h"

#define COVB_KIND_VOID 0x7f /* a frame without an area: takes one when it is given a record, or counts it as lost */
/* A frame's flags are its owner's, and these. */
#define COVB_FRAME_LOCAL (1u << 5)    /* pushed by enable */
#define COVB_FRAME_DIRTY (1u << 6)    /* an append in it may have been cut short */
#define COVB_FRAME_FILTER (1u << 7)   /* void: drops what it is given without counting */

/*
 * An entry that is called often: what it calls is inlined, as far as the compiler sees it; see
 * libcovbuf/core.c. What is rare, or long, stays out of it.
 */
#define COVB_WARM __attribute__((__flatten__)) COVBUF_NOINSTR
#define COVB_RARE __attribute__((__noinline__, __cold__)) COVBUF_NOINSTR
#define COVB_LONG __attribute__((__noinline__)) COVBUF_NOINSTR

/*
 * Store what is not there yet. A section takes its area and gives it back by a locked instruction each,
 * which waits for all stores before it, but not for loads; so what is mostly the same as the last time
 * is compared and not written.
 */
#define COVB_STORE_NEW(p, value)                                                                   \
	do {                                                                                       \
		if (COVBUF_UNLIKELY(covb_load(p) != (value)))                                      \
			covb_store((p), (value));                                                  \
	} while (0)

/* Counted areas: what of a context a push changes. */
struct covb_open {
	uint64_t *cursor[COVBUF_NR_MODES];
	uint64_t capacity;
	uint32_t *seen;
	uint32_t nr_seen;
	uint64_t collects;
};

/*
 * Frame: the private control block of an area that a context has pushed. Frame i belongs to area i;
 * void frames belong to a context. Written by the context that holds it.
 */
struct covb_frame {
	uint64_t offset_bytes;	/* of the area in the segment, when start and end were last set from it; 0: never */
	uint64_t *start;	/* where the cursor begins; COUNTED: the count; RING and void: the trap words */
	uint64_t *end;		/* first guard word; COUNTED: behind the last word */
	struct covb_frame *prev; /* frame it interrupted */
	union {
		struct {
			struct covb_frame *held; /* the frames of the same section that it succeeds, latest first */
			uint64_t *saved;	 /* where its own cursor stood when another frame was pushed on it; at first its start */
			/* RING: words and index mask, the writer's index, the consumer's position word. */
			uint64_t *ring;
			uint64_t mask, index;
			uint64_t *position;
		};
		struct covb_open refused; /* COUNTED: what collected when a section found neither area nor frame */
	};
	union {
		struct {
			uint32_t epoch;	      /* the context's while this frame is on top */
			uint32_t saved_epoch; /* what it was when the frame was pushed */
		};
		struct {
			uint32_t *seen;	/* COUNTED, unique: its bits, or NULL */
			uint32_t nr_seen;
		};
	};
	uint64_t flag;		/* the area's, as this holder set it; void: 1 in use, 0 not */
	uint64_t token;		/* the section's; the same in all frames of its chain */
	uint64_t sequence;	/* the owner's when it was pushed */
	uint64_t handle;
	uint32_t area;		/* index; void frames: ~0 */
	uint32_t owner;		/* index of the owner slot */
	uint32_t level;
	uint32_t serial;
	uint32_t grown_seen;	/* areas of the class, + 1, when the pool was last found empty */
	uint32_t refusals;
	union {
		struct {
			uint8_t unused;
			uint8_t zero; /* slow_x86.S compares the four from here on at once */
			uint8_t full; /* RING: records lost since it was found full, + 1; 0: it may have room */
			uint8_t kind, mode;
			uint8_t area_class;
			uint8_t flags;	     /* COVBUF_OWNER_*, COVB_FRAME_* */
			uint8_t wanted_kind; /* void: of the area that there was none of */
		};
		uint64_t without_area; /* all of it at once: COVB_WITHOUT_AREA() */
	};
	union {
		struct covb_frame *successor; /* in its place on the stack; NULL: it is the section's latest */
		struct covb_open interrupted; /* COUNTED, likewise all below */
	};
	uint64_t limit_words;	/* of the area that may be used, count included */
	uint64_t count_at_start; /* over a target: its count when the frame was pushed */
	uint32_t misses;	/* starts above it that pushed no frame, and are still to be stopped */
	uint32_t refused_at;	/* misses when the frame was shut for one that found neither area nor frame; 0: it is not */
	uint64_t refused_modes;	/* what is counted as lost since then: a bit for each start, the latest lowest */
} __attribute__((__aligned__(COVBUF_LINE_BYTES))); /* neighbours are different threads' */

/* Private half of a context, one per context slot; type-stable. */
struct covb_context_private {
	struct covbuf_context_slot *slot;
	uint32_t index;		/* of the slot */
	uint32_t pid, tid;
	uint32_t begun;		/* records what the segment says that everything is recorded for */
	bool recorded;		/* the section that was stopped last had something to hand over */
	uint32_t merging;	/* index + 1 of the owner whose merge this thread is in */
	struct covb_frame *next_void; /* a hint: one above it, as they nest, is mostly free */
	uint64_t epochs;	/* unique per context: epochs given out */
	uint32_t *seen;		/* unique per context: the marks, nr_seen words; kept for the next user of the slot */
	uint32_t nr_seen;
	/* claimed and tested: and behind the last, where the hint may be, one that is never free */
	struct covb_frame voids[COVB_PLAT_NR_VOID_FRAMES + !COVB_PLAT_COUNTED];
};

/* What a section needs to know of its owner, in one word that is read at once. */
#define COVB_CONFIG(generation, mode, kind, area_class, flags)                                     \
	((uint64_t)(generation) << 32 | (uint64_t)(kind) << 24 | (uint64_t)(flags) << 16 |         \
	 (uint64_t)(area_class) << 8 | (uint64_t)(mode))
#define COVB_CONFIG_GENERATION(c) ((uint32_t)((c) >> 32))
#define COVB_CONFIG_KIND(c) ((uint32_t)((c) >> 24) & 0xff)
#define COVB_CONFIG_FLAGS(c) ((uint32_t)((c) >> 16) & 0xff)
#define COVB_CONFIG_CLASS(c) ((uint32_t)((c) >> 8) & 0xff)
#define COVB_CONFIG_MODE(c) ((uint32_t)(c) & 0xff)

/* What it says of a frame that has no area: its lower half is the frame's upper one. */
#define COVB_WITHOUT_AREA(config) ((uint64_t)(config) << 32 | (uint64_t)COVB_KIND_VOID << 24)
#define COVB_FRAME_BYTE(field) (offsetof(struct covb_frame, field) - offsetof(struct covb_frame, without_area))
COVBUF_STATIC_ASSERT(COVB_FRAME_BYTE(kind) == 3 && COVB_FRAME_BYTE(mode) == 4 && COVB_FRAME_BYTE(area_class) == 5 &&
		     COVB_FRAME_BYTE(flags) == 6 && COVB_FRAME_BYTE(wanted_kind) == 7, "little-endian");

/*
 * Owner: the private half of an owner slot; type-stable, one per slot of the segment. Sections read
 * config between two readings of the slot's sequence, so one of an owner that was made anew meanwhile
 * is never mistaken. Everything else is changed under covb_plat_lock().
 */
struct covbuf_owner {
	struct covbuf_owner_slot *slot;
	uint64_t config;	/* COVB_CONFIG(); changes only while the sequence is even */
	uint64_t state;		/* the slot's, as this process, or the one that it was forked from, claimed it */
	uint32_t epoch;		/* unique per process: of the current enable; likewise */
	uint32_t index;
	uint32_t refs;
	uint32_t generation;	/* raised by each disable, and when the slot is used again: of its handles */
	uint32_t nr_handles;
	bool remote;
	struct covbuf_context *local; /* context that enabled it */
	uint64_t local_token;
	uint64_t common_handle;
	uint64_t *target;	/* COVBUF_OWNER_KCOV: merged area */
	uint64_t target_words;
	struct covb_frame *frame; /* counted areas: over the target, for the context that enabled it */
	uint64_t seen_words;	/* counted areas: of the target, before the count: a bit per site; 0: not unique */
	uint64_t section_words; /* counted areas: that a section may use of an area, in a task */
	uint64_t records;	/* counted areas: that its target was given; by who merges, or by its local context */
	uint64_t target_flag;
	uint32_t target_area;
	uint64_t handles[COVBUF_REMOTE_MAX_HANDLES + 1];
	struct covb_rcu_head rcu;
};

enum covb_engine_state {
	COVB_ENGINE_NONE = 0,	/* before the constructor, or no segment yet: unborn contexts stay unborn */
	COVB_ENGINE_ATTACHED = 1,
	COVB_ENGINE_OFF = 2,	/* nothing to attach to: unborn contexts are shut */
};

struct covb_handle_table;

struct covb_engine {
	uint32_t state;		/* enum covb_engine_state; release when the rest is there */
	uint32_t proc;		/* this process's slot; 0 in a kernel, and in a fork child that is off */
	bool inherited;		/* a fork child: owners and handles are copies of its parent's */
	uint32_t nr_procs, nr_contexts, nr_owners, nr_areas_max;
	char *base;		/* of the segment */
	uint64_t limit_bytes;
	struct covbuf_area *areas;
	struct covbuf_owner_slot *owner_slots;
	struct covbuf_proc *procs;
	struct covbuf_context_slot *contexts;
	struct covbuf_class *classes;
	uint32_t *nr_areas;	/* shared: entries in use */
	uint32_t *wake, *nr_waiting;
	uint64_t *queued_hints;
	uint32_t *module_generation;
	uint64_t images;	/* COVBUF_IMAGES() of this process; 0 in a kernel. relaxed: it goes with module_generation */
	uint64_t *lost_contexts;
	struct covbuf_auto automatic;

	struct covb_frame *frames;	      /* nr_areas_max */
	struct covb_context_private *privates; /* nr_contexts */
	struct covbuf_owner *owners;	      /* nr_owners */
	struct covb_handle_table *handles;     /* acquire, release */
	uint32_t epoch;			      /* unique per process: last given out */
	uint32_t epoch_in_use;		      /* the next to be passed over; 0 until they begin again */
	uint32_t nr_sites;		      /* of all images */
	uint32_t owner_hint;		      /* where the search for a free owner slot begins */
};

extern COVBUF_HIDDEN struct covb_engine covb_engine;

/* Non-zero words for the cursors of contexts that are unborn, and of frames without linear words. */
extern COVBUF_HIDDEN const uint64_t covb_unborn_words[COVBUF_GUARD_WORDS + COVBUF_CMP_WORDS];
extern COVBUF_HIDDEN const uint64_t covb_trap_words[COVBUF_GUARD_WORDS + COVBUF_CMP_WORDS];

COVBUF_INLINE COVBUF_NOINSTR bool covb_attached(void)
{
	/* acquire: pairs with the release in attach; the tables are there once the state says so */
	return covb_load_acquire(&covb_engine.state) == COVB_ENGINE_ATTACHED;
}

COVBUF_INLINE COVBUF_NOINSTR void covb_count(struct covbuf_context *ctx, enum covbuf_loss cause)
{
	struct covb_context_private *priv = covb_load(&ctx->priv);

	if (COVBUF_LIKELY(priv))
		covb_local_inc(&priv->slot->lost[cause]);
	else if (covb_attached())
		covb_fetch_add(&covb_engine.procs[covb_engine.proc].lost[cause], 1);
}

/* pool.c */
bool covb_frame_locate(struct covb_frame *frame, const struct covbuf_area *area, uint32_t area_class);
struct covb_frame *covb_pool_take(struct covbuf_context *ctx, uint32_t area_class);
void covb_pool_give(struct covbuf_context *ctx, struct covb_frame *frame);
void covb_pool_discard(struct covbuf_context *ctx, struct covb_frame *frame, uint64_t *counter);

/* context.c */
bool covb_context_open(struct covbuf_context *ctx);
void covb_context_close(struct covbuf_context *ctx);
struct covb_frame *covb_context_find(const struct covbuf_context *ctx, uint64_t token);
struct covb_frame *covb_context_next_void(struct covbuf_context *ctx);
struct covb_frame *covb_context_void(struct covbuf_context *ctx);

/* stack.c, or counted.c */
void covb_context_shut(struct covbuf_context *ctx);
void covb_context_push(struct covbuf_context *ctx, struct covb_frame *frame, uint32_t mode, uint32_t epoch);
struct covb_frame *covb_context_pop(struct covbuf_context *ctx, struct covb_frame *frame, uint64_t **cursor);
uint32_t covb_section_prepare(struct covbuf_context *ctx, struct covb_frame *frame, uint32_t owner_epoch);

/* counted.c */
extern COVBUF_HIDDEN uint64_t covb_shut_word[1], covb_void_word[1];
bool covb_void_again(struct covbuf_context *ctx, struct covb_frame *frame);
bool covb_refuse(struct covbuf_context *ctx, uint32_t mode);
void covb_missed_start(struct covb_frame *frame);
void covb_missed_stop(struct covbuf_context *ctx, struct covb_frame *frame);
void covb_local_stopped(struct covb_frame *frame);

/* stack.c */
void covb_context_forget(struct covbuf_context *ctx, bool unborn);

/* A void frame that was popped, or whose section has ended, is free for the next. Its last use. */
COVBUF_INLINE COVBUF_NOINSTR void covb_void_give(struct covbuf_context *ctx, struct covb_frame *frame)
{
	struct covb_context_private *priv = ctx->priv;

	covb_store(&priv->next_void, frame);
	covb_barrier(); /* same CPU: a handler may take it at once */
	covb_store(&frame->flag, 0);
}

/* The counter itself, for what is counted one by one. NULL: there is none. */
COVBUF_INLINE COVBUF_NOINSTR uint64_t *covb_counter(struct covbuf_context *ctx, enum covbuf_loss cause)
{
	struct covb_context_private *priv = covb_load(&ctx->priv);

	if (priv)
		return &priv->slot->lost[cause];
	return covb_attached() ? &covb_engine.procs[covb_engine.proc].lost[cause] : NULL;
}

/* Words of an area of a class that records, and the count where there is one, may use. */
COVBUF_INLINE COVBUF_NOINSTR uint32_t covb_frame_words(uint32_t area_class)
{
	return COVB_PLAT_COUNTED ? (uint32_t)(covbuf_class_bytes(area_class) / 8) : covbuf_class_words(area_class);
}

/* The kernel's numbers, in every world. */
#define COVB_EPERM 1
#define COVB_ENOENT 2
#define COVB_ENOMEM 12
#define COVB_EBUSY 16
#define COVB_EEXIST 17
#define COVB_EINVAL 22
#define COVB_ENOSPC 28
#define COVB_EDEADLK 35
#define COVB_EPROTO 71
#define COVB_ENOTCONN 107
#define COVB_ESHUTDOWN 108
#define COVB_EALREADY 114
#define COVB_ESTALE 116

/* append.c, or counted.c */
void covb_frame_prepare(struct covb_frame *frame, uint32_t mode, uint32_t kind);

/* append.c */
bool covb_append_slow_pc(uint64_t *slot, uint64_t pc);
bool covb_append_slow_cmp(uint64_t *slot, uint64_t type, uint64_t arg1, uint64_t arg2, uint64_t pc);

/* chain.c */
bool covb_chain_grow(struct covbuf_context *ctx, struct covb_frame *full);

/* ring.c */
void covb_ring_prepare(struct covb_frame *frame);
void covb_ring_make(struct covb_frame *frame);
bool covb_ring_append(struct covbuf_context *ctx, struct covb_frame *frame, const uint64_t *record);
bool covb_ring_append_pc(struct covbuf_context *ctx, struct covb_frame *frame, uint64_t pc);

/* handle.c; adding and removing under covb_plat_lock() */
struct covbuf_owner *covb_handle_find(uint64_t handle, uint32_t *generation);
int covb_handle_add(uint64_t handle, const struct covbuf_owner *owner);
void covb_handle_remove(uint64_t handle);
void covb_handles_free(void);

/* owner.c */
struct covbuf_owner *covb_owner_adopt(uint32_t index);

/* What the next enable of an owner of counted areas collects. */
struct covb_enable {
	uint32_t mode, area_class;
	uint64_t seen_words, section_words;
};
int covb_owner_configure(struct covbuf_owner *owner, const struct covb_enable *enable);
void covb_owner_cut(struct covbuf_owner *owner);
void covb_owner_settle(struct covbuf_owner *owner);

/* target.c, or counted.c */
int covb_target_create(struct covbuf_owner *owner, uint64_t nr_words);
void covb_target_destroy(struct covbuf_owner *owner);
uint64_t covb_local_start(struct covbuf_context *ctx, struct covbuf_owner *owner);

/* image.c, or counted.c */
uint32_t covb_epoch_next(void);

/* handoff.c */
int covb_handoff(struct covbuf_context *ctx, struct covb_frame *frame, uint64_t *cursor);
void covb_queue_drop(struct covbuf_owner *owner);

bool covb_queue_next(uint32_t head, uint32_t *area, uint32_t *next);
bool covb_queue_claim(uint32_t area, struct covb_frame *frame);

/* merge.c */
void covb_target_clear(struct covbuf_owner *owner);
void covb_merge(struct covbuf_owner *owner);
bool covb_merge_one(struct covbuf_context *ctx, struct covbuf_owner *owner, struct covb_frame *frame);
void covb_merge_wait(struct covbuf_owner *owner);
void covb_merge_leave(struct covbuf_context *ctx, uint32_t before);

/* section.c */
void covb_area_describe(struct covbuf_context *ctx, struct covb_frame *frame);
covbuf_token covb_section_start(struct covbuf_context *ctx, struct covbuf_owner *owner, uint32_t generation,
				uint64_t handle, uint8_t flags);
void covb_section_abandoned(struct covbuf_context *ctx, struct covb_frame *frame);
int covb_section_stop(struct covbuf_context *ctx, uint64_t token);

/* image.c: every instrumented image, newest first; changed under covb_plat_lock(), read under RCU */
struct covb_image_entry {
	struct covb_image_entry *next;
	struct covbuf_image *image;
	struct covb_rcu_head rcu;
};

struct covb_images {
	struct covb_image_entry *first;
};

extern COVBUF_HIDDEN struct covb_images covb_images;
uint32_t covb_sites_reserve(uint32_t nr_sites);
uint32_t covb_seen_epoch(struct covbuf_context *ctx);
void covb_images_sweep(void);

#endif
