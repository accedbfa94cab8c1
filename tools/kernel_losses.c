// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* /sys/kernel/debug/covbuf/stats: "name value" a line, counted since the module was loaded. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "command.h"
#include "kernel.h"

void kernel_losses_read(struct kernel_losses *losses, const char *root)
{
	char *path = must_printf("%s/sys/kernel/debug/covbuf/stats", root);
	FILE *file = fopen(path, "re");
	char line[256], name[64];
	uint64_t value;

	*losses = (struct kernel_losses){ .known = file != NULL };
	while (file && fgets(line, sizeof(line), file)) {
		if (sscanf(line, "%63s %" SCNu64, name, &value) != 2)
			continue;
		if (!strcmp(name, "lost_full"))
			losses->full = value;
		else if (!strcmp(name, "lost_no_area"))
			losses->no_area = value;
		else if (!strcmp(name, "lost_stale"))
			losses->stale = value;
		else if (!strcmp(name, "lost_merge"))
			losses->merge = value;
	}
	if (file)
		fclose(file);
	free(path);
}
