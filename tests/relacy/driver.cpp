// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * relacy [OPTION]... [SCENARIO]... - run the engine under Relacy
 *
 *   --executions N   of each scenario, or a multiple where it needs more (10000)
 *   --seed N         begin with this one
 *   --bound N        all executions with so many switches between threads that can go on; takes its time
 *   --mutants FILE   weaken each order in turn: a scenario must fail, or FILE must say why none does
 *   --weaken PLACE   weaken one, as --places prints it
 *   --only TEXT      of the places those that have this in their name
 *   --history        print the execution that fails, step by step
 *   --list           the scenarios
 *   --places         what can be weakened
 *
 * Exit status: 0 all is as it should be, 1 it is not, 2 bad options.
 */
#include "driver.h"
#include "scheduler.h"

#include <algorithm>
#include <cstdio>
#include <cstdlib>

extern "C" {
extern const covb_model_scenario *const __start_covb_scenarios[], *const __stop_covb_scenarios[];
}

static unsigned long executions = 10000, seed;
static unsigned bound;
static bool history;
static std::vector<std::string> names;

/* ---- one scenario ------------------------------------------------------------------------------ */

static const covb_model_scenario *current;
static rl::mutex *lock;

struct suite : rl::test_suite<suite, COVB_MODEL_NR_THREADS> {
	rl::mutex lock_;

	void before()
	{
		lock = &lock_;
		checker_begin();
		current->before();
	}

	void thread(unsigned i)
	{
		checker_threads(true);
		if (current->thread[i])
			current->thread[i]();
	}

	void after()
	{
		checker_threads(false);
		if (current->after)
			current->after();
	}
};

void covb_model_lock()
{
	lock->lock($);
}

void covb_model_unlock()
{
	lock->unlock($);
}

typedef burst_scheduler<COVB_MODEL_NR_THREADS> scheduler_t;

static rl::test_result_e search(rl::test_params &params, std::ostream &state, bool again)
{
	if (bound)
		return rl::run_test<suite, rl::context_bound_scheduler<COVB_MODEL_NR_THREADS> >(params, state, again);
	return rl::run_test<suite, scheduler_t>(params, state, again);
}

verdict run(const covb_model_scenario *scenario, unsigned part)
{
	unsigned long n = executions * (scenario->times ? scenario->times : 1) / part + 1;
	rl::test_params params;
	rl::ostringstream state, out;
	char first[32];
	verdict v;

	current = scenario;
	params.search_type = bound ? rl::fair_context_bound_scheduler_type : rl::random_scheduler_type;
	params.context_bound = bound;
	params.iteration_count = seed + n;
	params.execution_depth_limit = 20000;
	params.output_stream = &out;
	params.progress_stream = &out;
	std::snprintf(first, sizeof(first), "%lu ", seed + 1);
	if (!bound)
		params.initial_state = first;
	rl::test_result_e result = search(params, state, false);
	v.ok = result == rl::test_result_success;
	v.executions = params.stop_iteration - seed;
	if (v.ok)
		return v;
	v.why = *checker_failure() ? checker_failure() : rl::test_result_str(result);
	if (history) {
		/* the same again, and this time it is written down */
		params.initial_state = state.str();
		params.collect_history = true;
		params.output_stream = &std::cout;
		search(params, out, true);
	}
	return v;
}

/* ---- all of them ------------------------------------------------------------------------------- */

scenarios_t scenarios()
{
	scenarios_t all;

	for (const covb_model_scenario *const *s = __start_covb_scenarios; s < __stop_covb_scenarios; s++)
		if (names.empty() || std::find(names.begin(), names.end(), (*s)->name) != names.end())
			all.push_back(*s);
	return all;
}

static int run_all()
{
	scenarios_t all = scenarios();
	unsigned failed = 0;

	for (size_t i = 0; i < all.size(); i++) {
		unsigned started = get_tick_count();
		verdict v = run(all[i], 1);

		failed += !v.ok;
		std::printf("%-28s %s %8lu executions %6u ms %s\n", all[i]->name, v.ok ? "ok  " : "FAIL", v.executions,
			    get_tick_count() - started, v.why.c_str());
		std::fflush(stdout);
	}
	std::printf("%u of %u scenarios failed\n", failed, (unsigned)all.size());
	return failed != 0 || all.empty();
}

static int list()
{
	scenarios_t all = scenarios();

	for (size_t i = 0; i < all.size(); i++)
		std::printf("%s\n", all[i]->name);
	return 0;
}

static int list_places()
{
	std::vector<mutant> all = all_mutants();

	for (size_t i = 0; i < all.size(); i++)
		std::printf("%s\n", all[i].name().c_str());
	return 0;
}

static bool weaken(const std::string &name)
{
	std::vector<mutant> all = all_mutants();

	for (size_t i = 0; i < all.size(); i++)
		if (all[i].name() == name) {
			all[i].apply();
			return true;
		}
	return false;
}

static int bad_option(const char *what, const char *value)
{
	std::fprintf(stderr, "relacy: %s %s; see the head of tests/relacy/driver.cpp\n", what, value);
	return 2;
}

int main(int argc, char **argv)
{
	std::string exceptions;
	bool list_only = false, places_only = false;

	for (int i = 1; i < argc; i++) {
		std::string option = argv[i];

		if (option == "--list")
			list_only = true;
		else if (option == "--places")
			places_only = true;
		else if (option == "--history")
			history = true;
		else if (option[0] != '-')
			names.push_back(option);
		else if (i + 1 == argc)
			return bad_option("no such option, or no value for it:", argv[i]);
		else if (option == "--executions")
			executions = std::strtoul(argv[++i], NULL, 0);
		else if (option == "--seed")
			seed = std::strtoul(argv[++i], NULL, 0);
		else if (option == "--mutants")
			exceptions = argv[++i];
		else if (option == "--bound")
			bound = (unsigned)std::strtoul(argv[++i], NULL, 0);
		else if (option == "--only")
			only = argv[++i];
		else if (option != "--weaken")
			return bad_option("no such option:", argv[i]);
		else if (!weaken(argv[++i]))
			return bad_option("no such place:", argv[i]);
	}
	if (list_only || places_only)
		return list_only ? list() : list_places();
	return exceptions.empty() ? run_all() : run_mutants(exceptions);
}
