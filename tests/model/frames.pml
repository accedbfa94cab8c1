/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Linear areas: appends, frames pushed and popped, and areas that grow, in one context whose code is
 * interrupted by strictly nested handlers at every step. Sequentially consistent, as a handler sees its
 * own thread. What is modelled: include/covbuf/trace.h and the core's append, context and growth code.
 *
 * A slot stands for a record, so the four words of a CMP record are one slot here, and a guard slot is
 * room for one record. A store checks what must be true of it: the slot is free, its area is on the
 * stack (not handed over, not in the pool), and belongs to a section that the record was emitted in.
 * Each append ends stored, counted or filtered; filtered only where its mode is not collected. While a
 * push or pop is under way, a handler's record may go to either side of it. At the end everything that
 * was pushed has been handed over and no area has been left behind.
 *
 * BROKEN=0 holds, in all configurations of run.sh. These must fail:
 *   1 no test of the slot: the cursor is raised, then the slot is stored
 *   2 the slot is stored first, the cursor raised after it
 *   3 one guard slot
 *   4 the collector zeroes slots of an area in use (with COLLECTOR; its marks, BROKEN=0, hold)
 *   5 pop restores the cursor first, then the top
 *   6 push opens the new cursor first, then the top
 *   7 pop does not look whether a handler has grown the area meanwhile
 *   8 growing names the successor without looking, likewise
 *   9 a full area is handed over when it is replaced, not when the section stops
 *  10 a cursor in no area of the frame begins at the area's start again: a handler's handler then takes
 *     a slot that the interrupted append has claimed and tested but not filled
 *  11 push saves the cursor whether or not it is in the interrupted frame's area
 *  12 push shuts the old mode's cursor before it changes the top
 *  13 push leaves the other mode's cursor alone where the frame below has its own mode
 *  14 unwind leaves the cursor where it was (with UNWIND): the hole stays
 *  15 a longjmp out of a push, a pop or a growth (with UNWIND): the area in hand is left behind
 *  16 pop does not follow the frame below to its successor (with GROW)
 *  17 a context without a frame is shut whatever a handler did meanwhile (with UNBORN, ATTACH)
 *  18 a void frame that is replaced by an area is given back at once (with GROW, VOID)
 *
 * LEVELS handlers and their code; OPS0, OPS1, OPS2 operations of each; CAP slots and GUARD guard slots
 * of an area; AREAS in the pool; MODES; GROW; VOID: no area for a section is a frame that counts;
 * UNBORN: no frame yet, the first append opens the context; ATTACH: there may be no engine before;
 * COLLECTOR: marks what it has read; UNWIND: level 1 may leave by siglongjmp().
 */
#ifndef BROKEN
#define BROKEN 0
#endif
#ifndef LEVELS
#define LEVELS 3
#endif
#ifndef OPS0
#define OPS0 3
#endif
#ifndef OPS1
#define OPS1 3
#endif
#ifndef OPS2
#define OPS2 1
#endif
#ifndef CAP
#define CAP 2
#endif
#ifndef GUARD
#if BROKEN == 3
#define GUARD 1
#else
#define GUARD LEVELS
#endif
#endif
#ifndef AREAS
#define AREAS 4
#endif
#ifndef MODES
#define MODES 1
#endif

/* Slots: 0 is NULL; area a has CAP slots and GUARD guard slots; then two runs of words that are never free. */
#define WIDTH (CAP + GUARD)
#define AREA_OF(c) ((c) == 0 -> NONE : ((c) - 1) / WIDTH)
#define OFFSET(c) (((c) - 1) % WIDTH)
#define TRAP AREAS
#define UNBORN_WORDS (AREAS + 1)
#define FIRST(a) ((a) * WIDTH + 1)
#define END(a) (FIRST(a) + CAP)
#define FREE(c) (AREA_OF(c) < AREAS && OFFSET(c) < CAP && !((taken[AREA_OF(c) % AREAS] >> OFFSET(c)) & 1))
#define IN_WORDS(f, c) (AREA_OF(c) == (f) && OFFSET(c) < CAP)
#define IN_GUARD(f, c) (AREA_OF(c) == (f) && OFFSET(c) >= CAP)

/* Frames: one of each area, then void ones, one a level. */
#define FRAMES (AREAS + LEVELS)
#define NONE 99
#define IS_VOID(f) ((f) >= AREAS)
#define START(f) (IS_VOID(f) -> FIRST(TRAP) : FIRST(f))

#define FILTERED 1 /* bit 0 of a set of sections: the record may be filtered */
#define SECTION(id) (1 << (id))

byte cursor[2], top = NONE;
byte taken[AREAS];	/* slots in use, a bit each */
byte section[AREAS];	/* 0: in the pool */
byte mode[FRAMES], prev[FRAMES], saved[FRAMES], held[AREAS];
byte succ[FRAMES];	/* frame that took its place, and 1; 0: none */
byte owner[LEVELS];	/* of the void frames: their section */
byte voids;		/* void frames in use */
byte expect[2];		/* per mode: sections that a record emitted now may go to */
byte sections;		/* ever started */
byte cpu;		/* level that runs */
byte done;		/* levels that have finished */
byte consumed;		/* slots of area 0 that the collector has read */
bool attached = 1;
bool jump;		/* a handler left by longjmp */
bool busy0;		/* level 0 is in push, pop or growth */

#define RUN (cpu == me)
/* A step of level 0 that a longjmp cuts short leaves through the unless of its operation. */

inline take(a) {
	a = 0;
	do
	:: a < AREAS && section[a] != 0 -> a++
	:: else -> break
	od;
	if
	:: a == AREAS -> a = NONE
	:: else -> assert(taken[a] == 0); mode[a] = 0; held[a] = NONE; prev[a] = NONE; saved[a] = FIRST(a)
	fi
}

inline give(a) { taken[a] = 0; section[a] = 0; mode[a] = 0; held[a] = 0; prev[a] = 0; saved[a] = 0; succ[a] = 0 }

/* The frame that stands for the section of a now. */
inline latest(a) {
	do
	:: a != NONE && succ[a] != 0 -> a = succ[a] - 1
	:: else -> break
	od
}

/* What f has grown into takes its place on the stack, if that is still f: looked at, then stored. */
inline bring_up(f) {
	if
	:: atomic { RUN && top == f -> skip }
	   atomic { RUN -> top = succ[f] - 1 }
	:: atomic { RUN && top != f -> skip }
	fi
}

/* Name g the successor of f, if a handler has not named another. g: 0 if it has, and then it goes back. */
inline name_successor(f, g) {
	atomic { RUN ->
#if BROKEN == 8
		 succ[f] = g + 1
#else
		 if
		 :: succ[f] == 0 -> succ[f] = g + 1
		 :: else -> give(g); g = NONE
		 fi
#endif
	}
}

/* Void frames nest strictly, as sections do, so a count of them is enough: if a replaced one is kept until the stop. */
inline give_void(a) { assert(voids > 0); voids--; succ[a] = 0 }

inline end_stored() {
	assert(FREE(c));
	assert(section[AREA_OF(c)] != 0 && (want & SECTION(section[AREA_OF(c)])));
	assert(AREA_OF(c) != 0 || !((consumed >> OFFSET(c)) & 1));
	taken[AREA_OF(c)] = taken[AREA_OF(c)] | (1 << OFFSET(c));
	c = 0; f = 0; want = 0
}
inline end_counted() { assert(want & ~FILTERED); c = 0; f = 0; want = 0 }
inline end_filtered() { assert(want & FILTERED); c = 0; f = 0; want = 0 }

inline open_context(m) {
	if
	:: atomic { RUN && attached -> busy0 = (me == 0 -> 1 : busy0); take(g); assert(g != NONE); section[g] = 1; sections = (sections == 0 -> 1 : sections) }
	   if
	   :: atomic { RUN && top == NONE -> top = g; expect[0] = SECTION(1) | (cursor[0] == 0 -> FILTERED : 0); expect[1] = FILTERED }
	      atomic { RUN -> cursor[0] = START(g); expect[0] = SECTION(1); g = 0; busy0 = (me == 0 -> 0 : busy0) }
	   :: atomic { RUN && top != NONE -> give(g); g = 0; busy0 = (me == 0 -> 0 : busy0) }
	   fi
	   /* now there is a frame: again */
	:: atomic { RUN && !attached -> skip }
#if BROKEN == 17
	   atomic { RUN -> cursor[m] = 0 }
	   atomic { RUN -> end_filtered(); break }
#else
	   /* shut it, unless a handler has opened it: compare-and-swap from what the claim left */
	   atomic { RUN -> if :: cursor[m] == c + 1 -> cursor[m] = 0 :: else fi }
	   if
	   :: atomic { RUN && top == NONE -> end_filtered(); break }
	   :: atomic { RUN && top != NONE -> skip }
	   fi
#endif
	fi
}

/* f has a successor: g, or another's if that is NONE. On from where the cursor then stands. */
inline grown(m) {
	bring_up(f);
	atomic { RUN -> if :: g != NONE -> cursor[m] = START(g) :: else fi; g = 0; busy0 = (me == 0 -> 0 : busy0) }
	atomic { RUN -> c = cursor[m] }
	if
	:: atomic { RUN && c == 0 -> end_filtered(); break }
	:: atomic { RUN && c != 0 -> cursor[m] = c + 1; f = 0 }
	fi
}

inline append(m) {
	atomic { RUN -> c = cursor[m]; want = expect[m] }
	if
	:: atomic { RUN && c == 0 -> end_filtered() }
#if BROKEN == 1
	:: atomic { RUN && c != 0 -> cursor[m] = c + 1 }
	   if
	   :: atomic { RUN && OFFSET(c) < CAP -> end_stored() }
	   :: atomic { RUN && OFFSET(c) >= CAP -> cursor[m] = c; end_counted() }
	   fi
#elif BROKEN == 2
	:: atomic { RUN && c != 0 && !FREE(c) -> end_counted() }
	:: atomic { RUN && c != 0 && FREE(c) -> skip }
	   atomic { RUN -> f = c; end_stored(); c = AREA_OF(f) }
	   atomic { RUN -> cursor[m] = cursor[m] + 1; c = 0 }
#else
	:: atomic { RUN && c != 0 -> cursor[m] = c + 1 }
	   do
	   :: atomic { RUN && FREE(c) -> skip }
	      atomic { RUN -> end_stored(); break }
	   :: atomic { RUN && !FREE(c) -> f = top }
	      if
	      :: atomic { RUN && f == NONE && AREA_OF(c) == UNBORN_WORDS -> skip }
		 open_context(m)
	      :: atomic { RUN && ((f == NONE && AREA_OF(c) != UNBORN_WORDS) || (f != NONE && mode[f] != m)) -> skip }
		 atomic { RUN -> cursor[m] = 0; end_filtered(); break }
	      :: atomic { RUN && f != NONE && mode[f] == m && IS_VOID(f) -> cursor[m] = START(f) }
#if defined(GROW) && defined(VOID)
		 if
		 :: atomic { RUN && succ[f] == 0 -> end_counted(); break }
		 :: atomic { RUN && succ[f] != 0 -> g = NONE }
		    grown(m)
		 :: atomic { RUN && succ[f] == 0 -> take(g); if :: g != NONE -> section[g] = owner[f - AREAS]; mode[g] = m; prev[g] = prev[f]; held[g] = f :: else fi }
		    if
		    :: atomic { RUN && g == NONE -> g = 0; end_counted(); break }
		    :: atomic { RUN && g != NONE -> skip }
		       name_successor(f, g)
#if BROKEN == 18
		       atomic { RUN -> if :: g != NONE -> held[g] = NONE; give_void(f) :: else fi }
#endif
		       grown(m)
		    fi
		 fi
#else
		 atomic { RUN -> end_counted(); break }
#endif
	      :: atomic { RUN && f != NONE && mode[f] == m && !IS_VOID(f) && IN_GUARD(f, c) -> busy0 = (me == 0 -> 1 : busy0) }
#ifdef GROW
		 atomic { RUN -> cursor[m] = END(f);
			  if
			  :: succ[f] != 0 -> g = NONE
			  :: else -> take(g); if :: g != NONE -> section[g] = section[f] :: else fi
			  fi }
#else
		 atomic { RUN -> g = NONE; cursor[m] = END(f) }
#endif
		 if
		 :: atomic { RUN && g == NONE && succ[f] == 0 -> g = 0; busy0 = (me == 0 -> 0 : busy0) }
		    atomic { RUN -> end_counted(); break }
#ifdef GROW
		 :: atomic { RUN && g == NONE && succ[f] != 0 -> skip }
		    grown(m)
		 :: atomic { RUN && g != NONE -> mode[g] = m; prev[g] = prev[f]; held[g] = f }
		    name_successor(f, g)
#if BROKEN == 9
		    atomic { RUN -> if :: g != NONE -> held[g] = NONE; top = g; give(f) :: else fi }
#endif
		    grown(m)
#endif
		 fi
	      :: atomic { RUN && f != NONE && mode[f] == m && !IS_VOID(f) && AREA_OF(c) != f ->
#if BROKEN == 10
		 cursor[m] = START(f)
#else
		 cursor[m] = saved[f]
#endif
		 }
		 atomic { RUN -> c = cursor[m] }
		 if
		 :: atomic { RUN && c == 0 -> end_filtered(); break }
		 :: atomic { RUN && c != 0 -> cursor[m] = c + 1; f = 0 }
		 fi
	      :: atomic { RUN && f != NONE && mode[f] == m && !IS_VOID(f) && IN_WORDS(f, c) -> c = cursor[m] }
		 if
		 :: atomic { RUN && c == 0 -> end_filtered(); break }
		 :: atomic { RUN && c != 0 -> cursor[m] = c + 1; f = 0 }
		 fi
	      fi
	   od
#endif
	fi
}

/* A section of mode m, whose frame is mine until it is popped. */
inline start(m) {
	atomic { RUN -> busy0 = (me == 0 -> 1 : busy0);
		 outer0 = expect[0]; outer1 = expect[1]; sections++; id = sections;
		 expect[m] = expect[m] | SECTION(id); expect[1 - m] = expect[1 - m] | FILTERED }
	if
	:: atomic { RUN -> take(g); if :: g != NONE -> section[g] = id; mode[g] = m :: else fi }
#ifdef VOID
	:: atomic { RUN -> g = NONE }
#endif
	fi;
	if
	:: atomic { RUN && g != NONE -> skip }
	:: atomic { RUN && g == NONE -> g = voids; assert(g < LEVELS) }
	   atomic { RUN -> voids = g + 1 }
	   atomic { RUN -> owner[g] = id; g = AREAS + g; mode[g] = m; saved[g] = START(g) }
	fi;
	do
	:: atomic { RUN -> f = top }
	   if
	   :: atomic { RUN && f != NONE -> c = cursor[mode[f]] }
	   :: atomic { RUN && f == NONE -> skip }
	   fi
	   atomic { RUN -> prev[g] = f;
		    if
#if BROKEN == 11 || BROKEN == 12
		    :: f != NONE -> saved[f] = c
#else
		    :: f != NONE && (AREA_OF(c) == f || (c != 0 && IS_VOID(f) && AREA_OF(c) == TRAP)) -> saved[f] = c
#endif
		    :: else
		    fi; c = 0 }
#if BROKEN == 12
	   if
	   :: atomic { RUN && f != NONE && mode[f] != m -> cursor[mode[f]] = 0 }
	   :: atomic { RUN && (f == NONE || mode[f] == m) -> skip }
	   fi
#endif
#if BROKEN == 6
	   atomic { RUN -> cursor[m] = START(g) }
#endif
	   atomic { RUN -> top = g; break }
	od;
#if BROKEN != 12
#if BROKEN == 13
	if
	:: atomic { RUN && f != NONE && mode[f] != m -> cursor[1 - m] = 0 }
	:: atomic { RUN && (f == NONE || mode[f] == m) -> skip }
	fi;
#else
	atomic { RUN -> cursor[1 - m] = 0 }
#endif
#endif
	atomic { RUN ->
#if BROKEN != 6
		 cursor[m] = START(g);
#endif
		 expect[m] = SECTION(id); expect[1 - m] = FILTERED;
		 f = 0; g = 0; busy0 = (me == 0 -> 0 : busy0) }
}

inline stop() {
	atomic { RUN -> busy0 = (me == 0 -> 1 : busy0); expect[0] = expect[0] | outer0; expect[1] = expect[1] | outer1 }
	do
	:: atomic { RUN -> f = top; assert(f != NONE); assert(prev[f] != f); assert((IS_VOID(f) -> owner[f - AREAS] : section[f]) == id) }
#if BROKEN == 5
	   atomic { RUN -> g = prev[f] }
	   atomic { RUN -> if :: g == NONE || mode[g] != mode[f] -> cursor[mode[f]] = 0 :: else fi }
	   atomic { RUN -> if :: g != NONE -> cursor[mode[g]] = saved[g] :: else fi }
	   atomic { RUN -> top = prev[f]; break }
#else
	   atomic { RUN -> g = prev[f] }
#if BROKEN != 16
	   atomic { RUN -> latest(g) }
#endif
	   atomic { RUN -> top = g; break }
#endif
	od;
#if BROKEN != 7
	atomic { RUN -> latest(f) }
#endif
#if BROKEN != 5
	atomic { RUN -> if :: g == NONE || mode[g] != mode[f] -> cursor[mode[f]] = 0 :: else fi }
	atomic { RUN -> if :: g != NONE -> cursor[mode[g]] = saved[g] :: else fi }
#endif
	atomic { RUN -> expect[0] = outer0; expect[1] = outer1; outer0 = 0; outer1 = 0; id = 0; g = 0 }
	hand_over()
	atomic { RUN -> busy0 = (me == 0 -> 0 : busy0) }
}

/* The chain of f, which is on no stack any more. */
inline hand_over() {
	do
	:: atomic { RUN && f != NONE && !IS_VOID(f) -> assert(section[f] != 0); g = held[f]; give(f); f = g; g = 0 }
	:: atomic { RUN && f != NONE && IS_VOID(f) -> give_void(f); f = NONE }
	:: atomic { RUN && f == NONE -> f = 0; break }
	od
}

proctype level(byte me) {
	byte back, ops, c, f, g, id, want, outer0, outer1;
#ifdef UNWIND
	byte mark, jumped;
#endif
	if
	:: atomic { RUN && me == 0 -> ops = OPS0;
#ifdef UNWIND
		    mark = cursor[0]
#endif
		  }
	:: atomic { me > 0 && cpu < me -> back = cpu; cpu = me; ops = (me == 1 -> OPS1 : OPS2) }
	fi;
	do
	:: atomic { RUN && ops > 0 && !(me == 0 && jump) -> ops-- }
#ifdef UNWIND
	   { append(0) } unless { atomic { me == 0 && RUN && jump -> c = 0; f = 0; g = 0; want = 0 } }
#else
	   append(0)
#endif
#if MODES == 2
	:: atomic { RUN && ops > 0 && !(me == 0 && jump) -> ops-- }
	   append(1)
#endif
	:: atomic { RUN && ops > 0 && id == 0 && sections < 6 && top != NONE && !(me == 0 && jump) -> ops-- }
#ifdef UNWIND
	   { start(0) } unless { atomic { me == 0 && RUN && jump -> c = 0; f = 0; g = 0 } }
#else
	   if
	   :: start(0)
#if MODES == 2
	   :: start(1)
#endif
	   fi
#endif
	:: atomic { RUN && id != 0 && !(me == 0 && jump) -> skip }
#ifdef UNWIND
	   { stop() } unless { atomic { me == 0 && RUN && jump -> c = 0; f = 0; g = 0 } }
#else
	   stop()
#endif
#ifdef UNWIND
	:: atomic { RUN && me == 0 && jump -> jump = 0; busy0 = 0; jumped = 1 }
	   /* covbuf_unwind(): pop what is above the frame of the mark, put the cursor back. Nothing interrupts it here. */
	   atomic { RUN -> 
		do
		:: prev[top] != NONE -> f = top; latest(f); g = prev[f]; latest(g); top = g;
			do
			:: f != NONE && !IS_VOID(f) -> g = held[f]; give(f); f = g
			:: f != NONE && IS_VOID(f) -> give_void(f); f = NONE
			:: f == NONE -> break
			od
		:: else -> break
		od;
		f = 0; g = 0; id = 0; c = 0; outer0 = 0; outer1 = 0; want = 0;
#if BROKEN != 14
		cursor[0] = (AREA_OF(mark) == top -> mark : saved[top]);
#endif
		expect[0] = SECTION(1); expect[1] = FILTERED }
#endif
	:: atomic { RUN && ops == 0 && id == 0 && !(me == 0 && jump) -> break }
	:: atomic { RUN && me > 0 && ops < OPS1 && id == 0 -> ops = 0 } /* a handler may do less */
	od;
	if
	:: atomic { RUN && me > 0 -> done++; cpu = back; back = 0 }
#ifdef UNWIND
#if BROKEN == 15
	:: atomic { RUN && me == 1 && back == 0 && done < LEVELS && !jump -> done++; jump = 1; cpu = 0 }
#else
	:: atomic { RUN && me == 1 && back == 0 && !busy0 && !jump -> done++; jump = 1; cpu = 0 }
#endif
#endif
	:: atomic { RUN && me == 0 -> skip }
#ifdef UNWIND
	   if
	   :: jump -> atomic { RUN -> jump = 0 }	/* nothing was interrupted */
	   :: else
	   fi;
	   if
	   :: jumped -> append(0)
	   :: else
	   fi;
#endif
	   atomic { RUN -> done++ }
	fi
}

#ifdef COLLECTOR
proctype collector() {
	byte at;
	do
	:: atomic { at < CAP && section[0] == 1 && ((taken[0] >> at) & 1) -> consumed = consumed | (1 << at);
#if BROKEN == 4
		    taken[0] = taken[0] & ~(1 << at);
#endif
		    at++ }
	:: atomic { done == LEVELS -> at = 0; break }
	od
}
#endif

init {
	byte i;
	atomic {
#ifdef UNBORN
		cursor[0] = FIRST(UNBORN_WORDS); cursor[1] = FIRST(UNBORN_WORDS);
		expect[0] = SECTION(1); expect[1] = FILTERED; sections = 1;
#ifdef ATTACH
		attached = 0; expect[0] = SECTION(1) | FILTERED;
#endif
#else
		section[0] = 1; sections = 1; prev[0] = NONE; held[0] = NONE; saved[0] = FIRST(0); top = 0;
		cursor[0] = FIRST(0); expect[0] = SECTION(1); expect[1] = FILTERED;
#endif
		i = 0;
		do
		:: i < LEVELS -> run level(i); i++
		:: else -> break
		od;
#ifdef COLLECTOR
		run collector();
#endif
		i = 0
	}
#ifdef ATTACH
	attached = 1;
#endif
	/* A handler that has not come by the end does not come. */
	atomic { done == LEVELS ->
		 assert(top == NONE || (mode[top] == 0 && cursor[0] != 0 && prev[top] == NONE));
		 i = top;
		 latest(i);
		 do
		 :: i != NONE -> assert(section[i] == 1); section[i] = 0;
#if defined(UNWIND) && !defined(GROW)
			assert((taken[i] & (taken[i] + 1)) == 0); /* no hole */
#endif
			i = held[i]
		 :: else -> break
		 od;
		 i = 0;
		 do
		 :: i < AREAS -> assert(section[i] == 0); i++
		 :: else -> break
		 od;
		 assert(voids == 0) }
}
