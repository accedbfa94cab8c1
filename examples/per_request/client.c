// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * Sends two requests at the same time and shows what each reached, side by side.
 * Usage: client PORT PATH PATH. Status 3: the server did not serve them at the same time.
 */
#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define MAX_ANSWER_BYTES 65536
#define MAX_FUNCTIONS 128

static struct {
	char name[64];
	unsigned int nr_places[2];
} functions[MAX_FUNCTIONS];
static unsigned int nr_functions;
static unsigned int together[2];
static char body[2][256];

static int send_request(unsigned short port, const char *path)
{
	struct sockaddr_in to = { .sin_family = AF_INET, .sin_port = htons(port) };
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	if (fd < 0 || connect(fd, (struct sockaddr *)&to, sizeof(to)) ||
	    dprintf(fd, "GET %s HTTP/1.0\r\n\r\n", path) < 0) {
		perror("client");
		exit(1);
	}
	return fd;
}

static void note_function(const char *name, unsigned int nr_places, int column)
{
	unsigned int i = 0;

	while (i < nr_functions && strcmp(functions[i].name, name))
		i++;
	if (i == MAX_FUNCTIONS)
		return;
	if (i == nr_functions)
		snprintf(functions[nr_functions++].name, sizeof(functions[0].name), "%s", name);
	functions[i].nr_places[column] += nr_places;
}

static void read_answer(int fd, int column)
{
	FILE *from = fdopen(fd, "r");
	char line[512], name[64];
	unsigned int n;

	if (!from)
		exit(1);
	while (fgets(line, sizeof(line), from)) {
		if (sscanf(line, "X-Coverage: %63s %u", name, &n) == 2)
			note_function(name, n, column);
		else if (sscanf(line, "X-Together: %u", &n) == 1)
			together[column] = n;
		else if (strncmp(line, "HTTP/", 5) && line[0] != '\r')
			snprintf(body[column], sizeof(body[column]), "%.*s", (int)strcspn(line, "\n"), line);
	}
	fclose(from);
}

static void print_places(unsigned int n)
{
	if (n)
		printf("%20u", n);
	else
		printf("%20s", "-");
}

int main(int argc, char **argv)
{
	int fd[2];

	if (argc != 4) {
		fprintf(stderr, "usage: client PORT PATH PATH\n");
		return 2;
	}
	for (int i = 0; i < 2; i++)
		fd[i] = send_request((unsigned short)atoi(argv[1]), argv[2 + i]);
	for (int i = 0; i < 2; i++)
		read_answer(fd[i], i);
	for (int i = 0; i < 2; i++)
		printf("%s: %s\n", argv[2 + i], body[i]);
	printf("served together: %u and %u requests\n\n", together[0], together[1]);
	printf("%-20s%20s%20s\n", "places reached in", argv[2], argv[3]);
	for (unsigned int i = 0; i < nr_functions; i++) {
		printf("%-20s", functions[i].name);
		print_places(functions[i].nr_places[0]);
		print_places(functions[i].nr_places[1]);
		putchar('\n');
	}
	return together[0] >= 2 && together[1] >= 2 ? 0 : 3;
}
