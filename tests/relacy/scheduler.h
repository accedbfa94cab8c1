/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Which thread goes on. Relacy's own random scheduler tosses a coin at each access, so that a thread that is
 * left standing for a hundred steps never happens; and most of what can go wrong here needs one. So in each
 * execution a thread runs on for a number of steps that is random, and whose mean is drawn anew each time.
 */
#ifndef COVB_RELACY_SCHEDULER_H
#define COVB_RELACY_SCHEDULER_H

#include "checker.h"

template<rl::thread_id_t nr_threads>
class burst_scheduler
	: public rl::scheduler<burst_scheduler<nr_threads>, rl::scheduler_thread_info, nr_threads> {
public:
	typedef rl::scheduler<burst_scheduler<nr_threads>, rl::scheduler_thread_info, nr_threads> base_t;
	typedef typename base_t::thread_info_t thread_info_t;
	typedef typename base_t::shared_context_t shared_context_t;

	struct task_t {
	};

	burst_scheduler(rl::test_params &params, shared_context_t &ctx, rl::thread_id_t nr_dynamic)
		: base_t(params, ctx, nr_dynamic)
	{
	}

	rl::thread_id_t iteration_begin_impl()
	{
		random_.seed(this->iter_);
		mean_ = 1u << random_.rand() % 8;
		return other();
	}

	bool iteration_end_impl()
	{
		return this->iter_ == this->params_.iteration_count;
	}

	rl::thread_id_t schedule_impl(rl::unpark_reason &reason, unsigned yield)
	{
		reason = rl::unpark_reason_normal;
		if (!yield && this->thread_->state_ == rl::thread_state_running && random_.rand() % mean_)
			return this->thread_->index_;
		return other();
	}

	unsigned rand_impl(unsigned limit, rl::sched_type)
	{
		return random_.rand() % limit;
	}

	rl::iteration_t iteration_count_impl()
	{
		return this->params_.iteration_count;
	}

	void get_state_impl(std::ostream &)
	{
	}

	void set_state_impl(std::istream &)
	{
	}

	void on_thread_block(rl::thread_id_t, bool)
	{
	}

private:
	rl::random_generator random_;
	unsigned mean_;

	rl::thread_id_t other()
	{
		return this->running_threads[random_.rand() % this->running_threads_count];
	}
};

#endif
