/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * A train's doors: may they open? Each line of input is a speed in km/h, whether the train is at a platform,
 * and whether somebody pulled the emergency handle; each line of output is the answer.
 */
#include <stdbool.h>
#include <stdio.h>

static bool may_open(int speed, bool platform, bool emergency)
{
	return (speed == 0 && platform) || (emergency && speed < 5);
}

int main(void)
{
	int speed, platform, emergency;

	setvbuf(stdout, NULL, _IOLBF, BUFSIZ);
	while (scanf("%d %d %d", &speed, &platform, &emergency) == 3)
		puts(may_open(speed, platform, emergency) ? "open" : "shut");
	return 0;
}
