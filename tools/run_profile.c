// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * covbuf run --profile: a directory for the LLVM profiles of a program and of all that it starts.
 *
 * The images write by themselves, so there is nothing to save, and whoever is killed, the counts are there. Files of
 * processes that have ended are made one now and then, where there are many.
 */
#include <errno.h>
#include <dirent.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "command.h"
#include "profile.h"
#include "run.h"

#define FOLD_MEANWHILE 512	/* files of ended processes that an image may have */
#define FOLD_AT_END 16
#define FOLD_BYTES (64ull << 20) /* that they may have */
#define FOLD_EVERY_NS 250000000ull
#define FOLD_SHARE 20		/* looking at all files takes at most this part of the time */
#define TICK_MS 200
#define ANNOUNCE_NS 1000000000ull
#define MAX_SHOWN 8

struct profile_run {
	const struct run_options *options;
	char *directory, *absolute;
	bool made;		/* by us */
	struct child child;
	uint64_t fold_ns, ended_ns;
	bool cannot_fold, announced;
};

/* ---- before ---------------------------------------------------------------------------------- */

static void choose_names(struct profile_run *run)
{
	const char *program = run->options->argv[0], *base = strrchr(program, '/');
	size_t nr;
	char *cwd;

	run->directory = run->options->output ? must_dup(run->options->output) :
						must_printf("%s.profile", base ? base + 1 : program);
	for (nr = strlen(run->directory); nr > 1 && run->directory[nr - 1] == '/'; nr--)
		run->directory[nr - 1] = 0;
	if (*run->directory == '/') {
		run->absolute = must_dup(run->directory);
		return;
	}
	cwd = getcwd(NULL, 0);
	run->absolute = must_printf("%s/%s", cwd ? cwd : ".", run->directory);
	free(cwd);
}

/* Ours are removed, if so asked. Returns how many entries stay. */
static size_t look_through(DIR *entries, bool remove)
{
	struct dirent *entry;
	struct stat st;
	size_t nr = 0;

	while ((entry = readdir(entries))) {
		if (!strcmp(entry->d_name, ".") || !strcmp(entry->d_name, ".."))
			continue;
		nr++;
		if (remove && profile_name_is_ours(entry->d_name) &&
		    !fstatat(dirfd(entries), entry->d_name, &st, AT_SYMLINK_NOFOLLOW) && S_ISREG(st.st_mode) &&
		    !unlinkat(dirfd(entries), entry->d_name, 0))
			nr--;
	}
	return nr;
}

/* A directory that was there. Who may write to it may make us read anything as the program's counts. */
static int take_over(const struct profile_run *run)
{
	const struct run_options *options = run->options;
	int fd = open(run->directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC), err = 0;
	DIR *entries = fd < 0 ? NULL : fdopendir(fd);
	struct stat st;

	if (!entries) {
		if (errno == ENOTDIR)
			complain(run->directory, "it exists, and is no directory; give another name with -o");
		else
			complain(run->directory, "%s", strerror(errno));
		return -ENOTDIR;
	}
	if (fstat(fd, &st) || st.st_uid != geteuid() || (st.st_mode & 022)) {
		complain(run->directory, "others may write to it; give another name with -o, or see to it that it is yours "
					 "alone (chmod 700)");
		err = -EPERM;
	} else if (look_through(entries, options->force) && !options->append && !options->force) {
		complain(run->directory, "there are files in it; give another name with -o, --append to add to its "
					 "profiles, or --force to remove them");
		err = -EEXIST;
	}
	closedir(entries);
	return err;
}

static int prepare(struct profile_run *run)
{
	if (!mkdir(run->directory, 0700)) {
		run->made = true;
		return 0;
	}
	if (errno == ENOENT) {
		complain(run->directory, "the directory that it would be in does not exist");
		return -ENOENT;
	}
	if (errno != EEXIST) {
		int err = -errno;

		complain(run->directory, "it cannot be made: %s", strerror(errno));
		return err;
	}
	return take_over(run);
}

/* In the child. */
static int name_directory(void *arg)
{
	const struct profile_run *run = arg;

	setenv("COVBUF_PROFILE", run->absolute, 1);
	setenv("COVBUF_PROFILE_FORM", "counts", 1);
	return 0;
}

/* ---- meanwhile ------------------------------------------------------------------------------- */

/* Whether there is more to do. */
static bool fold(struct profile_run *run, size_t more_than)
{
	uint64_t start = now_ns(), took;

	int done;

	if (run->cannot_fold)
		return false;
	done = profile_fold(run->directory, more_than, FOLD_BYTES);
	run->cannot_fold = done < 0;
	took = now_ns() - start;
	run->fold_ns = now_ns() + (took * FOLD_SHARE > FOLD_EVERY_NS ? took * FOLD_SHARE : FOLD_EVERY_NS);
	return done > 0;
}

/* Whether to go on for processes that the program has left behind: as their reaper we have them as children. */
static bool others_run(struct profile_run *run)
{
	if (!run->options->wait || run->child.alone || run->child.interrupts >= 2)
		return false;
	if (!run->ended_ns)
		run->ended_ns = now_ns();
	if (!run->announced &&
	    (run->child.interrupts || (!run->options->quiet && now_ns() - run->ended_ns > ANNOUNCE_NS))) {
		complain(NULL, "the program has ended, and processes that it has started still run; interrupt twice to leave "
			       "them");
		run->announced = true;
	}
	return true;
}

static void follow(struct profile_run *run)
{
	run->fold_ns = now_ns() + FOLD_EVERY_NS;
	do {
		child_wait(&run->child, TICK_MS);
		if (now_ns() > run->fold_ns)
			fold(run, FOLD_MEANWHILE);
	} while (!run->child.ended || others_run(run));
}

/* ---- after ----------------------------------------------------------------------------------- */

static void complain_none(const struct profile_run *run)
{
	complain(run->options->argv[0],
		 "no image of it has a profile: none is built with -fprofile-instr-generate -fcoverage-mapping and linked "
		 "with the adapter (covbuf::llvmprof in CMake, pkg-config --libs covbuf-llvmprof-19, or "
		 "-Wl,-T,PREFIX/lib/covbuf/llvmprof/19/covbuf.lds)");
	if (run->made)
		rmdir(run->directory);
}

static void print_image(const struct profile_image *image)
{
	fprintf(stderr, "  ");
	profile_print_word(image->name, stderr);
	fprintf(stderr, ": %" PRIu64 " process%s, %s, %s", image->processes, image->processes == 1 ? "" : "es",
		profile_compiler_name(image), image->first->bitmaps_bytes ? "with MC/DC" : "without MC/DC");
	if (image->nr_differences)
		fprintf(stderr, ", %zu difference%s", image->nr_differences, image->nr_differences == 1 ? "" : "s");
	if (image->lost_processes)
		fprintf(stderr, "; the counts of %" PRIu64 " more are lost: they could not make a file",
			image->lost_processes);
	fputc('\n', stderr);
}

static void print_next(const struct profile_run *run)
{
	size_t nr = strlen(run->directory);
	static const char ending[] = ".profile";
	bool ends = nr > strlen(ending) && !strcmp(run->directory + nr - strlen(ending), ending);
	char *profdata = must_printf("%.*s.profdata", (int)(ends ? nr - strlen(ending) : nr), run->directory);

	fputs("next:\n  covbuf profraw ", stderr);
	profile_print_word(run->directory, stderr);
	fputs(" --profdata ", stderr);
	profile_print_word(profdata, stderr);
	fputc('\n', stderr);
	free(profdata);
}

static void print_summary(const struct profile_run *run)
{
	struct profiles profiles = { 0 };

	profiles_add(&profiles, run->directory);
	profiles_group(&profiles);
	if (!profiles.nr_images && !profiles.incomplete) {
		complain_none(run);
	} else if (!run->options->quiet && profiles.nr_images) {
		complain(run->directory, "profiles of %zu image%s%s", profiles.nr_images,
			 profiles.nr_images == 1 ? "" : "s",
			 run->child.alone ? "" : ", in which processes that still run go on counting");
		for (size_t i = 0; i < profiles.nr_images && i < MAX_SHOWN; i++)
			print_image(&profiles.images[i]);
		if (profiles.nr_images > MAX_SHOWN)
			fprintf(stderr, "  and %zu more\n", profiles.nr_images - MAX_SHOWN);
		print_next(run);
	}
	profiles_fini(&profiles);
}

int run_profile(const struct run_options *options)
{
	struct profile_run run = { .options = options };
	int status = STATUS_FAILED;

	choose_names(&run);
	if (prepare(&run))
		goto out;
	/* Without it, what outlives its parents would be init's. */
	if (options->wait && prctl(PR_SET_CHILD_SUBREAPER, 1))
		complain(NULL, "what outlives the program will not be waited for: %s", strerror(errno));
	if (child_start(&run.child, options->argv, name_directory, &run, &status)) {
		if (run.made)
			rmdir(run.directory);
		goto out;
	}
	follow(&run);
	status = run.child.status;
	while (fold(&run, FOLD_AT_END) && run.child.interrupts < 2)
		child_wait(&run.child, 0);
	print_summary(&run);
out:
	free(run.directory);
	free(run.absolute);
	return status;
}
