// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * vectors.ko: the engine's cases (tests/vectors) in a kernel. Each has an engine of its own, made before it and
 * freed after it; those that do not sleep run in a task, with preemption off, and in a softirq.
 *
 * They run when the module is loaded: as a KUnit suite where KUnit is part of the kernel, else by themselves,
 * with a line for each in the kernel's log.
 */
#include <linux/completion.h>
#include <linux/interrupt.h>
#include <linux/module.h>

#if IS_BUILTIN(CONFIG_KUNIT)
#include <kunit/test.h>
#endif

#include "world.h"

#define NR_OWNERS 16
#define NR_CONTEXTS 16

/* What the case that runs did not find as it expected. Its levels take turns, so nothing comes in between. */
static struct {
	int nr;
	char first[200];
} failures;

static void world_failed(const char *file, int line, const char *text, uint64_t is, uint64_t wanted)
{
	if (!failures.nr++)
		snprintf(failures.first, sizeof(failures.first), "%s:%d: %s: it is %#llx, not %#llx", kbasename(file),
			 line, text, is, wanted);
}

static struct covbuf_context *world_context(void)
{
	struct covb_task *task = covb_task_get();

	return task ? &task->ctx : NULL;
}

static void world_grace(void)
{
	rcu_barrier();
}

/* ---- a softirq, if possible of this task ----------------------------------------------------- */

static void (*above)(void);
static DECLARE_COMPLETION(softirq_done);

static void call_in_softirq(struct tasklet_struct *tasklet)
{
	above();
	complete(&softirq_done);
}

static DECLARE_TASKLET(tasklet, call_in_softirq);

static void world_above(void (*fn)(void))
{
	above = fn;
	reinit_completion(&softirq_done);
	local_bh_disable();
	tasklet_schedule(&tasklet);
	local_bh_enable(); /* here, as a rule */
	wait_for_completion(&softirq_done);
	tasklet_kill(&tasklet);
}

#include "tests/vectors/cases.h"

/* ---- cases and levels ------------------------------------------------------------------------ */

enum level { TASK, PREEMPT_OFF, SOFTIRQ };

struct vector {
	const char *name;
	void (*run)(void);
	enum level level;
};

#define IN_TASK(name) { "vectors/" #name, name, TASK },
#define PREEMPTION_OFF(name) { "vectors/preempt_off/" #name, name, PREEMPT_OFF },
#define IN_SOFTIRQ(name) { "vectors/softirq/" #name, name, SOFTIRQ },

static const struct vector all[] = {
	COVB_CASES_ANYWHERE(IN_TASK)
	COVB_CASES_SLEEPING(IN_TASK)
	COVB_CASES_ANYWHERE(PREEMPTION_OFF)
	COVB_CASES_ANYWHERE(IN_SOFTIRQ)
};

static void run_at_level(const struct vector *vector)
{
	switch (vector->level) {
	case TASK:
		vector->run();
		break;
	case PREEMPT_OFF:
		preempt_disable();
		vector->run();
		preempt_enable();
		break;
	case SOFTIRQ:
		world_above(vector->run);
		break;
	}
}

static void run_with_engine(const struct vector *vector)
{
	if (COVB_EXPECT_EQ(covb_pool_resize(NR_AREAS), 0)) {
		if (vectors_begin())
			run_at_level(vector);
		vectors_end();
	}
	vectors_forget_tasks();
	world_grace();
	covb_engine_fini();
}

/* Returns how many expectations did not hold; failures.first is the first of them. */
static int run(const struct vector *vector)
{
	failures.nr = 0;
	if (COVB_EXPECT_EQ(covb_engine_init(NR_OWNERS, NR_CONTEXTS), 0))
		run_with_engine(vector);
	vectors_forget_engine();
	return failures.nr;
}

#if IS_BUILTIN(CONFIG_KUNIT)

static void describe(const struct vector *vector, char *description)
{
	strscpy(description, vector->name, KUNIT_PARAM_DESC_SIZE);
}

KUNIT_ARRAY_PARAM(vector, all, describe);

static void run_vector(struct kunit *test)
{
	int nr = run(test->param_value);

	if (nr)
		KUNIT_FAIL(test, "not as expected: %s; %d in all", failures.first, nr);
}

static int begin(struct kunit_suite *suite)
{
	pr_info("%zu cases\n", ARRAY_SIZE(all));
	return covb_tasks_init(NR_CONTEXTS, covb_kcov_task_gone);
}

static void end(struct kunit_suite *suite)
{
	covb_tasks_stop();
	covb_tasks_fini();
}

static struct kunit_case cases[] = {
	KUNIT_CASE_PARAM(run_vector, vector_gen_params),
	{}
};

static struct kunit_suite suite = {
	.name = "covbuf_vectors", .test_cases = cases, .suite_init = begin, .suite_exit = end,
};
kunit_test_suite(suite);

#else

static int __init vectors_init(void)
{
	int err = covb_tasks_init(NR_CONTEXTS, covb_kcov_task_gone);

	if (err)
		return err;
	pr_info("%zu cases\n", ARRAY_SIZE(all));
	for (const struct vector *vector = all; vector < all + ARRAY_SIZE(all); vector++) {
		int nr = run(vector);

		if (nr)
			pr_info("not ok %s: %s; %d in all\n", vector->name, failures.first, nr);
		else
			pr_info("ok %s\n", vector->name);
	}
	covb_tasks_stop();
	covb_tasks_fini();
	return 0;
}
module_init(vectors_init);

static void __exit vectors_exit(void)
{
}
module_exit(vectors_exit);

#endif

MODULE_DESCRIPTION("Cases of the engine of covbuf.ko");
MODULE_LICENSE("Dual BSD/GPL");
