/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * What a program covers between two points: LLVM's source-based coverage (-fprofile-instr-generate
 * -fcoverage-mapping -fcoverage-mcdc), test by test, without a restart. Userspace only.
 *
 *	covbuf_profile_baseline(0, &base, &why);
 *	for each test {
 *		run it;
 *		covbuf_profile_diff(base, &diff, &why);
 *		covbuf_profile_diff_save(diff, "its name", NULL, &why);
 *		covbuf_profile_diff_destroy(diff);
 *	}
 *
 * and `covbuf profraw --label "its name"` makes a raw profile of what that test covered.
 *
 * A baseline has the counters and bitmaps of every image of the process that is linked with adapters/llvmprof,
 * whether or not COVBUF_PROFILE asked for profiles. A difference is what they have gained since, and moves the
 * baseline on: what has been counted is in exactly one of consecutive differences, and their sum and the first
 * baseline are the counters. An image that is opened later has a baseline of 0; of one that is closed, what it
 * counted until then is in the next difference. (For both, a program that has libcovbuf.a in it exports its
 * symbols: -Wl,--export-dynamic-symbol=covbuf_*, which pkg-config and CMake add. Otherwise, what an image counts
 * before it is closed is in no difference, and with one that is opened again the counts of its file come again.)
 *
 * Threads that count meanwhile: each counter is read once, whole, but not all at one instant. So a count is in
 * this difference or in the next, and counts of one function that belong together may be in two: what llvm-cov
 * derives from them by subtraction can then come out below zero, which it shows as 18.4E. Plain counters of a loop
 * may be in registers until it ends, and threads lose updates of them, with or without this. One may even run
 * backwards, as a thread stores what it read before another counted: it was used, and has count 1, never less than
 * 0, and the sum of differences is then more than the counter. With -fprofile-update=atomic no update is lost.
 * What a thread counted before it was joined, or released a lock that the caller has taken since, is there in full.
 *
 * A counter that the program has set to 0 (__llvm_profile_reset_counters()) begins there.
 *
 * A bit of a bitmap (MC/DC: one set of conditions' values that was met) is set for good, so that a difference has
 * the bits that nothing before has set. COVBUF_PROFILE_CLEAR_BITMAPS gives each test all its own bits.
 *
 * fork: a baseline is its process's. In a child it is good for nothing but to be destroyed; there the counters
 * begin at zero where the image has a file, and go on from its parent's where it has none. A child of a raw
 * clone() is taken for its parent.
 *
 * Context: all functions here are for the sleeping level: they take a lock, allocate, and read files. They may
 * run beside each other, beside dlopen() and dlclose(), and beside fork(), but not two on the same difference,
 * nor one beside its destruction. Not in a callback of dl_iterate_phdr().
 *
 * Errors are negative error numbers; results go through pointers, which a failure leaves alone.
 */
#ifndef COVBUF_PROFILE_H
#define COVBUF_PROFILE_H

#include <covbuf/segment.h>

COVBUF_BEGIN_DECLS

struct covbuf_profile_base;
struct covbuf_profile_difference;

/*
 * Each difference clears the bits that it has in the program itself, as the baseline does, so that the next one
 * has all bits of its own, not only new ones.
 *
 * The bits go first to a file beside the process's own (IMAGE.ID.PID.bN.profcnt), then are cleared: killed at any
 * moment, the process has all its bits in its files. But its .profraw alone then lacks those of earlier tests;
 * `covbuf profraw` takes both. Where an image has no file, nothing is kept.
 *
 * Cleared are exactly the bits that were read, by an atomic operation. With -fprofile-update=atomic no bit is
 * lost. A plain update of a byte by another thread meanwhile may undo it: a bit of this difference then comes
 * again in the next.
 *
 * A baseline with this flag is alone in its process: others would miss the bits that it clears.
 */
#define COVBUF_PROFILE_CLEAR_BITMAPS (1u << 0)

/*
 * The first difference has all that the images have counted so far: what ran before main() too, or in a fork
 * child since the fork. Otherwise it begins here.
 */
#define COVBUF_PROFILE_FROM_ZERO (1u << 1)

/**
 * covbuf_profile_baseline() - from here on
 * @flags: COVBUF_PROFILE_CLEAR_BITMAPS, COVBUF_PROFILE_FROM_ZERO, or 0
 * @out: until covbuf_profile_baseline_destroy(); half as much memory as all counters, three times that for pages of
 *	them in which one has more than 31 bits; and as much as all bitmaps
 * @why: NULL, or gets what is wrong, and what to do
 *
 * Copies all counters and bitmaps.
 *
 * Errors: -EBUSY: this or another baseline of the process clears bitmaps; -EPROTO: an image is linked with an
 * adapter of another version; -EINVAL: flags; -ENOMEM; with COVBUF_PROFILE_CLEAR_BITMAPS what making a file
 * gives.
 */
COVBUF_PUBLIC int covbuf_profile_baseline(unsigned int flags, struct covbuf_profile_base **out,
					  struct covbuf_message *why);

/* covbuf_profile_baseline_destroy() - NULL is allowed, and that of a fork child's parent. */
COVBUF_PUBLIC void covbuf_profile_baseline_destroy(struct covbuf_profile_base *base);

/**
 * covbuf_profile_diff() - what has been covered since the baseline, which moves on to here
 * @base: from covbuf_profile_baseline()
 * @out: until covbuf_profile_diff_destroy(), and so longer than @base if need be
 * @why: as there
 *
 * Compares all counters and bitmaps; as much memory as what has changed. Nothing is lost by a failure: the next
 * difference has it.
 *
 * Ordering: counts that happen before the call are in it, by this thread's order or by synchronisation that the
 * caller has with the thread that counts; counts that happen after its return are not.
 * Errors: -ECHILD: a baseline from before the fork; -EPROTO; -ENOMEM; with COVBUF_PROFILE_CLEAR_BITMAPS what
 * making a file gives.
 */
COVBUF_PUBLIC int covbuf_profile_diff(struct covbuf_profile_base *base, struct covbuf_profile_difference **out,
				      struct covbuf_message *why);

/* covbuf_profile_diff_destroy() - NULL is allowed. */
COVBUF_PUBLIC void covbuf_profile_diff_destroy(struct covbuf_profile_difference *diff);

/* A counter that has changed. */
struct covbuf_profile_counter {
	uint64_t index;		/* in the image's counters (section __llvm_prf_cnts, in 64-bit words) */
	uint64_t count;		/* by how much; not 0 */
};

/* 64 bits of which some are new: bit n of the bitmaps is bit n % 64 of word n / 64. */
struct covbuf_profile_bits {
	uint64_t index;		/* of the word, in the image's bitmaps (section __llvm_prf_bits) */
	uint64_t bits;		/* not 0 */
};

/* Of one load of one image. */
struct covbuf_profile_part {
	const char *image;	/* path, as the process had it */
	uint64_t id;		/* the same for every process of this image, another for any other link of it */
	uint64_t counters_bytes, bitmaps_bytes; /* all that the image has */
	const struct covbuf_profile_counter *counters; /* by rising index */
	uint64_t nr_counters;
	const struct covbuf_profile_bits *bits; /* by rising index */
	uint64_t nr_bits;	/* words */
	uint64_t nr_backwards;	/* counters among them that ran backwards: updates were lost among threads */
	uint64_t reserved[4];
};

/**
 * covbuf_profile_diff_part() - the parts of a difference, one for each image in which something was covered
 * @i: from 0
 *
 * An image that was closed and opened again may have more than one; they add up.
 *
 * Return: valid as long as @diff is; NULL: there are no more.
 */
COVBUF_PUBLIC const struct covbuf_profile_part *covbuf_profile_diff_part(const struct covbuf_profile_difference *diff,
									 uint32_t i);

/**
 * covbuf_profile_diff_save() - for `covbuf profraw --label`
 * @label: at most 215 bytes, no control characters. Differences of one label, of other processes too, add up
 * @directory: NULL: where the images' own profiles are (COVBUF_PROFILE). Made with mode 0700 if it is not there
 * @why: as above
 *
 * One file for each part (IMAGE.ID.PID.dN.profcnt, mode 0600), of which only pages with something in them take
 * room; the image's template, once, where @directory has none. Each file is there when it is whole, but not on
 * the disk before its system writes it. Where nothing was covered there is one file all the same, so that the
 * label is known.
 *
 * Errors: -ENOENT: no directory was given, and none was asked for; or no image of the process is linked with the
 * adapter; -EINVAL: no label, or one with control characters; -ENAMETOOLONG: label; -ESTALE: an image was closed
 * before its template was made; -ENOMEM; what making and writing files gives. What was saved before the error
 * stays.
 */
COVBUF_PUBLIC int covbuf_profile_diff_save(const struct covbuf_profile_difference *diff, const char *label,
					   const char *directory, struct covbuf_message *why);

COVBUF_END_DECLS

#endif
