/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Where an area is: pool, producer, queue, consumer, and what comes back when a process is killed between
 * any two steps. What is modelled: core/flag.h, core/queue.h, core/handoff.c and shm/audit.c. Two
 * producers take, fill and queue areas; a consumer takes the queue as a whole, reads, zeroes and gives
 * back; when it dies another one follows, which audits. Sequentially consistent; the orders are in
 * tests/litmus (queue, pool).
 *
 * Checked: an area is used by nobody but its holder (word, and user); a record is delivered exactly once;
 * an area that is taken is zero; an area is pushed at most once at a time; at the end, when the dead have
 * been audited, every area is in the pool and every record delivered.
 *
 * KILLP: producers may be killed. KILLC: the consumer may be killed. TWICE: a
 * producer may give an area twice. A process that lives is never taken for dead: that is shm/liveness.c's
 * promise, and the audit relies on it, for an area between its flag and its push cannot be told.
 * BROKEN=0 holds. These must fail:
 *   1 give is a plain store of FREE (with TWICE): the second give is of what is another's by then
 *   2 the audit takes areas back without walking the queues first
 *   3 the audit takes back what is QUEUED and on no queue of holders that live
 *   4 the consumer takes the queue by an exchange without writing down first what it takes (with KILLC):
 *     what it had in its hands comes back only when the producer dies, too
 *   5 the consumer gives the area before it has zeroed it
 *   6 the consumer gives the area before it writes down that the rest of the chain is what it has (with KILLC)
 */
#ifndef BROKEN
#define BROKEN 0
#endif
#ifndef AREAS
#define AREAS 2
#endif
#ifndef PRODUCERS
#define PRODUCERS 2
#endif
#ifndef ROUNDS
#define ROUNDS 2
#endif
#define FREE 1
#define HELD 2
#define QUEUED 3
#define READING 4
#define CONSUMER 9
#define FLAG(generation, holder, state) (((generation) % 8) * 256 + (holder) * 16 + (state))
#define STATE(f) ((f) & 15)
#define HOLDER(f) (((f) >> 4) & 15)
#define GENERATION(f) ((f) >> 8)

short flag[AREAS];
byte next[AREAS], word[AREAS];	/* word: 0 or the record */
byte head;			/* index + 1 */
byte taking;			/* head that the consumer is about to take, or has in its hands */
bool dead[PRODUCERS + 1];
byte emitted, delivered, ended, consumer_deaths;
bool done;

#ifdef KILLP
#define MAY_DIE :: atomic { !dead[me] -> dead[me] = 1; ended++; goto gone }
#else
#define MAY_DIE
#endif

proctype producer(byte me) {
	byte a, n, i;
	short mine;
	do
	:: n < ROUNDS ->
		n++; a = 0;
		/* take */
		do
		:: atomic { a < AREAS && STATE(flag[a]) == FREE ->
			mine = FLAG(GENERATION(flag[a]) + 1, me, HELD); flag[a] = mine; assert(word[a] == 0);
			i = head; do :: i != 0 -> assert(i != a + 1); i = next[i - 1] :: else -> break od; break }
		:: a < AREAS && STATE(flag[a]) != FREE -> a++
		:: a == AREAS -> break
		od;
		if
		:: a == AREAS -> skip	/* empty: counted */
		:: a < AREAS ->
			if
			MAY_DIE
			:: atomic { assert(flag[a] == mine && word[a] == 0); word[a] = me; emitted++ }
			   if
			   MAY_DIE
			   :: atomic { flag[a] == mine -> mine = FLAG(GENERATION(mine), me, QUEUED); flag[a] = mine; i = head }
				/* push */
				do
				MAY_DIE
				:: next[a] = i;
					if
					:: atomic { head == i -> head = a + 1; break }
					:: atomic { head != i -> i = head }
					fi
				od
			   fi
			:: /* nothing recorded: give */
			   do
#if BROKEN == 1
			   :: atomic { flag[a] = FLAG(GENERATION(mine), 0, FREE) }
#else
			   :: atomic { if :: flag[a] == mine -> flag[a] = FLAG(GENERATION(mine), 0, FREE) :: else fi }
#endif
#ifdef TWICE
			      i++;
			      if
			      :: i < 2 -> skip
			      :: break
			      fi
#else
			      break
#endif
			   od
			fi
		fi;
		i = 0; mine = 0; a = 0
	:: n == ROUNDS -> break
	od;
	ended++;
gone:	skip
}

#ifdef KILLC
#define MAY_DIE_C :: atomic { consumer_deaths == 0 -> consumer_deaths++; goto died }
#else
#define MAY_DIE_C
#endif

/* Area a was claimed: f is our flag. */
inline deliver() {
	atomic { if :: word[a] != 0 -> delivered++ :: else fi;
		 /* a reader that dies here delivers again: what it read is not undone */
#if BROKEN != 5
		 word[a] = 0
#endif
	       }
#if BROKEN == 5
	atomic { assert(flag[a] == f); flag[a] = FLAG(GENERATION(f), 0, FREE) }
	word[a] = 0;
#else
	if
	MAY_DIE_C
	:: atomic { assert(flag[a] == f); flag[a] = FLAG(GENERATION(f), 0, FREE) }
	fi;
#endif
	f = 0
}

/* The chain that begins at h and is nobody's but ours. */
inline take_chain() {
	n = 0;
	do
	:: h == 0 || n > AREAS -> break
	:: h != 0 && n <= AREAS -> atomic { n++; a = h - 1; h = next[a] }
		if
		MAY_DIE_C
		:: atomic { STATE(flag[a]) == QUEUED && !on_queue[a] -> f = FLAG(GENERATION(flag[a]), CONSUMER, READING); flag[a] = f }
#if BROKEN != 4
#if BROKEN != 6
		   taking = h; /* the rest, before the area can go round again */
#endif
#endif
		   deliver()
		:: atomic { STATE(flag[a]) != QUEUED || on_queue[a] -> skip }
		fi
	od;
	n = 0; h = 0; a = 0
}

inline walk_queue() {
	atomic { a = 0; do :: a < AREAS -> on_queue[a] = 0; a++ :: else -> break od;
#if BROKEN != 2
		 h = head; n = 0;
		 do
		 :: h != 0 && n <= AREAS -> assert(!on_queue[h - 1]); on_queue[h - 1] = 1; h = next[h - 1]; n++
		 :: else -> break
		 od;
#endif
		 h = 0; n = 0; a = 0 }
}
inline forget_walk() { atomic { a = 0; do :: a < AREAS -> on_queue[a] = 0; a++ :: else -> break od; a = 0 } }

proctype consumer() {
	byte a, h, n, p;
	short f;
	bool on_queue[AREAS];
begin:
	/* What a consumer before us had: the chain it took, and what it was reading. */
	walk_queue();
#if BROKEN != 4
	h = taking;
	take_chain();
	taking = 0;
#endif
	a = 0;
	do
	:: a < AREAS -> 
		if
		:: atomic { STATE(flag[a]) == READING && HOLDER(flag[a]) == CONSUMER -> f = flag[a] }
		   deliver()
		:: else
		fi;
		a++
	:: else -> break
	od;
	forget_walk();
	do
	:: atomic { head != 0 -> h = head }
#if BROKEN == 4
	   atomic { h = head; head = 0 }
	   take_chain()
#else
	   taking = h;
	   if
	   MAY_DIE_C
	   :: atomic { head == h -> head = 0 }
	      take_chain();
	      taking = 0
	   :: atomic { head != h -> taking = 0; h = 0 }
	   fi
#endif
	:: atomic { ended > 0 -> p = 1 }
		/* the audit of those that are dead, or look it */
		do
		:: p <= PRODUCERS ->
			if
			:: dead[p] || (BROKEN == 3 && !dead[p]) ->
				walk_queue();
				a = 0;
				do
				:: a < AREAS ->
					if
					:: atomic { HOLDER(flag[a]) == p && (STATE(flag[a]) == HELD && BROKEN != 3 ||
						    STATE(flag[a]) == QUEUED && !on_queue[a]) -> f = FLAG(GENERATION(flag[a]), CONSUMER, READING); flag[a] = f }
					   deliver()
					:: else
					fi;
					a++
				:: else -> break
				od;
				forget_walk()
			:: else
			fi;
			p++
		:: else -> break
		od;
		p = 0
	:: atomic { ended == PRODUCERS && head == 0 && (consumer_deaths == 1 || 1) -> n = 0; a = 0; p = 1;
		do
		:: a < AREAS -> if :: STATE(flag[a]) != FREE -> n = 1 :: else fi; a++
		:: else -> break
		od;
		do
		:: p <= PRODUCERS -> if :: dead[p] -> n = n * 2 :: else fi; p++
		:: else -> break
		od }
	   /* whoever is dead has been audited or still will be: only then is it the end */
	   if
	   :: n > 1 -> n = 0; a = 0; p = 0
	   :: n <= 1 -> done = 1; goto out
	   fi
	od;
died:
	atomic { a = 0; h = 0; n = 0; p = 0; f = 0; do :: a < AREAS -> on_queue[a] = 0; a++ :: else -> break od; a = 0 }
	goto begin;
out:	skip
}

init {
	byte i;
	atomic {
		i = 0;
		do
		:: i < AREAS -> flag[i] = FLAG(0, 0, FREE); i++
		:: else -> break
		od;
		i = 1;
		do
		:: i <= PRODUCERS -> run producer(i); i++
		:: else -> break
		od;
		run consumer()
	}
	atomic { done -> i = 0;
		 do
		 :: i < AREAS -> assert(STATE(flag[i]) == FREE && word[i] == 0); i++
		 :: else -> break
		 od;
		 assert(delivered == emitted) }
}
