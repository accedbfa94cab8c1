// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include <stdio.h>

#include <covbuf/covbuf.h>

static int print(const struct covbuf_batch *batch, void *arg)
{
	for (uint64_t i = 0; i < batch->nr_words; i++)
		if (batch->words[i] && ++*(int *)arg)
			printf("reached %#llx\n", (unsigned long long)batch->words[i]);
	return 0;
}

int main(void)
{
	struct covbuf_owner *owner;
	int reached = 0;

	if (covbuf_attach_new(0) || covbuf_owner_create(NULL, &owner) || covbuf_enable(owner))
		return 1;
	covbuf_trace_pc(0x401000); /* a tracer's call; code built with -fsanitize-coverage needs none */
	covbuf_trace_pc(0x401024);
	covbuf_disable(owner);
	covbuf_collect(owner, print, &reached);
	covbuf_owner_put(owner);
	return reached == 2 ? 0 : 1;
}
