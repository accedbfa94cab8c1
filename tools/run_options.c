// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * How covbuf run is called.
 */
#include "command.h"
#include "run.h"

const char run_usage[] =
	"Usage: covbuf run [OPTION...] [--] PROGRAM [ARGUMENT...]\n"
	"Run a program and record its coverage. The program is built with -fsanitize-coverage and\n"
	"linked with libcovbuf; the recording is a file that 'covbuf report' reads, also while\n"
	"it is being made, and after anybody was killed.\n\n"
	"  --unique           each place once per process: all that a report needs (the default)\n"
	"  --trace            every record, in order\n"
	"  --cmp              the operands of comparisons (built with trace-cmp)\n"
	"  --stream           drain into a compressed file, for traces of any length\n"
	"  -o, --output FILE  the recording; default PROGRAM.covbuf\n"
	"  --force            replace FILE if it exists\n"
	"  --limit SIZE       how large the recording may become, such as 64M or 8G; default 256M,\n"
	"                     with --trace and --cmp 4G, with --stream 1G; what comes after is\n"
	"                     counted as lost\n"
	"  --follow           record processes that the program starts too (the default)\n"
	"  --no-follow        only processes that attach by themselves: no fork children\n"
	"  --no-wait          do not wait for processes that outlive the program\n"
	"  --preload          for programs with weak callbacks that are not linked with libcovbuf\n"
	"  --profile          for programs with LLVM's source-based coverage: a directory of profiles,\n"
	"                     default PROGRAM.profile, for 'covbuf profraw'; of the options with it:\n"
	"                     -o, --no-wait, -q, --force (remove the profiles that are in it)\n"
	"  --append           with --profile: add to the profiles that are in it\n"
	"  -q, --quiet        no summary\n"
	"  -h, --help         this text\n\n"
	"Exit status: the program's, 128 + N if signal N ended it; 127 no such program, 126 it\n"
	"cannot be run, 1 the recording could not be made, 2 called wrongly.\n";

enum { OPT_UNIQUE = 256, OPT_TRACE, OPT_CMP, OPT_STREAM, OPT_FORCE, OPT_LIMIT, OPT_FOLLOW, OPT_NO_FOLLOW, OPT_NO_WAIT,
       OPT_PRELOAD, OPT_PROFILE, OPT_APPEND };

static const struct option longs[] = {
	{ "unique", no_argument, NULL, OPT_UNIQUE },   { "trace", no_argument, NULL, OPT_TRACE },
	{ "cmp", no_argument, NULL, OPT_CMP },	       { "stream", no_argument, NULL, OPT_STREAM },
	{ "output", required_argument, NULL, 'o' },    { "force", no_argument, NULL, OPT_FORCE },
	{ "limit", required_argument, NULL, OPT_LIMIT }, { "follow", no_argument, NULL, OPT_FOLLOW },
	{ "no-follow", no_argument, NULL, OPT_NO_FOLLOW }, { "no-wait", no_argument, NULL, OPT_NO_WAIT },
	{ "preload", no_argument, NULL, OPT_PRELOAD }, { "quiet", no_argument, NULL, 'q' },
	{ "profile", no_argument, NULL, OPT_PROFILE }, { "append", no_argument, NULL, OPT_APPEND },
	{ "help", no_argument, NULL, 'h' },	       { NULL, 0, NULL, 0 },
};

int run_parse(int argc, char **argv, struct run_options *options)
{
	const char *of_recording = NULL; /* an option that --profile has no use for */
	int way = 0, index = 0;
	int opt;

	/* '+': options after the program are the program's */
	while ((opt = getopt_long(argc, argv, "+:ho:q", longs, &index)) != -1) {
		if (opt >= OPT_UNIQUE && opt <= OPT_PRELOAD && opt != OPT_FORCE && opt != OPT_NO_WAIT)
			of_recording = longs[index].name;
		switch (opt) {
		case OPT_UNIQUE:
		case OPT_TRACE:
		case OPT_CMP:
			if (way && way != opt)
				return bad_usage("--unique, --trace and --cmp: only one of them");
			way = opt;
			break;
		case OPT_STREAM:
			options->stream = true;
			break;
		case OPT_FORCE:
			options->force = true;
			break;
		case OPT_LIMIT:
			if (!parse_size("--limit", optarg, &options->limit_bytes))
				return STATUS_USAGE;
			if (!options->limit_bytes)
				return bad_usage("--limit: 0 leaves no room for anything");
			break;
		case OPT_FOLLOW:
			options->follow = true;
			break;
		case OPT_NO_FOLLOW:
			options->follow = false;
			break;
		case OPT_NO_WAIT:
			options->wait = false;
			break;
		case OPT_PRELOAD:
			options->preload = true;
			break;
		case OPT_PROFILE:
			options->profile = true;
			break;
		case OPT_APPEND:
			options->append = true;
			break;
		case 'o':
			options->output = optarg;
			break;
		case 'q':
			options->quiet = true;
			break;
		default:
			finish_option(opt, argv);
		}
	}
	if (options->profile && of_recording)
		return bad_usage("--%s is about a recording, and --profile makes none: it keeps LLVM's counters of each "
				 "process in files of their own",
				 of_recording);
	if (options->append && (!options->profile || options->force))
		return bad_usage("--append goes with --profile, and not with --force");
	if (options->stream && way == OPT_UNIQUE)
		return bad_usage("--stream records everything: it does not go with --unique");
	options->mode = way == OPT_CMP ? COVBUF_MODE_CMP : COVBUF_MODE_PC;
	options->unique = !options->stream && (!way || way == OPT_UNIQUE);
	options->argv = argv + optind;
	return optind == argc ? bad_usage("which program?") : STATUS_OK;
}
