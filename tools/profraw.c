// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * covbuf profraw: the profiles of all processes, added up, as LLVM's tools read them. It writes all or nothing: a
 * profile that lacks what could not be read looks like a complete one.
 */
#include <errno.h>
#include <fcntl.h>
#include <fnmatch.h>
#include <inttypes.h>
#include <libgen.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "command.h"
#include "profile.h"
#include "progress.h"
#include "temporary.h"

static const char usage[] =
	"Usage: covbuf profraw [OPTION...] DIR|FILE...\n"
	"Add up LLVM profiles of adapters/llvmprof, also of processes that run or were killed, and\n"
	"write them as raw profiles. DIR is a profile directory: what 'covbuf run --profile' made, or\n"
	"what COVBUF_PROFILE named.\n\n"
	"  -o, --output OUT   write raw profiles for llvm-profdata: into one file; or, where OUT is\n"
	"                     a directory or ends with '/', a file for each image\n"
	"  --profdata FILE    run the llvm-profdata that fits the compiler, write FILE, and say\n"
	"                     which llvm-cov to run next\n"
	"  --list             a table of images and labels; nothing is written\n"
	"  --label PATTERN    the differences with such labels (per-test coverage), in place of all\n"
	"                     that the processes did; may be repeated\n"
	"  --image PATTERN    images with such names, paths or IDs alone; may be repeated\n"
	"  -q, --quiet        no summary\n"
	"  -h, --help         this text\n\n"
	"A PATTERN may have the shell's *, ? and [].\n";

struct patterns {
	char **texts;
	size_t nr, room;
};

struct options {
	const char *output, *profdata;
	struct patterns labels, images;
	bool list, quiet;
	char **inputs;
	int nr_inputs;
};

/* ---- how it is called ------------------------------------------------------------------------ */

static void add_pattern(struct patterns *patterns, char *text)
{
	patterns->texts = must_grow(patterns->texts, patterns->nr, &patterns->room, sizeof(*patterns->texts));
	patterns->texts[patterns->nr++] = text;
}

static bool matches(const char *pattern, const char *text)
{
	return !strcmp(pattern, text) || !fnmatch(pattern, text, 0);
}

static int parse(int argc, char **argv, struct options *options)
{
	enum { OPT_PROFDATA = 256, OPT_LIST, OPT_LABEL, OPT_IMAGE };
	static const struct option longs[] = {
		{ "output", required_argument, NULL, 'o' },
		{ "profdata", required_argument, NULL, OPT_PROFDATA },
		{ "list", no_argument, NULL, OPT_LIST },
		{ "label", required_argument, NULL, OPT_LABEL },
		{ "image", required_argument, NULL, OPT_IMAGE },
		{ "quiet", no_argument, NULL, 'q' },
		{ "help", no_argument, NULL, 'h' },
		{ NULL, 0, NULL, 0 },
	};
	int opt;

	while ((opt = getopt_long(argc, argv, ":ho:q", longs, NULL)) != -1) {
		if (opt == 'o')
			options->output = optarg;
		else if (opt == OPT_PROFDATA)
			options->profdata = optarg;
		else if (opt == OPT_LIST)
			options->list = true;
		else if (opt == OPT_LABEL)
			add_pattern(&options->labels, optarg);
		else if (opt == OPT_IMAGE)
			add_pattern(&options->images, optarg);
		else if (opt == 'q')
			options->quiet = true;
		else
			finish_option(opt, argv);
	}
	options->inputs = argv + optind;
	options->nr_inputs = argc - optind;
	if (!options->nr_inputs)
		return bad_usage("of which profiles?");
	if (!options->output && !options->profdata && !options->list)
		return bad_usage("what is to be made of them: -o OUT, --profdata FILE or --list");
	if (options->list && (options->output || options->profdata))
		return bad_usage("--list writes nothing: it does not go with -o and --profdata");
	return STATUS_OK;
}

/* ---- which images, which files --------------------------------------------------------------- */

static bool image_matches(const struct profile_image *image, const char *pattern)
{
	char id[20];

	snprintf(id, sizeof(id), "%016" PRIx64, image->first->id);
	return matches(pattern, image->name) || matches(pattern, image->first->image) || matches(pattern, id);
}

/* Each pattern is to match something: else there is a mistake in it. */
static bool select_images(struct profiles *profiles, const struct patterns *patterns)
{
	for (size_t i = 0; i < profiles->nr_images; i++)
		profiles->images[i].selected = !patterns->nr;
	for (size_t k = 0; k < patterns->nr; k++) {
		size_t nr = 0;

		for (size_t i = 0; i < profiles->nr_images; i++) {
			if (!image_matches(&profiles->images[i], patterns->texts[k]))
				continue;
			profiles->images[i].selected = true;
			nr++;
		}
		if (!nr) {
			complain(NULL, "--image: there is no image '%s'; --list shows them", patterns->texts[k]);
			return false;
		}
	}
	return true;
}

static bool is_wanted(const struct profile_file *file, const struct patterns *labels)
{
	if (!labels->nr)
		return file->kind != COVBUF_PROFILE_DIFFERENCE;
	for (size_t k = 0; file->kind == COVBUF_PROFILE_DIFFERENCE && k < labels->nr; k++)
		if (matches(labels->texts[k], file->label))
			return true;
	return false;
}

static bool find_label(const struct profiles *profiles, const char *pattern)
{
	for (size_t i = 0; i < profiles->nr_images; i++)
		for (size_t k = 0; profiles->images[i].selected && k < profiles->images[i].nr_files; k++)
			if (profiles->images[i].files[k]->kind == COVBUF_PROFILE_DIFFERENCE &&
			    matches(pattern, profiles->images[i].files[k]->label))
				return true;
	return false;
}

/* Of the selected images, those that have something to add up. */
static bool select_files(struct profiles *profiles, const struct patterns *labels)
{
	size_t nr_images = 0;

	for (size_t k = 0; k < labels->nr; k++) {
		if (find_label(profiles, labels->texts[k]))
			continue;
		complain(NULL, "--label: there is no difference with a label '%s'; --list shows them",
			 labels->texts[k]);
		return false;
	}
	for (size_t i = 0; i < profiles->nr_images; i++) {
		struct profile_image *image = &profiles->images[i];
		size_t nr = 0;

		for (size_t k = 0; image->selected && k < image->nr_files; k++)
			if (is_wanted(image->files[k], labels))
				image->files[nr++] = image->files[k];
		image->nr_files = nr;
		image->selected = nr != 0;
		nr_images += nr != 0;
	}
	if (!nr_images)
		complain(NULL, "there is nothing to add up: no process has counted in an image%s",
			 profiles->nr_images ? "; --list shows what there is" : "");
	return nr_images;
}

/* ---- what must fit --------------------------------------------------------------------------- */

static bool check_templates(const struct profiles *profiles)
{
	bool ok = true;

	for (size_t i = 0; i < profiles->nr_images; i++) {
		const struct profile_image *image = &profiles->images[i];

		if (!image->selected || image->base)
			continue;
		complain(image->first->image,
			 "its counts (%zu files) cannot be read without its template: %s.%016" PRIx64 ".template is not "
			 "among the inputs, nor is a .profraw of it; name the directory that has it, or leave the image "
			 "out with --image",
			 image->nr_files, image->name, image->first->id);
		ok = false;
	}
	return ok;
}

static bool check_images(const struct profiles *profiles)
{
	struct covbuf_message why = { "" };
	bool ok = true;

	for (size_t i = 0; i < profiles->nr_images; i++) {
		const struct profile_image *image = &profiles->images[i];

		if (!image->selected)
			continue;
		switch (profile_elf_check(profiles, image, &why)) {
		case PROFILE_ELF_REBUILT:
			complain(image->first->image,
				 "it has been rebuilt since: llvm-cov will show the file that is there now, with counts of "
				 "the one before (ID %016" PRIx64 ") where functions are the same",
				 image->first->id);
			break;
		case PROFILE_ELF_OTHER_CLANG:
			complain(image->first->image, "%s", why.text);
			ok = false;
			break;
		case PROFILE_ELF_MISSING:
		case PROFILE_ELF_FITS:
			break;
		}
	}
	return ok;
}

/* For one file: one version of the tools must read all of it. */
static bool check_compilers(const struct profiles *profiles)
{
	const struct profile_image *first = NULL;
	bool same = true;

	for (size_t i = 0; i < profiles->nr_images; i++) {
		const struct profile_image *image = &profiles->images[i];

		if (!image->selected)
			continue;
		if (!first)
			first = image;
		same = same && image->major == first->major && image->first->raw_version == first->first->raw_version;
	}
	if (same)
		return true;
	complain(NULL, "the images are of different compilers, and no llvm-profdata reads all of them: select some with "
		       "--image, or write a file for each with -o DIR/:");
	for (size_t i = 0; i < profiles->nr_images; i++)
		if (profiles->images[i].selected)
			complain(profiles->images[i].first->image, "%s (raw profile version %" PRIu64 ")",
				 profile_compiler_name(&profiles->images[i]), profiles->images[i].first->raw_version);
	return false;
}

static void warn_missing(const struct profiles *profiles)
{
	for (size_t i = 0; i < profiles->nr_images; i++)
		if (profiles->images[i].selected && access(profiles->images[i].first->image, R_OK))
			complain(profiles->images[i].first->image, "it is not there, and llvm-cov needs it: put its present path into the commands");
}

/* ---- writing --------------------------------------------------------------------------------- */

static int write_image(int to, const char *name, const struct profiles *profiles, const struct profile_image *image)
{
	struct profile_sum sum;
	int err = 0;

	profile_sum_init(&sum, image);
	for (size_t i = 0; !err && i < image->nr_files; i++) {
		err = profile_sum_add(&sum, profiles, image->files[i]);
		progress_at(i, image->nr_files);
	}
	if (!err && image->files[0]->kind != COVBUF_PROFILE_DIFFERENCE)
		err = profile_sum_add_new_bits(&sum, profiles, image);
	sum.processes = profile_count_processes(image->files, image->nr_files);
	if (!err)
		err = profile_write_raw(to, name, profiles, image, &sum);
	if (!err && sum.nr_stopped)
		complain(image->first->image, "counters would be larger than LLVM's tools believe, and stop at 2^56: a "
					      "sum of very much, or a damaged profile");
	profile_sum_fini(&sum);
	return err;
}

/* One image, or with NULL all that are selected. */
static int write_images(int to, const char *name, const struct profiles *profiles, const struct profile_image *only)
{
	int err = 0;

	progress_begin("adding up profiles");
	for (size_t i = 0; !err && i < profiles->nr_images; i++)
		if (only ? only == &profiles->images[i] : profiles->images[i].selected)
			err = write_image(to, name, profiles, &profiles->images[i]);
	progress_end();
	return err;
}

static int complain_unwritten(const char *path)
{
	complain(path, "cannot be written: %s", strerror(errno));
	return STATUS_FAILED;
}

static int write_temporary(int fd, const char *path, const struct profiles *profiles, const struct profile_image *only)
{
	int status = write_images(fd, path, profiles, only) ? STATUS_FAILED : STATUS_OK;

	if (close(fd) && !status)
		status = complain_unwritten(path);
	if (!status && temporary_keep(path))
		status = complain_unwritten(path);
	temporary_drop();
	return status;
}

static int write_file(const char *path, const struct profiles *profiles, const struct profile_image *only)
{
	char *target = output_path(path);
	int status, fd;

	if (!target)
		return STATUS_FAILED;
	fd = temporary_open(target);
	status = fd < 0 ? complain_unwritten(path) : write_temporary(fd, target, profiles, only);
	free(target);
	return status;
}

static int write_directory(const char *path, const struct profiles *profiles)
{
	size_t nr = strlen(path);
	int status = STATUS_OK;

	if (mkdir(path, 0700) && errno != EEXIST)
		return complain_unwritten(path);
	for (size_t i = 0; !status && i < profiles->nr_images; i++) {
		const struct profile_image *image = &profiles->images[i];
		char *file;

		if (!image->selected)
			continue;
		file = must_printf("%s%s%s.%016" PRIx64 ".profraw", path, path[nr - 1] == '/' ? "" : "/", image->name,
				   image->first->id);
		status = write_file(file, profiles, image);
		free(file);
	}
	return status;
}

/* A file that nobody sees, for llvm-profdata. */
static int open_hidden(const char *beside)
{
	char *copy = must_dup(beside);
	int fd = open(dirname(copy), O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);

	free(copy);
	if (fd >= 0)
		return fd;
	fd = temporary_open(beside);
	temporary_drop();
	return fd;
}

static int write_profdata(const char *path, const struct profiles *profiles, bool quiet)
{
	const struct profile_image *image = profiles->images;
	int status = STATUS_FAILED, raw;
	char *tool;

	while (!image->selected)
		image++;
	if (!image->major) {
		complain(image->first->image,
			 "it was compiled by '%s', which does not look like a clang; write a raw profile with -o, and run "
			 "its llvm-profdata",
			 image->first->compiler);
		return STATUS_FAILED;
	}
	tool = profile_llvm_find(image->major);
	if (!tool)
		return STATUS_FAILED;
	raw = open_hidden(path);
	if (raw < 0)
		complain_unwritten(path);
	else if (!write_images(raw, path, profiles, NULL))
		status = profile_llvm_index(tool, raw, path);
	if (!status && !quiet) {
		warn_missing(profiles);
		profile_llvm_print_next(tool, profiles, path, stdout);
	}
	if (raw >= 0)
		close(raw);
	free(tool);
	return status;
}

static bool is_directory(const char *path)
{
	struct stat st;
	size_t nr = strlen(path);

	return (nr && path[nr - 1] == '/') || (!stat(path, &st) && S_ISDIR(st.st_mode));
}

/* A sum beside what is in it would be added up with it the next time. */
static bool is_among_inputs(const struct profiles *profiles, const char *output)
{
	char *copy = must_dup(output);
	struct stat st;
	bool known = !stat(is_directory(output) ? output : dirname(copy), &st);

	free(copy);
	for (size_t i = 0; known && i < profiles->nr_directories; i++) {
		if (profiles->directories[i].fd < 0 || profiles->directories[i].inode != st.st_ino ||
		    profiles->directories[i].device != st.st_dev)
			continue;
		complain(output, "it would be in a directory whose files are added up, and so be counted again the next "
				 "time; name another place");
		return true;
	}
	return false;
}

static void print_summary(const struct profiles *profiles, const char *output)
{
	uint64_t lost = 0;
	size_t nr = 0, nr_files = 0;

	for (size_t i = 0; i < profiles->nr_images; i++) {
		const struct profile_image *image = &profiles->images[i];

		if (!image->selected)
			continue;
		nr++;
		nr_files += image->nr_files;
		lost += image->lost_processes;
	}
	complain(output, "%zu profile%s of %zu image%s", nr_files, nr_files == 1 ? "" : "s", nr, nr == 1 ? "" : "s");
	if (lost)
		complain(NULL, "the counts of %" PRIu64 " forked processes are lost: they could not make a file", lost);
}

static int write_outputs(const struct options *options, struct profiles *profiles)
{
	int status = STATUS_OK;
	bool apart = options->output && is_directory(options->output);

	if (options->output && is_among_inputs(profiles, options->output))
		return STATUS_FAILED;
	if (!check_templates(profiles) || !check_images(profiles) ||
	    ((!apart || options->profdata) && !check_compilers(profiles)))
		return STATUS_FAILED;
	if (apart)
		status = write_directory(options->output, profiles);
	else if (options->output)
		status = write_file(options->output, profiles, NULL);
	if (!status && options->output && !options->quiet)
		print_summary(profiles, options->output);
	if (!status && options->profdata)
		status = write_profdata(options->profdata, profiles, options->quiet);
	return status;
}

static void say_foreign(const struct profiles *profiles)
{
	if (profiles->nr_foreign)
		complain(NULL, "%zu file%s passed over%s%s", profiles->nr_foreign,
			 profiles->nr_foreign == 1 ? " was" : "s were", profiles->nr_foreign == 1 ? ": " : ", such as ",
			 profiles->foreign);
}

static int run_profraw(int argc, char **argv)
{
	struct options options = { 0 };
	struct profiles profiles = { 0 };
	int status = parse(argc, argv, &options);

	if (status)
		return status;
	for (int i = 0; i < options.nr_inputs; i++)
		profiles_add(&profiles, options.inputs[i]);
	profiles_group(&profiles);
	if (!options.quiet)
		say_foreign(&profiles);
	status = STATUS_FAILED;
	if (!profiles.nr_images && !profiles.incomplete) {
		complain(options.inputs[0], "there is no profile in it");
	} else if (!select_images(&profiles, &options.images)) {
		;
	} else if (options.list) {
		if (profiles.nr_images)
			profile_list(&profiles, stdout);
		status = finish_output(stdout, NULL) || profiles.incomplete ? STATUS_FAILED : STATUS_OK;
	} else if (profiles.incomplete) {
		complain(NULL, "nothing was written, because not all profiles could be read");
	} else if (select_files(&profiles, &options.labels)) {
		status = write_outputs(&options, &profiles);
	}
	profiles_fini(&profiles);
	free(options.labels.texts);
	free(options.images.texts);
	return status;
}

const struct command command_profraw = {
	.name = "profraw",
	.brief = "add up LLVM profiles, for llvm-profdata and llvm-cov",
	.usage = usage,
	.run = run_profraw,
};
