/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#ifndef STORM_H
#define STORM_H

#define STORM_COUNTERS 501 /* of storm_step */

void storm_step(unsigned int x);
void storm_tick(unsigned int x);

#endif
