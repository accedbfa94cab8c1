/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * forms.sh: an image that counts. As a library (LIBRARY), and as a program that calls itself and one: the one it is
 * linked with (LINKED), or the one that its argument names (OPENED).
 *
 * early() runs in an IFUNC resolver and in a constructor, before the runtime.
 */
#include <dlfcn.h>
#include <stdio.h>

#if defined(LIBRARY)
#define NAME(function) library_##function
#else
#define NAME(function) program_##function
#endif

int NAME(early)(void);
int NAME(decide)(int a, int b);
int NAME(resolved)(void);
int library_decide(int a, int b);

int NAME(early)(void)
{
	return 1;
}

int NAME(decide)(int a, int b)
{
	if (a && b)
		return 1;
	return NAME(resolved)();
}

#if defined(IFUNC)
static int resolved(void)
{
	return 0;
}

__attribute__((used)) static int (*resolve(void))(void)
{
	NAME(early)();
	return resolved;
}

int NAME(resolved)(void) __attribute__((ifunc("resolve")));
#else
int NAME(resolved)(void)
{
	return 0;
}
#endif

__attribute__((constructor(101))) static void construct(void)
{
	for (int i = 0; i < 5; i++)
		NAME(early)();
}

#if !defined(LIBRARY)
int main(int argc, char **argv)
{
	int (*decide)(int a, int b) = NULL;
	int sum = 0;

#if defined(LINKED)
	decide = library_decide;
#elif defined(OPENED)
	void *library = dlopen(argv[1], RTLD_NOW);

	if (!library)
		return fprintf(stderr, "%s\n", dlerror()), 1;
	decide = (int (*)(int, int))dlsym(library, "library_decide");
#endif
	for (int i = 0; i < 10; i++)
		sum += NAME(decide)(i & 1, i & 2) + (decide ? decide(i & 1, i & 2) : 0);
	printf("%d\n", sum);
	(void)argc;
	(void)argv;
	return 0;
}
#endif
