/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The layout of a segment: shared memory that holds areas of records and says whose they are.
 *
 * A recording is a segment in a file; there is no other format. Everything is little-endian, every
 * part starts on a multiple of 64 KiB whatever the page size, and nothing in it is a pointer: areas,
 * owners, contexts and processes are named by index.
 *
 *   header | processes | contexts | owners | modules | areas (their directory) | data
 *
 * All bytes zero is a legal image of every table: what holds zero does not exist.
 *
 * Who may write what: the *maker* is the process that made the segment, a *taker* whoever holds an
 * area, the *consumer* the one collector that holds the segment's lock, an *observer* nobody: it only
 * reads. A reader believes nothing: see docs/reading.md.
 */
#ifndef COVBUF_FORMAT_H
#define COVBUF_FORMAT_H

#include <covbuf/types.h>

#define COVBUF_MAGIC 0x3147455346554243ull /* "CBUFSEG1" */
#define COVBUF_VERSION 1
#define COVBUF_PART_BYTES 65536ull

/* Areas: 64 KiB << class, records and guard words together. */
#define COVBUF_NR_CLASSES 12
#define COVBUF_AREA_MIN_BYTES 65536ull

/*
 * Words behind each linear area that are never zero, so that the test of a slot is the bounds check
 * too. One CMP record for each of the 64 signal handlers that can be inside the window between claim
 * and test.
 */
#define COVBUF_GUARD_WORDS 256
#define COVBUF_GUARD_VALUE (~0ull)

/* A CMP record: type, arg1, arg2, pc; the type bits are those of <linux/kcov.h>. */
#define COVBUF_CMP_WORDS 4
#define COVBUF_CMP_CONST (1u << 0)
#define COVBUF_CMP_SIZE(n) ((uint64_t)(n) << 1) /* log2 of the operand's bytes */

/* A user-mode PC slot with this bit is not a record: the consumed mark, or the free value of a ring's slot. */
#define COVBUF_NOT_A_RECORD (1ull << 63)

enum covbuf_mode {
	COVBUF_MODE_PC = 0,
	COVBUF_MODE_CMP = 1,
	COVBUF_NR_MODES = 2,
};

enum covbuf_kind {
	COVBUF_LINEAR = 0,
	COVBUF_RING = 1,
	COVBUF_COUNTED = 2, /* KCOV's layout: word 0 is the number of records; a merge target, or of a kernel: there PCs have bit 63 */
};

/* Why a record, or a whole section, was lost. Units: records, but where a section is named. */
enum covbuf_loss {
	COVBUF_LOST_FULL = 0,	     /* the area, or the ring before its consumer, was full */
	COVBUF_LOST_NO_AREA = 1,     /* the pool was empty when an area or a section wanted one */
	COVBUF_LOST_UNKNOWN = 2,     /* sections: nobody has enabled the handle */
	COVBUF_LOST_SHUT = 3,	     /* sections: the context could not be opened, or is closed for good */
	COVBUF_LOST_LEVEL = 4,	     /* sections, or records in the kernel: at a level that never collects */
	COVBUF_LOST_ABANDONED = 5,   /* sections: popped by an outer stop or an unwind; what they recorded is delivered */
	COVBUF_LOST_STALE = 6,	     /* the owner was disabled or reset before the section stopped */
	COVBUF_LOST_INVALID = 7,     /* a caller's own value that is no record: 0, or bit 63 set */
	COVBUF_NR_LOSSES = 8,
};

/* ---- header ---------------------------------------------------------------------------------- */

/* A table: written once by the maker before the magic. */
struct covbuf_table {
	uint64_t offset_bytes;	/* from the start of the segment, multiple of 64 KiB */
	uint32_t nr;		/* entries that there is room for */
	uint32_t entry_bytes;
};

/* How a program that finds the segment in its environment records by itself. Written once by the maker. */
struct covbuf_auto {
	uint32_t enabled;	/* 0: attach only */
	uint32_t mode;		/* enum covbuf_mode */
	uint32_t kind;		/* COVBUF_LINEAR or COVBUF_RING */
	uint32_t area_class;
	uint32_t flags;		/* COVBUF_AUTO_* */
	uint32_t owner;		/* index of the owner that everything is recorded for */
};
#define COVBUF_AUTO_UNIQUE (1u << 0)	     /* each site once per process */
#define COVBUF_AUTO_GROW (1u << 1)	     /* a full area is replaced by a fresh one, and kept */
#define COVBUF_AUTO_FOLLOW (1u << 2)	     /* fork children record too, in areas of their own */
#define COVBUF_AUTO_KEEP (1u << 3)	     /* areas that are handed over stay: the segment is the recording */
#define COVBUF_AUTO_UNIQUE_CONTEXT (1u << 4) /* each site once per context */

/* Per size class, on a line of its own. */
struct covbuf_class {
	uint32_t hint;		/* index to look at first; any value is safe. relaxed, by the maker and by takers */
	uint32_t grown;		/* areas made so far, by the maker, relaxed: a change means another try may succeed */
	uint32_t wanted;	/* takes that found none, relaxed, by takers; the maker grows when it moves */
	uint32_t reserved[29];
};

#define COVBUF_NR_HINTS 8
#define COVBUF_HINT(owner, area) (((uint64_t)(owner) + 1) << 32 | (area))
#define COVBUF_HINT_OWNER(h) ((uint32_t)((h) >> 32) - 1)
#define COVBUF_HINT_AREA(h) ((uint32_t)(h))

struct covbuf_header {
	uint64_t magic;		/* written last, release; zero while the segment is being made */
	uint32_t version;
	uint32_t header_bytes;
	uint64_t limit_bytes;	/* address range to reserve at attach; the storage never grows beyond it */
	uint64_t created_ns;	/* CLOCK_REALTIME */
	struct covbuf_table procs, contexts, owners, modules, areas;
	uint64_t data_offset_bytes;
	struct covbuf_auto automatic;
	uint8_t uuid[16];	/* random: names this segment */
	uint64_t reserved0[8];

	/* What changes, away from what does not. */
	uint64_t size_bytes __attribute__((__aligned__(COVBUF_LINE_BYTES))); /* storage there is; maker, release */
	uint32_t nr_areas;	/* directory entries in use; maker, release, after the entries */
	uint32_t nr_retired;	/* of those, given back to the system; maker, relaxed */
	uint32_t maker_pid;
	uint32_t consumer_pid;	/* for display only: the lock is a file lock */
	uint32_t procs_changed;	/* futex: a process slot or the module table changed; fetch_add release */
	uint32_t wake;		/* futex: something was queued, and somebody waits */
	uint32_t nr_waiting;	/* consumers asleep on wake; full fence on both sides, see handoff.c */
	uint32_t module_generation; /* raised by every load and unload; release */
	uint64_t lost_contexts;	/* threads that found no context slot; relaxed, by anyone */
	uint64_t lost_procs;	/* processes that found no slot */
	uint64_t lost_modules;	/* images that found no row, each time one was looked for */
	/*
	 * For owners i, i + 8 ...: 0: nothing was queued since the consumer looked last; else COVBUF_HINT() of something
	 * that was. Stored by pushers where it is 0, after the push; cleared by the consumer, which then looks; a full fence
	 * on both sides. A hint: who is killed in between leaves it 0, so the consumer looks at all owners now and then.
	 */
	uint64_t queued_hints[COVBUF_NR_HINTS];

	struct covbuf_class classes[COVBUF_NR_CLASSES] __attribute__((__aligned__(COVBUF_LINE_BYTES)));
};

/* ---- processes ------------------------------------------------------------------------------- */

enum covbuf_proc_state {
	COVBUF_PROC_NONE = 0,
	COVBUF_PROC_LIVE = 1,
	COVBUF_PROC_ENDED = 2, /* left, or was found dead and audited: holds nothing; kept for the reader */
};

/*
 * A process that attached. Entry 0 is never used: holder 0 in an area's flag means nobody.
 * The process holds an open-file-description lock on byte COVBUF_LOCK_PROC + index of the segment's
 * file, through a descriptor that closes on exec; see shm/process.c for what makes it dead.
 */
struct covbuf_proc {
	uint64_t state;		/* enum covbuf_proc_state | generation << 8; CAS acquire to take, release to leave */
	uint32_t pid, ppid;
	uint64_t start_ticks;	/* field 22 of /proc/PID/stat */
	uint64_t attached_ns;	/* CLOCK_REALTIME */
	uint64_t lost[COVBUF_NR_LOSSES]; /* of contexts whose slot was reused; fetch_add relaxed */
	uint32_t flags;		/* COVBUF_PROC_* */
	uint32_t pid_namespace;	/* that pid and ppid are of: inode of /proc/self/ns/pid; 0: not known */
	uint32_t reserved[4];
	char path[388];		/* of the executable, cut, always terminated */
	uint32_t reserved1;
};

#define COVBUF_PROC_REPLACED (1u << 0) /* the process has executed another program, which attached anew */

#define COVBUF_LOCK_CONSUMER (1ull << 40)  /* bytes for file locks, beyond any data */
#define COVBUF_LOCK_MAKER (COVBUF_LOCK_CONSUMER + 1)
#define COVBUF_LOCK_MODULES (COVBUF_LOCK_CONSUMER + 2)
#define COVBUF_LOCK_PROC (COVBUF_LOCK_CONSUMER + 4096)

/* ---- contexts -------------------------------------------------------------------------------- */

enum covbuf_context_state {
	COVBUF_CONTEXT_NONE = 0,
	COVBUF_CONTEXT_LIVE = 1,
	COVBUF_CONTEXT_ENDED = 2,
};

/* A thread. Written by that thread only, but for the state. */
struct covbuf_context_slot {
	uint64_t state;		/* enum covbuf_context_state | proc << 8 | generation << 24; CAS acquire, release */
	uint32_t pid, tid;
	uint64_t lost[COVBUF_NR_LOSSES]; /* one instruction each; read relaxed */
	uint64_t reserved1;
	char name[16];
	uint64_t reserved[3];
};

/* ---- owners ---------------------------------------------------------------------------------- */

enum covbuf_owner_state {
	COVBUF_OWNER_NONE = 0,
	COVBUF_OWNER_LIVE = 1,
};

struct covbuf_owner_slot {
	uint64_t state;		/* enum covbuf_owner_state | proc << 8 | generation << 24; CAS */
	/*
	 * Odd while enabled. Never goes back, not even when the slot is used again, so a section that
	 * kept a value knows whether it is still wanted. Written by the owner's process, release.
	 */
	uint64_t sequence;
	uint32_t mode, kind, area_class, flags;
	uint64_t common_handle;
	uint32_t target;	/* COUNTED: index + 1 of the area that sections are merged into */
	uint32_t nr_handles;
	uint64_t reserved0[4];
	char name[32];

	/* Finished areas, newest first, linked by covbuf_area.next. Index + 1; push: CAS release; take all: xchg acquire. */
	uint32_t queue __attribute__((__aligned__(COVBUF_LINE_BYTES)));
	uint32_t merging;	/* who merges, 0: nobody; see merge.c */
	uint64_t queued;	/* areas ever pushed; relaxed, by pushers */
	uint64_t stale;		/* records dropped: of an earlier enable, or a dead process's when nobody was there to read */
	uint64_t merge_lost;	/* records that did not fit into the target */
	uint32_t taking;	/* like queue: what the consumer has in its hands and not claimed yet; consumer */
	uint32_t reserved1;
};

/* ---- modules --------------------------------------------------------------------------------- */

/*
 * An executable or library mapped by a process. Enough to read the recording when it is gone.
 *
 * In a recording of a kernel: a section of code of a kernel module, whose file is relocatable and gives it no
 * address. start and bias are both the section's address as PCs are recorded, and path is that of the file with the
 * section as linkers write it, "/lib/modules/6.12/updates/demo.ko(.text)"; "demo.ko(.text)" if only its name is known.
 * The kernel itself begins at a symbol: "vmlinux(_stext)".
 */
struct covbuf_module {
	uint32_t state;		/* 0 none, 1 being written, 2 there; release */
	uint32_t pid;
	uint32_t proc;		/* index of the process slot */
	uint32_t build_id_bytes;
	uint8_t build_id[32];
	uint64_t start, end;	/* addresses it spans in that process */
	uint64_t bias;		/* runtime address minus address in the file */
	uint32_t loaded, unloaded; /* module_generation at load and at unload; unloaded 0: still there */
	char path[424];
	uint64_t images;	/* COVBUF_IMAGES() of the process that wrote the row, with fork_generation 0 */
};

/*
 * Which rows say what a process has at its addresses: those of one process slot in one use of it. A fork
 * child has what its parent had, so it writes no rows: it names its parent's and the generation of the
 * module table at the fork, until it loads or unloads something itself. Then it writes its own, all of them.
 *
 *   63..32 fork_generation, 0: none | 31..12 generation of the slot, low bits | 11..0 index of the slot
 *
 * 0: not known, the pid is all there is to go by.
 */
#define COVBUF_IMAGES(slot, slot_generation, fork_generation)                                      \
	((uint64_t)(fork_generation) << 32 | ((uint64_t)(slot_generation) & 0xfffff) << 12 | (uint64_t)(slot))
#define COVBUF_IMAGES_ROWS(images) ((uint32_t)(images))
#define COVBUF_IMAGES_FORKED(images) ((uint32_t)((images) >> 32))

/* ---- areas ----------------------------------------------------------------------------------- */

enum covbuf_area_state {
	COVBUF_AREA_NONE = 0,
	COVBUF_AREA_FREE = 1,	 /* in the pool: all words zero, guard words set or zero */
	COVBUF_AREA_HELD = 2,	 /* a frame of the holder's, collecting or interrupted */
	COVBUF_AREA_QUEUED = 3,	 /* in its owner's queue, or on the way there */
	COVBUF_AREA_READING = 4, /* taken off a queue by the holder */
	COVBUF_AREA_ENDED = 5,	 /* finished and kept: part of a recording */
	COVBUF_AREA_TARGET = 6,	 /* a merge target, in KCOV's layout */
	COVBUF_AREA_RETIRED = 7, /* given back to the system; the entry may be used again by the maker */
};

/*
 * The flag: who has the area, in one word, so that taking, giving and being taken back by the consumer
 * are each one compare-and-swap.
 *
 *   63..16 generation, raised at each take | 15..4 holder, index of a process slot | 3..0 state
 *
 * A process slot is reused only when nothing names it any more (the audit sees to that), so the flag
 * needs no generation of the slot. 48 bits of takes do not wrap: at 3 ns each, 9.8 days of nothing else
 * on one area, while one reader stays between two loads.
 */
#define COVBUF_FLAG_STATE(f) ((uint32_t)((f) & 0xf))
#define COVBUF_FLAG_HOLDER(f) ((uint32_t)((f) >> 4) & 0xfff)
#define COVBUF_FLAG_GENERATION(f) ((f) >> 16)
#define COVBUF_FLAG(generation, holder, state)                                                     \
	((uint64_t)(generation) << 16 | (uint64_t)(holder) << 4 | (uint64_t)(state))
#define COVBUF_MAX_PROCS 4096

/* Directory entry of one area, on lines of its own. The taker fills in what describes it. */
struct covbuf_area {
	uint64_t flag;
	uint64_t offset_bytes;	/* maker, before the flag leaves NONE */
	uint32_t area_class;	/* maker, likewise */
	uint32_t nr_words;	/* for records: a multiple of 4; RING: a power of two times the record's words. taker */
	uint8_t mode, kind;	/* taker, likewise all below */
	uint16_t record_flags;
	uint32_t next;		/* in a queue: index + 1; pusher, before the CAS of the queue's head */
	uint32_t owner;		/* index + 1 of the owner slot */
	uint32_t context;	/* index + 1 of the context slot */
	uint64_t sequence;	/* the owner's when the section started */
	uint64_t handle;	/* that it was started with; 0: local */
	uint32_t pid, tid;
	uint32_t module_generation; /* at take */
	uint32_t serial;	/* within its chain: 0, 1, 2 ... */
	uint64_t filled_words;	/* at hand-over: where the cursor stood; 0: not known. A hint, see core/line.h: look beyond it */
	uint64_t token;		/* of the section: the same in all areas of its chain */
	uint64_t images;	/* COVBUF_IMAGES() of the process at take */

	/* RING only: next record index to take; starts at 1 << 63. consumer, release. */
	uint64_t position __attribute__((__aligned__(COVBUF_LINE_BYTES)));
	uint64_t claimed;	/* RING, at hand-over: the writer's index */
	uint32_t draining;	/* RING: 1 while the consumer takes from it in use; see covb_ring_busy() */
};
#define COVBUF_RING_START (1ull << 63)

COVBUF_STATIC_ASSERT(sizeof(struct covbuf_header) <= COVBUF_PART_BYTES, "the header is one part");
COVBUF_STATIC_ASSERT(offsetof(struct covbuf_header, queued_hints) == 320, "a line of x86's of their own");
COVBUF_STATIC_ASSERT(offsetof(struct covbuf_header, classes) == 384, "part of the format");
COVBUF_STATIC_ASSERT(sizeof(struct covbuf_proc) == 512, "part of the format");
COVBUF_STATIC_ASSERT(sizeof(struct covbuf_context_slot) == 128, "part of the format");
COVBUF_STATIC_ASSERT(sizeof(struct covbuf_owner_slot) == 256, "part of the format");
COVBUF_STATIC_ASSERT(sizeof(struct covbuf_module) == 512, "part of the format");
COVBUF_STATIC_ASSERT(sizeof(struct covbuf_area) == 256, "part of the format");
COVBUF_STATIC_ASSERT(sizeof(struct covbuf_class) == COVBUF_LINE_BYTES, "a line each");

/* Bytes of an area of this class, guard words included. */
static inline COVBUF_NOINSTR uint64_t covbuf_class_bytes(uint32_t area_class)
{
	return COVBUF_AREA_MIN_BYTES << area_class;
}

/* Words for records in a linear area of this class. */
static inline COVBUF_NOINSTR uint32_t covbuf_class_words(uint32_t area_class)
{
	return (uint32_t)(covbuf_class_bytes(area_class) / 8 - COVBUF_GUARD_WORDS);
}

#endif
