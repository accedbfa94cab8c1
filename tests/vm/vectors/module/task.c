// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "world.h"
#include "libcovbuf/platform/kernel/task.c"

/* No device enables anything here. */
void covb_kcov_task_gone(struct covb_kcov *kcov)
{
}

/* What a case that failed left open is dropped with the rest. */
void vectors_forget_tasks(void)
{
	rcu_read_lock();
	for (uint32_t i = 0; i < nr_tasks; i++)
		if (READ_ONCE(tasks[i].task))
			drop(&tasks[i], false);
	rcu_read_unlock();
	rcu_barrier(); /* freed() */
}
