/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Profiles of LLVM's source-based coverage in shared memory: what the runtime in each image, the readers
 * and covbuf.ko have in common.
 *
 * A profile directory (COVBUF_PROFILE) has three kinds of files, each mode 0600:
 *
 *	IMAGE.ID.PID.N.profraw	whole: a raw profile, valid at every moment. Its counters and bitmaps are those of
 *				a process, mapped over the sections of its image.
 *	IMAGE.ID.PID.N.profcnt	counts: counters and bitmaps alone. What else a raw profile needs is in the image's
 *				template.
 *	IMAGE.ID.PID.dN.profcnt	counts of a difference between two points in a process
 *	IMAGE.ID.PID.bN.profcnt	bits that the process has cleared in its bitmaps (COVBUF_PROFILE_CLEAR_BITMAPS); its
 *				counters are 0. Bits come here before they are cleared there: whoever wants all of
 *				them reads the process's other files first.
 *	IMAGE.ID.template	a raw profile whose counters and bitmaps mean nothing
 *
 * IMAGE is the last part of the image's path, ID its covbuf_profile_note.id in 16 hexadecimal digits, N a
 * number that was free. A file gets its name once all but its counters is in place; until then it has another
 * one, which begins with a dot and which readers pass over.
 *
 * Each file has a note: it ends where the counters start, which is a multiple of 4,096 bytes from the start
 * of the file. In a raw profile it lies in the padding before the counters, which LLVM's tools pass over;
 * readers find it by looking before each multiple of 4,096. It tells all that has to be known of the raw
 * format, so that no reader has a table of LLVM's versions.
 *
 * A reader may put the counts of processes that have ended into one file, a sum, which has the name
 * IMAGE.ID.0.N.profcnt (raw profiles that are made of several are sums, too). The files in the sum are removed only
 * when it has its name. Until they are gone it ends with their names, each as "STARTED NAME" and a NUL, STARTED
 * being covbuf_profile_note.started in decimal: a reader passes over those that are still there.
 *
 * Raw format: clang's include/profile/InstrProfData.inc and compiler-rt's lib/profile/InstrProfilingWriter.c.
 * All numbers are little-endian.
 */
#ifndef COVB_LLVMPROF_FORMAT_H
#define COVB_LLVMPROF_FORMAT_H

#if defined(__KERNEL__)
#include <linux/types.h>
#else
#include <stdint.h>
#endif

#define COVBUF_PROFILE_MAGIC "covbprof"
#define COVBUF_PROFILE_VERSION 1
#define COVBUF_PROFILE_ALIGN 4096

enum covbuf_profile_kind {
	COVBUF_PROFILE_WHOLE = 1,
	COVBUF_PROFILE_COUNTS = 2,
	COVBUF_PROFILE_DIFFERENCE = 3, /* counts between two points in the process */
};

/* 1,024 bytes. Texts end with a NUL; a longer one is cut at the front, so that its end is there. */
struct covbuf_profile_note {
	char magic[8];
	uint32_t version;
	uint32_t kind;		  /* enum covbuf_profile_kind */
	uint64_t id;		  /* the same for all processes of one image, another for any other link of it */
	uint64_t raw_version;	  /* INSTR_PROF_RAW_VERSION of the compiler */
	uint64_t file_bytes;	  /* of this file */
	uint64_t counters_offset; /* in this file; where this note ends */
	uint64_t counters_bytes;  /* 64-bit words, which add up */
	uint64_t bitmaps_offset;  /* in this file; counts are without gap, but for padding to pages */
	uint64_t bitmaps_bytes;	  /* 0: no MC/DC. Bits, which are ORed */
	uint64_t template_counters, template_bitmaps; /* their offsets in the image's whole files and template */
	uint64_t started;	  /* of the process: field 22 of /proc/PID/stat; 0: not known */
	uint32_t pid;		  /* in its own namespace; 0: a kernel module */
	uint32_t in_use;	  /* 1: mapped over an image. A second load of the image takes one with 0 */
	uint64_t lost_processes;  /* fork children that could have no file, and whose counts are lost. Atomic */
	uint64_t processes;	  /* of a sum: of so many processes, which had ended; pid is 0. Else 0 */
	uint64_t summed_bytes;	  /* of a sum: what the end of the file has of the names of files in the sum */
	uint64_t pid_namespace;	  /* of the process: inode number of /proc/self/ns/pid; 0: not known */
	uint64_t reserved[12];
	char compiler[64];	  /* __VERSION__: "Clang 19.1.7 (3+b1)" */
	char image[512];	  /* path, as the process had it */
	char label[216];	  /* of a difference; else empty */
};

/*
 * What is known of an image inside its process. covbuf_profile_baseline() finds it by an ELF note of owner
 * "covbuf", type COVBUF_PROFILE_NOTE_TYPE, in the image's PT_NOTE: two 32-bit words, the first this file's
 * COVBUF_PROFILE_VERSION, the second the distance in bytes from the word itself to the structure.
 */
#define COVBUF_PROFILE_NOTE_TYPE 0x70726f66

struct covbuf_profile_image {
	uint32_t version; /* 0 until its constructor is done: then all else is there */
	uint32_t mapped; /* 1: counters and bitmaps are those of the file; 0: private to the process */
	uint64_t *counters;
	uint64_t counters_bytes;
	unsigned char *bitmaps;
	uint64_t bitmaps_bytes;
	struct covbuf_profile_note *note; /* in the file, or a private one */
	const char *directory;		  /* absolute; NULL: no profile was asked for */
	/* Makes the image's template in an open directory. 0, also if it is there; or a negative error number. */
	int (*make_template)(struct covbuf_profile_image *image, int directory);
	uint64_t mark; /* libcovbuf's, 0 in a fresh image: which load of it this is */
};

/*
 * What the runtime tells libcovbuf. It declares them weak: libcovbuf need not be in the process.
 * opened: by a second load that goes on with a file, once it is mapped, before anything of its own is added to it.
 *	Sets version.
 * closed: by the image's last destructor; counters, bitmaps and note stay until it has returned.
 */
#if defined(__cplusplus)
extern "C" {
#endif
void covbuf_profile_image_opened(struct covbuf_profile_image *image) __attribute__((visibility("default")));
void covbuf_profile_image_closed(struct covbuf_profile_image *image) __attribute__((visibility("default")));
#if defined(__cplusplus)
}
#endif

#endif
