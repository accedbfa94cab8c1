/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * What the checker and the C side of its world offer one another. The checker (tests/relacy) has
 * the threads, the values of loads and what a race is; the C side (platform.c) has the segment and the engine.
 */
#ifndef COVB_MODEL_H
#define COVB_MODEL_H

#include <sys/types.h>

#include <covbuf/types.h>

#define COVB_MODEL_NR_THREADS 3

/* One thing to be tried: what is there before, what the threads do, what must be true afterwards. */
struct covb_model_scenario {
	const char *name;
	void (*before)(void);	/* alone; orders everything that follows */
	void (*thread[COVB_MODEL_NR_THREADS])(void);
	void (*after)(void);	/* alone; sees everything */
	uint32_t times;		/* as many executions as others have, times this; 0: 1 */
};

#define COVB_MODEL_SCENARIO(id, ...)                                                               \
	static const struct covb_model_scenario scenario_##id = { .name = #id, __VA_ARGS__ };      \
	static const struct covb_model_scenario *const entry_##id                                  \
		__attribute__((__section__("covb_scenarios"), __used__)) = &scenario_##id

COVBUF_BEGIN_DECLS

/* ---- the checker's ----------------------------------------------------------------------------- */

/* Who runs: below COVB_MODEL_NR_THREADS, or that where nothing runs beside it. */
uint32_t covb_model_thread(void);

/* Do something in the name of a thread, before they run. */
void covb_model_be(uint32_t thread);

/* What was promised is not so. Does not return while threads run. */
void covb_model_fail(const char *file, uint32_t line, const char *what);

/* One of n, decided by the checker. */
uint32_t covb_model_choose(uint32_t n);

/* The caller waits for somebody else. */
void covb_model_yield(void);
void covb_model_lock(void);
void covb_model_unlock(void);

/* As futex(2): sleep if *word is value; wake all. A sleeper that nobody wakes is an error. */
void covb_model_sleep(uint32_t *word, uint32_t value);
void covb_model_wake(uint32_t *word);

/* From now on these bytes of what is shared are one thread's at a time. Before the threads run. */
void covb_model_hand(const void *p, uint64_t bytes);

/* ---- the C side's ------------------------------------------------------------------------------ */

/* Zero everything that the sections hold, and what else there is. */
void covb_model_reset(void);

/* The name of an address in the sections, for people. */
void covb_model_name(const void *p, char *name, size_t bytes);

/* The C library's and the kernel's, as shm/ is given them: see shm.h. */
void *covb_model_malloc(size_t bytes);
void *covb_model_calloc(size_t nr, size_t bytes);
void covb_model_free(void *p);
long covb_model_syscall(long number, uint32_t *word, int operation, uint32_t value, ...);
ssize_t covb_model_pread(int fd, void *to, size_t bytes, off_t offset);

COVBUF_END_DECLS

#define COVB_MODEL_CHECK(condition)                                                                \
	do {                                                                                       \
		if (!(condition))                                                                  \
			covb_model_fail(__FILE__, __LINE__, #condition);                           \
	} while (0)

#endif
