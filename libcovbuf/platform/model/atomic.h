/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Atomic operations as functions of a model checker, which sees every one of them with its place in the
 * sources and decides which value a load finds. See <covbuf/atomic.h> for what each promises.
 *
 * The place of each operation that orders anything is put into a section of its own, so that all of them
 * are known, reached or not, and each can be made weaker without another build.
 */
#ifndef COVB_MODEL_ATOMIC_H
#define COVB_MODEL_ATOMIC_H

enum covb_model_op {
	COVB_MODEL_LOAD,
	COVB_MODEL_LOAD_ACQUIRE,
	COVB_MODEL_STORE,
	COVB_MODEL_STORE_RELEASE,
	COVB_MODEL_XCHG_ACQUIRE,
	COVB_MODEL_XCHG_ACQ_REL,
	COVB_MODEL_ADD,
	COVB_MODEL_ADD_ACQ_REL,
	COVB_MODEL_OR,
	COVB_MODEL_CAS,
	COVB_MODEL_CAS_ACQUIRE,
	COVB_MODEL_CAS_RELEASE,
	COVB_MODEL_CAS_ACQ_REL,
	COVB_MODEL_WMB,
	COVB_MODEL_RMB,
	COVB_MODEL_MB,
	COVB_MODEL_MB_AFTER_CAS,
	COVB_MODEL_NR_OPS,
};

struct covb_model_site {
	const char *file, *function, *what;
	uint32_t line;
	uint8_t op;	/* enum covb_model_op */
	uint8_t weaker;	/* the checker's: how it is to be weakened, 0: not */
	uint16_t reached; /* the checker's */
};

COVBUF_BEGIN_DECLS

/* Values are the low bytes of a u64. A cas that fails stores what it found to *seen. */
uint64_t covb_model_load(const volatile void *p, uint32_t bytes, struct covb_model_site *site);
void covb_model_store(volatile void *p, uint32_t bytes, uint64_t value, struct covb_model_site *site);
uint64_t covb_model_rmw(volatile void *p, uint32_t bytes, uint64_t value, struct covb_model_site *site);
bool covb_model_cas(volatile void *p, uint32_t bytes, uint64_t *seen, uint64_t value, struct covb_model_site *site);
void covb_model_fence(struct covb_model_site *site);

/* Same CPU only: nobody else writes there. */
void covb_model_local_add(uint64_t *p, uint64_t value, struct covb_model_site *site);
bool covb_model_local_cas(uint64_t *p, uint64_t old, uint64_t value, struct covb_model_site *site);

COVBUF_END_DECLS

#define COVB_MODEL_SITE(attributes, operation, what)                                               \
	({                                                                                         \
		static struct covb_model_site covb_site attributes = {                             \
			__FILE__, __func__, what, __LINE__, (operation), 0, 0                      \
		};                                                                                 \
		&covb_site;                                                                        \
	})

/* An operation that orders nothing has a place, too, for what the checker prints. */
#define COVB_MODEL_RELAXED(operation, what) COVB_MODEL_SITE(, operation, what)
#define COVB_MODEL_ORDERED(operation, what)                                                        \
	COVB_MODEL_SITE(__attribute__((__section__("covb_sites"), __used__)), operation, what)

#define COVB_MODEL_LOAD_OF(p, site) ((__typeof__(*(p)))covb_model_load((p), sizeof(*(p)), site))
#define COVB_MODEL_STORE_OF(p, v, site)                                                            \
	({                                                                                         \
		__typeof__(*(p)) covb_v = (v);                                                     \
		covb_model_store((p), sizeof(*(p)), (uint64_t)covb_v, site);                       \
	})
#define COVB_MODEL_RMW_OF(p, v, site)                                                              \
	({                                                                                         \
		__typeof__(*(p)) covb_was = (__typeof__(*(p)))covb_model_rmw((p), sizeof(*(p)),    \
									     (uint64_t)(v), site); \
                                                                                                   \
		covb_was;                                                                          \
	})
#define COVB_MODEL_CAS_OF(p, old, v, site)                                                         \
	({                                                                                         \
		__typeof__(old) covb_old = (old);                                                  \
		uint64_t covb_seen = (uint64_t)*covb_old;                                          \
		bool covb_done = covb_model_cas((p), sizeof(*(p)), &covb_seen, (uint64_t)(v), site); \
                                                                                                   \
		*covb_old = (__typeof__(*covb_old))covb_seen;                                      \
		covb_done;                                                                         \
	})

#define covb_load(p) COVB_MODEL_LOAD_OF(p, COVB_MODEL_RELAXED(COVB_MODEL_LOAD, #p))
#define covb_load_acquire(p) COVB_MODEL_LOAD_OF(p, COVB_MODEL_ORDERED(COVB_MODEL_LOAD_ACQUIRE, #p))
#define covb_store(p, v) COVB_MODEL_STORE_OF(p, v, COVB_MODEL_RELAXED(COVB_MODEL_STORE, #p))
#define covb_store_release(p, v) COVB_MODEL_STORE_OF(p, v, COVB_MODEL_ORDERED(COVB_MODEL_STORE_RELEASE, #p))
#define covb_xchg_acquire(p, v) COVB_MODEL_RMW_OF(p, v, COVB_MODEL_ORDERED(COVB_MODEL_XCHG_ACQUIRE, #p))
#define covb_xchg_acq_rel(p, v) COVB_MODEL_RMW_OF(p, v, COVB_MODEL_ORDERED(COVB_MODEL_XCHG_ACQ_REL, #p))
#define covb_fetch_add(p, v) COVB_MODEL_RMW_OF(p, v, COVB_MODEL_RELAXED(COVB_MODEL_ADD, #p))
#define covb_fetch_add_acq_rel(p, v) COVB_MODEL_RMW_OF(p, v, COVB_MODEL_ORDERED(COVB_MODEL_ADD_ACQ_REL, #p))
#define covb_fetch_or(p, v) COVB_MODEL_RMW_OF(p, v, COVB_MODEL_RELAXED(COVB_MODEL_OR, #p))
#define covb_cas(p, old, v) COVB_MODEL_CAS_OF(p, old, v, COVB_MODEL_RELAXED(COVB_MODEL_CAS, #p))
#define covb_cas_acquire(p, old, v) COVB_MODEL_CAS_OF(p, old, v, COVB_MODEL_ORDERED(COVB_MODEL_CAS_ACQUIRE, #p))
#define covb_cas_release(p, old, v) COVB_MODEL_CAS_OF(p, old, v, COVB_MODEL_ORDERED(COVB_MODEL_CAS_RELEASE, #p))
#define covb_cas_acq_rel(p, old, v) COVB_MODEL_CAS_OF(p, old, v, COVB_MODEL_ORDERED(COVB_MODEL_CAS_ACQ_REL, #p))
#define covb_wmb() covb_model_fence(COVB_MODEL_ORDERED(COVB_MODEL_WMB, ""))
#define covb_rmb() covb_model_fence(COVB_MODEL_ORDERED(COVB_MODEL_RMB, ""))
#define covb_mb() covb_model_fence(COVB_MODEL_ORDERED(COVB_MODEL_MB, ""))
#define covb_mb_after_cas() covb_model_fence(COVB_MODEL_ORDERED(COVB_MODEL_MB_AFTER_CAS, ""))

/* There are no handlers here, and the functions above are opaque. */
#define covb_barrier() ((void)0)
#define covb_relax() ((void)0)
#define covb_prefetch_write(p) ((void)(p))
#define covb_local_inc(p) covb_model_local_add((p), 1, COVB_MODEL_RELAXED(COVB_MODEL_ADD, #p))
#define covb_local_add(p, v) covb_model_local_add((p), (v), COVB_MODEL_RELAXED(COVB_MODEL_ADD, #p))
#define covb_local_cas(p, old, v) covb_model_local_cas((p), (old), (v), COVB_MODEL_RELAXED(COVB_MODEL_CAS, #p))

#endif
