/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* What the parts of the driver offer one another: scenarios, and orders that are weakened. */
#ifndef COVB_RELACY_DRIVER_H
#define COVB_RELACY_DRIVER_H

#include <string>
#include <vector>

#include "libcovbuf/platform/model/model.h"

#include "libcovbuf/platform/model/atomic.h"

/* ---- driver.cpp -------------------------------------------------------------------------------- */

struct verdict {
	bool ok;
	unsigned long executions;
	std::string why;
};

typedef std::vector<const covb_model_scenario *> scenarios_t;

/* Those that were asked for. */
scenarios_t scenarios();

/* One of so many parts of the executions. */
verdict run(const covb_model_scenario *scenario, unsigned part);

/* ---- mutants.cpp ------------------------------------------------------------------------------- */

/* A place and what is taken from its order. The same place may have been compiled into several objects. */
struct mutant {
	std::string place, variant;
	unsigned line, weaker;
	std::vector<covb_model_site *> sites;

	/* Does not change when lines are added elsewhere. */
	std::string name() const
	{
		return place + ", " + variant;
	}

	void apply() const;
	bool reached() const;
};

/* Those whose name has this in it. */
extern std::string only;

std::vector<mutant> all_mutants();

/* Every order in turn, against what a file says of those that cannot be caught. Returns an exit status. */
int run_mutants(const std::string &exceptions);

#endif
