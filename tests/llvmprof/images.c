/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * images.sh: a program that opens a library and closes it.
 *
 *	images reload LIBRARY	three times; a child that is forked while it is closed opens it too
 *	images twice LIBRARY	in two namespaces, at once
 *	images exit LIBRARY	a child that is forked by the library's own destructor, at exit
 *	images plain
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#if defined(LIBRARY)
void library_hit(void);
void early_hit(void);
static int forks_at_exit;

void early_hit(void)
{
}

void library_hit(void)
{
}

__attribute__((constructor(101))) static void construct(void)
{
	forks_at_exit = getenv("FORK_AT_EXIT") != NULL;
	early_hit();
}

/* After the runtime's own. */
__attribute__((destructor(100))) static void destruct(void)
{
	early_hit();
	if (forks_at_exit && fork() == 0) {
		for (int i = 0; i < 1000; i++)
			early_hit();
		_exit(0);
	}
}
#else
static void *open_and_hit(const char *path, Lmid_t where)
{
	void *library = dlmopen(where, path, RTLD_NOW);
	void (*hit)(void);

	if (!library) {
		fprintf(stderr, "%s\n", dlerror());
		exit(1);
	}
	hit = (void (*)(void))dlsym(library, "library_hit");
	for (int i = 0; i < 10; i++)
		hit();
	return library;
}

int main(int argc, char **argv)
{
	const char *mode = argc > 1 ? argv[1] : "plain";
	const char *path = argc > 2 ? argv[2] : "";

	if (!strcmp(mode, "reload")) {
		for (int i = 0; i < 3; i++)
			dlclose(open_and_hit(path, LM_ID_BASE));
		if (fork() == 0) {
			dlclose(open_and_hit(path, LM_ID_BASE));
			dlclose(open_and_hit(path, LM_ID_BASE));
			exit(0);
		}
		wait(NULL);
	} else if (!strcmp(mode, "twice")) {
		void *second = open_and_hit(path, LM_ID_NEWLM);

		open_and_hit(path, LM_ID_BASE);
		dlclose(second);
	} else if (!strcmp(mode, "exit")) {
		open_and_hit(path, LM_ID_BASE);
	}
	return 0;
}
#endif
