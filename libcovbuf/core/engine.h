/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The engine's own structures: private to the process (or kernel), so that nothing a peer writes into
 * the segment can lead a pointer astray. Shared tables are reached through the engine and only ever
 * indexed with numbers that have been checked.
 *
 * The flows: start is remote.c -> handle.c -> owner.c -> pool.c -> context.c, stop is remote.c ->
 * context.c -> handoff.c -> pool.c.
 */
#ifndef COVB_CORE_ENGINE_H
#define COVB_CORE_ENGINE_H

#include <covbuf/covbuf.h>

#include "flag.h"
#include "platform.h"
#include "queue.h"

#define COVB_KIND_VOID 0xff	 /* a frame without an area: counts what it is given as lost */
#define COVB_NR_VOID_FRAMES 8	 /* per context */
#define COVB_FRAME_LOCAL (1u << 0)    /* pushed by enable */
#define COVB_FRAME_GROW (1u << 1)
#define COVB_FRAME_KEEP (1u << 2)
#define COVB_FRAME_DIRTY (1u << 3)    /* an append in it may have been cut short */

/*
 * Frame: the private control block of an area that a context has pushed. Frame i belongs to area i;
 * void frames belong to a context. Written by the context that holds it.
 */
struct covb_frame {
	uint64_t *start;	/* where the cursor begins; RING and void: the trap words */
	uint64_t *end;		/* first guard word */
	struct covb_frame *prev; /* frame it interrupted */
	struct covb_frame *held; /* full frames of the same section, latest first */
	uint64_t *saved;	/* cursor of prev's mode when it was pushed */
	uint64_t token;		/* the section's; the same in all frames of its chain */
	uint64_t sequence;	/* the owner's when it was pushed */
	uint64_t handle;
	uint32_t *seen;		/* unique mode: what the context gets with this frame */
	uint32_t epoch, seen_epoch;
	uint32_t area;		/* index; void frames: ~0 */
	uint32_t owner;		/* index of the owner slot */
	uint32_t level;
	uint32_t serial;
	uint32_t grown_seen;	/* areas of the class when the pool was last found empty */
	uint16_t flags;
	uint8_t mode, kind;
	uint8_t cause;		/* void: what to count */
	uint8_t area_class;
	/* RING: words and index mask, the writer's index, the consumer's position word. */
	uint64_t *ring;
	uint64_t mask, index;
	uint64_t *position;
};

/* Private half of a context, one per context slot; type-stable. */
struct covb_context_private {
	struct covb_frame voids[COVB_NR_VOID_FRAMES];
	uint32_t nr_voids;	/* in use: strictly nested, so a plain counter */
	uint32_t epochs;	/* unique per context: last epoch given out */
	uint32_t *seen;		/* unique per context: the marks, nr_seen words */
	uint32_t nr_seen;
	uint32_t registered;	/* closes at exit */
};

/* Owner: the private half of an owner slot; type-stable, one per slot of the segment. */
struct covbuf_owner {
	struct covbuf_owner_slot *slot;
	uint32_t index;
	uint32_t refs;		/* relaxed get, acq_rel put */
	uint32_t mode, kind, area_class, flags;
	uint32_t epoch;		/* unique per process: of the current enable */
	uint32_t nr_handles;
	uint64_t handles[COVBUF_REMOTE_MAX_HANDLES + 1];
	struct covbuf_context *local; /* context that enabled it */
	uint64_t local_token;
	bool enabled, remote;
	struct covb_rcu_head rcu;
	struct covbuf_owner *next_free;
};

enum covb_engine_state {
	COVB_ENGINE_NONE = 0,	/* before the constructor, or no segment yet: unborn contexts stay unborn */
	COVB_ENGINE_ATTACHED = 1,
	COVB_ENGINE_OFF = 2,	/* nothing to attach to: unborn contexts are shut */
};

struct covb_handle_table;

struct covb_engine {
	uint32_t state;		/* enum covb_engine_state; release when the rest is there */
	uint32_t proc;		/* this process's slot; 0 in a kernel */
	uint32_t nr_contexts, nr_owners, nr_areas_max;
	char *base;		/* of the segment */
	uint64_t limit_bytes;
	struct covbuf_area *areas;
	struct covbuf_owner_slot *owner_slots;
	struct covbuf_context_slot *contexts;
	struct covbuf_class *classes;
	uint32_t *nr_areas;	/* shared: entries in use */
	uint32_t *wake, *nr_waiting;
	uint32_t *module_generation;
	uint64_t *lost_contexts;
	struct covbuf_auto automatic;

	struct covb_frame *frames;	      /* nr_areas_max */
	struct covb_context_private *privates; /* nr_contexts */
	struct covbuf_owner *owners;	      /* nr_owners */
	struct covb_handle_table *handles;     /* acquire, release */
	uint32_t epoch;			      /* unique per process: last given out */
	uint32_t nr_sites;		      /* of all images */
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
	uint64_t *lost = covb_load(&ctx->lost);

	if (COVBUF_LIKELY(lost))
		covb_local_inc(&lost[cause]);
}

/* pool.c */
struct covb_frame *covb_pool_take(struct covbuf_context *ctx, uint32_t area_class);
int covb_pool_give(uint32_t area, uint64_t flag);
void covb_pool_describe(struct covb_frame *frame, const struct covbuf_owner *owner, struct covbuf_context *ctx);

/* context.c */
bool covb_context_open(struct covbuf_context *ctx);
void covb_context_close(struct covbuf_context *ctx);
void covb_context_forget(struct covbuf_context *ctx);
void covb_context_push(struct covbuf_context *ctx, struct covb_frame *frame);
void covb_context_pop(struct covbuf_context *ctx, struct covb_frame *frame);
struct covb_frame *covb_context_find(struct covbuf_context *ctx, uint64_t token);
struct covb_frame *covb_context_push_void(struct covbuf_context *ctx, enum covbuf_loss cause, uint32_t mode);

/* ring.c */
void covb_ring_init(struct covb_frame *frame, struct covbuf_area *area);
bool covb_ring_append(struct covbuf_context *ctx, struct covb_frame *frame, const uint64_t *record);

/* handle.c */
struct covbuf_owner *covb_handle_find(uint64_t handle);
int covb_handle_add(uint64_t handle, struct covbuf_owner *owner);
void covb_handle_remove(uint64_t handle);
void covb_handle_fini(void);

/* owner.c */
int covb_owner_adopt(uint32_t index, struct covbuf_owner **out);
bool covb_owner_wants(const struct covbuf_owner *owner, uint64_t sequence);

/* handoff.c */
void covb_handoff(struct covbuf_context *ctx, struct covb_frame *frame);

/* merge.c */
void covb_merge(struct covbuf_owner *owner);

/* remote.c */
covbuf_token covb_section_start(struct covbuf_context *ctx, struct covbuf_owner *owner, uint64_t handle,
				uint16_t flags);

#endif
