/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Sixty objects, parsed and printed. */
#include <stdio.h>
#include <stdlib.h>

#include <cJSON.h>

#include "driver.h"

#define NR_OBJECTS 60

static char text[NR_OBJECTS * 128];

const uint32_t workload_slices = 128;

void workload_prepare(void)
{
	char *p = text, *end = text + sizeof(text);

	for (int i = 0; i < NR_OBJECTS; i++)
		p += snprintf(p, (size_t)(end - p),
			      "%s{\"id\":%d,\"name\":\"item %d\",\"v\":[1,2.5,%d,true,null],\"s\":\"a\\n\\u0041b\",\"o\":{\"k\":%d}}",
			      i ? "," : "[", i, i * 31, i * 3, i);
	snprintf(p, (size_t)(end - p), "]");
}

void workload_slice(uint32_t i)
{
	cJSON *tree = cJSON_Parse(text);
	char *printed = tree ? cJSON_PrintUnformatted(tree) : NULL;

	(void)i;
	if (!printed)
		driver_fail("cJSON");
	free(printed);
	cJSON_Delete(tree);
}
