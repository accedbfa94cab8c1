/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * What ../processes.c starts. Without an argument: ends at once. With one: forks as many children as it reads, one
 * after the other, and answers; they end by _exit(), or by exit(). Not instrumented; what it calls is.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

int function_0(int a, int b); /* functions.cmake */

int main(int argc, char **argv)
{
	uint32_t nr;

	function_0(1, 1);
	while (argc > 1 && read(0, &nr, sizeof(nr)) == sizeof(nr)) {
		for (uint32_t i = 0; i < nr; i++) {
			pid_t pid = fork();

			if (pid < 0)
				return 1;
			if (!pid) {
				function_0(2, 2);
				if (strcmp(argv[1], "exit") == 0)
					exit(0);
				_exit(0);
			}
			waitpid(pid, NULL, 0);
		}
		if (write(1, &nr, sizeof(nr)) != sizeof(nr))
			return 1;
	}
	return 0;
}
