// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * A server that forks for each connection, instrumented. It listens at a port of loopback that it
 * writes to the file that is its argument, and serves until a request says "end". Requests are one
 * line: "sum N", "reverse TEXT" and "crash" (the child kills itself in the middle).
 */
#include <arpa/inet.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

__attribute__((noinline)) static unsigned long sum_up(unsigned long n)
{
	unsigned long sum = 0;

	for (unsigned long i = 1; i <= n; i++)
		sum += i & 1 ? i : i * 2;
	return sum;
}

__attribute__((noinline)) static void reverse_text(char *text)
{
	size_t n = strlen(text);

	for (size_t i = 0; i < n / 2; i++) {
		char c = text[i];

		text[i] = text[n - 1 - i];
		text[n - 1 - i] = c;
	}
}

__attribute__((noinline)) static void kill_myself(void)
{
	kill(getpid(), SIGKILL);
}

__attribute__((noinline)) static void serve_request(char *line, FILE *to)
{
	line[strcspn(line, "\r\n")] = 0;
	if (!strncmp(line, "sum ", 4)) {
		fprintf(to, "%lu\n", sum_up(strtoul(line + 4, NULL, 10)));
	} else if (!strncmp(line, "reverse ", 8)) {
		reverse_text(line + 8);
		fprintf(to, "%s\n", line + 8);
	} else if (!strcmp(line, "crash")) {
		kill_myself();
	} else {
		fprintf(to, "what?\n");
	}
}

__attribute__((noinline)) static int serve_connection(int fd)
{
	FILE *from = fdopen(fd, "r+");
	char line[512];

	if (!from)
		return 1;
	while (fgets(line, sizeof(line), from)) {
		if (!strncmp(line, "end", 3))
			return 7;
		fseek(from, 0, SEEK_CUR);
		serve_request(line, from);
		fflush(from);
	}
	return 0;
}

static int listen_at_loopback(const char *port_file)
{
	struct sockaddr_in at = { .sin_family = AF_INET };
	socklen_t n = sizeof(at);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	FILE *out;

	at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	if (fd < 0 || bind(fd, (struct sockaddr *)&at, sizeof(at)) || listen(fd, 16) ||
	    getsockname(fd, (struct sockaddr *)&at, &n))
		return -1;
	out = fopen(port_file, "w");
	if (!out)
		return -1;
	fprintf(out, "%u\n", ntohs(at.sin_port));
	fclose(out);
	return fd;
}

int main(int argc, char **argv)
{
	int fd = argc == 2 ? listen_at_loopback(argv[1]) : -1;

	if (fd < 0)
		return 2;
	for (;;) {
		int connection = accept(fd, NULL, NULL);
		int status = 0;
		pid_t child;

		if (connection < 0)
			return 2;
		child = fork();
		if (child < 0)
			return 2;
		if (!child)
			_exit(serve_connection(connection));
		close(connection);
		/* One at a time: the test wants to know which child did what. */
		waitpid(child, &status, 0);
		if (WIFEXITED(status) && WEXITSTATUS(status) == 7)
			return 0;
	}
}
