/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Rings: appends of one context whose code is interrupted by strictly nested handlers at every step, and
 * one consumer that runs beside them. What is modelled: libcovbuf/core/ring.c. Sequentially consistent;
 * what the consumer and the writer need of the memory is in tests/litmus (ring-*, cmp-ring).
 *
 * Record k goes to slot k mod N, which while free for it holds k itself. A store checks that the slot is
 * free for this k, that k is between the consumer's position and a lap beyond it, and that the ring is on
 * the stack and belongs to the section that the record was emitted in. An append walks at most one lap.
 * At the end no slot between position and index is unfilled: the consumer waits for nothing that nobody
 * will store.
 *
 * HELD: a full ring whose next slot to be taken is unfilled (an interrupted append owns it, or nobody
 * does) is held, and a fresh one takes its place; it is handed over when the section stops.
 * ABORT: level 1 may leave by siglongjmp(), which abandons level 0's append; unwind puts the index back.
 * FRAME: level 1 may push a ring of its own around some of its appends.
 *
 * BROKEN=0 holds. These must fail:
 *   1 the slow path goes back to the load of the index: a hole
 *   2 an index that has fallen behind is not raised to the position: the walk is longer than a lap
 *   3 the consumer passes an unfilled slot when a later one is filled
 *   4 one free value for all laps
 *   5 the free value repeats after two laps
 *   6 a full ring leaves the index where the claim put it
 *   7 the consumer moves its position before it frees the slot
 *   8 unwind leaves the index where it was (with ABORT)
 *   9 a ring is handed over when it is replaced (with HELD)
 *  10 replacing stores the top without looking whether a handler has done so (with HELD)
 */
#ifndef BROKEN
#define BROKEN 0
#endif
#ifndef LEVELS
#define LEVELS 3
#endif
#ifndef N
#define N 2
#endif
#ifndef OPS0
#define OPS0 2
#endif
#ifndef OPS1
#define OPS1 3
#endif
#ifndef OPS2
#define OPS2 3
#endif
#ifndef RINGS
#define RINGS 2
#endif
#define RECORD 200
#define NONE 99
#if BROKEN == 4
#define FREE_FOR(k) 0
#elif BROKEN == 5
#define FREE_FOR(k) ((k) % (2 * N))
#else
#define FREE_FOR(k) (k)
#endif
#define SLOT(r, k) slot[(r) * N + (k) % N]
#define RUN (cpu == me)

byte slot[RINGS * N], index[RINGS], position[RINGS];
byte section[RINGS];	/* 0: in the pool */
byte held[RINGS], prev[RINGS];
bool closed[RINGS];	/* handed over; the consumer takes all and gives it back */
byte top, now = 1;	/* now: the section that a record emitted now belongs to */
byte cpu, done;
bool jump;

inline take(r) {
	r = 0;
	do
	:: r < RINGS && section[r] != 0 -> r++
	:: else -> break
	od;
	if
	:: r == RINGS -> r = NONE
	:: else -> index[r] = 0; position[r] = 0; held[r] = NONE; prev[r] = NONE; w = 0;
		do
		:: w < N -> slot[r * N + w] = FREE_FOR(w); w++
		:: else -> break
		od;
		w = 0
	fi
}
inline give(r) {
	section[r] = 0; closed[r] = 0; held[r] = 0; prev[r] = 0; index[r] = 0; position[r] = 0; w = 0;
	do
	:: w < N -> slot[r * N + w] = 0; w++
	:: else -> break
	od;
	w = 0
}
inline store() {
	assert(SLOT(r, k) == FREE_FOR(k) && k >= position[r] && k <= position[r] + N);
	assert(section[r] == now && !closed[r]);
	SLOT(r, k) = RECORD;
	k = 0; p = 0; w = 0; r = 0
}
inline lose() { k = 0; p = 0; w = 0; r = 0 }

inline append() {
	do
	:: atomic { RUN -> r = top }
	   atomic { RUN -> k = index[r] }
	   atomic { RUN -> index[r] = k + 1 }
	   if
	   :: atomic { RUN && SLOT(r, k) == FREE_FOR(k) -> skip }
	      atomic { RUN -> store(); break }
	   :: atomic { RUN && SLOT(r, k) != FREE_FOR(k) -> skip }
	      atomic { RUN -> p = position[r]; w = 0;
#if BROKEN != 2
		       if :: k < p -> k = p :: else fi
#endif
		     }
#if BROKEN == 1
	      if
	      :: atomic { RUN && k >= p + N -> index[r] = k }
		 atomic { RUN -> lose(); break }
	      :: atomic { RUN && k < p + N -> p = 0; k = 0 }
	      fi
#else
	      do
	      :: atomic { RUN && k >= p + N -> skip }
#if BROKEN != 6
		 atomic { RUN -> index[r] = k }
#endif
#ifdef HELD
		 if
		 :: atomic { RUN && SLOT(r, p) == FREE_FOR(p) -> take(g); if :: g != NONE -> section[g] = section[r]; prev[g] = prev[r] :: else fi }
		    if
		    :: atomic { RUN && g == NONE -> g = 0; lose(); w = 1; break }
#if BROKEN == 10
		    :: atomic { RUN && g != NONE -> held[g] = r; top = g; g = 0; break }
#elif BROKEN == 9
		    :: atomic { RUN && g != NONE && top == r -> held[g] = NONE; closed[r] = 1; top = g; g = 0; break }
		    :: atomic { RUN && g != NONE && top != r -> give(g); g = 0; break }
#else
		    :: atomic { RUN && g != NONE && top == r -> held[g] = r; top = g; g = 0; break }
		    :: atomic { RUN && g != NONE && top != r -> give(g); g = 0; break }
#endif
		    fi
		 :: atomic { RUN && SLOT(r, p) != FREE_FOR(p) -> lose(); w = 1; break }
		 fi
#else
		 atomic { RUN -> lose(); w = 1; break }
#endif
	      :: atomic { RUN && k < p + N -> index[r] = k + 1; w++; assert(w <= N) }
		 if
		 :: atomic { RUN && SLOT(r, k) == FREE_FOR(k) -> skip }
		    atomic { RUN -> store(); w = 1; break }
		 :: atomic { RUN && SLOT(r, k) != FREE_FOR(k) -> k++ }
		 fi
	      od;
	      /* w: done; else a fresh ring is on top: again from there */
	      if
	      :: atomic { RUN && w == 1 && r == 0 && k == 0 && p == 0 -> w = 0; break }
	      :: atomic { RUN && !(w == 1 && r == 0 && k == 0 && p == 0) -> w = 0; k = 0; p = 0; r = 0 }
	      fi
#endif
	   fi
	od
}

proctype level(byte me) {
	byte back, ops, r, k, p, w, g, mark, mine, was;
	if
	:: atomic { RUN && me == 0 -> ops = OPS0; mark = index[0] }
	:: atomic { me > 0 && cpu < me -> back = cpu; cpu = me; ops = (me == 1 -> OPS1 : OPS2) }
	fi;
	do
	:: atomic { RUN && ops > 0 && !(me == 0 && jump) -> ops-- }
#ifdef ABORT
	   { append() } unless { atomic { me == 0 && RUN && jump -> k = 0; p = 0; w = 0; r = 0; g = 0 } }
#else
	   append()
#endif
#ifdef FRAME
	:: atomic { RUN && me == 1 && ops > 0 && mine == 0 -> take(g);
		    if
		    :: g != NONE -> was = now; now = 2; section[g] = 2; prev[g] = top; top = g; mine = 1
		    :: else -> mine = 2
		    fi;
		    g = 0 }
	:: atomic { RUN && mine == 1 -> r = top; top = prev[r]; now = was; was = 0; mine = 2 }
	   do
	   :: atomic { RUN && r != NONE -> closed[r] = 1; g = held[r]; r = g; g = 0 }
	   :: atomic { RUN && r == NONE -> r = 0; break }
	   od
#endif
#ifdef ABORT
	:: atomic { RUN && me == 0 && jump -> jump = 0;
#if BROKEN != 8
		    if :: top == 0 && mark < index[0] -> index[0] = mark :: else fi;
#endif
		    /* what is emitted from here on fills the slot that the abandoned append claimed */
		    ops = 1 }
#endif
	:: atomic { RUN && ops == 0 && mine != 1 && !(me == 0 && jump) -> break }
	:: atomic { RUN && me > 0 && ops < OPS1 && mine != 1 -> ops = 0 } /* a handler may do less */
	od;
	if
	:: atomic { RUN && !(me == 0 && jump) -> done++; cpu = back; back = 0; mark = 0; mine = 0 }
#ifdef ABORT
	:: atomic { RUN && me == 1 && back == 0 && !jump -> done++; jump = 1; cpu = 0 }
	:: atomic { RUN && me == 0 && jump -> jump = 0; done++ }
#endif
	fi
}

proctype consumer() {
	byte r, w;
	do
	:: atomic { section[r] != 0 && !closed[r] && SLOT(r, position[r]) == RECORD -> skip }
#if BROKEN == 7
	   position[r] = position[r] + 1;
	   atomic { assert(SLOT(r, position[r] - 1) == RECORD); SLOT(r, position[r] - 1) = FREE_FOR(position[r] - 1 + N) }
#else
	   atomic { assert(SLOT(r, position[r]) == RECORD); SLOT(r, position[r]) = FREE_FOR(position[r] + N) }
	   position[r] = position[r] + 1
#endif
#if BROKEN == 3
	:: atomic { section[r] != 0 && !closed[r] && SLOT(r, position[r]) == FREE_FOR(position[r]) &&
		    SLOT(r, position[r] + 1) == RECORD -> SLOT(r, position[r]) = FREE_FOR(position[r] + N); position[r] = position[r] + 1 }
#endif
	:: atomic { section[r] != 0 && closed[r] -> give(r) }
#if RINGS > 1
	:: atomic { done < LEVELS -> r = (r + 1) % RINGS }
#endif
	:: atomic { done == LEVELS -> done++; break }
	od
}

init {
	byte i, w;
	atomic {
		take(i); section[0] = 1; prev[0] = NONE; top = 0;
		i = 0;
		do
		:: i < LEVELS -> run level(i); i++
		:: else -> break
		od;
		run consumer()
	}
	atomic { done == LEVELS + 1 ->
		 i = position[top];
		 do
		 :: i < index[top] -> assert(i < position[top] + N && SLOT(top, i) == RECORD); i++ /* no hole */
		 :: else -> break
		 od;
		 /* all that is left is the base section: what is on top and what it holds */
		 i = top;
		 do
		 :: i != NONE -> assert(section[i] == 1 && !closed[i]); section[i] = 0; i = held[i]
		 :: else -> break
		 od;
		 i = 0;
		 do
		 :: i < RINGS -> assert(section[i] == 0 || closed[i]); i++
		 :: else -> break
		 od }
}
