// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * How covbuf kernel is called.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "command.h"
#include "kernel.h"
#include "segment_write.h"

#define DEFAULT_WORDS (1ull << 20)
#define DEFAULT_LINGER_MS 100
#define MAX_LINGER_MS 3600000
#define HANDLE_RESERVED 0x00ffffff00000000ull

const char kernel_usage[] =
	"Usage: covbuf kernel [OPTION...] [--] COMMAND [ARGUMENT...]\n"
	"Run a command and record the kernel code that it reaches: of modules that are built with\n"
	"-fsanitize-coverage=trace-pc, through covbuf.ko; or of the whole kernel, if it has KCOV.\n"
	"The recording is a file that 'covbuf report' reads. Only for root.\n\n"
	"  --cmp              the operands of comparisons (built with trace-cmp)\n"
	"  --common           what others do on the command's and its children's behalf too: work items,\n"
	"                     timers and the like, where the module marks it\n"
	"  --remote HANDLES   the same for these handles, such as 0x0100000000000002 or usb:2,usb:3\n"
	"  --linger MS        how long to wait for that after the command has ended; default 100\n"
	"  --size WORDS       room for so many records (comparisons take 4 each), such as 64K or 16M;\n"
	"                     default 1M; what comes after is missing\n"
	"  -o, --output FILE  the recording; default COMMAND.covbuf\n"
	"  --force            replace FILE if it exists\n"
	"  --device PATH      default /dev/covbuf, or else /sys/kernel/debug/kcov\n"
	"  --module-dir DIR   where files of modules are, also below it; may be given often. Others are\n"
	"                     looked for here and where depmod saw them\n"
	"  -q, --quiet        no summary\n"
	"  -h, --help         this text\n\n"
	"Recorded is the command's main thread. Other threads and processes that it starts are not:\n"
	"a kernel's coverage is per task. Instead of 'sh -c \"...\"' name the program itself.\n"
	"Exit status: the command's, 128 + N if signal N ended it; 127 no such command, 126 it\n"
	"cannot be run, 1 nothing could be recorded or saved, 2 called wrongly.\n";

enum { OPT_CMP = 256, OPT_COMMON, OPT_REMOTE, OPT_LINGER, OPT_SIZE, OPT_FORCE, OPT_DEVICE, OPT_MODULE_DIR };

static const struct option longs[] = {
	{ "cmp", no_argument, NULL, OPT_CMP },		   { "common", no_argument, NULL, OPT_COMMON },
	{ "remote", required_argument, NULL, OPT_REMOTE }, { "linger", required_argument, NULL, OPT_LINGER },
	{ "size", required_argument, NULL, OPT_SIZE },	   { "output", required_argument, NULL, 'o' },
	{ "force", no_argument, NULL, OPT_FORCE },	   { "device", required_argument, NULL, OPT_DEVICE },
	{ "module-dir", required_argument, NULL, OPT_MODULE_DIR }, { "quiet", no_argument, NULL, 'q' },
	{ "help", no_argument, NULL, 'h' },		   { NULL, 0, NULL, 0 },
};

/* "usb:2" or "0x0100000000000002", up to a comma. */
static bool parse_handle(const char **text, uint64_t *handle)
{
	uint64_t subsystem = 0;
	char *end;

	if (!strncmp(*text, "usb:", 4)) {
		subsystem = 1ull << 56;
		*text += 4;
	}
	errno = 0;
	*handle = strtoull(*text, &end, 0);
	if (end == *text || errno || **text == '-' || (*end && *end != ',') || (subsystem && *handle >> 32))
		return false;
	*handle |= subsystem;
	*text = end;
	return true;
}

static bool parse_handles(const char *list, struct kernel_options *options)
{
	const char *text = list;

	do {
		uint64_t handle;

		if (!parse_handle(&text, &handle)) {
			bad_usage("--remote: '%s' is not a list of handles; write for example usb:2 or 0x0100000000000002,usb:3", list);
			return false;
		}
		if (handle & HANDLE_RESERVED || !(handle >> 56)) {
			bad_usage("--remote: 0x%016llx is not a handle: one is (subsystem << 56) | instance, with bits 32 to 55 zero; "
				  "subsystem 0 is for --common",
				  (unsigned long long)handle);
			return false;
		}
		if (options->nr_handles == COVB_KCOV_MAX_HANDLES) {
			bad_usage("--remote: %d handles at most", COVB_KCOV_MAX_HANDLES);
			return false;
		}
		options->handles[options->nr_handles++] = handle;
	} while (*text++ == ',');
	return true;
}

static bool add_directory(struct kernel_options *options, const char *directory)
{
	for (unsigned int i = 0; i < KERNEL_MAX_DIRECTORIES; i++) {
		if (options->directories[i])
			continue;
		options->directories[i] = directory;
		return true;
	}
	bad_usage("--module-dir: %d directories at most", KERNEL_MAX_DIRECTORIES);
	return false;
}

static bool parse_linger(const char *text, int *linger_ms)
{
	char *end;
	long value = strtol(text, &end, 10);

	if (end == text || *end || value < 0 || value > MAX_LINGER_MS) {
		bad_usage("--linger: '%s' is not a number of milliseconds from 0 to %d", text, MAX_LINGER_MS);
		return false;
	}
	*linger_ms = (int)value;
	return true;
}

/* false: complained */
static bool take_option(int opt, struct kernel_options *options, char **argv)
{
	switch (opt) {
	case OPT_CMP:
		options->mode = COVBUF_MODE_CMP;
		return true;
	case OPT_COMMON:
		options->common = true;
		return true;
	case OPT_REMOTE:
		return parse_handles(optarg, options);
	case OPT_LINGER:
		return parse_linger(optarg, &options->linger_ms);
	case OPT_SIZE:
		return parse_size("--size", optarg, &options->nr_words);
	case OPT_FORCE:
		options->force = true;
		return true;
	case OPT_DEVICE:
		options->device = optarg;
		return true;
	case OPT_MODULE_DIR:
		return add_directory(options, optarg);
	case 'o':
		options->output = optarg;
		return true;
	case 'q':
		options->quiet = true;
		return true;
	default:
		finish_option(opt, argv);
	}
}

int kernel_parse(int argc, char **argv, struct kernel_options *options)
{
	int opt;

	*options = (struct kernel_options){ .nr_words = DEFAULT_WORDS, .linger_ms = DEFAULT_LINGER_MS };
	/* '+': options after the command are the command's */
	while ((opt = getopt_long(argc, argv, "+:ho:q", longs, NULL)) != -1)
		if (!take_option(opt, options, argv))
			return STATUS_USAGE;
	if (options->nr_words < 2 || options->nr_words > SEGMENT_MAX_COUNTED_WORDS + 1)
		return bad_usage("--size: from 2 to %llu words", (unsigned long long)SEGMENT_MAX_COUNTED_WORDS + 1);
	options->argv = argv + optind;
	return optind == argc ? bad_usage("which command?") : STATUS_OK;
}
