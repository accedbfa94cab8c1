// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * Each order of the engine and of the readers, weakened in turn: some scenario must fail, or the list of
 * exceptions says why none can. A process for each, since what is broken may break anything.
 */
#include "checker.h"
#include "driver.h"

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <iostream>
#include <map>

#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

extern "C" {
extern covb_model_site __start_covb_sites[], __stop_covb_sites[];
}

/* ---- places ------------------------------------------------------------------------------------ */

static std::string strip(const char *file)
{
	static const char *const roots[] = { "libcovbuf/core/", "shm/", "include/covbuf/" };

	for (size_t i = 0; i < sizeof(roots) / sizeof(roots[0]); i++)
		if (const char *p = std::strstr(file, roots[i]))
			return p;
	return "";
}

static const char *variant_name(const covb_model_site *site, unsigned weaker)
{
	unsigned order = checker_orders(site->op);

	if (site->op >= COVB_MODEL_WMB)
		return weaker == WEAKER_FULL ? "lightweight" : "none";
	if (weaker == order)
		return "relaxed";
	return weaker == WEAKER_ACQUIRE ? "without acquire" : "without release";
}

void mutant::apply() const
{
	for (size_t i = 0; i < sites.size(); i++)
		sites[i]->weaker = (uint8_t)weaker;
}

bool mutant::reached() const
{
	for (size_t i = 0; i < sites.size(); i++)
		if (sites[i]->reached)
			return true;
	return false;
}

static bool earlier(const mutant &a, const mutant &b)
{
	return a.place != b.place ? a.place < b.place : a.weaker < b.weaker;
}

std::string only;

static void add(std::vector<mutant> &all, covb_model_site *site, unsigned weaker)
{
	std::string file = strip(site->file);
	mutant m;

	if (file.empty())
		return; /* a scenario's own */
	m.place = file + " " + site->function + ": " + checker_op_name(site->op);
	if (*site->what)
		m.place += std::string(" ") + site->what;
	m.variant = variant_name(site, weaker);
	m.line = site->line;
	m.weaker = weaker;
	for (size_t i = 0; i < all.size(); i++)
		if (all[i].name() == m.name()) {
			all[i].sites.push_back(site);
			return;
		}
	m.sites.push_back(site);
	if (m.name().find(only) != std::string::npos)
		all.push_back(m);
}

std::vector<mutant> all_mutants()
{
	std::vector<mutant> all;

	for (covb_model_site *site = __start_covb_sites; site < __stop_covb_sites; site++) {
		unsigned order = checker_orders(site->op);

		if (order & WEAKER_FULL) {
			add(all, site, WEAKER_FULL);
			add(all, site, order);
		} else {
			if (order & WEAKER_ACQUIRE)
				add(all, site, WEAKER_ACQUIRE);
			if (order & WEAKER_RELEASE)
				add(all, site, WEAKER_RELEASE);
		}
	}
	std::sort(all.begin(), all.end(), earlier);
	return all;
}

/* ---- the list of exceptions -------------------------------------------------------------------- */

typedef std::map<std::string, std::string> exceptions_t;

/* A name at the beginning of a line, the reason in the lines behind it, which are indented. */
static bool read_exceptions(const std::string &path, exceptions_t &exceptions)
{
	std::ifstream file(path.c_str());
	std::string line, name;

	if (!file) {
		std::fprintf(stderr, "relacy: cannot read %s: %s\n", path.c_str(), std::strerror(errno));
		return false;
	}
	while (std::getline(file, line)) {
		if (line.empty() || line[0] == '#')
			continue;
		if (line[0] != '\t') {
			name = line;
			exceptions[name] = "";
		} else {
			exceptions[name] += (exceptions[name].empty() ? "" : " ") + line.substr(1);
		}
	}
	for (exceptions_t::iterator e = exceptions.begin(); e != exceptions.end(); ++e)
		if (e->second.empty()) {
			std::fprintf(stderr, "relacy: %s: no reason for: %s\n", path.c_str(), e->first.c_str());
			return false;
		}
	return true;
}

/* ---- running ----------------------------------------------------------------------------------- */

/* What a process says of its task, in memory that it shares with us. */
struct outcome {
	bool caught;
	unsigned long executions;
	char scenario[64], why[400];
};

template<typename T>
static T *shared(size_t nr)
{
	void *p = mmap(NULL, nr * sizeof(T), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	if (p == MAP_FAILED) {
		std::perror("relacy: mmap");
		std::exit(2);
	}
	return (T *)p;
}

/* As many processes at once as there are processors. */
class crew {
public:
	explicit crew(outcome *outcomes) : outcomes_(outcomes)
	{
	}

	/* True in the process that is to do task i, which ends by _exit(). */
	bool begin(size_t i)
	{
		while (running_.size() >= (size_t)sysconf(_SC_NPROCESSORS_ONLN))
			finish_one();
		std::fflush(stdout);
		pid_t pid = fork();
		if (pid < 0) {
			std::perror("relacy: fork");
			std::exit(2);
		}
		if (!pid) {
			alarm(600); /* a task that hangs has failed */
			return true;
		}
		running_[pid] = i;
		return false;
	}

	void finish()
	{
		while (!running_.empty())
			finish_one();
	}

private:
	outcome *outcomes_;
	std::map<pid_t, size_t> running_;

	void finish_one()
	{
		int status;
		std::map<pid_t, size_t>::iterator r = running_.find(waitpid(-1, &status, 0));

		if (r == running_.end())
			return;
		outcome &o = outcomes_[r->second];
		if (WIFSIGNALED(status)) {
			o.caught = true;
			std::snprintf(o.why, sizeof(o.why), "%s", strsignal(WTERMSIG(status)));
		}
		running_.erase(r);
	}
};

static void try_scenario(const covb_model_scenario *scenario, unsigned part, outcome &o)
{
	std::snprintf(o.scenario, sizeof(o.scenario), "%s", scenario->name);
	verdict v = run(scenario, part);
	o.caught = !v.ok;
	o.executions = v.executions;
	std::snprintf(o.why, sizeof(o.why), "%s", v.why.c_str());
}

typedef std::vector<scenarios_t> reach_t;

/* Nothing weakened: all must hold. Which scenarios come by where? */
static bool run_whole(const std::vector<mutant> &mutants, reach_t &reach)
{
	scenarios_t all = scenarios();
	outcome *outcomes = shared<outcome>(all.size());
	bool *reached = shared<bool>(all.size() * mutants.size());
	crew workers(outcomes);
	bool ok = true;

	for (size_t s = 0; s < all.size(); s++)
		if (workers.begin(s)) {
			try_scenario(all[s], 1, outcomes[s]);
			for (size_t i = 0; i < mutants.size(); i++)
				reached[s * mutants.size() + i] = mutants[i].reached();
			_exit(0);
		}
	workers.finish();
	reach.resize(mutants.size());
	for (size_t s = 0; s < all.size(); s++) {
		const outcome &o = outcomes[s];

		std::printf("%-28s %s %lu executions %s\n", all[s]->name, o.caught ? "FAIL" : "ok", o.executions, o.why);
		ok = ok && !o.caught;
		for (size_t i = 0; i < mutants.size(); i++)
			if (reached[s * mutants.size() + i])
				reach[i].push_back(all[s]);
	}
	return ok;
}

/* All a little at first, since most are caught at once. */
static void try_mutant(const mutant &m, const scenarios_t &reach, bool listed, outcome &o)
{
	m.apply();
	for (size_t s = 0; s < reach.size() && !o.caught; s++)
		try_scenario(reach[s], 16, o);
	for (size_t s = 0; s < reach.size() && !o.caught; s++)
		try_scenario(reach[s], listed ? 8 : 1, o);
}

static void run_each(const std::vector<mutant> &mutants, const reach_t &reach, const exceptions_t &exceptions,
		     outcome *outcomes)
{
	crew workers(outcomes);

	for (size_t i = 0; i < mutants.size(); i++)
		if (!reach[i].empty() && workers.begin(i)) {
			try_mutant(mutants[i], reach[i], exceptions.count(mutants[i].name()), outcomes[i]);
			_exit(0);
		}
	workers.finish();
}

/* ---- the table --------------------------------------------------------------------------------- */

static int judge(const mutant &m, const scenarios_t &reach, const outcome &o, exceptions_t &exceptions)
{
	exceptions_t::iterator e = exceptions.find(m.name());
	bool listed = e != exceptions.end();
	const char *what = o.caught ? "caught" : reach.empty() ? "not reached" : "survives";
	int bad = o.caught == listed;

	std::printf("%s %-11s %s:%u\n", bad ? "BAD" : "   ", what, m.name().c_str(), m.line);
	if (o.caught)
		std::printf("                    %s, %lu: %s\n", o.scenario, o.executions, o.why);
	if (listed)
		std::printf("                    listed: %s\n", e->second.c_str());
	if (listed)
		exceptions.erase(e);
	return bad;
}

int run_mutants(const std::string &path)
{
	std::vector<mutant> mutants = all_mutants();
	exceptions_t exceptions;
	unsigned bad = 0, caught = 0;
	reach_t reach;

	if (!read_exceptions(path, exceptions))
		return 2;
	if (!run_whole(mutants, reach))
		return 1;
	outcome *outcomes = shared<outcome>(mutants.size());
	run_each(mutants, reach, exceptions, outcomes);
	for (size_t i = 0; i < mutants.size(); i++) {
		bad += judge(mutants[i], reach[i], outcomes[i], exceptions);
		caught += outcomes[i].caught;
	}
	for (exceptions_t::iterator e = exceptions.begin(); e != exceptions.end(); ++e, bad++)
		std::printf("BAD listed, and no such place: %s\n", e->first.c_str());
	std::printf("%u orders weakened, %u caught, %u not as listed in %s\n", (unsigned)mutants.size(), caught, bad,
		    path.c_str());
	return bad != 0;
}
